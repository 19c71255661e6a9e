/**
 * The trust domain's offline authority: a folder with its key, and a list of what it has issued.
 * It certifies nodes; it never runs on an agent. The list exists so that a node can later be
 * revoked by name.
 */
import { randomBytes } from "node:crypto";
import { appendFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { GrapevineError } from "../../core/errors.ts";
import { isLabel } from "../../core/names.ts";
import {
  CERTIFICATE_SERVICES_MAX,
  isServicePattern,
  issueCertificate,
} from "../../core/trust/certificate.ts";
import { isPlace, isTrustDomain } from "../../core/trust/fields.ts";
import type { NodeId } from "../../core/types.ts";
import { makeFolder } from "../storage/make-folder.ts";
import { formatBundle } from "./bundle.ts";
import {
  FILE_VERSION,
  invalid,
  message,
  parseIdentityFile,
  readSecretFile,
  writeSecretFile,
} from "./files.ts";
import { openKey, sealKey } from "./sealed-key.ts";
import { KeySigner, newSeed } from "./signing.ts";

export const AUTHORITY_FILE = "authority.json";
const ISSUED_FILE = "issued.jsonl";
const CERTIFICATE_TTL_MS = 90 * 86_400_000;
/** Longer than any machine: keeps a typing error from making a certificate for ever. */
const CERTIFICATE_TTL_MS_MAX = 10 * 366 * 86_400_000;
const REMEDY = 'make an authority with "grapevine ca init DIR --trust-domain NAME"';

export interface Authority {
  readonly trustDomain: string;
  readonly signer: KeySigner;
  /** Set if the key lies readable for others. */
  readonly warning: string | undefined;
}

/** Makes the folder (mode 0700) and a new key in it; an existing authority is never overwritten. */
export function createAuthority(
  dir: string,
  trustDomain: string,
  passphrase: string | undefined,
): { readonly id: NodeId; readonly path: string } {
  if (!isTrustDomain(trustDomain)) {
    throw new GrapevineError(
      "invalid_argument",
      `trust domain "${trustDomain}" is not valid: lower-case letters, digits, ".", "_" and "-", ` +
        `with a letter or digit at both ends`,
    );
  }
  const path = join(dir, AUTHORITY_FILE);
  if (existsSync(path)) {
    throw new GrapevineError(
      "conflict",
      `${path} already exists; an authority is never overwritten. Choose another folder`,
    );
  }
  const seed = newSeed();
  const signer = new KeySigner(seed);
  const document = {
    grapevine: "authority",
    version: FILE_VERSION,
    trustDomain,
    id: signer.id,
    createdAt: new Date().toISOString(),
    key: sealKey(seed, passphrase === "" ? undefined : passphrase),
  };
  try {
    makeFolder(dir, 0o700);
    writeSecretFile(path, `${JSON.stringify(document, null, 2)}\n`, true);
  } catch (cause) {
    throw new GrapevineError(
      "data_dir_invalid",
      `the authority cannot be written to ${dir}: ${message(cause)}; check that you may write there`,
      { cause },
    );
  }
  return { id: signer.id, path };
}

/** Opens the key. Throws `identity_missing`, `identity_invalid`, or `forbidden` (passphrase). */
export function openAuthority(dir: string, passphrase: string | undefined): Authority {
  const path = join(dir, AUTHORITY_FILE);
  const { bytes, warning } = readSecretFile(path, REMEDY);
  const document = parseIdentityFile(path, bytes, "authority", REMEDY);
  const { trustDomain, id } = document;
  if (!isTrustDomain(trustDomain)) throw invalid(path, "its trust domain is malformed", REMEDY);
  const key = openKey(document["key"], passphrase);
  if (!key.ok) {
    if (key.why === "malformed") throw invalid(path, "its key is malformed", REMEDY);
    throw new GrapevineError(
      "forbidden",
      key.why === "passphrase_needed"
        ? `${path} is protected by a passphrase; set GRAPEVINE_CA_PASSPHRASE or type it when asked`
        : `the passphrase does not open ${path}`,
    );
  }
  const signer = new KeySigner(key.seed);
  if (signer.id !== id) throw invalid(path, "its key and its id do not belong together", REMEDY);
  return { trustDomain, signer, warning };
}

export interface IssueRequest {
  /** The authority's folder. */
  readonly dir: string;
  readonly passphrase: string | undefined;
  /** The node's name, a DNS label. */
  readonly name: string;
  /** Default "": the node chooses. */
  readonly zone?: string;
  readonly region?: string;
  /** "NAMESPACE/NAME" patterns with "*". Default: any service. */
  readonly services?: readonly string[];
  /** Default 90 days. */
  readonly ttlMs?: number;
}

export interface Issued {
  /** The bundle file's text. Secret: it holds the private key. */
  readonly bundle: string;
  readonly id: NodeId;
  readonly serial: string;
  /** Unix milliseconds. */
  readonly notAfter: number;
  readonly warnings: readonly string[];
}

/** Makes a key and certifies it. Throws `invalid_argument`, or what openAuthority throws. */
export function issueIdentity(request: IssueRequest): Issued {
  const { name, zone = "", region = "", services = ["*/*"], ttlMs = CERTIFICATE_TTL_MS } = request;
  checkRequest(name, zone, region, services, ttlMs);
  const authority = openAuthority(request.dir, request.passphrase);
  const seed = newSeed();
  const { id } = new KeySigner(seed);
  const notBefore = Date.now();
  const notAfter = notBefore + Math.floor(ttlMs);
  const serial = newSerial();
  const certificate = issueCertificate(
    {
      trustDomain: authority.trustDomain,
      peer: id,
      name,
      zone,
      region,
      services,
      notBefore,
      notAfter,
      serial,
    },
    authority.signer,
  );
  const entry = { serial, name, peer: id, notBefore, notAfter };
  const ledger = join(request.dir, ISSUED_FILE);
  try {
    appendFileSync(ledger, `${JSON.stringify(entry)}\n`, { mode: 0o600, flush: true });
  } catch (cause) {
    throw new GrapevineError(
      "data_dir_invalid",
      `${ledger} cannot be written: ${message(cause)}; what is issued must be listed, so that it ` +
        `can be revoked`,
      { cause },
    );
  }
  const { trustDomain, signer, warning } = authority;
  const bundle = formatBundle({ trustDomain, seed, certificate, roots: [signer.id] });
  return { bundle, id, serial, notAfter, warnings: warning === undefined ? [] : [warning] };
}

/** 16 random bytes in hex. */
export function newSerial(): string {
  return randomBytes(16).toString("hex");
}

function checkRequest(
  name: string,
  zone: string,
  region: string,
  services: readonly string[],
  ttlMs: number,
): void {
  const wrong = (what: string) => new GrapevineError("invalid_argument", what);
  if (!isLabel(name)) {
    throw wrong(`name "${name}" is not a DNS label: 1 to 63 of a-z, 0-9 and "-"`);
  }
  for (const [what, place] of Object.entries({ zone, region })) {
    if (!isPlace(place)) {
      throw wrong(`${what} "${place}" is not valid: up to 63 letters, digits, ".", "_" and "-"`);
    }
  }
  if (services.length > CERTIFICATE_SERVICES_MAX) {
    throw wrong(`${services.length} service patterns; at most ${CERTIFICATE_SERVICES_MAX}`);
  }
  const odd = services.find((pattern) => !isServicePattern(pattern));
  if (odd !== undefined) {
    throw wrong(`service pattern "${odd}" is not NAMESPACE/NAME (with "*" for any characters)`);
  }
  if (!(ttlMs >= 1_000 && ttlMs <= CERTIFICATE_TTL_MS_MAX)) {
    throw wrong("the time to live must be between 1 second and 10 years");
  }
}
