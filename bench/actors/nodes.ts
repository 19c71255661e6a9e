/** Actor calls from one embedded node to another: two processes, one encrypted link. */
import { createNode } from "../../index.ts";
import type { Caller, RpcPeer } from "../rpc/caller.ts";
import { Echo, echoCaller, untilAnswered } from "./echo.ts";

export const peer: RpcPeer = {
  async serve() {
    const node = await createNode({ dev: true, logLevel: "error", name: "host", actors: [Echo] });
    return { contact: { bind: node.addresses.bind } };
  },
  async connect({ bind }): Promise<Caller> {
    const node = await createNode({
      dev: true,
      logLevel: "error",
      name: "caller",
      join: [String(bind)],
    });
    await untilAnswered(() => node.actor(Echo, "first").echo(Buffer.alloc(1)));
    return { call: echoCaller((key) => node.actor(Echo, key)) };
  },
};
