/** What a multiplexer tells whoever owns it, and the two ways in which the peer's work comes in. */
import type {
  AttemptContext,
  Exchange,
  ExchangeObserver,
  RequestHead,
} from "../exchange/contract.ts";
import type { CloseReason } from "../seams.ts";
import type { NodeId } from "../types.ts";
import type { CallDone } from "./calls.ts";
import type { Mux } from "./mux.ts";

export type Accept = (
  peer: NodeId,
  context: AttemptContext,
  request: RequestHead,
  observer: ExchangeObserver,
) => Exchange;

/** Answers a call of the peer: `respond` once, now or later. The payload belongs to the receiver. */
export type OnCall = (
  peer: NodeId,
  payload: Uint8Array,
  deadlineLeftMs: number,
  respond: CallDone,
) => void;

export interface MuxOwner {
  /** Something waits to be sent: call `flush` at the end of this event-loop turn. */
  onDirty(mux: Mux): void;
  /** The peer's hello is here; streams and calls may begin. */
  onReady(mux: Mux): void;
  /** The peer asked for no new streams; `draining` if it is about to leave. */
  onGoAway(mux: Mux, draining: boolean): void;
  /** The peer confirmed that no new streams of its own will come. */
  onGoAwayAcknowledged(mux: Mux): void;
  onPong(mux: Mux, token: number): void;
  /** The peer said goodbye; nothing more comes. */
  onGoodbye(mux: Mux, reason: CloseReason): void;
  /** The peer broke the named rule: the link is to be closed. */
  onViolation(mux: Mux, rule: string): void;
  accept: Accept;
  onCall: OnCall | undefined;
}
