/** A terminal that remembers, and an agent's local API that answers what a test tells it to. */
import { mkdtempSync, rmSync } from "node:fs";
import * as http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type WebSocket, WebSocketServer } from "ws";
import { execute } from "../../cli/main.ts";
import type { Terminal } from "../../cli/terminal.ts";

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface TerminalOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly folder?: string;
  readonly signal?: AbortSignal;
  /** Answers to questions, in order; makes the terminal interactive. */
  readonly answers?: readonly string[];
  readonly colours?: boolean;
  readonly onOut?: (text: string) => void;
}

/** Runs one command line as `grapevine` would. */
export async function grapevine(
  args: readonly string[],
  options: TerminalOptions = {},
): Promise<Outcome> {
  let out = "";
  let err = "";
  const answers = [...(options.answers ?? [])];
  const terminal: Terminal = {
    env: options.env ?? {},
    folder: options.folder ?? tmpdir(),
    signal: options.signal ?? new AbortController().signal,
    interactive: options.answers !== undefined,
    out: (text) => {
      out += text;
      options.onOut?.(text);
    },
    err: (text) => {
      err += text;
    },
    style: (style, text) => (options.colours === true ? `<${style}>${text}</${style}>` : text),
    askSecret: async (question) => {
      err += question;
      return answers.shift();
    },
  };
  const code = await execute(args, terminal);
  return { code, out, err };
}

interface Reply {
  readonly status?: number;
  readonly body?: unknown;
}

interface Received {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

type Handler = (request: Received) => Reply;

/** By "METHOD /path"; anything else is a 404 problem document. */
export class FakeAgent implements AsyncDisposable {
  readonly received: Received[] = [];
  readonly socket: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "grapevine-cli-"));
  readonly #server: http.Server;
  readonly #sockets = new WebSocketServer({ noServer: true });

  private constructor(
    routes: Readonly<Record<string, Reply | Handler>>,
    onWebSocket: (path: string, webSocket: WebSocket) => void,
  ) {
    this.socket = join(this.#folder, "agent.sock");
    this.#server = http.createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        const { method = "", url: path = "" } = request;
        const received = { method, path, body: text === "" ? undefined : JSON.parse(text) };
        this.received.push(received);
        const route = routes[`${method} ${path}`] ?? NOT_FOUND;
        const { status = 200, body } = typeof route === "function" ? route(received) : route;
        response.writeHead(status, { "content-type": "application/json" });
        response.end(body === undefined ? "" : JSON.stringify(body));
      });
    });
    this.#server.on("upgrade", (request, socket, head) => {
      this.#sockets.handleUpgrade(request, socket, head, (webSocket) =>
        onWebSocket(request.url ?? "", webSocket),
      );
    });
  }

  static async start(
    routes: Readonly<Record<string, Reply | Handler>>,
    onWebSocket: (path: string, webSocket: WebSocket) => void = () => undefined,
  ): Promise<FakeAgent> {
    const agent = new FakeAgent(routes, onWebSocket);
    await new Promise<void>((resolve) => agent.#server.listen(agent.socket, resolve));
    return agent;
  }

  /** Runs a command against this agent. */
  run(args: readonly string[], options: TerminalOptions = {}): Promise<Outcome> {
    return grapevine(args, { ...options, env: { ...options.env, GRAPEVINE_SOCKET: this.socket } });
  }

  close(): void {
    for (const webSocket of this.#sockets.clients) webSocket.terminate();
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

const NOT_FOUND: Reply = {
  status: 404,
  body: {
    type: "urn:grapevine:error:not_found",
    title: "Not found",
    status: 404,
    detail: "nothing is there",
    code: "ERR_GRAPEVINE_NOT_FOUND",
    remedy: "look elsewhere",
  },
};
