/** Moleculer over its TCP transporter, plaintext, JSON as it comes; peers named, no discovery. */
import { ServiceBroker, Transporters } from "moleculer";
import { freePort } from "../../harness/processes.ts";
import { type Caller, marked, type RpcPeer } from "../caller.ts";

const SERVER = "server";
const CLIENT = "client";

/** Both nodes know both addresses; the client's is given by the server, which starts first. */
function broker(nodeID: string, ports: { server: number; client: number }): ServiceBroker {
  const transporter = new Transporters.TCP({
    udpDiscovery: false,
    port: nodeID === SERVER ? ports.server : ports.client,
    urls: [`127.0.0.1:${ports.server}/${SERVER}`, `127.0.0.1:${ports.client}/${CLIENT}`].join(","),
    useHostname: false,
  });
  return new ServiceBroker({ nodeID, logger: false, transporter });
}

export const peer: RpcPeer = {
  async serve() {
    const ports = { server: await freePort(), client: await freePort() };
    const node = broker(SERVER, ports);
    node.createService({
      name: "echo",
      actions: {
        echo: (context: { params: { payload: string } }) => ({
          payload: marked(Buffer.from(context.params.payload, "latin1")).toString("latin1"),
        }),
      },
    });
    await node.start();
    return { contact: ports };
  },
  async connect({ server, client }): Promise<Caller> {
    const node = broker(CLIENT, { server: Number(server), client: Number(client) });
    await node.start();
    await node.waitForServices("echo", 15_000);
    return {
      call(payload, done) {
        node
          .call<{ payload: string }, object>("echo.echo", { payload: payload.toString("latin1") })
          .then(
            (reply) => done(undefined, Buffer.from(reply.payload, "latin1")),
            (error: unknown) => done(error, undefined),
          );
      },
    };
  },
};
