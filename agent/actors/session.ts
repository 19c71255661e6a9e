/** One program at /v1/actors: its calls go to the router, and what it hosts takes calls from there. */
import type { Logger } from "pino";
import type { WebSocket } from "ws";
import type { Actors } from "../../core/actors/actors.ts";
import { type ActorCall, CallTarget } from "../../core/actors/call.ts";
import { actorTypeOf, parseActorType } from "../../core/actors/definition.ts";
import type { ActorBackend, Hosting } from "../../core/actors/hostings.ts";
import { LinkCall } from "../../core/actors/link-call.ts";
import { callPayload } from "../../core/actors/payload.ts";
import { ANSWER_NOT_OWNER, decodeCall, EMPTY_ANSWER } from "../../core/actors/wire.ts";
import { encode } from "../../core/codec.ts";
import { GrapevineError } from "../../core/errors.ts";
import { ACTIVATIONS_MAX, ACTOR_HOSTINGS_PER_AGENT_MAX } from "../../core/limits.ts";
import type { CallDone } from "../../core/link/calls.ts";
import { isLabel } from "../../core/names.ts";
import type { Clock } from "../../core/seams.ts";
import { isRecord } from "../../core/trust/fields.ts";
import type { ServiceKey } from "../../core/types.ts";
import { ActorSocket, FRAME, type SocketListener } from "./actor-socket.ts";

export interface ActorSessionOptions {
  readonly actors: Actors;
  readonly clock: Clock;
  readonly agentName: string;
  readonly log: Logger;
}

const POLICY_VIOLATION = 1008;
const NO_KEYS: ReadonlySet<string> = new Set();

export class ActorSession implements ActorBackend, SocketListener {
  readonly #client: WebSocket;
  readonly #options: ActorSessionOptions;
  readonly #socket: ActorSocket;
  #hostings: readonly Hosting[] = [];
  /** Keys that may be active in the program, by type. */
  readonly #keys = new Map<ServiceKey, Set<string>>();
  #keyCount = 0;
  #isOver = false;

  constructor(client: WebSocket, options: ActorSessionOptions) {
    this.#client = client;
    this.#options = options;
    this.#socket = new ActorSocket(client, options.clock, this);
  }

  /** The connection is gone: its actors have other owners from now on. */
  end(): void {
    this.#isOver = true;
    const types = this.#hostings.map(({ service }) => actorTypeOf(service));
    this.#withdraw();
    this.#keys.clear();
    this.#socket.end("the process that hosts the actor went away");
    if (types.length > 0) this.#options.log.info({ types }, "a host of actors went away");
  }

  /** ActorBackend. */

