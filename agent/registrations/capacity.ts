/**
 * Decides whether one more instance, or a larger one, can still be published. The directory's own
 * rules judge it, with everything else in the agent's document at its largest. Room is claimed
 * before a registration is written, so that many at once cannot exceed it together: what has been
 * acknowledged must always be publishable.
 */
import { GrapevineError } from "../../core/errors.ts";
import {
  ACTOR_ADDRESS_CHARS_MAX,
  ACTOR_HOSTINGS_PER_AGENT_MAX,
  INSTANCES_PER_AGENT_MAX,
} from "../../core/limits.ts";
import { CERTIFICATE_BYTES_MAX } from "../../core/trust/certificate.ts";
import type { InstanceEntry } from "../../membership/document.ts";
import { faultOfOwnContent } from "../../membership/document-codec.ts";

/** Instances of this size in all fit into one message beside anything else: no need to try. */
const SURELY_FITTING_BYTES = 16 * 1024;

const LABEL_VALUE = "x".repeat(255);
const LABEL_NAMES = Array.from({ length: 32 }, (_, at) => `${at}`.padStart(63, "x"));
const LARGEST_HEAD = {
  name: "x".repeat(63),
  bind: `${"x".repeat(253)}:65535`,
  link: `${"x".repeat(253)}:65535`,
  zone: "x".repeat(63),
  region: "x".repeat(63),
  labels: Object.fromEntries(LABEL_NAMES.map((name) => [name, LABEL_VALUE])),
  version: "x".repeat(64),
  certificate: new Uint8Array(CERTIFICATE_BYTES_MAX),
};

/** Room for actor types, which come and go with their processes and are never refused for room. */
const ACTOR_ENTRIES: readonly InstanceEntry[] = Array.from(
  { length: ACTOR_HOSTINGS_PER_AGENT_MAX },
  (_, at) => ({
    namespace: "x".repeat(63),
    name: `${at}`.padStart(63, "x"),
    id: "x".repeat(63),
    protocol: "actor",
    ports: [],
    address: "x".repeat(ACTOR_ADDRESS_CHARS_MAX),
    version: "",
    weight: 1,
    tags: {},
  }),
);

export interface Occupant {
  readonly key: string;
  readonly entry: InstanceEntry;
  /** Encoded size of the entry. */
  readonly entryBytes: number;
}

export class Capacity {
  /** Claims of operations under way; several on one key count with the largest. */
  readonly #claims = new Map<string, { occupant: Occupant; holders: number }>();

  /** Throws `too_large` if `wanted` does not fit beside what is held and claimed. */
  claim(wanted: Occupant, held: ReadonlyMap<string, Occupant>): void {
    const { key } = wanted;
    const occupants = new Map(held);
    occupants.set(key, wanted);
    for (const [claimed, { occupant }] of this.#claims) {
      const other = occupants.get(claimed);
      if (other === undefined || other.entryBytes < occupant.entryBytes) {
        occupants.set(claimed, occupant);
      }
    }
    if (occupants.size > INSTANCES_PER_AGENT_MAX) {
      throw new GrapevineError(
        "too_large",
        `cannot register ${key}: an agent holds at most ${INSTANCES_PER_AGENT_MAX} instances`,
      );
    }
    const fault = faultOf(wanted, [...occupants.values()]);
    if (fault !== undefined) {
      throw new GrapevineError("too_large", `cannot register ${key}: ${fault}`);
    }
    const claim = this.#claims.get(key);
    const largest = occupants.get(key) ?? wanted;
    this.#claims.set(key, { occupant: largest, holders: (claim?.holders ?? 0) + 1 });
  }

  /** Gives one claim back; what was registered counts as held from then on. */
  release(key: string): void {
    const claim = this.#claims.get(key);
    if (claim === undefined) return;
    if (claim.holders > 1) this.#claims.set(key, { ...claim, holders: claim.holders - 1 });
    else this.#claims.delete(key);
  }
}

function faultOf(wanted: Occupant, all: readonly Occupant[]): string | undefined {
  let bytes = 0;
  for (const occupant of all) bytes += occupant.entryBytes;
  const isSmall = bytes <= SURELY_FITTING_BYTES;
  const entries = (isSmall ? [wanted] : all).map(({ entry }) => entry);
  const instances = isSmall ? entries : [...entries, ...ACTOR_ENTRIES];
  return faultOfOwnContent({ ...LARGEST_HEAD, instances });
}
