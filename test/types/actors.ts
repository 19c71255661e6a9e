/** Actors as their callers write them: this file is only compiled, and read by the editor's server. */
import {
  type ActorContext,
  defineActor,
  type EmbeddedNode,
  type Ref,
  tell,
  withOptions,
} from "../../index.ts";

export const Store = defineActor("store", (ctx: ActorContext) => {
  const values = new Map<string, unknown>();
  function read(name: string): Promise<string>;
  function read(name: string, fallback: number): Promise<number>;
  async function read(name: string, fallback?: number): Promise<unknown> {
    return values.get(name) ?? fallback ?? ctx.self.key;
  }
  return {
    /** Keeps a value under a name and gives it back. */
    async put<Value>(name: string, value: Value): Promise<Value> {
      values.set(name, value);
      return value;
    },
    /** Two ways to read. */
    read,
    async size() {
      return values.size;
    },
  };
});

interface Greeter {
  greet(name: string): Promise<string>;
}

export const Greeting = defineActor(
  "greeting",
  (): Greeter => ({ greet: async (name) => `hello ${name}` }),
);

type Equal<Left, Right> =
  (<Type>() => Type extends Left ? 1 : 2) extends <Type>() => Type extends Right ? 1 : 2
    ? true
    : false;

function expectType<_Claim extends true>(): void {}

export function callers(node: EmbeddedNode): void {
  const store = node.actor(Store, "k");
  const put = store.put("name", { deep: [1, 2] });
  expectType<Equal<typeof put, Promise<{ deep: number[] }>>>();
  const text = store.read("name");
  expectType<Equal<typeof text, Promise<string>>>();
  const number = store.read("name", 7);
  expectType<Equal<typeof number, Promise<number>>>();
  const size = store[withOptions]({ timeoutMs: 100 }).size();
  expectType<Equal<typeof size, Promise<number>>>();
  const nothing = store[tell].size();
  expectType<Equal<typeof nothing, void>>();
  const byName = node.actor<typeof Store>("store", "k");
  expectType<Equal<typeof byName, Ref<typeof Store>>>();
  const greeting = node.actor(Greeting, "k").greet("you");
  expectType<Equal<typeof greeting, Promise<string>>>();
  // @ts-expect-error: no such method
  store.gone();
  // @ts-expect-error: a wrong argument
  store.read(1);
  // @ts-expect-error: the name of another type
  node.actor<typeof Store>("counter", "k");
  // @ts-expect-error: a key is a text
  node.actor(Store, 7);
  // @ts-expect-error: methods are asynchronous
  defineActor("wrong", () => ({ now: () => 1 }));
  // @ts-expect-error: a handler has methods alone
  defineActor("wrong", () => ({ total: 1 }));
}
