/**
 * The programs behind the instances of a real run: a small HTTP server for each, which reads a
 * request whole and answers it after a while, and when the plan says so badly, late, or never.
 */
import * as http from "node:http";
import type { ApplicationMode } from "../../../sim/node/application.ts";

export const REQUEST_HEADER = "x-sim-request";
const SERVICE_MS = 2;
const SLOW_MS = 3_000;

/** A request arrived whole and begins to take effect. `instance`: namespace/service/id. */
export type OnExecuted = (node: number, request: string, instance: string) => void;

export class Applications {
  readonly #modes = new Map<number, ApplicationMode>();
  readonly #ports = new Map<string, number>();
  readonly #servers: http.Server[] = [];
  readonly #onExecuted: OnExecuted;

  constructor(onExecuted: OnExecuted) {
    this.#onExecuted = onExecuted;
  }

  /** How all applications beside a node behave from now on. */
  behave(node: number, mode: ApplicationMode): void {
    this.#modes.set(node, mode);
  }

  /** The port of an instance, which is started if it does not run yet. */
  async portOf(node: number, instance: string): Promise<number> {
    const key = `${node} ${instance}`;
    const known = this.#ports.get(key);
    if (known !== undefined) return known;
    const server = http.createServer((request, response) => {
      request.resume();
      request.once("end", () => this.#serve(node, instance, request, response));
    });
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    this.#ports.set(key, port);
    return port;
  }

  close(): void {
    for (const server of this.#servers) {
      server.close();
      server.closeAllConnections();
    }
  }

  #serve(
    node: number,
    instance: string,
    request: http.IncomingMessage,
    response: http.ServerResponse,
  ): void {
    this.#onExecuted(node, String(request.headers[REQUEST_HEADER]), instance);
    const mode = this.#modes.get(node) ?? "well";
    if (mode === "hangs") return;
    const status = () => (this.#modes.get(node) === "errors" ? 503 : 200);
    setTimeout(
      () => {
        response.writeHead(status(), { "content-type": "text/plain" });
        response.end("served\n");
      },
      mode === "slow" ? SLOW_MS : SERVICE_MS,
    ).unref();
  }
}
