/** Asks TypeScript's own language server what an editor would show. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TSC = fileURLToPath(new URL("../../node_modules/typescript/lib/tsc.js", import.meta.url));

interface Message {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: { readonly items?: readonly unknown[] };
  readonly result?: unknown;
}

export class LanguageServer implements Disposable {
  readonly #child: ChildProcess;
  readonly #answers = new Map<number, (result: unknown) => void>();
  #nextId = 1;
  #buffered = Buffer.alloc(0);

  private constructor() {
    this.#child = spawn(process.execPath, [TSC, "--lsp", "--stdio"], {
      cwd: ROOT,
      stdio: ["pipe", "pipe", "ignore"],
    });
    this.#child.stdout?.on("data", (bytes: Buffer) => this.#onBytes(bytes));
  }

  static async start(): Promise<LanguageServer> {
    const server = new LanguageServer();
    const capabilities = { textDocument: { hover: { contentFormat: ["markdown"] } } };
    const rootUri = pathToFileURL(ROOT).href;
    await server.ask("initialize", { processId: process.pid, rootUri, capabilities });
    server.#send({ method: "initialized", params: {} });
    return server;
  }

  /** Opens a file and gives the way to ask about the first place of a word on the line of another. */
  open(path: string): (method: string, line: string, word: string) => Promise<unknown> {
    const text = readFileSync(path, "utf8");
    const uri = pathToFileURL(path).href;
    const document = { uri, languageId: "typescript", version: 1, text };
    this.#send({ method: "textDocument/didOpen", params: { textDocument: document } });
    return (method, line, word) => {
      const lines = text.split("\n");
      const at = lines.findIndex((each) => each.includes(line));
      const character = lines[at]?.indexOf(word, lines[at].indexOf(line)) ?? -1;
      if (at < 0 || character < 0) throw new Error(`${path} has no "${word}" in "${line}"`);
      const position = { line: at, character: character + 1 };
      return this.ask(`textDocument/${method}`, { textDocument: { uri }, position });
    };
  }

  ask(method: string, params: object): Promise<unknown> {
    const id = this.#nextId;
    this.#nextId += 1;
    const answer = new Promise<unknown>((resolve) => this.#answers.set(id, resolve));
    this.#send({ id, method, params });
    return answer;
  }

  [Symbol.dispose](): void {
    this.#child.stdin?.end();
    this.#child.kill();
  }

  #send(message: object): void {
    const text = JSON.stringify({ jsonrpc: "2.0", ...message });
    this.#child.stdin?.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  }

  #onBytes(bytes: Buffer): void {
    this.#buffered = Buffer.concat([this.#buffered, bytes]);
    for (;;) {
      const head = this.#buffered.indexOf("\r\n\r\n");
      const length = /Content-Length: (\d+)/i.exec(this.#buffered.toString("latin1", 0, head))?.[1];
      const end = head + 4 + Number(length);
      if (head < 0 || this.#buffered.length < end) return;
      const message = JSON.parse(this.#buffered.toString("utf8", head + 4, end)) as Message;
      this.#buffered = this.#buffered.subarray(end);
      this.#onMessage(message);
    }
  }

  #onMessage({ id, method, params, result }: Message): void {
    if (method === undefined) {
      this.#answers.get(id as number)?.(result);
      this.#answers.delete(id as number);
    } else if (id !== undefined) {
      this.#send({ id, result: params?.items?.map(() => null) ?? null });
    }
  }
}
