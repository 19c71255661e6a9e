/**
 * Actors through the local agent: a program calls actors, and hosts some if it likes, over the
 * agent's Unix socket. The connection is kept: if the agent goes away, calls fail at once, what was
 * hosted here ends (others own those keys by then), and both begin again when the agent is back.
 */
import WebSocket from "ws";
import { CallTarget } from "../../core/actors/call.ts";
import {
  type AnyActorDefinition,
  actorService,
  actorTypeOf,
} from "../../core/actors/definition.ts";
import { ActorHost } from "../../core/actors/host.ts";
import { LinkCall } from "../../core/actors/link-call.ts";
import { callPayload } from "../../core/actors/payload.ts";
import type { PromiseCall } from "../../core/actors/promise-call.ts";
import {
  ANSWER_NOT_OWNER,
  decodeCall,
  EMPTY_ANSWER,
  encodeNotOwner,
} from "../../core/actors/wire.ts";
import { GrapevineError } from "../../core/errors.ts";
import type { CallDone } from "../../core/link/calls.ts";
import { isRecord } from "../../core/trust/fields.ts";
import { SystemClock } from "../../transport/clock.ts";
import { systemRandom } from "../../transport/entropy.ts";
import { flushAtTurnEnd } from "../../transport/link/link-transport.ts";
import {
  ActorSocket,
  FRAME,
  MESSAGE_BYTES_MAX,
  type SocketListener,
} from "../actors/actor-socket.ts";
import { type ActorReferences, referenceTo } from "../actors/reference.ts";
import { ACTORS_PATH } from "../actors/sessions.ts";
import { turnSoon } from "../actors/turns.ts";
import { findSocket } from "../config/paths.ts";

export interface ConnectOptions {
  /** The agent's Unix socket; by default $GRAPEVINE_SOCKET or the usual places. */
  readonly socket?: string;
  /** Actor types that this process hosts for as long as it is connected. */
  readonly actors?: readonly AnyActorDefinition[];
  /** Names this host among those of the types: a DNS label, by default `<agent>-<number>`. */
  readonly instance?: string;
  /** Told of what no caller can be told: a timer's callback that threw, a lost connection. */
  readonly onProblem?: (problem: Error) => void;
}

export interface ActorConnection extends ActorReferences, AsyncDisposable {
  /** The name of this host in the mesh; "" if it hosts nothing. */
  readonly instance: string;
  /** Takes back what is hosted, lets running turns end (5 s at most), and disconnects. */
  close(): Promise<void>;
}

const HANDSHAKE_TIMEOUT_MS = 10_000;
const RETRY_MS = 100;
const RETRY_MS_MAX = 2_000;
const CLOSE_TIMEOUT_MS = 5_000;

/**
 * Connects to the local agent. Rejects with agent_unreachable if there is none, and with conflict or
 * invalid_argument if the agent does not take what is to be hosted.
 */
export async function connect(options: ConnectOptions = {}): Promise<ActorConnection> {
  const connection = new Connection(options);
  await connection.open();
  return connection;
}

