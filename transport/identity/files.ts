/**
 * How identity files are read and written: JSON documents whose "grapevine" field says what they
 * are, owner-only permissions, written whole or not at all. Every error names the file and says
 * what to do.
 */
import {
  closeSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { GrapevineError } from "../../core/errors.ts";
import { isRecord } from "../../core/trust/fields.ts";

/** Far above any bundle; keeps a wrong path from being read into memory. */
const IDENTITY_FILE_BYTES_MAX = 256 * 1024;
export const FILE_VERSION = 1;

export type IdentityFileKind = "identity" | "authority";

export interface ReadFile {
  readonly bytes: Buffer;
  /** Set if somebody besides the owner may read it. */
  readonly warning: string | undefined;
}

/** Reads a file that holds a secret. Throws `identity_missing` or `identity_invalid`. */
export function readSecretFile(path: string, remedy: string): ReadFile {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new GrapevineError(
      missing ? "identity_missing" : "identity_invalid",
      missing ? `${path} does not exist; ${remedy}` : `${path} cannot be read: ${message(cause)}`,
      { cause },
    );
  }
  try {
    const { mode, size } = fstatSync(file);
    if (size > IDENTITY_FILE_BYTES_MAX) throw invalid(path, "it is far too large", remedy);
    const open = process.platform !== "win32" && (mode & 0o077) !== 0;
    const octal = (mode & 0o777).toString(8).padStart(4, "0");
    return {
      bytes: readFileSync(file),
      warning: open
        ? `${path} holds a private key but has mode ${octal}; run: chmod 600 ${path}`
        : undefined,
    };
  } catch (cause) {
    if (cause instanceof GrapevineError) throw cause;
    throw invalid(path, message(cause), remedy);
  } finally {
    closeSync(file);
  }
}

/** The JSON document of the wanted kind. Throws `identity_invalid`. */
export function parseIdentityFile(
  path: string,
  bytes: Uint8Array,
  kind: IdentityFileKind,
  remedy: string,
): Record<string, unknown> {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    throw invalid(path, "it is not JSON (cut off, or another kind of file)", remedy);
  }
  if (!isRecord(document) || document["grapevine"] !== kind) {
    throw invalid(path, `it is not a Grapevine ${kind} file`, remedy);
  }
  const version = document["version"];
  if (version !== FILE_VERSION) {
    throw invalid(path, `its version is ${String(version)}, known is ${FILE_VERSION}`, remedy);
  }
  return document;
}

/** A bytes field in base64; undefined if it is not one. */
export function base64Field(value: unknown): Uint8Array | undefined {
  if (typeof value !== "string" || !/^[A-Za-z0-9+/]+={0,2}$/.test(value)) return undefined;
  return new Uint8Array(Buffer.from(value, "base64"));
}

export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

/**
 * Writes with mode 0600, flushed to disk, and visible under its name only when whole. With
 * `exclusive` an existing file is an error (EEXIST).
 */
export function writeSecretFile(path: string, text: string, exclusive = false): void {
  const temporary = exclusive ? path : `${path}.${process.pid}.tmp`;
  if (!exclusive) rmSync(temporary, { force: true });
  const file = openSync(temporary, "wx", 0o600);
  try {
    fchmodSync(file, 0o600);
    writeSync(file, text);
    fsyncSync(file);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw cause;
  } finally {
    closeSync(file);
  }
  if (!exclusive) renameSync(temporary, path);
  flushFolder(dirname(path));
}

export function invalid(path: string, why: string, remedy: string): GrapevineError {
  return new GrapevineError("identity_invalid", `${path} cannot be used: ${why}; ${remedy}`);
}

export function message(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** Makes a rename durable; a file system that cannot do it does not need it. */
function flushFolder(path: string): void {
  try {
    const folder = openSync(path, "r");
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch {
    // Some file systems refuse to open or flush a folder.
  }
}
