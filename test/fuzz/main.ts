/**
 * `npm run fuzz -- [--minutes M] [--target T]`: looks for inputs that break a target, in turns of a
 * few seconds each, until the time is over. What it finds goes into the corpus, where the tests try
 * it again; exit code 1 then.
 */
import { parseArgs } from "node:util";
import { remember } from "./corpus.ts";
import { fuzz } from "./run.ts";
import { TARGETS } from "./targets.ts";

const TURN_MS = 10_000;
const say = (line: string) => process.stdout.write(`${line}\n`);

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    target: { type: "string", multiple: true, default: [] },
  },
});
const names = TARGETS.map(({ name }) => name);
const unknown = values.target.find((name) => !names.includes(name));
const minutes = Number(values.minutes);
if (unknown !== undefined || !(minutes > 0)) {
  const wrong = unknown === undefined ? `--minutes ${values.minutes}` : `--target ${unknown}`;
  process.stderr.write(`${wrong}: give a number above 0 and one of ${names.join(", ")}\n`);
  process.exit(2);
}

const chosen = TARGETS.filter(
  ({ name }) => values.target.length === 0 || values.target.includes(name),
);
const end = performance.now() + minutes * 60_000;
const turnMs = Math.min(TURN_MS, (minutes * 60_000) / chosen.length);
let seed = Date.now() % 0x7fff_ffff;
let found = 0;
while (performance.now() < end) {
  for (const target of chosen) {
    if (performance.now() >= end) break;
    seed = (seed + 1) % 0x7fff_ffff;
    const { runs, failure } = await fuzz(target, turnMs, seed);
    say(`${target.name}: ${runs} inputs, seed ${seed}${failure === undefined ? "" : ", BROKEN"}`);
    if (failure === undefined) continue;
    found += 1;
    say(failure.error);
    say(`kept as ${remember(target.name, failure.input, failure.error)}; cuts ${failure.cuts}`);
  }
}
for (const { close } of chosen) await close?.();
say(found === 0 ? "nothing found" : `${found} found`);
process.exitCode = found === 0 ? 0 : 1;
