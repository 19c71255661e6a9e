/**
 * The WebSockets of the local API: events and log lines as they happen, one JSON value per
 * message. A consumer that does not keep up loses messages, never the agent its memory: what
 * cannot be buffered is counted, and the gap is told with {"type":"lagged","missed":N} as soon as
 * there is room.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { WebSocketServer } from "ws";
import { LOG_LEVELS } from "../telemetry/log.ts";
import { closeClients } from "./close-clients.ts";
import type { LocalNode } from "./node.ts";
import { ApiError } from "./problem.ts";
import { Query } from "./query.ts";

const CONSUMERS_MAX = 64;
/** What waits for one consumer; about ten thousand events. */
const BUFFERED_BYTES_MAX = 1024 * 1024;
/** Consumers have nothing to say. */
const MESSAGE_BYTES_MAX = 1_024;
const REPLAY_MAX = 1_000;

/** Begins to feed a consumer; returns what ends that. */
type Feed = (send: (text: string) => void) => () => void;

export class Streams {
  readonly #node: LocalNode;
  readonly #bufferedMax: number;
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: MESSAGE_BYTES_MAX,
    perMessageDeflate: false,
  });

  constructor(node: LocalNode, bufferedBytesMax = BUFFERED_BYTES_MAX) {
    this.#node = node;
    this.#bufferedMax = bufferedBytesMax;
  }

  /** True for the paths that are WebSockets. */
  static serves(pathname: string): boolean {
    return pathname === "/v1/events" || pathname === "/v1/logs";
  }

  /** Takes the connection over; throws an ApiError before that if it cannot. */
  accept(request: IncomingMessage, socket: Duplex, head: Buffer, url: URL): void {
    const feed = this.#feedOf(url);
    if (this.#server.clients.size >= CONSUMERS_MAX) {
      const message = `${CONSUMERS_MAX} consumers follow this agent already`;
      throw new ApiError("too_large", message, { status: 503 });
    }
    this.#server.handleUpgrade(request, socket, head, (client) => this.#serve(client, feed));
  }

  close(): Promise<void> {
    return closeClients(this.#server);
  }

  #feedOf(url: URL): Feed {
    const { events, log } = this.#node;
    if (url.pathname === "/v1/events") {
      const replay = new Query(url.searchParams, ["replay"]).integer("replay", 0, REPLAY_MAX, 0);
      return (send) => {
        for (const event of events.recent(replay)) send(JSON.stringify(event));
        return events.subscribe((event) => send(JSON.stringify(event)));
      };
    }
    const query = new Query(url.searchParams, ["level", "replay"]);
    const level = query.oneOf("level", LOG_LEVELS, "info");
    const replay = query.integer("replay", 0, REPLAY_MAX, 0);
    return (send) => {
      for (const line of log.recent(level, replay)) send(line);
      return log.subscribe(level, send);
    };
  }

  #serve(client: WebSocket, feed: Feed): void {
    let missed = 0;
    const tellGap = () => {
      if (missed === 0 || client.readyState !== client.OPEN) return;
      if (client.bufferedAmount > this.#bufferedMax / 2) return;
      const text = JSON.stringify({ type: "lagged", missed });
      missed = 0;
      client.send(text, tellGap);
    };
    const send = (text: string) => {
      if (client.readyState !== client.OPEN) return;
      tellGap();
      if (missed > 0 || client.bufferedAmount + text.length > this.#bufferedMax) missed += 1;
      else client.send(text, tellGap);
    };
    client.on("error", () => client.terminate());
    const unsubscribe = feed(send);
    client.once("close", unsubscribe);
  }
}
