/**
 * The clients of a real run: they send the plan's requests, at the plan's moments, through the proxy
 * of the agent beside them, and tell how each ended. They never repeat one, and give up after the
 * same time as their simulated twins.
 */
import * as http from "node:http";
import type { Plan } from "../../../sim/plan.ts";
import { type DrawnRequest, drawRequest } from "../../../sim/requests.ts";
import type { AgentProcess } from "./agent-process.ts";
import { REQUEST_HEADER } from "./applications.ts";
import type { Journal } from "./journal.ts";

const GIVE_UP_MS = 10_000;
const BODY = "0123456789abcdef";

interface Ending {
  readonly status: number;
  /** "" if it was answered. */
  readonly error: string;
}

export class Callers {
  readonly counts = { sent: 0, answered: 0, failed: 0 };
  readonly #plan: Plan;
  readonly #agents: readonly AgentProcess[];
  readonly #journal: Journal;
  #timer: NodeJS.Timeout | undefined;
  #number = 0;
  #dueMs = 0;

  constructor(plan: Plan, agents: readonly AgentProcess[], journal: Journal) {
    this.#plan = plan;
    this.#agents = agents;
    this.#journal = journal;
  }

  /** Sends requests from now until `stop`. */
  start(): void {
    const { requestsPerSecond, services } = this.#plan.workload;
    this.#dueMs = performance.now();
    if (requestsPerSecond > 0 && services > 0) this.#sendLater();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #sendLater(): void {
    this.#number += 1;
    const number = this.#number;
    const drawn = drawRequest(this.#plan, number);
    this.#dueMs += drawn.pauseUs / 1_000;
    this.#timer = setTimeout(
      () => {
        void this.#send(number, drawn);
        this.#sendLater();
      },
      Math.max(0, this.#dueMs - performance.now()),
    );
  }

  async #send(number: number, { node, service, key, isIdempotent }: DrawnRequest): Promise<void> {
    const life = this.#agents[node]?.life;
    if (life === undefined || life.isPaused) return;
    const request = `c${number}`;
    this.counts.sent += 1;
    this.#journal.emit({
      ...{ kind: "request", node, request, service: `default/${service}`, isIdempotent },
    });
    const headers = {
      host: `${service}.mesh`,
      [REQUEST_HEADER]: request,
      ...(key === undefined ? {} : { "grapevine-key": key }),
    };
    const { status, error } = await send(life.proxy, headers, isIdempotent ? undefined : BODY);
    this.counts[error === "" ? "answered" : "failed"] += 1;
    this.#journal.emit({ kind: "outcome", node, request, status, error });
  }
}

function send(
  proxy: string,
  headers: Record<string, string>,
  body: string | undefined,
): Promise<Ending> {
  const [host = "", port = ""] = proxy.split(":");
  return new Promise((resolve) => {
    const request = http.request({
      ...{ host, port, path: "/", method: body === undefined ? "GET" : "POST", agent: false },
      headers: body === undefined ? headers : { ...headers, "content-length": body.length },
    });
    const timer = setTimeout(() => end({ status: 0, error: "deadline_exceeded" }), GIVE_UP_MS);
    const end = (ending: Ending) => {
      clearTimeout(timer);
      resolve(ending);
      request.destroy();
    };
    request.on("error", (error) => end({ status: 0, error: codeOf(error) }));
    request.once("response", (response) => {
      const status = response.statusCode ?? 0;
      const explained = String(response.headers["grapevine-error"] ?? "");
      response.on("error", (error) => end({ status, error: codeOf(error) }));
      response.resume();
      response.once("end", () => end({ status, error: explained.split(";")[0] ?? "" }));
    });
    request.end(body);
  });
}

function codeOf(error: Error): string {
  return (error as NodeJS.ErrnoException).code ?? error.message;
}
