/** Ends all WebSockets of a server in order, and cuts those that do not answer. */
import type { WebSocketServer } from "ws";

const GOING_AWAY = 1001;
/** For the closing handshake, before the connection is cut. */
const CLOSE_TIMEOUT_MS = 500;

export async function closeClients(server: WebSocketServer): Promise<void> {
  const clients = [...server.clients];
  await Promise.all(
    clients.map(async (client) => {
      const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
      client.close(GOING_AWAY, "the agent stops");
      const cut = setTimeout(() => client.terminate(), CLOSE_TIMEOUT_MS);
      await closed;
      clearTimeout(cut);
    }),
  );
  server.close();
}
