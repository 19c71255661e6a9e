/**
 * Calls between two processes: a payload of 128 bytes there and back, 1, 16 and 128 calls under way
 * at once, over one connection. Grapevine's links are encrypted; the others are not.
 */
import type { BenchOptions, Outcome } from "../harness/bench.ts";
import { Workplace } from "../harness/processes.ts";
import { PAYLOAD_BYTES } from "./caller.ts";
import { measureDepths } from "./depths.ts";
import { startNodePeer, startOthers } from "./subjects.ts";

export async function run(options: BenchOptions): Promise<Outcome> {
  await using place = new Workplace();
  const link = await startNodePeer(place, { name: "grapevine link", module: "links" });
  const echo = await startNodePeer(place, { name: "tcp echo", module: "tcp" });
  const { subjects, skipped, versions } = await startOthers(place);
  const rows = await measureDepths([link, echo, ...subjects], options);
  const notes = [
    `${PAYLOAD_BYTES} bytes each way, every reply checked; both sides on the same machine`,
    "grapevine link: encrypted (Noise, ChaCha20-Poly1305); all others in plaintext",
    "moleculer: TCP transporter, JSON; grpc-js: one channel, unary; erlang: distribution, no epmd;",
    "  all as in bench/rpc/peers/",
    "CPU µs/op: caller and server together",
  ];
  return { rows, skipped, versions, notes };
}
