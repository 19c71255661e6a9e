/** The actors that are called: one answers with its payload, as every subject here does; one counts. */
import { defineActor } from "../../index.ts";
import { marked } from "../rpc/caller.ts";

export const Echo = defineActor("echo", () => ({
  echo: async (payload: Uint8Array): Promise<Uint8Array> => marked(payload),
}));

export const Counter = defineActor("counter", () => {
  let total = 0;
  return {
    add: async (by: number) => {
      total += by;
      return total;
    },
  };
});

/** How many actors the calls are spread over. */
const ACTORS = 128;

/** The caller that all subjects share: the next call goes to the next actor. */
export function echoCaller(
  reference: (key: string) => {
    echo(payload: Uint8Array): Promise<Uint8Array>;
  },
) {
  const references = Array.from({ length: ACTORS }, (_, at) => reference(`echo-${at}`));
  let next = 0;
  return (payload: Buffer, done: (error: unknown, reply: Uint8Array | undefined) => void) => {
    const actor = references[next] as (typeof references)[number];
    next = (next + 1) % ACTORS;
    actor.echo(payload).then(
      (reply) => done(undefined, reply),
      (error: unknown) => done(error, undefined),
    );
  };
}

/** Waits until a first call is answered: the caller has to learn of the host first. */
export async function untilAnswered(call: () => Promise<unknown>): Promise<void> {
  for (const end = performance.now() + 15_000; ; ) {
    try {
      await call();
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
