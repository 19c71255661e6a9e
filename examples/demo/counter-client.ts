/**
 * Counts: for each of some keys one call after the other, each adding one. It never repeats a call.
 * Each outcome is one line on standard output:
 * `{"key", "total", "life"}` for an acknowledged increment, `{"key", "error", "executed"}` otherwise.
 *
 * node counter-client.ts SOCKET KEYS PAUSE-MS
 */
import { setTimeout as sleep } from "node:timers/promises";
import { connect, GrapevineError } from "../../index.ts";
import { Counter } from "./counter.ts";

const [socket = "", keys = "20", pauseMs = "50"] = process.argv.slice(2);
const node = await connect({ socket });
process.stdin.resume().on("end", () => process.exit(0));

async function count(key: string): Promise<never> {
  const counter = node.actor(Counter, key);
  for (;;) {
    try {
      const { total, life } = await counter.add(1);
      process.stdout.write(`${JSON.stringify({ key, total, life })}\n`);
    } catch (error) {
      const known = error instanceof GrapevineError;
      const what = known ? error.short : String(error);
      const executed = known ? error.executed : "unknown";
      process.stdout.write(`${JSON.stringify({ key, error: what, executed })}\n`);
    }
    await sleep(Number(pauseMs));
  }
}

await Promise.all(Array.from({ length: Number(keys) }, (_, at) => count(`counter-${at}`)));
