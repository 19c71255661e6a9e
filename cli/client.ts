/**
 * Talks to the local agent over its Unix socket. Whatever can go wrong becomes a GrapevineError
 * whose message says what happened at which socket and what to do about it.
 */
import * as http from "node:http";
import { GrapevineError, isLocalErrorCode, isRequestErrorCode } from "../core/errors.ts";

/** Answers of the local API come at once; only joining and leaving take longer. */
const TIMEOUT_MS = 15_000;
/** The list of 20,000 members with all their fields stays far below. */
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;

type Method = "GET" | "PUT" | "POST" | "DELETE";

export interface RequestOptions {
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly timeoutMs?: number;
}

export interface SubscribeOptions {
  readonly signal: AbortSignal;
}

export class AgentClient {
  readonly socket: string;

  constructor(socket: string) {
    this.socket = socket;
  }

  /** The answer's JSON, undefined where it has no body. Throws GrapevineError. */
  async request(method: Method, path: string, options: RequestOptions = {}): Promise<unknown> {
    const { status, text } = await this.#exchange(method, path, options);
    const json = text === "" ? undefined : parseJson(text);
    if (status >= 200 && status < 300) return json;
    throw problemError(status, json, text);
  }

  async get(path: string): Promise<unknown> {
    return await this.request("GET", path);
  }

  /** Every text message of a WebSocket, until it closes in order or `signal` is aborted. */
  async *subscribe(path: string, { signal }: SubscribeOptions): AsyncGenerator<string> {
    const { openSubscription } = await import("./subscription.ts");
    yield* openSubscription(this.socket, path, signal, (cause) => this.#unreachable(cause));
  }

  #exchange(
    method: Method,
    path: string,
    { body, timeoutMs = TIMEOUT_MS }: RequestOptions,
  ): Promise<{ status: number; text: string }> {
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    return new Promise((resolve, reject) => {
      const request = http.request({
        socketPath: this.socket,
        method,
        path,
        headers: {
          host: "grapevine",
          accept: "application/json",
          ...(payload === undefined
            ? {}
            : { "content-type": "application/json", "content-length": payload.length }),
        },
        agent: false,
      });
      const timer = setTimeout(() => {
        reject(this.#silent(timeoutMs));
        request.destroy();
      }, timeoutMs);
      const fail = (cause: Error) => {
        clearTimeout(timer);
        reject(this.#unreachable(cause));
      };
      request.once("error", fail);
      request.once("response", (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > ANSWER_BYTES_MAX) request.destroy(new Error("the answer is too large"));
          else chunks.push(chunk);
        });
        response.once("error", fail);
        response.once("end", () => {
          clearTimeout(timer);
          resolve({
            status: response.statusCode ?? 0,
            text: Buffer.concat(chunks).toString("utf8"),
          });
        });
      });
      request.end(payload);
    });
  }

  #silent(timeoutMs: number): GrapevineError {
    return new GrapevineError(
      "timeout",
      `the agent at ${this.socket} did not answer within ${timeoutMs / 1000} s; ` +
        "its log (`grapevine monitor`) may say why",
    );
  }

  #unreachable(cause: Error): GrapevineError {
    const { code } = cause as NodeJS.ErrnoException;
    const say = (why: string) =>
      new GrapevineError("agent_unreachable", `${why} ${this.socket}${remedy(code)}`, { cause });
    switch (code) {
      case "ENOENT":
        return say("no agent is running at");
      case "ECONNREFUSED":
        return say("no agent listens any more at");
      case "EACCES":
      case "EPERM":
        return say("you may not use the agent's socket");
      case "ENOTSOCK":
        return say("there is a file, but not an agent's socket, at");
      case "ECONNRESET":
      case "EPIPE":
        return say("the agent went away while it was asked, at");
      default:
        return say(`the agent cannot be asked (${cause.message}) at`);
    }
  }
}

function remedy(code: string | undefined): string {
  if (code === "EACCES" || code === "EPERM") {
    return "\n  use the account that runs the agent, or run the agent with --socket-group GROUP";
  }
  return (
    "\n  start one with `grapevine agent --dev` (or --identity FILE), or name another socket with " +
    "--socket or GRAPEVINE_SOCKET"
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** An RFC 9457 problem document as an error; other answers are quoted. */
function problemError(status: number, json: unknown, text: string): GrapevineError {
  const problem = typeof json === "object" && json !== null ? json : {};
  const field = (name: string): string | undefined => {
    const value: unknown = Reflect.get(problem, name);
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const code =
    field("code")
      ?.toLowerCase()
      .replace(/^err_grapevine_/, "") ?? "internal";
  const detail = field("detail") ?? field("title") ?? `status ${status}: ${text.slice(0, 500)}`;
  const cure = field("remedy");
  const known = isLocalErrorCode(code) || isRequestErrorCode(code) ? code : "internal";
  return new GrapevineError(known, cure === undefined ? detail : `${detail}\n  ${cure}`);
}