class Connection implements ActorConnection, SocketListener {
  readonly #path: string;
  readonly #options: ConnectOptions;
  /** The connection keeps the process alive, its timers do not. */
  readonly #clock = new SystemClock({ unref: true });
  readonly #host: ActorHost;
  readonly #definitions: readonly AnyActorDefinition[];
  #webSocket: WebSocket | undefined;
  #socket: ActorSocket | undefined;
  #instance = "";
  #retryMs = RETRY_MS;
  #retryTimer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: ConnectOptions) {
    this.#options = options;
    this.#path = findSocket(options.socket, process.env);
    this.#definitions = options.actors ?? [];
    this.#host = new ActorHost({
      clock: this.#clock,
      random: systemRandom().fork("actors"),
      soon: turnSoon,
      later: flushAtTurnEnd,
      onHomeless: (call) => call.answer(encodeNotOwner({ ringVersion: 0, owner: undefined })),
      onPassivated: (service, key) =>
        this.#socket?.tell(FRAME.passivated, [actorTypeOf(service), key]),
      reference: (definition, key) => referenceTo(this, definition, key),
      onTimerFailed: (_type, _key, thrown) =>
        options.onProblem?.(thrown instanceof Error ? thrown : new Error(String(thrown))),
    });
    for (const definition of this.#definitions) {
      this.#host.add(actorService(definition.name), definition);
    }
  }

  get instance(): string {
    return this.#instance;
  }

  actor(definition: AnyActorDefinition | string, key: string): never {
    return referenceTo(this, definition, key) as never;
  }

  now(): number {
    return performance.now();
  }

  /** Takes a call from a reference. */
  start(call: PromiseCall): void {
    const socket = this.#socket;
    if (socket === undefined) {
      const what = `the agent at ${this.#path} is not connected; calls go on when it is back`;
      call.fail(new GrapevineError("agent_unreachable", what, { retryable: true }));
      return;
    }
    const payload = callPayload(call, 0, call.startedAt);
    if (payload instanceof GrapevineError) {
      call.fail(payload);
      return;
    }
    socket.call(payload, call.dueAt - call.startedAt, (error, reply) => {
      if (error !== undefined) call.fail(error);
      else if (reply === undefined || reply[0] === ANSWER_NOT_OWNER) {
        call.fail(new GrapevineError("not_owner", whoOwns(call.target)));
      } else call.answer(reply);
    });
  }

  async open(): Promise<void> {
    const webSocket = await openWebSocket(this.#path);
    this.#webSocket = webSocket;
    const socket = new ActorSocket(webSocket, this.#clock, this);
    webSocket.on("error", () => undefined);
    webSocket.once("close", () => this.#onLost(webSocket, socket));
    try {
      await this.#register(socket);
    } catch (error) {
      this.#webSocket = undefined;
      webSocket.terminate();
      throw error;
    }
    // Calls wait for the types of this process, so that its own keys find their host.
    this.#socket = socket;
    this.#retryMs = RETRY_MS;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** SocketListener. */

  onCall(payload: Uint8Array, deadlineLeftMs: number, respond: CallDone): void {
    const decoded = decodeCall(payload);
    if (decoded === undefined) {
      respond(new GrapevineError("bad_request", "this is no call of an actor"), undefined);
      return;
    }
    const now = this.now();
    const { head, args } = decoded;
    const call = new LinkCall(
      new CallTarget(head.service, head.key),
      head,
      args,
      now + deadlineLeftMs,
      undefined,
      "socket",
      respond,
    );
    call.startedAt = now;
    this.#host.deliver(call);
    if (head.oneWay) respond(undefined, EMPTY_ANSWER);
  }

  onFrame(type: number, body: unknown): void {
    if (type !== FRAME.release) return;
    const [name, key] = Array.isArray(body) ? (body as unknown[]) : [];
    if (typeof name !== "string" || typeof key !== "string") return;
    this.#host.release(actorService(name), key);
  }

  onViolation(rule: string): void {
    this.#options.onProblem?.(new GrapevineError("internal", `the agent misbehaves: ${rule}`));
    this.#webSocket?.terminate();
  }

  async #register(socket: ActorSocket): Promise<void> {
    if (this.#definitions.length === 0) return;
    this.#host.reopen();
    const wanted = this.#instance === "" ? this.#options.instance : this.#instance;
    const answer = await socket.request(FRAME.host, {
      types: this.#definitions.map(({ name }) => name),
      ...(wanted === undefined ? {} : { instance: wanted }),
      pid: process.pid,
    });
    const given = isRecord(answer) ? answer["instance"] : undefined;
    this.#instance = typeof given === "string" ? given : "";
  }

  #onLost(webSocket: WebSocket, socket: ActorSocket): void {
    const why = "the connection to the agent broke off";
    this.#socket = undefined;
    this.#host.abandon(new GrapevineError("link_reset", why));
    socket.end(why);
    if (this.#closing !== undefined || this.#webSocket !== webSocket) return;
    this.#webSocket = undefined;
    this.#options.onProblem?.(new GrapevineError("agent_unreachable", why));
    this.#retryLater();
  }

  #retryLater(): void {
    const pause = this.#retryMs * (0.5 + Math.random() / 2);
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MS_MAX);
    this.#retryTimer = setTimeout(() => {
      if (this.#closing !== undefined) return;
      this.open().catch((error: unknown) => {
        this.#options.onProblem?.(error as Error);
        this.#retryLater();
      });
    }, pause);
  }

  async #close(): Promise<void> {
    clearTimeout(this.#retryTimer);
    const socket = this.#socket;
    if (socket !== undefined && this.#definitions.length > 0) {
      await socket.request(FRAME.withdraw, null).catch(() => undefined);
      await this.#drained();
      // The last answers leave with the next turn of the event loop.
      await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));
    }
    this.#socket = undefined;
    this.#host.stop();
    const webSocket = this.#webSocket;
    if (webSocket === undefined) return;
    const closed = new Promise<void>((resolve) => webSocket.once("close", () => resolve()));
    webSocket.close(1000);
    const cut = setTimeout(() => webSocket.terminate(), 500);
    await closed;
    clearTimeout(cut);
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
      this.#host.drain(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

function whoOwns({ service, key }: CallTarget): string {
  return `who owns ${actorTypeOf(service)}/${key} is not settled yet`;
}

function openWebSocket(path: string): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const webSocket = new WebSocket(`ws+unix:${path}:${ACTORS_PATH}`, {
      maxPayload: MESSAGE_BYTES_MAX,
      perMessageDeflate: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
    webSocket.once("open", () => resolve(webSocket));
    webSocket.once("unexpected-response", (_request, response) => {
      webSocket.terminate();
      const what = `the agent at ${path} refused ${ACTORS_PATH} with status ${response.statusCode}`;
      reject(new GrapevineError("agent_unreachable", what));
    });
    webSocket.once("error", (cause) => {
      const what = `no agent can be reached at ${path} (${cause.message})`;
      const remedy = "start one with `grapevine agent`, or name its socket";
      reject(new GrapevineError("agent_unreachable", `${what}; ${remedy}`, { cause }));
    });
  });
}
