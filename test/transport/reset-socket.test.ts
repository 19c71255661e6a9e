import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resetSocket } from "../../transport/reset-socket.ts";

const accepted: Socket[] = [];
const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => undefined);
  accepted.push(socket);
});
beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterAll(() => {
  for (const socket of accepted) socket.destroy();
  server.close();
});

async function dial(): Promise<{ readonly near: Socket; readonly far: Socket }> {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const arrival = once(server, "connection");
  const near = connect({ port: address.port, host: "127.0.0.1", allowHalfOpen: true });
  near.on("error", () => undefined);
  const [[far]] = await Promise.all([arrival, once(near, "connect")]);
  return { near, far: far as Socket };
}

describe("a reset", () => {
  it("reaches the peer", async () => {
    const { near, far } = await dial();
    far.resume();
    const failure = once(far, "error");
    resetSocket(near);
    expect((await failure)[0]).toMatchObject({ code: "ECONNRESET" });
  });

  it("closes a socket whose end is just being sent, instead of losing it for ever", async () => {
    const { near } = await dial();
    near.end();
    const closed = once(near, "close");
    resetSocket(near);
    await closed;
    expect(near.destroyed).toBe(true);
  });
});
