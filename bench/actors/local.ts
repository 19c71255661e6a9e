/**
 * Actor calls within one process: callers and a hosting node, no bytes and no sockets. Forked by the
 * benchmark, it takes orders as the sides of the other subjects do. Each caller adds to a counter of
 * its own, whose total has to be the number of its calls.
 */
import { createNode } from "../../index.ts";
import type { RpcOrder, RpcResult } from "../rpc/side.ts";
import { Counter } from "./echo.ts";

const node = await createNode({ dev: true, logLevel: "error", name: "local", actors: [Counter] });

interface Lane {
  readonly counter: { add(by: number): Promise<number> };
  total: number;
}

const lanes: Lane[] = [];

async function perform({ depth, warmUpMs, seconds }: RpcOrder): Promise<RpcResult> {
  while (lanes.length < depth) {
    lanes.push({ counter: node.actor(Counter, `lane-${lanes.length}`), total: 0 });
  }
  const from = performance.now() + warmUpMs;
  const until = from + seconds * 1_000;
  const done = await Promise.all(lanes.slice(0, depth).map((lane) => drive(lane, from, until)));
  const sum = (which: "total" | "counted") => done.reduce((all, each) => all + each[which], 0);
  return { total: sum("total"), counted: sum("counted"), seconds };
}

async function drive(lane: Lane, from: number, until: number) {
  const { counter } = lane;
  const before = lane.total;
  let counted = 0;
  for (let now = 0; now < until; ) {
    const total = await counter.add(1);
    lane.total += 1;
    if (total !== lane.total) throw new Error(`a total of ${total} after ${lane.total} calls`);
    now = performance.now();
    if (now >= from && now < until) counted += 1;
  }
  return { total: lane.total - before, counted };
}

process.on("message", (order: RpcOrder) => {
  perform(order).then(
    (result) => process.send?.(result),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on("disconnect", () => process.exit());
process.send?.({});
