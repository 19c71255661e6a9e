/**
 * What can go wrong in a run, one kind after another, as data: who, from when, for how long, how
 * badly. Fields that came later may be absent, so that a plan that was kept still runs as it did.
 */

import type { ResumeOrder } from "./engine/lane.ts";

export const BYZANTINE_BEHAVIOURS = [
  "garbage",
  "replay",
  "flood",
  "accuse",
  "equivocate",
  "forge",
  "withhold",
  /** Passes on nothing of the broadcast, and says everything else. */
  "suppress",
  /** Lies when stores are compared: others look for differences that are not there. */
  "digest",
  /** Signed documents that no reader may trip over. */
  "poison",
  /** Signed documents as large as they may be, and larger. */
  "huge",
  /** Signed documents from far in the future. */
  "future",
] as const;
export type ByzantineBehaviour = (typeof BYZANTINE_BEHAVIOURS)[number];

/** "lost": nothing but the key. "rolled back": as it was when the process started. */
export type DiskFate = "kept" | "lost" | "rolled back";

/** `atMs` counts from the moment when the last node has started to join. */
export type PlanEvent = {
  readonly atMs: number;
} /** The process dies, and starts again after `forMs` (0: only when everything is healed). */ & (
  | {
      readonly kind: "crash";
      readonly node: number;
      readonly forMs: number;
      /** "kill": the machine stays up and resets connections. "power": silence. */
      readonly how: "kill" | "power";
      readonly disk: DiskFate;
    }
  /** A whole zone loses power, or its way to the other zones. */
  | {
      readonly kind: "zone";
      readonly zone: number;
      readonly forMs: number;
      readonly how: "power" | "cut";
    }
  /** These start only now, all at once. */
  | { readonly kind: "join"; readonly nodes: readonly number[] }
  /** Leaves in order and starts again after `forMs`. */
  | {
      readonly kind: "leave";
      readonly node: number;
      readonly forMs: number;
      readonly version: string;
    }
  | {
      readonly kind: "pause";
      readonly node: number;
      readonly forMs: number;
      readonly resume: ResumeOrder;
    }
  /** Every event of the process takes this long. */
  | {
      readonly kind: "slow";
      readonly node: number;
      readonly forMs: number;
      readonly costUs: number;
    }
  /** It gets the processor for `runMs`, then not for `blockMs` on average, and so on. */
  | {
      readonly kind: "starve";
      readonly node: number;
      readonly forMs: number;
      readonly blockMs: number;
      readonly runMs: number;
      /** Of each event, in a slice. */
      readonly costUs: number;
      readonly resume: ResumeOrder;
    }
  /** Applications on the node ask for so much more. */
  | {
      readonly kind: "overload";
      readonly node: number;
      readonly forMs: number;
      readonly requestsPerSecond: number;
    }
  /** Cuts `left` from all others; `oneWay`: only what it sends. */
  | {
      readonly kind: "partition";
      readonly left: readonly number[];
      readonly forMs: number;
      readonly oneWay: boolean;
    }
  | {
      readonly kind: "road";
      readonly from: readonly number[];
      readonly to: readonly number[];
      readonly forMs: number;
      readonly clog: boolean;
      readonly loss: number;
      readonly delayMs: number;
      readonly jitterMs: number;
      readonly bytesPerSecond: number;
      /** Share of the broadcast's messages that arrive twice. */
      readonly duplicates?: number;
    }
  /** The roads of one node after another are clogged, then opened in another order. */
  | { readonly kind: "swizzle"; readonly nodes: readonly number[]; readonly forMs: number }
  | { readonly kind: "reset"; readonly node: number; readonly other: number }
  /** Both machines restart, and each comes back under the other's addresses. */
  | {
      readonly kind: "swap";
      readonly node: number;
      readonly other: number;
      readonly forMs: number;
    }
  /** Something between the two forgets their connections; neither end is told. */
  | { readonly kind: "half-open"; readonly node: number; readonly other: number }
  /** The wall clock is set by an operator; the clock runs at another rate from now on. */
  | {
      readonly kind: "clock";
      readonly node: number;
      readonly stepMs: number;
      readonly driftPpm?: number;
    }
  /**
   * "full" (as without a mode): writes fail, and nothing that needs them is acknowledged. "slow":
   * what is synced takes a second. "torn": what was not synced is cut in half by a loss of power.
   */
  | {
      readonly kind: "disk";
      readonly node: number;
      readonly forMs: number;
      readonly mode?: "full" | "slow" | "torn";
    }
  /** The application on the node answers badly, slowly or not at all. */
  | {
      readonly kind: "application";
      readonly node: number;
      readonly forMs: number;
      readonly mode: "errors" | "slow" | "hangs";
    }
  | {
      readonly kind: "byzantine";
      readonly node: number;
      readonly forMs: number;
      readonly behaviour: ByzantineBehaviour;
    }
  /** A second process with the node's key, on another machine. */
  | { readonly kind: "clone"; readonly node: number; readonly forMs: number }
  | {
      readonly kind: "register";
      readonly node: number;
      readonly service: string;
      readonly id: string;
    }
  | {
      readonly kind: "deregister";
      readonly node: number;
      readonly service: string;
      readonly id: string;
    }
);
export type PlanEventKind = PlanEvent["kind"];

/** The nodes that an event names; of a zone none, because it is one by its number. */
export function nodesOf(event: PlanEvent): readonly number[] {
  switch (event.kind) {
    case "partition":
      return event.left;
    case "road":
      return [...event.from, ...event.to];
    case "reset":
    case "half-open":
    case "swap":
      return [event.node, event.other];
    case "join":
    case "swizzle":
      return event.nodes;
    case "zone":
      return [];
    default:
      return [event.node];
  }
}

/** The event with every node's number replaced. */
export function renumberedEvent(event: PlanEvent, to: (node: number) => number): PlanEvent {
  switch (event.kind) {
    case "partition":
      return { ...event, left: event.left.map(to) };
    case "road":
      return { ...event, from: event.from.map(to), to: event.to.map(to) };
    case "reset":
    case "half-open":
    case "swap":
      return { ...event, node: to(event.node), other: to(event.other) };
    case "join":
    case "swizzle":
      return { ...event, nodes: event.nodes.map(to) };
    case "zone":
      return event;
    default:
      return { ...event, node: to(event.node) };
  }
}
