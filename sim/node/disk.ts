/**
 * The disk of one machine, as far as an agent uses it. What is acknowledged was synced and survives
 * everything but the loss of the disk; what was only written is lost with the power for some seconds.
 */
import type { NodeId } from "../../core/types.ts";
import type { InstanceEntry } from "../../membership/document.ts";

/** Written pages reach the disk by themselves after about this long. */
const UNSYNCED_US = 5_000_000;

interface Written {
  readonly owner: NodeId;
  readonly message: Uint8Array;
  readonly at: number;
}

export class Disk {
  isFull = false;
  epoch = 0;
  #syncedEpoch = 0;
  readonly registrations = new Map<string, InstanceEntry>();
  readonly #documents = new Map<string, Written>();

  /** The epoch of the next start: above every earlier one, and at least the wall clock. */
  nextEpoch(wallMs: number): number {
    this.epoch = Math.max(this.epoch + 1, Math.floor(wallMs));
    this.#syncedEpoch = this.epoch;
    return this.epoch;
  }

  /** What a copy of the disk starts with. */
  copyEpoch(from: Disk): void {
    this.epoch = from.epoch;
    this.#syncedEpoch = from.epoch;
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
    if (!this.isFull) this.#documents.set(`${owner}#${part}`, { owner, message, at });
  }

  documents(): readonly Uint8Array[] {
    return [...this.#documents.values()].map(({ message }) => message);
  }

  forgetDocuments(): void {
    this.#documents.clear();
  }

  losePower(now: number): void {
    this.epoch = this.#syncedEpoch;
    for (const [key, { at }] of this.#documents) {
      if (now - at < UNSYNCED_US) this.#documents.delete(key);
    }
  }

  wipe(): void {
    this.epoch = 0;
    this.#syncedEpoch = 0;
    this.registrations.clear();
    this.#documents.clear();
  }
}