  deliver(call: ActorCall): void {
    const { target } = call;
    const now = this.#options.clock.now();
    if (this.#isOver) {
      this.#options.actors.router.rehome(call);
      return;
    }
    if (!this.#note(target.service, target.key)) {
      const what = `${this.#keyCount} actors live in one process, the most it holds`;
      call.fail(new GrapevineError("overloaded", what));
      return;
    }
    const payload = callPayload(call, 0, now);
    if (payload instanceof GrapevineError) {
      call.fail(payload);
      return;
    }
    this.#socket.call(payload, call.dueAt - now, (error, reply) => {
      if (error !== undefined) call.fail(error);
      else if (reply === undefined || reply[0] === ANSWER_NOT_OWNER) {
        this.#options.actors.router.rehome(call);
      } else {
        // A farewell of the former activation may have crossed with the call.
        this.#note(target.service, target.key);
        call.answer(reply);
      }
    });
  }

  release(service: ServiceKey, key: string): void {
    this.#forget(service, key);
    this.#socket.tell(FRAME.release, [actorTypeOf(service), key]);
  }

  keys(service: ServiceKey): Iterable<string> {
    return this.#keys.get(service) ?? NO_KEYS;
  }

  count(service: ServiceKey): number {
    return this.#keys.get(service)?.size ?? 0;
  }

  /** SocketListener. */

  onCall(payload: Uint8Array, deadlineLeftMs: number, respond: CallDone): void {
    const decoded = decodeCall(payload);
    if (decoded === undefined) {
      respond(new GrapevineError("bad_request", "this is no call of an actor"), undefined);
      return;
    }
    const now = this.#options.clock.now();
    const { head, args } = decoded;
    const due = now + deadlineLeftMs;
    const call = new LinkCall(
      new CallTarget(head.service, head.key),
      head,
      args,
      due,
      undefined,
      "socket",
      respond,
    );
    call.startedAt = now;
    this.#options.actors.router.call(call);
    if (head.oneWay) respond(undefined, EMPTY_ANSWER);
  }

  onFrame(type: number, body: unknown, respond: CallDone): void {
    try {
      if (type === FRAME.host) respond(undefined, encode(this.#host(body)));
      else if (type === FRAME.withdraw) {
        this.#withdraw();
        respond(undefined, encode(null));
      } else if (type === FRAME.passivated) this.#onPassivated(body);
      else respond(new GrapevineError("unsupported", `unknown frame type ${type}`), undefined);
    } catch (error) {
      if (!(error instanceof GrapevineError)) throw error;
      respond(error, undefined);
    }
  }

  onViolation(rule: string): void {
    this.#options.log.warn(`closed a connection of actors: ${rule}`);
    this.#client.close(POLICY_VIOLATION, rule);
    this.#client.terminate();
  }

  #host(body: unknown): { readonly instance: string } {
    const { actors, agentName, log } = this.#options;
    const { types, instance: wanted, pid } = isRecord(body) ? body : {};
    if (!Array.isArray(types) || types.length > ACTOR_HOSTINGS_PER_AGENT_MAX) {
      throw new GrapevineError("invalid_argument", "types is not a list of actor types");
    }
    if (this.#hostings.length > 0) {
      throw new GrapevineError("conflict", "this connection hosts actors already");
    }
    const services = types.map((type) => {
      const service = typeof type === "string" ? parseActorType(type) : undefined;
      if (service !== undefined) return service;
      throw new GrapevineError("invalid_argument", `${JSON.stringify(type)} is no actor type`);
    });
    if (wanted !== undefined && (typeof wanted !== "string" || !isLabel(wanted))) {
      throw new GrapevineError("invalid_argument", "instance is not a DNS label");
    }
    const instance = wanted ?? actors.hostings.freeId(agentName, services);
    const address = typeof pid === "number" && Number.isSafeInteger(pid) ? `pid ${pid}` : "";
    const hostings: Hosting[] = [];
    try {
      for (const service of services) {
        hostings.push(actors.hostings.add(service, instance, address, this));
      }
    } catch (error) {
      for (const hosting of hostings) actors.hostings.remove(hosting);
      throw error;
    }
    this.#hostings = hostings;
    log.info({ types, instance }, "a process hosts actors");
    return { instance };
  }

  #withdraw(): void {
    for (const hosting of this.#hostings) this.#options.actors.hostings.remove(hosting);
    this.#hostings = [];
  }

  #onPassivated(body: unknown): void {
    const [type, key] = Array.isArray(body) ? (body as unknown[]) : [];
    const service = typeof type === "string" ? parseActorType(type) : undefined;
    if (service !== undefined && typeof key === "string") this.#forget(service, key);
  }

  /** False if the program holds as many keys as it may. */
  #note(service: ServiceKey, key: string): boolean {
    let keys = this.#keys.get(service);
    if (keys === undefined) {
      keys = new Set();
      this.#keys.set(service, keys);
    }
    if (keys.has(key)) return true;
    if (this.#keyCount >= ACTIVATIONS_MAX) return false;
    keys.add(key);
    this.#keyCount += 1;
    return true;
  }

  #forget(service: ServiceKey, key: string): void {
    if (this.#keys.get(service)?.delete(key) === true) this.#keyCount -= 1;
  }
}
