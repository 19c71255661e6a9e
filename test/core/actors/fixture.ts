/** One process that hosts actors, on virtual time, and calls whose ends are noted. */
import type { ActorCall } from "../../../core/actors/call.ts";
import { CallTarget } from "../../../core/actors/call.ts";
import { type AnyActorDefinition, actorService } from "../../../core/actors/definition.ts";
import { ActorHost, type ActorHostOptions } from "../../../core/actors/host.ts";
import { PromiseCall } from "../../../core/actors/promise-call.ts";
import { SeededRandom } from "../../../core/random.ts";
import { VirtualClock } from "../../agent/virtual-clock.ts";

export class HostFixture {
  readonly clock = new VirtualClock();
  readonly homeless: ActorCall[] = [];
  readonly failures: string[] = [];
  readonly passivated: string[] = [];
  readonly host: ActorHost;
  readonly #targets = new Map<string, CallTarget>();

  constructor(definitions: readonly AnyActorDefinition[], options: Partial<ActorHostOptions> = {}) {
    const { clock } = this;
    this.host = new ActorHost({
      clock,
      random: new SeededRandom(1),
      soon: queueMicrotask,
      later: setImmediate,
      onHomeless: (call) => this.homeless.push(call),
      onPassivated: (_service, key) => this.passivated.push(key),
      reference: (definition, key) => `${definition.name}/${key}`,
      onTimerFailed: (type, key, thrown) =>
        this.failures.push(`${type}/${key}: ${(thrown as Error).message}`),
      ...options,
    });
    for (const definition of definitions) {
      this.host.add(actorService(definition.name), definition);
    }
  }

  start(
    type: string,
    key: string,
    method: string,
    args: readonly unknown[] = [],
    timeoutMs = 5_000,
  ): { readonly call: PromiseCall; readonly result: Promise<unknown> } {
    const name = `${type}/${key}`;
    const target = this.#targets.get(name) ?? new CallTarget(actorService(type), key);
    this.#targets.set(name, target);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const now = this.clock.now();
    const due = now + timeoutMs;
    const call = new PromiseCall(target, method, args, false, due, resolve, reject);
    call.startedAt = now;
    promise.catch(() => undefined);
    this.host.deliver(call);
    return { call, result: promise };
  }

  call(type: string, key: string, method: string, ...args: unknown[]): Promise<unknown> {
    return this.start(type, key, method, args).result;
  }
}
