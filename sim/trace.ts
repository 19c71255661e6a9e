/**
 * What happens in a run, as plain data: the checkers judge it, replay shows it, and a checker's
 * test writes it by hand. Nodes are named by their number. Times are microseconds of the world.
 */

export type Belief = "alive" | "suspect" | "dead" | "left" | "forgotten";

export type TraceEvent = { readonly at: number } & (
  | {
      readonly kind: "start";
      readonly node: number;
      readonly epoch: number;
      readonly disk: "kept" | "lost" | "rolled back";
    }
  /** The process is gone: killed, with its machine, or in order. */
  | { readonly kind: "stop"; readonly node: number; readonly how: "killed" | "power" | "left" }
  | { readonly kind: "leaving"; readonly node: number }
  | { readonly kind: "paused" | "resumed"; readonly node: number }
  /** A fault begins or ends. `left` alone is struck, or what runs between `left` and `right`. */
  | {
      readonly kind: "fault";
      readonly fault: string;
      readonly id: number;
      readonly on: boolean;
      readonly left: readonly number[];
      readonly right: readonly number[] | undefined;
    }
  /** The node signed a statement of its own life. */
  | {
      readonly kind: "said";
      readonly node: number;
      readonly epoch: number;
      readonly incarnation: number;
      readonly left: boolean;
    }
  | {
      readonly kind: "accused";
      readonly node: number;
      readonly subject: number;
      readonly epoch: number;
      readonly incarnation: number;
      readonly verdict: "suspect" | "dead" | "forgotten";
      readonly basis: string;
    }
  /** What `node` holds of `subject` now. */
  | {
      readonly kind: "belief";
      readonly node: number;
      readonly subject: number;
      readonly belief: Belief;
      readonly epoch: number;
      readonly incarnation: number;
      readonly why: string;
    }
  /** A liar signs a document that no reader may take. */
  | {
      readonly kind: "poisoned";
      readonly node: number;
      readonly epoch: number;
      readonly seq: number;
    }
  /** A connection of `node` with `peer` stands, or is gone: of the control plane, or a link. */
  | {
      readonly kind: "linked";
      readonly node: number;
      readonly peer: number;
      readonly plane: "control" | "link";
      readonly on: boolean;
    }
  | { readonly kind: "duplicate"; readonly node: number; readonly subject: number }
  /** The owner signed a part of its document. */
  | {
      readonly kind: "published";
      readonly node: number;
      readonly part: number;
      readonly epoch: number;
      readonly seq: number;
      readonly notAfter: number;
      readonly instances: readonly string[];
      /** It has fields that only a later version knows. */
      readonly isLater: boolean;
    }
  /** `node` took a part of `owner`'s document into its store. */
  | {
      readonly kind: "stored";
      readonly node: number;
      readonly owner: number;
      readonly part: number;
      readonly epoch: number;
      readonly seq: number;
      /** By the clock of the node. */
      readonly wallMs: number;
      /** Of the message. */
      readonly hash: number;
    }
  /** An application's call returned: the instance is on disk, or removed from it. */
  | {
      readonly kind: "registered" | "deregistered";
      readonly node: number;
      readonly instance: string;
    }
  /** An application asked its agent who offers a service. */
  | {
      readonly kind: "lookup";
      readonly node: number;
      readonly service: string;
      readonly instances: readonly string[];
    }
  | {
      readonly kind: "request";
      readonly node: number;
      readonly request: string;
      readonly service: string;
      readonly isIdempotent: boolean;
    }
  /** An application began to work on an attempt. */
  | {
      readonly kind: "executed";
      readonly node: number;
      readonly request: string;
      readonly instance: string;
    }
  /** The caller was told how its request ended. */
  | {
      readonly kind: "outcome";
      readonly node: number;
      readonly request: string;
      readonly status: number;
      readonly error: string;
    }
  /** A breaker changed its state, keeps attempts back, or let one through while open. */
  | {
      readonly kind: "breaker";
      readonly node: number;
      readonly service: string;
      /** Of the node and its process. */
      readonly breaker: number;
      readonly from: "closed" | "open" | "half-open";
      readonly to: "closed" | "open" | "half-open" | "held back" | "attempted";
      /** What tripped it; "" for other changes. */
      readonly evidence: "hard" | "soft" | "";
      /** Attempts that succeeded in the former state. */
      readonly successes: number;
      /** Of the service: how many there are, and how many were not closed before. */
      readonly instances: number;
      readonly ejected: number;
    }
  /** An actor lives in this process from now on, or no longer. */
  | {
      readonly kind: "activated" | "deactivated";
      readonly node: number;
      readonly actor: string;
      readonly activation: number;
    }
  /** A turn of an activation begins or ends; `call` is "" for one of a timer. */
  | {
      readonly kind: "turn";
      readonly node: number;
      readonly actor: string;
      readonly activation: number;
      readonly call: string;
      readonly on: boolean;
    }
  /** An application calls an actor. */
  | { readonly kind: "call"; readonly node: number; readonly call: string; readonly actor: string }
  /** The caller was told how its call ended; without an error `executed` is "". */
  | {
      readonly kind: "called";
      readonly node: number;
      readonly call: string;
      readonly actor: string;
      readonly error: string;
      readonly executed: string;
    }
  /** The record of a finished request. */
  | {
      readonly kind: "record";
      readonly node: number;
      readonly request: string;
      readonly service: string;
      readonly outcome: string;
      readonly error: string;
      readonly attempts: readonly TracedAttempt[];
    }
  | { readonly kind: "refused"; readonly node: number; readonly from: number; readonly why: string }
  /** All faults are over; from here on everything must come right. */
  | { readonly kind: "healed"; readonly broken: readonly number[] }
  /** They have agreed for a while: what was under way has arrived. */
  | { readonly kind: "rested" }
  /** The store at the end, node by node; `instances` only for the first node of each root. */
  | {
      readonly kind: "settled";
      readonly node: number;
      readonly root: string;
      readonly instances: readonly string[];
      /** Undefined of real agents, which do not tell. */
      readonly held: Held | undefined;
      /** Where what it routes by differs from its directory and members, in words. */
      readonly unmirrored: readonly string[];
      /** A digest of what it stores, without the tree's help; undefined where nobody looked. */
      readonly contents?: number;
      /** Packets with documents that it sent since all rested. */
      readonly handed?: number;
    }
);

/** How much a node keeps. */
export interface Held {
  readonly members: number;
  readonly statements: number;
  readonly rumours: number;
  readonly subjects: number;
  readonly peers: number;
}

export interface TracedAttempt {
  /** Microseconds of the world. */
  readonly at: number;
  readonly instance: string;
  readonly target: number;
  readonly breaker: string;
  readonly outcome: string;
  /** Of a failed attempt: "no" or "unknown"; else "". */
  readonly executed: string;
  /** "" if it did not fail. */
  readonly error: string;
}

export type TraceKind = TraceEvent["kind"];
type OfKind<Event extends TraceEvent, Kind> = Event extends unknown
  ? Kind extends Event["kind"]
    ? Event
    : never
  : never;
export type TraceEventOf<Kind extends TraceKind> = OfKind<TraceEvent, Kind>;
