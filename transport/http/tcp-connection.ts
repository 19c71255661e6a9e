/** One client of a port that is forwarded to a TCP service: a tunnel from its first byte. */
import type { Socket } from "node:net";
import type { Destination, Front } from "../../core/exchange/front.ts";
import { MESH_DOMAIN } from "../../core/names.ts";
import { resetSocket } from "../reset-socket.ts";
import { clientName, type ListenedConnection, tcpHead } from "./connection-context.ts";
import { Outlet } from "./outlet.ts";
import { Tunnel } from "./tunnel.ts";

interface TcpContext {
  readonly front: Front;
  readonly name: string;
  readonly destination: Extract<Destination, { kind: "mesh" }>;
}

/** A client that does not end its side after the service has ended is closed after this. */
const HALF_OPEN_MS = 60_000;

export class TcpConnection implements ListenedConnection {
  readonly #socket: Socket;
  readonly #tunnel: Tunnel;
  #movedAt = performance.now();

  constructor(socket: Socket, context: TcpContext, onClosed: (connection: TcpConnection) => void) {
    this.#socket = socket;
    const outlet = new Outlet(socket, () => this.#tunnel.onClientDrain());
    this.#tunnel = new Tunnel(socket, outlet, {
      onUp: () => {},
      // There is no way to say why in a protocol that is not ours.
      onRefused: () => resetSocket(socket),
    });
    socket.on("data", (chunk) => {
      this.#movedAt = performance.now();
      this.#tunnel.onClientData(chunk);
    });
    socket.on("end", () => this.#tunnel.onClientEnd());
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#tunnel.onClientClosed();
      onClosed(this);
    });
    const { front, name, destination } = context;
    const [namespace, service] = destination.service.split("/");
    const opened = front.open(
      {
        head: tcpHead(`${service}.${namespace}.${MESH_DOMAIN}:${destination.port}`),
        destination,
        key: undefined,
        listener: name,
        remote: clientName(socket),
      },
      this.#tunnel,
    );
    this.#tunnel.attach(opened.exchange);
  }

  /** A byte stream has no good place to stop; it ends by itself or with `destroy`. */
  drain(): void {}

  destroy(): void {
    this.#socket.destroy();
  }

  onSweep(now: number): void {
    if (this.#tunnel.answerEnded && now - this.#movedAt > HALF_OPEN_MS) this.#socket.destroy();
  }
}
