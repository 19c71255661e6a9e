/**
 * A real browser for tests: Debian's Chromium without a window, driven over its own debugging
 * protocol. Nothing is downloaded; a machine without one says so.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import WebSocket from "ws";

const NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const START_MS = 30_000;

/** The command of an installed browser; undefined if there is none. */
export function findBrowser(): string | undefined {
  const wanted = process.env["CHROMIUM"];
  const names = wanted === undefined ? NAMES : [wanted];
  return names.find((name) => spawnSync(name, ["--version"]).status === 0);
}

export interface Page {
  /** The value of an expression in the page, as JSON carries it; promises are awaited. */
  evaluate(expression: string): Promise<unknown>;
  /** A PNG of the window. */
  screenshot(): Promise<Buffer>;
  /** What the page wrote as errors, and exceptions nobody caught. */
  readonly errors: readonly string[];
}

interface Answer {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Record<string, unknown>;
  readonly result?: Record<string, unknown>;
  readonly error?: { readonly message: string };
}

export class Browser implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #sockets: WebSocket[] = [];
  readonly #port: number;

  private constructor(child: ChildProcess, profile: string, port: number) {
    this.#child = child;
    this.#profile = profile;
    this.#port = port;
  }

  static async start(command: string): Promise<Browser> {
    const profile = mkdtempSync(join(tmpdir(), "grapevine-browser-"));
    const child = spawn(
      command,
      [
        ...["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        ...["--no-first-run", "--disable-extensions", "--hide-scrollbars", "--mute-audio"],
        ...["--remote-debugging-port=0", `--user-data-dir=${profile}`],
        ...["--window-size=1400,1900", "about:blank"],
      ],
      { stdio: ["ignore", "ignore", "pipe"], detached: true },
    );
    const port = await debuggingPort(child);
    return new Browser(child, profile, port);
  }

  async open(url: string): Promise<Page> {
    const address = `http://127.0.0.1:${this.#port}/json/new?${encodeURI(url)}`;
    const target = (await (await fetch(address, { method: "PUT" })).json()) as {
      readonly webSocketDebuggerUrl: string;
    };
    const socket = new WebSocket(target.webSocketDebuggerUrl, { maxPayload: 2 ** 28 });
    this.#sockets.push(socket);
    await new Promise((resolve, reject) => {
      socket.once("open", resolve);
      socket.once("error", reject);
    });
    return await attach(socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.terminate();
    const { pid } = this.#child;
    const over = new Promise((resolve) => this.#child.once("close", resolve));
    // Its helpers are in its group.
    if (pid !== undefined && this.#child.exitCode === null) process.kill(-pid, "SIGKILL");
    await over;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

function debuggingPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => reject(new Error(`the browser is silent:\n${text}`)), START_MS);
    child.stderr?.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      const port = /DevTools listening on ws:\/\/[^:]+:(\d+)\//.exec(text)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      resolve(Number(port));
    });
    child.once("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`the browser ended with ${code}:\n${text}`));
    });
  });
}

async function attach(socket: WebSocket): Promise<Page> {
  const errors: string[] = [];
  const waiting = new Map<number, (answer: Answer) => void>();
  let count = 0;
  socket.on("message", (bytes) => {
    const answer = JSON.parse(bytes.toString()) as Answer;
    if (answer.id !== undefined) waiting.get(answer.id)?.(answer);
    if (answer.method === "Runtime.exceptionThrown") errors.push(JSON.stringify(answer.params));
    // Reading pixels back, as tests do, is worth a warning to the browser; only errors count.
    const entry = answer.method === "Log.entryAdded" ? answer.params?.["entry"] : undefined;
    if ((entry as { level?: string } | undefined)?.level === "error") {
      errors.push(JSON.stringify(entry));
    }
  });
  const send = (method: string, params: object = {}): Promise<Record<string, unknown>> => {
    count += 1;
    const id = count;
    socket.send(JSON.stringify({ id, method, params }));
    return new Promise((resolve, reject) =>
      waiting.set(id, ({ result, error }) => {
        waiting.delete(id);
        if (error === undefined) resolve(result ?? {});
        else reject(new Error(`${method}: ${error.message}`));
      }),
    );
  };
  await send("Runtime.enable");
  await send("Log.enable");
  return {
    errors,
    async evaluate(expression) {
      const options = { expression, awaitPromise: true, returnByValue: true };
      const { result, exceptionDetails } = await send("Runtime.evaluate", options);
      if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
      return (result as { value?: unknown }).value;
    },
    async screenshot() {
      const { data } = await send("Page.captureScreenshot", { format: "png" });
      return Buffer.from(data as string, "base64");
    },
  };
}
