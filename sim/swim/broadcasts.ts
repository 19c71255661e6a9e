/**
 * Rumours on their way (memberlist's TransmitLimitedQueue): one per member, a newer one takes the
 * place of an older one; those sent least go first, then the longest, then the newest; each is sent
 * a limited number of times.
 */
import { messageBytes, PART_BYTES, type Rumour } from "./messages.ts";

interface Entry {
  readonly rumour: Rumour;
  readonly bytes: number;
  readonly id: number;
  sends: number;
}

export class Broadcasts {
  readonly #byNode = new Map<number, Entry>();
  #ids = 0;

  get size(): number {
    return this.#byNode.size;
  }

  add(rumour: Rumour): void {
    this.#ids += 1;
    const entry = { rumour, bytes: messageBytes(rumour), id: this.#ids, sends: 0 };
    this.#byNode.set(rumour.node, entry);
  }

  /** Takes what fits into `bytes`, counted as sent once. */
  take(bytes: number, sendsMax: number): readonly Rumour[] {
    if (this.#byNode.size === 0) return [];
    const entries = [...this.#byNode.values()].sort(
      (one, other) => one.sends - other.sends || other.bytes - one.bytes || other.id - one.id,
    );
    const taken: Rumour[] = [];
    let free = bytes;
    for (const entry of entries) {
      if (entry.bytes + PART_BYTES > free) continue;
      free -= entry.bytes + PART_BYTES;
      taken.push(entry.rumour);
      entry.sends += 1;
      if (entry.sends >= sendsMax) this.#byNode.delete(entry.rumour.node);
    }
    return taken;
  }
}
