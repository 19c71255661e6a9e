/**
 * References to actors. A reference looks like the handler and holds no connection: each property
 * that is read is a method that calls. Methods are made when they are first read and then live on
 * one prototype that all references share, so that a call costs a plain property access and not a
 * trip through a Proxy. What the language itself looks for (`then`, `toJSON`, symbols) is undefined,
 * so that a reference can be awaited, logged and compared without calling anybody.
 */
import { CallTarget } from "../../core/actors/call.ts";
import {
  type AnyActorDefinition,
  actorService,
  actorTypeOf,
  type CallOptions,
  type Ref,
  tell,
  withOptions,
} from "../../core/actors/definition.ts";
import { PromiseCall } from "../../core/actors/promise-call.ts";
import { GrapevineError } from "../../core/errors.ts";
import { ACTOR_CALL_TIMEOUT_MS } from "../../core/limits.ts";

/** Takes calls: the node in this process, or a connection to the local agent. */
export interface ActorCaller {
  now(): number;
  start(call: PromiseCall): void;
}

interface Binding {
  readonly caller: ActorCaller;
  readonly target: CallTarget;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly oneWay: boolean;
}

interface Reference {
  readonly [BINDING]: Binding;
}

const BINDING = Symbol("grapevine.reference");
const GUARDED = new Set(["then", "toJSON", "constructor"]);
/** Method names that are remembered; a program has some hundreds. */
const METHODS_MAX = 10_000;
const TIMEOUT_MS_MAX = 2 ** 31;

const methods: object = Object.create(
  new Proxy(Object.create(null), {
    get: (_target, name) => {
      if (typeof name === "symbol" || GUARDED.has(name)) return undefined;
      return makeMethod(name);
    },
  }),
);
let methodsMade = 0;

Object.defineProperties(methods, {
  [tell]: {
    get(this: Reference) {
      return bind({ ...this[BINDING], oneWay: true });
    },
  },
  [withOptions]: {
    get(this: Reference) {
      return (options: CallOptions) => bind({ ...this[BINDING], ...readOptions(options) });
    },
  },
  [Symbol.toPrimitive]: {
    value(this: Reference) {
      return describe(this[BINDING]);
    },
  },
  [Symbol.for("nodejs.util.inspect.custom")]: {
    value(this: Reference) {
      return `ActorReference(${describe(this[BINDING])})`;
    },
  },
});

/** The reference to one actor. No I/O; throws invalid_argument for a type or key that cannot be. */
export function referenceTo(
  caller: ActorCaller,
  definition: AnyActorDefinition | string,
  key: string,
): unknown {
  const type = typeof definition === "string" ? definition : definition.name;
  if (typeof key !== "string") {
    throw new GrapevineError("invalid_argument", `the key of an actor ${type} is a text`);
  }
  const target = new CallTarget(actorService(type), key);
  const options = { timeoutMs: ACTOR_CALL_TIMEOUT_MS, signal: undefined, oneWay: false };
  return bind({ caller, target, ...options });
}

/** `node.actor` of everything that offers references. */
export interface ActorReferences {
  /** The actor of this type and key, wherever it lives. Nothing is sent until it is called. */
  actor<Definition extends AnyActorDefinition>(
    definition: Definition,
    key: string,
  ): Ref<Definition>;
  /** The same by name: `node.actor<typeof Counter>("counter", "user-42")`. */
  actor<Definition extends AnyActorDefinition>(
    type: Definition["name"],
    key: string,
  ): Ref<Definition>;
}

function bind(binding: Binding): unknown {
  const reference = Object.create(methods) as object;
  Object.defineProperty(reference, BINDING, { value: binding });
  return reference;
}

function describe({ target }: Binding): string {
  return `${actorTypeOf(target.service)}/${target.key}`;
}

function readOptions({ timeoutMs, signal }: CallOptions): Partial<Binding> {
  if (timeoutMs !== undefined && !(timeoutMs > 0 && timeoutMs <= TIMEOUT_MS_MAX)) {
    const what = `timeoutMs is a number of milliseconds from 1 to ${TIMEOUT_MS_MAX}`;
    throw new GrapevineError("invalid_argument", `${what}, not ${timeoutMs}`);
  }
  return {
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(signal === undefined ? {} : { signal }),
  };
}

function makeMethod(name: string): unknown {
  const method = function (this: Reference | undefined, ...args: readonly unknown[]): unknown {
    const binding = this?.[BINDING];
    if (binding === undefined) {
      throw new TypeError(`call ${name} as a method of its reference: ref.${name}(...)`);
    }
    if (binding.oneWay) return void send(binding, name, args);
    if (binding.signal !== undefined) return sendWithSignal(binding, binding.signal, name, args);
    return new Promise((resolve, reject) => {
      const { caller, target, timeoutMs } = binding;
      const now = caller.now();
      const call = new PromiseCall(target, name, args, false, now + timeoutMs, resolve, reject);
      call.startedAt = now;
      caller.start(call);
    });
  };
  if (methodsMade < METHODS_MAX) {
    methodsMade += 1;
    Object.defineProperty(methods, name, { value: method });
  }
  return method;
}

function ignore(): void {}

function send({ caller, target, timeoutMs }: Binding, name: string, args: readonly unknown[]) {
  const now = caller.now();
  const call = new PromiseCall(target, name, args, true, now + timeoutMs, ignore, ignore);
  call.startedAt = now;
  caller.start(call);
}

function sendWithSignal(
  { caller, target, timeoutMs }: Binding,
  signal: AbortSignal,
  name: string,
  args: readonly unknown[],
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const now = caller.now();
    const abort = () => call.giveUp("the caller's signal was aborted");
    const end = (settle: (value: unknown) => void) => (value: unknown) => {
      signal.removeEventListener("abort", abort);
      settle(value);
    };
    const due = now + timeoutMs;
    const call = new PromiseCall(target, name, args, false, due, end(resolve), end(reject));
    call.startedAt = now;
    if (signal.aborted) {
      abort();
      return;
    }
    signal.addEventListener("abort", abort);
    caller.start(call);
  });
}
