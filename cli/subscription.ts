/** Reads a WebSocket of the local agent message by message. Loaded by the few commands that do. */
import WebSocket from "ws";
import { GrapevineError } from "../core/errors.ts";

/** Messages that wait for a slow reader before the socket is told to pause. */
const WAITING_MAX = 256;
const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

export async function* openSubscription(
  socket: string,
  path: string,
  signal: AbortSignal,
  unreachable: (cause: Error) => GrapevineError,
): AsyncGenerator<string> {
  const waiting: string[] = [];
  let ended: { readonly error: Error | undefined } | undefined;
  let wake: () => void = () => undefined;
  const end = (error: Error | undefined) => {
    ended ??= { error };
    wake();
  };
  const webSocket = new WebSocket(`ws+unix:${socket}:${path}`, {
    maxPayload: MESSAGE_BYTES_MAX,
    perMessageDeflate: false,
    handshakeTimeout: 10_000,
  });
  webSocket.on("message", (bytes) => {
    waiting.push(bytes.toString());
    if (waiting.length >= WAITING_MAX) webSocket.pause();
    wake();
  });
  webSocket.on("unexpected-response", (_request, response) => {
    end(new GrapevineError("internal", `the agent refused ${path}: ${response.statusCode}`));
    webSocket.terminate();
  });
  webSocket.on("error", (cause) => end(unreachable(cause)));
  webSocket.on("close", (code, reason) => end(closed(code, reason.toString())));
  const abort = () => {
    end(undefined);
    webSocket.terminate();
  };
  signal.addEventListener("abort", abort);
  try {
    if (signal.aborted) abort();
    for (;;) {
      const next = waiting.shift();
      if (next !== undefined) {
        if (waiting.length === 0) webSocket.resume();
        yield next;
      } else if (ended !== undefined) {
        if (ended.error !== undefined) throw ended.error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    signal.removeEventListener("abort", abort);
    webSocket.terminate();
  }
}

/** 1000 and 1001 are a goodbye: the agent stops. Anything else broke off. */
function closed(code: number, reason: string): GrapevineError | undefined {
  if (code === 1000 || code === 1001) return undefined;
  const why = reason === "" ? `code ${code}` : reason;
  return new GrapevineError("agent_unreachable", `the agent ended the stream: ${why}`);
}
