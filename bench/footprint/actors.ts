/** A process that hosts actors and says what it weighs: forked by the benchmark, orders are numbers. */
import { createNode, defineActor } from "../../index.ts";

const Small = defineActor("small", () => {
  let calls = 0;
  return {
    touch: async () => {
      calls += 1;
      return calls;
    },
  };
});

const node = await createNode({ dev: true, logLevel: "error", name: "host", actors: [Small] });
let made = 0;

/** Makes so many actors, each by one call. */
async function make(count: number): Promise<void> {
  for (const end = made + count; made < end; made += 1) {
    const calls = await node.actor(Small, `actor-${made}`).touch();
    if (calls !== 1) throw new Error(`actor-${made} was there already`);
  }
}

process.on("message", (order: { readonly count: number }) => {
  make(order.count).then(
    () => process.send?.({}),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on("disconnect", () => process.exit());
process.send?.({});
