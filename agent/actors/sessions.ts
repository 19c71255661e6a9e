/**
 * The agent's side of /v1/actors: programs on this host that call actors through the agent, and
 * programs that host them. What a program hosts is in the directory for as long as its connection
 * lives: when it breaks off, its keys have other owners at once and its pending calls fail.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Logger } from "pino";
import type { WebSocket } from "ws";
import { WebSocketServer } from "ws";
import type { Actors } from "../../core/actors/actors.ts";
import type { Clock } from "../../core/seams.ts";
import { closeClients } from "../api/close-clients.ts";
import { ApiError } from "../api/problem.ts";
import { MESSAGE_BYTES_MAX } from "./actor-socket.ts";
import { ActorSession } from "./session.ts";

export const ACTORS_PATH = "/v1/actors";
const SESSIONS_MAX = 256;

export interface ActorSessionsOptions {
  readonly actors: Actors;
  readonly clock: Clock;
  readonly agentName: string;
  readonly log: Logger;
}

export class ActorSessions {
  readonly #options: ActorSessionsOptions;
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: MESSAGE_BYTES_MAX,
    perMessageDeflate: false,
  });

  constructor(options: ActorSessionsOptions) {
    this.#options = options;
  }

  /** Takes the connection over; throws an ApiError before that if it cannot. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#server.clients.size >= SESSIONS_MAX) {
      const message = `${SESSIONS_MAX} programs use actors through this agent already`;
      throw new ApiError("too_large", message, { status: 503 });
    }
    this.#server.handleUpgrade(request, socket, head, (client) => this.#serve(client));
  }

  close(): Promise<void> {
    return closeClients(this.#server);
  }

  #serve(client: WebSocket): void {
    const { actors, clock, agentName, log } = this.#options;
    const session = new ActorSession(client, { actors, clock, agentName, log });
    client.on("error", (error) => log.debug({ err: error }, "a connection of actors broke off"));
    client.once("close", () => session.end());
  }
}
