/** A bare echo over TCP, without encryption or framing: what the sockets themselves allow. */
import { type AddressInfo, connect, createServer } from "node:net";
import { type Caller, marked, PAYLOAD_BYTES, type RpcPeer } from "../caller.ts";

export const peer: RpcPeer = {
  async serve() {
    const server = createServer({ noDelay: true }, (socket) => {
      eachMessage(socket, (message) => socket.write(marked(message)));
      socket.on("error", () => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return { contact: { port: (server.address() as AddressInfo).port } };
  },
  async connect({ port }): Promise<Caller> {
    const socket = connect({ host: "127.0.0.1", port: Number(port), noDelay: true });
    await new Promise((resolve) => socket.once("connect", resolve));
    const waiting: ((error: unknown, reply: Uint8Array) => void)[] = [];
    eachMessage(socket, (message) => waiting.shift()?.(undefined, message));
    return {
      call(payload, done) {
        waiting.push(done);
        socket.write(Buffer.from(payload));
      },
    };
  },
};

function eachMessage(socket: NodeJS.ReadableStream, onMessage: (message: Buffer) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    for (; at + PAYLOAD_BYTES <= bytes.length; at += PAYLOAD_BYTES) {
      onMessage(bytes.subarray(at, at + PAYLOAD_BYTES));
    }
    rest = bytes.subarray(at);
  });
}
