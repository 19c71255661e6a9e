/**
 * Small numbers for identities, and one copy of each signed record. Tables that grow with the
 * cluster are indexed by these slots, so that ten thousand nodes of a simulation, which share one
 * registry, do not each keep every identity and every record. An agent has a registry to itself.
 * Finding a record by its bytes means that its signature was judged before.
 */
import { assert } from "../core/assert.ts";
import { hash32 } from "../core/hash.ts";
import type { NodeId } from "../core/types.ts";
import { compareBytes, type SignedRecord } from "./records.ts";
import { placeOn, RingOrder } from "./ring-order.ts";

/** Records remembered per member: its newest statements and what is said about them. */
const RECORDS_PER_SLOT_MAX = 6;

interface Slot {
  readonly id: NodeId;
  readonly records: SignedRecord[];
  holders: number;
}

export class Registry {
  readonly #slots: (Slot | undefined)[] = [];
  #hashes = new Uint32Array(64);
  readonly #byId = new Map<NodeId, number>();
  readonly #free: number[] = [];
  readonly #records = new Map<number, SignedRecord>();
  /** The rings of the observer overlay that somebody has asked for. */
  readonly #rings: RingOrder[] = [];

  /** Slots are 0 to size - 1; some may be free. */
  get size(): number {
    return this.#slots.length;
  }

  slotOf(id: NodeId): number | undefined {
    return this.#byId.get(id);
  }

  idOf(slot: number): NodeId {
    return this.#at(slot).id;
  }

  /** MurmurHash3 of the identity: every node places a member on its rings by this. */
  hashOf(slot: number): number {
    return this.#hashes[slot] as number;
  }

  /** Takes a share in the identity's slot, making it if need be. */
  hold(id: NodeId): number {
    const known = this.#byId.get(id);
    if (known !== undefined) {
      this.#at(known).holders += 1;
      return known;
    }
    const slot = this.#free.pop() ?? this.#slots.length;
    this.#slots[slot] = { id, records: [], holders: 1 };
    if (slot >= this.#hashes.length) {
      const larger = new Uint32Array(this.#hashes.length * 2);
      larger.set(this.#hashes);
      this.#hashes = larger;
    }
    this.#hashes[slot] = hash32(id);
    this.#byId.set(id, slot);
    for (const ring of this.#rings) ring.insert(slot);
    return slot;
  }

  /** Takes another share in a slot that is held. */
  holdAgain(slot: number): void {
    this.#at(slot).holders += 1;
  }

  /** All identities in the order of their places on a ring. */
  ring(number: number): RingOrder {
    while (this.#rings.length <= number) this.#rings.push(this.#order(this.#rings.length));
    return this.#rings[number] as RingOrder;
  }

  /** Gives the share back; the slot of an identity that nobody holds is used for another. */
  release(slot: number): void {
    const entry = this.#at(slot);
    entry.holders -= 1;
    if (entry.holders > 0) return;
    for (const record of entry.records) this.#records.delete(keyOf(record.bytes));
    this.#byId.delete(entry.id);
    for (const ring of this.#rings) ring.remove(slot);
    this.#slots[slot] = undefined;
    this.#free.push(slot);
  }

  /** The authentic record with exactly these bytes, if it is remembered. */
  find(wire: Uint8Array): SignedRecord | undefined {
    const record = this.#records.get(keyOf(wire));
    return record !== undefined && compareBytes(record.bytes, wire) === 0 ? record : undefined;
  }

  /** Remembers a record whose signature was found good. The subject's slot must be held. */
  remember(record: SignedRecord): void {
    const slot = this.#byId.get(record.subject);
    assert(slot !== undefined, "only records about held identities are remembered");
    const { records } = this.#at(slot);
    if (records.length >= RECORDS_PER_SLOT_MAX) {
      const oldest = records.shift() as SignedRecord;
      this.#records.delete(keyOf(oldest.bytes));
    }
    records.push(record);
    this.#records.set(keyOf(record.bytes), record);
  }

  #order(ring: number): RingOrder {
    const order = new RingOrder((slot) => placeOn(this.hashOf(slot), ring));
    for (const [slot, entry] of this.#slots.entries()) if (entry !== undefined) order.insert(slot);
    return order;
  }

  #at(slot: number): Slot {
    const entry = this.#slots[slot];
    assert(entry !== undefined, `slot ${slot} is in use`);
    return entry;
  }
}

/** 53 bits of the signature: as good as random. */
function keyOf(wire: Uint8Array): number {
  const high = ((wire[0] as number) << 16) | ((wire[1] as number) << 8) | (wire[2] as number);
  const low =
    ((wire[3] as number) << 24) |
    ((wire[4] as number) << 16) |
    ((wire[5] as number) << 8) |
    (wire[6] as number);
  return (high & 0x1f_ffff) * 0x1_0000_0000 + (low >>> 0);
}
