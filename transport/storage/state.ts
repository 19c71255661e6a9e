/**
 * What an agent keeps over restarts, in its data directory. Registrations, forwards, the epoch
 * and the name are on disk when a call returns, since somebody was told so. Peers and documents
 * are only a quicker start: they are gathered and written once a second in one transaction, and
 * lost by a crash within that second.
 */
import { join, resolve } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { GrapevineError } from "../../core/errors.ts";
import { MEMBERS_MAX } from "../../core/limits.ts";
import type { NodeId } from "../../core/types.ts";
import { lockDataDir, unusable } from "./data-dir.ts";
import { openDatabase } from "./database.ts";
import type { HeldLock } from "./directory-lock.ts";
import { readEpoch, writeEpoch } from "./epoch-file.ts";

const WRITE_BEHIND_MS = 1_000;
/** After a failed write: disks that are full stay so for a while. */
const RETRY_MS = 30_000;

export interface RegistrationKey {
  readonly namespace: string;
  readonly name: string;
  readonly id: string;
}

export interface StoredRegistration extends RegistrationKey {
  /** Plain JSON data, as it was put. */
  readonly document: unknown;
}

export interface KnownPeer {
  readonly id: NodeId;
  /** HOST:PORT of its control plane. */
  readonly bind: string;
  /** Unix milliseconds. */
  readonly lastSeen: number;
}

export interface StoredDocument {
  readonly owner: NodeId;
  readonly bytes: Uint8Array;
}

export interface AgentState {
  /** What the operator should know about opening it: a damaged database, for example. */
  readonly warnings: readonly string[];
  /** The name that this agent had last; undefined on the first start. */
  nodeName(): string | undefined;
  setNodeName(name: string): void;
  /**
   * An epoch above every earlier one and not below the wall clock (ms), on disk when it returns.
   */
  nextEpoch(wallMs: number): number;
  registrations(): StoredRegistration[];
  registration(key: RegistrationKey): unknown;
  putRegistration(key: RegistrationKey, document: unknown): void;
  /** False if there was none. */
  deleteRegistration(key: RegistrationKey): boolean;
  forwards(): { readonly key: string; readonly document: unknown }[];
  putForward(key: string, document: unknown): void;
  deleteForward(key: string): boolean;
  /** Most recently seen first. */
  knownPeers(): KnownPeer[];
  putKnownPeer(peer: KnownPeer): void;
  documents(): StoredDocument[];
  putDocument(owner: NodeId, bytes: Uint8Array): void;
  deleteDocument(owner: NodeId): void;
  /** Writes what is pending and gives the directory free. */
  close(): void;
}

export interface OpenStateOptions {
  /** Hears when peers or documents cannot be written (they are tried again). */
  readonly onWarning?: (warning: string) => void;
}

/**
 * Locks and opens a data directory. Throws `data_dir_in_use` or `data_dir_invalid`; later calls
 * throw `storage_failed`, for example when the disk is full, and change nothing then.
 */
export function openState(dir: string, options: OpenStateOptions = {}): AgentState {
  const path = resolve(dir);
  const lock = lockDataDir(path);
  try {
    const { database, warning } = openDatabase(join(path, "state.db"));
    const warnings = warning === undefined ? [] : [warning];
    return new SqliteState(path, database, lock, warnings, options.onWarning);
  } catch (cause) {
    lock.release();
    throw cause instanceof GrapevineError ? cause : unusable(path, cause);
  }
}

