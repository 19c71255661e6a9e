/** Actor calls through agents: host and caller each find theirs by $GRAPEVINE_SOCKET. */
import { connect } from "../../index.ts";
import type { Caller, RpcPeer } from "../rpc/caller.ts";
import { Echo, echoCaller, untilAnswered } from "./echo.ts";

export const peer: RpcPeer = {
  async serve() {
    await connect({ actors: [Echo] });
    return { contact: {} };
  },
  async connect(): Promise<Caller> {
    const node = await connect();
    await untilAnswered(() => node.actor(Echo, "first").echo(Buffer.alloc(1)));
    return { call: echoCaller((key) => node.actor(Echo, key)) };
  },
};
