/** Speaks to a local API as any program would. */
import { request } from "node:http";
import { connect } from "node:net";

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
  /** Of whatever shape the path answers with. */
  readonly json: ReturnType<typeof JSON.parse>;
}

/** `body` is sent as JSON, a text as it is. */
export function call(
  socketPath: string,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<ApiAnswer> {
  const sent = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  // Node would send the body of a DELETE without saying that there is one.
  const length = sent === undefined ? {} : { "content-length": Buffer.byteLength(sent) };
  const options = { socketPath, method, path, headers: { ...length, ...headers }, agent: false };
  return new Promise((resolve, reject) => {
    const outgoing = request(options, (response) => {
      let text = "";
      response.on("data", (chunk) => {
        text += chunk;
      });
      response.on("end", () => {
        const json = text === "" ? undefined : JSON.parse(text);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json });
      });
    });
    outgoing.on("error", reject);
    outgoing.end(sent);
  });
}

/** Sends bytes as they are, and returns everything that comes until the end. */
export function callRaw(socketPath: string, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(socketPath, () => socket.write(bytes));
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(text));
  });
}
