/**
 * The disk of one machine, as far as an agent uses it. What is acknowledged was synced and survives
 * everything but the loss of the disk; what was only written is lost with the power for some seconds.
 */
import type { NodeId } from "../../core/types.ts";
import type { InstanceEntry } from "../../membership/document.ts";

/** Written pages reach the disk by themselves after about this long. */
const UNSYNCED_US = 5_000_000;

export interface Written {
  readonly owner: NodeId;
  readonly message: Uint8Array;
  readonly at: number;
}

/** "slow": what is synced takes a while. "torn": a loss of power leaves halves of what was written. */
export type DiskMode = "well" | "full" | "slow" | "torn";

interface Snapshot {
  readonly epoch: number;
  readonly registrations: readonly (readonly [string, InstanceEntry])[];
  readonly documents: readonly (readonly [string, Written])[];
}

const SLOW_MS = 1_000;

export function writtenKey(owner: NodeId, part: number): string {
  return `${owner}#${part}`;
}

export class Disk {
  mode: DiskMode = "well";
  epoch = 0;
  /** New or wiped: whatever is missing besides was lost against what is promised. */
  isEmpty = true;
  /** Set before the first start of a machine whose disk will be rolled back. */
  keepsSnapshot = false;
  /** Its content is of an earlier time; the next start tells so. */
  isRolledBack = false;
  #snapshot: Snapshot | undefined;
  #syncedEpoch = 0;
  readonly registrations = new Map<string, InstanceEntry>();
  /** What all disks of a mesh held when the run began. */
  #common: ReadonlyMap<string, Written> = new Map();
  /** What was written since, over it. */
  readonly #documents = new Map<string, Written>();

  /** Called before each start. */
  takeSnapshot(): void {
    if (!this.keepsSnapshot) return;
    const { epoch, registrations } = this;
    const documents = [...this.#documents];
    this.#snapshot = { epoch, registrations: [...registrations], documents };
  }

  /** The epoch of the next start: above every earlier one, and at least the wall clock. */
  nextEpoch(wallMs: number): number {
    this.epoch = Math.max(this.epoch + 1, Math.floor(wallMs));
    this.isEmpty = false;
    this.#syncedEpoch = this.epoch;
    return this.epoch;
  }

  /** What a copy of the disk starts with. */
  copyEpoch(from: Disk): void {
    this.epoch = from.epoch;
    this.isEmpty = from.isEmpty;
    this.#syncedEpoch = from.epoch;
  }

  get isFull(): boolean {
    return this.mode === "full";
  }

  /** How long it takes until something is synced. */
  get syncMs(): number {
    return this.mode === "slow" ? SLOW_MS : 0;
  }

  /** False if the disk takes nothing: then it must not be acknowledged. */
  putRegistration(key: string, entry: InstanceEntry): boolean {
    if (this.isFull) return false;
    this.registrations.set(key, entry);
    return true;
  }

  deleteRegistration(key: string): boolean {
    if (this.isFull) return false;
    return this.registrations.delete(key);
  }

  keepDocument(owner: NodeId, part: number, message: Uint8Array, at: number): void {
    if (!this.isFull) this.#documents.set(writtenKey(owner, part), { owner, message, at });
  }

  /** Holds these documents from the start; they are not copied. */
  beginWith(common: ReadonlyMap<string, Written>): void {
    this.#common = common;
    this.#documents.clear();
  }

  documents(): readonly Uint8Array[] {
    const all = new Map([...this.#common, ...this.#documents]);
    return [...all.values()].map(({ message }) => message);
  }

  forgetDocuments(): void {
    this.#common = new Map();
    this.#documents.clear();
  }

  losePower(now: number): void {
    this.epoch = this.#syncedEpoch;
    for (const [key, written] of this.#documents) {
      if (now - written.at >= UNSYNCED_US) continue;
      if (this.mode === "torn") {
        const { message } = written;
        this.#documents.set(key, { ...written, message: message.slice(0, message.length >> 1) });
      } else this.#documents.delete(key);
    }
  }

  /** As it was when the process last started: somebody restored a snapshot of the machine. */
  rollBack(): void {
    if (this.#snapshot === undefined) return;
    this.isRolledBack = true;
    const { epoch, registrations, documents } = this.#snapshot;
    this.epoch = epoch;
    this.#syncedEpoch = epoch;
    this.registrations.clear();
    this.#documents.clear();
    for (const [key, entry] of registrations) this.registrations.set(key, entry);
    for (const [key, written] of documents) this.#documents.set(key, written);
  }

  wipe(): void {
    this.isEmpty = true;
    this.epoch = 0;
    this.#syncedEpoch = 0;
    this.registrations.clear();
    this.forgetDocuments();
  }
}
