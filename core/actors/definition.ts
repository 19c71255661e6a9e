/**
 * What an actor type is: a name and a factory that makes one actor's methods. The remote type is the
 * handler's own type, untouched, so that a caller's editor shows the handler's names, comments,
 * generics and overloads. That works because the context reaches the methods through the factory's
 * closure, and because methods are asynchronous from the start.
 */
import { GrapevineError } from "../errors.ts";
import { ACTOR_IDLE_MS, ACTOR_MAILBOX_MAX } from "../limits.ts";
import { DEFAULT_NAMESPACE, isLabel, serviceKey } from "../names.ts";
import type { ServiceKey } from "../types.ts";

/** One-way calls: `ref[tell].add(2)` returns at once and never says what became of it. */
export const tell: unique symbol = Symbol.for("grapevine.tell");
/** `ref[withOptions]({ timeoutMs: 200 }).add(2)`: the same actor with other options for its calls. */
export const withOptions: unique symbol = Symbol.for("grapevine.withOptions");

export interface CallOptions {
  /** Until the call fails with deadline_exceeded. Default 5,000. */
  readonly timeoutMs?: number;
  /** Gives the call up: it fails with canceled, and does not run if it has not begun. */
  readonly signal?: AbortSignal;
}

/** Names one actor. */
export interface ActorAddress {
  /** "counter", or "shop/cart" outside the default namespace. */
  readonly type: string;
  readonly key: string;
}

/** What an actor's factory is given. It lives as long as the activation. */
export interface ActorContext {
  readonly self: ActorAddress;
  /** Aborted when the activation stops. */
  readonly signal: AbortSignal;
  /** Milliseconds since 1970, as Date.now() gives, from the node's own clock. */
  now(): number;
  /** A number in [0, 1) from the node's own generator. */
  random(): number;
  /**
   * Runs `callback` once, as a turn of its own, not before `delayMs` have passed. The returned
   * function cancels it. Timers end with the activation and do not keep it from being passivated.
   */
  after(delayMs: number, callback: () => unknown): () => void;
  /** The same again and again. Ticks that come while one waits for its turn are left out. */
  every(intervalMs: number, callback: () => unknown): () => void;
  /** Runs before the activation ends, for at most five seconds. */
  onStop(callback: () => unknown): void;
  /** Ends this activation after the running turn; the next message begins a new one. */
  stop(): void;
  /** Another actor, for calls from this one. An actor that awaits a call to itself waits in vain. */
  actor<Definition extends AnyActorDefinition>(
    definition: Definition,
    key: string,
  ): Ref<Definition>;
}

export interface ActorOptions {
  /** Messages that may wait for one actor; further ones are refused as overloaded. Default 1,000. */
  readonly mailbox?: number;
  /** An activation without messages for this long is stopped. Default 120,000. */
  readonly idleMs?: number;
}

declare const METHODS_ARE_ASYNC: unique symbol;
/** Shown by the compiler where a method does not return a promise. */
interface NotAsynchronous {
  readonly [METHODS_ARE_ASYNC]: "an actor's methods are async functions";
}

/** The rule for a handler: every property is a function that returns a promise. */
export type ActorMethods<Methods> = {
  readonly [Name in keyof Methods]: Name extends "then"
    ? never
    : Methods[Name] extends (...args: never[]) => PromiseLike<unknown>
      ? Methods[Name]
      : NotAsynchronous;
};

export interface ActorDefinition<Name extends string, Methods> {
  readonly name: Name;
  readonly create: (ctx: ActorContext) => Methods;
  readonly mailbox: number;
  readonly idleMs: number;
}

export type AnyActorDefinition = ActorDefinition<string, unknown>;

type OneWay<Methods> = {
  readonly [Name in keyof Methods]: Methods[Name] extends (...args: infer Args) => unknown
    ? (...args: Args) => void
    : never;
};

export interface RefControls<Methods> {
  readonly [tell]: OneWay<Methods>;
  readonly [withOptions]: (options: CallOptions) => Methods & RefControls<Methods>;
}

/** A reference to one actor: the handler's own type, and the controls on symbols beside it. */
export type Ref<Definition> =
  Definition extends ActorDefinition<string, infer Methods>
    ? Methods & RefControls<Methods>
    : never;

/** Marks the services of the directory that are actor types. */
const SERVICE_PREFIX = "actor--";
/** Names that were found to be valid: they come with every call. */
const parsedTypes = new Map<string, ServiceKey>();
const PARSED_TYPES_MAX = 1_000;
const MAILBOX_BOUND = 100_000;
const IDLE_MS_BOUND = 2 ** 31;

/**
 * Defines an actor type. `name` is "NAME" or "NAMESPACE/NAME", DNS labels both, the name at most 56
 * characters. `create` runs at the first message for a key and returns the methods; its closure is
 * the actor's state. Throws invalid_argument.
 */
export function defineActor<const Name extends string, Methods extends ActorMethods<Methods>>(
  name: Name,
  create: (ctx: ActorContext) => Methods,
  options: ActorOptions = {},
): ActorDefinition<Name, Methods> {
  actorService(name);
  const { mailbox = ACTOR_MAILBOX_MAX, idleMs = ACTOR_IDLE_MS } = options;
  if (!Number.isInteger(mailbox) || mailbox < 1 || mailbox > MAILBOX_BOUND) {
    throw invalid(`${name}: mailbox is a whole number from 1 to ${MAILBOX_BOUND}`);
  }
  if (!(idleMs >= 1 && idleMs <= IDLE_MS_BOUND)) {
    throw invalid(`${name}: idleMs is a number of milliseconds from 1 to ${IDLE_MS_BOUND}`);
  }
  return { name, create, mailbox, idleMs };
}

/** The service as which an actor type stands in the directory. Throws invalid_argument. */
export function actorService(type: string): ServiceKey {
  const service = parseActorType(type);
  if (service !== undefined) return service;
  throw invalid(
    `"${type}" does not name an actor type: NAME or NAMESPACE/NAME, both DNS labels (a-z, 0-9 and ` +
      `"-", no "-" at either end), the name at most ${63 - SERVICE_PREFIX.length} characters`,
  );
}

export function parseActorType(type: string): ServiceKey | undefined {
  const known = parsedTypes.get(type);
  if (known !== undefined) return known;
  const service = readActorType(type);
  if (service === undefined) return undefined;
  if (parsedTypes.size >= PARSED_TYPES_MAX) parsedTypes.clear();
  parsedTypes.set(type, service);
  return service;
}

function readActorType(type: string): ServiceKey | undefined {
  const slash = type.indexOf("/");
  const namespace = slash < 0 ? DEFAULT_NAMESPACE : type.slice(0, slash);
  const name = SERVICE_PREFIX + type.slice(slash + 1);
  if (!isLabel(namespace) || !isLabel(name) || name[SERVICE_PREFIX.length] === "-")
    return undefined;
  return serviceKey(namespace, name);
}

export function isActorService(name: string): boolean {
  return name.startsWith(SERVICE_PREFIX);
}

/** The actor type's name for people: "counter", "shop/cart". */
export function actorTypeOf(service: ServiceKey): string {
  const slash = service.indexOf("/");
  const namespace = service.slice(0, slash);
  const name = service.slice(slash + 1 + SERVICE_PREFIX.length);
  return namespace === DEFAULT_NAMESPACE ? name : `${namespace}/${name}`;
}

function invalid(message: string): GrapevineError {
  return new GrapevineError("invalid_argument", message);
}
