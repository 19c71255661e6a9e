/**
 * Who may shake hands, and when. A stranger costs nothing before it is admitted but its socket;
 * admitted, it costs a few milliseconds of elliptic curves. So both the number of strangers and the
 * handshakes begun in a second are bounded, and what one address takes leaves room for others:
 *
 * - Beyond `guestsMax` somebody has to go: the guest that came first from the address that has most.
 *   Honest peers are done in milliseconds, so whoever has been here longest is hardly one of them.
 * - Handshakes begin in turn of addresses, the latest guest of each first: under a flood the latest
 *   is the one that may still be there when its handshake is done.
 */
import { HANDSHAKES_BURST_MAX, HANDSHAKES_MAX, HANDSHAKES_PER_SECOND_MAX } from "../core/limits.ts";

export interface AdmissionOptions<Guest> {
  /** Strangers at once, those that wait included. Default HANDSHAKES_MAX. */
  readonly guestsMax?: number;
  /** Handshakes begun in a second, in the long run. Default HANDSHAKES_PER_SECOND_MAX. */
  readonly perSecond?: number;
  /** Handshakes begun at once after a quiet time. Default HANDSHAKES_BURST_MAX. */
  readonly burst?: number;
  readonly begin: (guest: Guest) => void;
  /** Called for a guest that has to go, begun or not; `leave` is not expected for it. */
  readonly drop: (guest: Guest, why: string) => void;
}

export class Admission<Guest extends object> {
  readonly #options: Required<AdmissionOptions<Guest>>;
  readonly #addresses = new Map<Guest, string>();
  /** By address, whose turn it is first; each list in order of arrival. */
  readonly #byAddress = new Map<string, Set<Guest>>();
  readonly #waiting = new Set<Guest>();
  #tokens: number;
  #filledAt = performance.now();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: AdmissionOptions<Guest>) {
    this.#options = {
      guestsMax: HANDSHAKES_MAX,
      perSecond: HANDSHAKES_PER_SECOND_MAX,
      burst: HANDSHAKES_BURST_MAX,
      ...options,
    };
    this.#tokens = this.#options.burst;
  }

  get size(): number {
    return this.#addresses.size;
  }

  /** Begins the guest's handshake now or in its turn; may send another guest away for it. */
  arrive(guest: Guest, ip: string): void {
    const address = neighbourhood(ip);
    this.#addresses.set(guest, address);
    const guests = this.#byAddress.get(address) ?? new Set();
    guests.add(guest);
    this.#byAddress.set(address, guests);
    this.#waiting.add(guest);
    const { guestsMax, drop } = this.#options;
    if (this.#addresses.size > guestsMax) {
      const first = this.#firstOfMost();
      this.leave(first);
      drop(first, `too many connections that have not proved who they are (${guestsMax})`);
    }
    this.#beginNext();
  }

  /** The guest has proved who it is, or is gone. */
  leave(guest: Guest): void {
    const address = this.#addresses.get(guest);
    if (address === undefined) return;
    this.#addresses.delete(guest);
    this.#waiting.delete(guest);
    const guests = this.#byAddress.get(address);
    guests?.delete(guest);
    if (guests?.size === 0) this.#byAddress.delete(address);
  }

  /** Gives back all guests and forgets them; nothing begins any more. */
  close(): Guest[] {
    clearTimeout(this.#timer);
    const guests = [...this.#addresses.keys()];
    this.#addresses.clear();
    this.#byAddress.clear();
    this.#waiting.clear();
    return guests;
  }

  #firstOfMost(): Guest {
    let most: ReadonlySet<Guest> = new Set();
    for (const guests of this.#byAddress.values()) if (guests.size > most.size) most = guests;
    const [first] = most;
    return first as Guest;
  }

  #beginNext(): void {
    this.#fill();
    while (this.#waiting.size > 0 && this.#tokens >= 1) {
      const guest = this.#nextInTurn();
      if (guest === undefined) return;
      this.#tokens -= 1;
      this.#waiting.delete(guest);
      this.#options.begin(guest);
    }
    if (this.#waiting.size === 0 || this.#timer !== undefined) return;
    const waitMs = ((1 - this.#tokens) * 1_000) / this.#options.perSecond;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#beginNext();
    }, Math.ceil(waitMs));
    this.#timer.unref();
  }

  /** The latest of the address that has waited longest for its turn. */
  #nextInTurn(): Guest | undefined {
    for (const [address, guests] of this.#byAddress) {
      const latest = [...guests].findLast((guest) => this.#waiting.has(guest));
      if (latest === undefined) continue;
      this.#byAddress.delete(address);
      this.#byAddress.set(address, guests);
      return latest;
    }
    return undefined;
  }

  #fill(): void {
    const now = performance.now();
    const { burst, perSecond } = this.#options;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#filledAt) * perSecond) / 1_000);
    this.#filledAt = now;
  }
}

/** Whoever has one IPv6 address has the 2^64 beside it as well. */
function neighbourhood(ip: string): string {
  if (!ip.includes(":") || ip.includes(".")) return ip;
  const [before = "", after] = ip.split("::");
  const groups = before === "" ? [] : before.split(":");
  if (after !== undefined) while (groups.length < 4) groups.push("0");
  return `${groups.slice(0, 4).join(":")}::/64`;
}