class SqliteState implements AgentState {
  readonly warnings: readonly string[];
  readonly #dir: string;
  readonly #database: DatabaseSync;
  readonly #lock: HeldLock;
  readonly #onWarning: ((warning: string) => void) | undefined;
  /** Newest state of each row that is not written yet; undefined deletes. */
  #pendingPeers = new Map<NodeId, KnownPeer>();
  #pendingDocuments = new Map<NodeId, Uint8Array | undefined>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    dir: string,
    database: DatabaseSync,
    lock: HeldLock,
    warnings: readonly string[],
    onWarning: ((warning: string) => void) | undefined,
  ) {
    this.#dir = dir;
    this.#database = database;
    this.#lock = lock;
    this.warnings = warnings;
    this.#onWarning = onWarning;
  }

  nodeName(): string | undefined {
    return this.#fact("name");
  }

  setNodeName(name: string): void {
    this.#setFact("name", name);
  }

  nextEpoch(wallMs: number): number {
    const file = join(this.#dir, "epoch");
    const kept = Math.max(readEpoch(file), Number(this.#fact("epoch") ?? 0));
    const epoch = Math.max(kept + 1, Math.floor(wallMs));
    this.#setFact("epoch", String(epoch));
    this.#guard("the epoch", () => writeEpoch(file, epoch));
    return epoch;
  }

  registrations(): StoredRegistration[] {
    const rows = this.#all("SELECT * FROM registrations ORDER BY namespace, name, id");
    return rows.flatMap(({ namespace, name, id, document }) => {
      const read = parsed(document);
      const key = { namespace: String(namespace), name: String(name), id: String(id) };
      return read === undefined ? [] : [{ ...key, document: read }];
    });
  }

  registration(key: RegistrationKey): unknown {
    const row = this.#guard("a registration", () =>
      this.#database
        .prepare("SELECT document FROM registrations WHERE namespace = ? AND name = ? AND id = ?")
        .get(key.namespace, key.name, key.id),
    );
    return parsed(row?.["document"]);
  }

  putRegistration(key: RegistrationKey, document: unknown): void {
    this.#durably(
      `registration ${key.namespace}/${key.name}/${key.id}`,
      "INSERT INTO registrations VALUES (?, ?, ?, ?) " +
        "ON CONFLICT DO UPDATE SET document = excluded.document",
      [key.namespace, key.name, key.id, JSON.stringify(document)],
    );
  }

  deleteRegistration(key: RegistrationKey): boolean {
    const changes = this.#durably(
      `registration ${key.namespace}/${key.name}/${key.id}`,
      "DELETE FROM registrations WHERE namespace = ? AND name = ? AND id = ?",
      [key.namespace, key.name, key.id],
    );
    return changes > 0;
  }

  forwards(): { readonly key: string; readonly document: unknown }[] {
    return this.#all("SELECT * FROM forwards ORDER BY key").flatMap(({ key, document }) => {
      const read = parsed(document);
      return read === undefined ? [] : [{ key: String(key), document: read }];
    });
  }

  putForward(key: string, document: unknown): void {
    this.#durably(
      `forward ${key}`,
      "INSERT INTO forwards VALUES (?, ?) ON CONFLICT DO UPDATE SET document = excluded.document",
      [key, JSON.stringify(document)],
    );
  }

  deleteForward(key: string): boolean {
    return this.#durably(`forward ${key}`, "DELETE FROM forwards WHERE key = ?", [key]) > 0;
  }

  knownPeers(): KnownPeer[] {
    this.#writePending();
    return this.#all("SELECT * FROM peers ORDER BY last_seen DESC, id").map((row) => ({
      id: String(row["id"]) as NodeId,
      bind: String(row["bind"]),
      lastSeen: Number(row["last_seen"]),
    }));
  }

  putKnownPeer(peer: KnownPeer): void {
    this.#pendingPeers.set(peer.id, peer);
    this.#writeLater(WRITE_BEHIND_MS);
  }

  documents(): StoredDocument[] {
    this.#writePending();
    return this.#all("SELECT * FROM documents ORDER BY owner").flatMap(({ owner, bytes }) =>
      bytes instanceof Uint8Array ? [{ owner: String(owner) as NodeId, bytes }] : [],
    );
  }

  putDocument(owner: NodeId, bytes: Uint8Array): void {
    this.#pendingDocuments.set(owner, bytes);
    this.#writeLater(WRITE_BEHIND_MS);
  }

  deleteDocument(owner: NodeId): void {
    this.#pendingDocuments.set(owner, undefined);
    this.#writeLater(WRITE_BEHIND_MS);
  }

  close(): void {
    if (this.#closed) return;
    this.#writePending();
    this.#closed = true;
    clearTimeout(this.#timer);
    try {
      this.#database.close();
    } finally {
      this.#lock.release();
    }
  }

  #fact(key: string): string | undefined {
    const row = this.#guard("the state", () =>
      this.#database.prepare("SELECT value FROM facts WHERE key = ?").get(key),
    );
    return row === undefined ? undefined : String(row["value"]);
  }

  #setFact(key: string, value: string): void {
    this.#durably(
      `the ${key}`,
      "INSERT INTO facts VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
      [key, value],
    );
  }

  #all(query: string): Record<string, unknown>[] {
    return this.#guard("the state", () => this.#database.prepare(query).all());
  }

  /** One change that is flushed to the disk before it returns. */
  #durably(what: string, query: string, values: string[]): number {
    return this.#guard(what, () => {
      this.#database.exec("PRAGMA synchronous = FULL");
      try {
        return Number(this.#database.prepare(query).run(...values).changes);
      } finally {
        this.#database.exec("PRAGMA synchronous = NORMAL");
      }
    });
  }

  #guard<Result>(what: string, run: () => Result): Result {
    try {
      return run();
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new GrapevineError(
        "storage_failed",
        `${what} could not be stored in or read from ${this.#dir}: ${why}; check the disk's free ` +
          `space and health`,
        { cause },
      );
    }
  }

  #writeLater(delayMs: number): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#writePending();
    }, delayMs);
    this.#timer.unref();
  }

  /** Keeps what cannot be written now and tries again later. */
  #writePending(): void {
    if (this.#closed || (this.#pendingPeers.size === 0 && this.#pendingDocuments.size === 0))
      return;
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      try {
        this.#writePeers();
        this.#writeDocuments();
        this.#database.exec("COMMIT");
      } catch (error) {
        if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
        throw error;
      }
      this.#pendingPeers.clear();
      this.#pendingDocuments.clear();
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      this.#onWarning?.(`what is known of the mesh could not be stored in ${this.#dir}: ${why}`);
      this.#writeLater(RETRY_MS);
    }
  }

  #writePeers(): void {
    if (this.#pendingPeers.size === 0) return;
    const put = this.#database.prepare(
      "INSERT INTO peers VALUES (?, ?, ?) " +
        "ON CONFLICT DO UPDATE SET bind = excluded.bind, last_seen = excluded.last_seen",
    );
    for (const { id, bind, lastSeen } of this.#pendingPeers.values()) {
      put.run(id, bind, Math.floor(lastSeen));
    }
    this.#database
      .prepare(
        "DELETE FROM peers WHERE id IN (SELECT id FROM peers ORDER BY last_seen DESC LIMIT -1 OFFSET ?)",
      )
      .run(MEMBERS_MAX);
  }

  #writeDocuments(): void {
    const put = this.#database.prepare(
      "INSERT INTO documents VALUES (?, ?) ON CONFLICT DO UPDATE SET bytes = excluded.bytes",
    );
    const remove = this.#database.prepare("DELETE FROM documents WHERE owner = ?");
    for (const [owner, bytes] of this.#pendingDocuments) {
      if (bytes === undefined) remove.run(owner);
      else put.run(owner, bytes);
    }
  }
}

/** Undefined for bytes that a failing disk has changed: such a row is as good as lost. */
function parsed(document: unknown): unknown {
  if (typeof document !== "string") return undefined;
  try {
    return JSON.parse(document) as unknown;
  } catch {
    return undefined;
  }
}
