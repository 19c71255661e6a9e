/** The rounds of both benchmarks of calls: each subject with 1, 16 and 128 calls under way at once. */
import type { BenchOptions } from "../harness/bench.ts";
import { cpuMicros } from "../harness/processes.ts";
import { Measurements, type Row } from "../harness/report.ts";
import { inTurn } from "../harness/rounds.ts";
import type { RpcSubject } from "./subjects.ts";

const DEPTHS = [1, 16, 128];
const DEFAULT_ROUNDS = 5;
const DEFAULT_SECONDS = 1.5;
const WARM_UP_MS = 100;
const FIRST_WARM_UP_MS = 2_500;

export async function measureDepths(
  subjects: readonly RpcSubject[],
  options: BenchOptions,
): Promise<Row[]> {
  for (const subject of subjects) {
    options.progress(`warming up ${title(subject)}`);
    await subject.run({ depth: 128, warmUpMs: FIRST_WARM_UP_MS, seconds: 0.1 });
  }
  const measurements = new Measurements();
  const rounds = options.rounds ?? DEFAULT_ROUNDS;
  const seconds = options.seconds ?? DEFAULT_SECONDS;
  for (const [subject, round] of inTurn(subjects, rounds)) {
    options.progress(`round ${round + 1} of ${rounds}: ${title(subject)}`);
    for (const depth of DEPTHS) {
      const before = cpuMicros(subject.pids);
      const result = await subject.run({ depth, warmUpMs: WARM_UP_MS, seconds });
      const cpuUsPerOp = (cpuMicros(subject.pids) - before) / result.total;
      const name = subject.where === undefined ? "" : `${subject.where}, `;
      const which = { case: `${name}depth ${depth}`, unit: "calls/s", better: "higher" } as const;
      measurements.add(subject.name, which, result.counted / result.seconds, cpuUsPerOp);
    }
  }
  return measurements.rows();
}

function title({ name, where }: RpcSubject): string {
  return where === undefined ? name : `${name}, ${where}`;
}
