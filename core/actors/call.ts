/**
 * One call of an actor on its way: where it is to go, what it brings, and how it ends, once. The two
 * ends differ (a promise in this process, a frame of a peer or of a local socket), so each has its
 * subclass; everything between passes the call on as it is. Arguments and results stay in the form
 * in which they came, values or bytes, until somebody needs the other.
 */
import { GrapevineError } from "../errors.ts";
import type { NodeId, ServiceKey } from "../types.ts";
import type { RemoteError } from "./remote-error.ts";
import type { WheelEntry } from "./wheel.ts";

/** One actor as calls name it; shared by all calls of a reference, with what speeds them up. */
export class CallTarget {
  readonly service: ServiceKey;
  readonly key: string;
  /** The activation that took the last call, for its host alone. */
  activation: unknown;
  /** The view by which the owner was found, and the owner, for the router alone. */
  view: unknown;
  owner: unknown;

  constructor(service: ServiceKey, key: string) {
    this.service = service;
    this.key = key;
  }
}

/** One try at an owner, for the decision record. */
export interface Hop {
  readonly instance: string;
  readonly agent: NodeId;
  readonly agentName: string;
  readonly breaker: "closed" | "open" | "half-open" | "";
  readonly startedAt: number;
  readonly reason: "owner" | "forward";
  endedAt: number;
  error: GrapevineError | undefined;
}

/** Told of the end of a call that began on this node. */
export interface CallTracker {
  onSettled(call: ActorCall, error: GrapevineError | RemoteError | undefined): void;
}

/** Where a call waits and runs in this process. */
export interface CallHolder {
  /** Its caller gave it up; `wasWaiting`: before its turn came. */
  onGivenUp(call: ActorCall, wasWaiting: boolean): void;
}

export type CallStage = "waiting" | "running" | "over";

export abstract class ActorCall implements WheelEntry {
  readonly target: CallTarget;
  readonly method: string;
  /** Nobody waits for the result. */
  readonly oneWay: boolean;
  /** The node that called, if it is not this one. */
  readonly peer: NodeId | undefined;
  stage: CallStage = "waiting";
  /** The deadline, on this process's clock. */
  dueAt: number;
  wheelSlot = -1;
  wheelPrevious: WheelEntry | undefined = undefined;
  wheelNext: WheelEntry | undefined = undefined;
  tracker: CallTracker | undefined = undefined;
  /** When it began, for the tracker. */
  startedAt = 0;
  /** Whether a success is to be recorded; failures always are. */
  isSampled = false;
  /** Who took it in, for records: "sdk", "socket", "link". */
  readonly listener: string;
  /** How often it was sent on because its owner was another than thought. */
  forwards = 0;
  /** A node that said that it is leaving. */
  avoid: NodeId | undefined = undefined;
  /** Owners on other nodes that were asked, first to last. */
  hops: Hop[] | undefined = undefined;
  holder: CallHolder | undefined = undefined;

  constructor(
    target: CallTarget,
    method: string,
    oneWay: boolean,
    dueAt: number,
    peer: NodeId | undefined,
    listener: string,
  ) {
    this.target = target;
    this.method = method;
    this.oneWay = oneWay;
    this.dueAt = dueAt;
    this.peer = peer;
    this.listener = listener;
  }

  /** The arguments as values; undefined if what came is no list. */
  abstract args(): readonly unknown[] | undefined;
  /** The arguments as bytes; throws what the codec throws for what it cannot encode. */
  abstract argBytes(): Uint8Array;
  protected abstract onValue(value: unknown): GrapevineError | undefined;
  protected abstract onReply(reply: Uint8Array): GrapevineError | RemoteError | undefined;
  protected abstract onError(error: GrapevineError | RemoteError): void;

  /** The handler returned. */
  succeed(value: unknown): void {
    if (this.stage === "over") return;
    this.stage = "over";
    const failure = this.onValue(value);
    if (failure !== undefined) this.onError(failure);
    if (this.tracker !== undefined) this.tracker.onSettled(this, failure);
  }

  /** Another process answered: a value, or what the handler threw, as wire.ts encodes it. */
  answer(reply: Uint8Array): void {
    if (this.stage === "over") return;
    this.stage = "over";
    const failure = this.onReply(reply);
    if (this.tracker !== undefined) this.tracker.onSettled(this, failure);
  }

  /** The handler threw, or the call could not be made. */
  fail(error: GrapevineError | RemoteError): void {
    if (this.stage === "over") return;
    this.stage = "over";
    this.onError(error);
    if (this.tracker !== undefined) this.tracker.onSettled(this, error);
  }

  /** Its caller does not want it any more. */
  giveUp(why: string): void {
    if (this.stage === "over") return;
    const wasWaiting = this.stage === "waiting";
    const executed = wasWaiting && this.hops === undefined ? "no" : "unknown";
    this.fail(new GrapevineError("canceled", why, { executed }));
    this.holder?.onGivenUp(this, wasWaiting);
  }
}
