/**
 * One side of a subject in a process of its own: `side.ts server PEER` says where it is found,
 * `side.ts client PEER CONTACT` then takes orders and keeps `depth` calls under way at once, each
 * with a payload of its own that the reply has to repeat.
 */
import { type Caller, MARK, PAYLOAD_BYTES, type RpcPeer, type Served } from "./caller.ts";

export interface RpcOrder {
  readonly depth: number;
  readonly warmUpMs: number;
  readonly seconds: number;
}

export interface RpcResult {
  /** Calls of the whole run, warming up included; of the counted part; and its length. */
  readonly total: number;
  readonly counted: number;
  readonly seconds: number;
}

const [role = "", name = "", contact = "{}"] = process.argv.slice(2);

function perform(caller: Caller, { depth, warmUpMs, seconds }: RpcOrder): Promise<RpcResult> {
  return new Promise((resolve, reject) => {
    const from = performance.now() + warmUpMs;
    const until = from + seconds * 1_000;
    let total = 0;
    let counted = 0;
    let running = depth;
    let serial = 0;
    const send = (payload: Buffer) => {
      serial += 1;
      const sent = serial;
      payload.writeUInt32BE(sent, 0);
      caller.call(payload, (error, reply) => {
        const isRight =
          reply?.length === PAYLOAD_BYTES &&
          Buffer.from(reply.buffer, reply.byteOffset, reply.length).readUInt32BE(0) === sent &&
          reply[PAYLOAD_BYTES - 1] === MARK;
        if (!isRight) {
          reject(error ?? new Error("a reply that belongs to another call"));
          return;
        }
        total += 1;
        const now = performance.now();
        if (now >= from && now < until) counted += 1;
        if (now < until) send(payload);
        else {
          running -= 1;
          if (running === 0) resolve({ total, counted, seconds });
        }
      });
    };
    for (let at = 0; at < depth; at += 1) send(Buffer.alloc(PAYLOAD_BYTES));
  });
}

/** Loaded only when asked for: their packages may be missing. */
const PEERS: Readonly<Record<string, () => Promise<{ readonly peer: RpcPeer }>>> = {
  links: () => import("./peers/links.ts"),
  tcp: () => import("./peers/tcp.ts"),
  moleculer: () => import("./peers/moleculer.ts"),
  grpc: () => import("./peers/grpc.ts"),
  nodes: () => import("../actors/nodes.ts"),
  sockets: () => import("../actors/sockets.ts"),
};
const load = PEERS[name];
if (load === undefined) throw new Error(`there is no peer ${name}`);
const { peer } = await load();
if (role === "server") {
  process.send?.(await peer.serve());
} else {
  const caller = await peer.connect(JSON.parse(contact) as Served["contact"]);
  process.on("message", (order: RpcOrder) => {
    perform(caller, order).then(
      (result) => process.send?.(result),
      (error: unknown) => process.send?.({ error: String(error) }),
    );
  });
  process.send?.({});
}
process.on("disconnect", () => process.exit());
