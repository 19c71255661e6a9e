/**
 * Calls between two processes: a payload of 128 bytes there and back, 1, 16 and 128 calls under way
 * at once, over one connection. Grapevine's links are encrypted; the others are not.
 */
import type { BenchOptions, Outcome } from "../harness/bench.ts";
import { cpuMicros, Workplace } from "../harness/processes.ts";
import { Measurements } from "../harness/report.ts";
import { inTurn } from "../harness/rounds.ts";
import { PAYLOAD_BYTES } from "./caller.ts";
import { startSubjects } from "./subjects.ts";

const DEPTHS = [1, 16, 128];
const DEFAULT_ROUNDS = 5;
const DEFAULT_SECONDS = 1.5;
const WARM_UP_MS = 100;
const FIRST_WARM_UP_MS = 2_500;

export async function run(options: BenchOptions): Promise<Outcome> {
  await using place = new Workplace();
  const { subjects, skipped, versions } = await startSubjects(place);
  for (const subject of subjects) {
    options.progress(`warming up ${subject.name}`);
    await subject.run({ depth: 128, warmUpMs: FIRST_WARM_UP_MS, seconds: 0.1 });
  }
  const measurements = new Measurements();
  const rounds = options.rounds ?? DEFAULT_ROUNDS;
  const seconds = options.seconds ?? DEFAULT_SECONDS;
  for (const [subject, round] of inTurn(subjects, rounds)) {
    options.progress(`round ${round + 1} of ${rounds}: ${subject.name}`);
    for (const depth of DEPTHS) {
      const before = cpuMicros(subject.pids);
      const result = await subject.run({ depth, warmUpMs: WARM_UP_MS, seconds });
      const cpuUsPerOp = (cpuMicros(subject.pids) - before) / result.total;
      const which = { case: `depth ${depth}`, unit: "calls/s", better: "higher" } as const;
      measurements.add(subject.name, which, result.counted / result.seconds, cpuUsPerOp);
    }
  }
  const notes = [
    `${PAYLOAD_BYTES} bytes each way, every reply checked; both sides on the same machine`,
    "grapevine link: encrypted (Noise, ChaCha20-Poly1305); all others in plaintext",
    "CPU µs/op: caller and server together",
  ];
  return { rows: measurements.rows(), skipped, versions, notes };
}
