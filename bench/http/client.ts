/**
 * The load: a number of connections, on each one request after the other, every answer checked for
 * its status, its length and its very bytes. Sockets and prepared requests instead of an HTTP client,
 * so that it is never what limits. Forked by the benchmark, which orders runs by message; it also
 * reads the processor time of the subject, at the very moments at which counting begins and ends.
 */
import { connect, type Socket } from "node:net";
import { cpuMicros } from "../harness/processes.ts";
import { BODIES, BODY_BYTES, PATH_PREFIX, VARIANTS } from "./bodies.ts";

export interface LoadOrder {
  readonly port: number;
  readonly host: string;
  readonly connections: number;
  readonly warmUpMs: number;
  readonly seconds: number;
  /** Of the subject. */
  readonly pids: readonly number[];
}

export interface LoadResult {
  readonly completed: number;
  readonly seconds: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly cpuUs: number;
}

const HEAD_END = "\r\n\r\n";
const STATUS_OK = "HTTP/1.1 200 ";
const LATENCIES_MAX = 2 ** 21;
/** In milliseconds; kept between runs, so that counting never allocates. */
const latencies = new Float64Array(LATENCIES_MAX);

class Run {
  readonly order: LoadOrder;
  readonly requests: readonly string[];
  readonly sockets = new Set<Socket>();
  completed = 0;
  isCounting = false;
  isOver = false;
  readonly done = Promise.withResolvers<void>();

  constructor(order: LoadOrder) {
    this.order = order;
    this.requests = [...VARIANTS].map(
      (variant) =>
        `GET ${PATH_PREFIX}${variant} HTTP/1.1\r\nhost: ${order.host}\r\n` +
        "user-agent: bench\r\naccept: */*\r\n\r\n",
    );
  }

  fail(why: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.done.reject(new Error(why));
  }

  count(latencyMs: number): void {
    if (!this.isCounting) return;
    latencies[this.completed % LATENCIES_MAX] = latencyMs;
    this.completed += 1;
  }
}

/** One connection: sends, checks the answer, sends again. */
function openConnection(run: Run, number: number): void {
  const socket = connect({ port: run.order.port, host: "127.0.0.1", noDelay: true });
  run.sockets.add(socket);
  let variant = number % VARIANTS.length;
  let sentAt = 0;
  let held: Buffer | undefined;
  const send = () => {
    variant = (variant + 1) % VARIANTS.length;
    sentAt = performance.now();
    socket.write(run.requests[variant] as string, "latin1");
  };
  socket.on("connect", send);
  socket.on("data", (chunk: Buffer) => {
    if (run.isOver) return;
    const bytes = held === undefined ? chunk : Buffer.concat([held, chunk]);
    held = bytes;
    const end = bytes.indexOf(HEAD_END);
    if (end < 0) return;
    const head = bytes.toString("latin1", 0, end);
    const body = bytes.subarray(end + HEAD_END.length);
    const fault = headFault(head) ?? bodyFault(body, BODIES[variant] as Buffer);
    if (fault !== undefined) run.fail(`${fault}: ${head}`);
    if (run.isOver || body.length < BODY_BYTES) return;
    run.count(performance.now() - sentAt);
    held = undefined;
    send();
  });
  socket.on("error", (error) => run.fail(`a connection broke: ${error.message}`));
  socket.on("close", () => run.fail("a connection was closed"));
}

function headFault(head: string): string | undefined {
  if (!head.startsWith(STATUS_OK)) return "not answered with 200";
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  return Number(length) === BODY_BYTES ? undefined : "an answer of another length";
}

/** Judges a body when all of it is there. */
function bodyFault(body: Buffer, expected: Buffer): string | undefined {
  if (body.length > BODY_BYTES) return "more than one answer";
  return body.length < BODY_BYTES || body.equals(expected) ? undefined : "another request's body";
}

async function perform(order: LoadOrder): Promise<LoadResult> {
  const run = new Run(order);
  for (let number = 0; number < order.connections; number += 1) openConnection(run, number);
  let startedAt = 0;
  let cpuBefore = 0;
  const timers = [
    setTimeout(() => {
      cpuBefore = cpuMicros(order.pids);
      startedAt = performance.now();
      run.isCounting = true;
    }, order.warmUpMs),
    setTimeout(() => run.done.resolve(), order.warmUpMs + order.seconds * 1_000),
  ];
  try {
    await run.done.promise;
  } finally {
    for (const timer of timers) clearTimeout(timer);
    run.isOver = true;
    for (const socket of run.sockets) socket.destroy();
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  const cpuUs = cpuMicros(order.pids) - cpuBefore;
  const sorted = latencies.subarray(0, Math.min(run.completed, LATENCIES_MAX)).slice().sort();
  const at = (share: number) => (sorted[Math.floor(sorted.length * share)] ?? 0) * 1_000;
  if (run.completed === 0) throw new Error("not a single answer came");
  return { completed: run.completed, seconds, p50Us: at(0.5), p99Us: at(0.99), cpuUs };
}

process.on("message", (order: LoadOrder) => {
  perform(order).then(
    (result) => process.send?.(result),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on("disconnect", () => process.exit());
