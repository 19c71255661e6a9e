/**
 * Where log lines leave the process: standard error. A reader that is slow, stuck or gone must
 * never block the agent, neither while it runs nor when it exits. So a pipe is written without
 * waiting, up to a bound, beyond which lines are dropped and counted; files and terminals are
 * written at once.
 */
import { fstatSync, writeSync } from "node:fs";
import { Socket } from "node:net";

/** Bytes that wait for a slow reader before lines are dropped. */
const PENDING_BYTES_MAX = 4 * 1024 * 1024;
/** How long the last lines may take when the process is about to exit. */
const FLUSH_TIMEOUT_MS = 500;

export interface LogSink {
  write(text: string): void;
  /** Resolves when all is written, or after half a second: call it before the process exits. */
  flush(): Promise<void>;
}

export function createLogSink(descriptor: number): LogSink {
  const kind = fstatSync(descriptor);
  return kind.isFIFO() || kind.isSocket() ? pipeSink(descriptor) : fileSink(descriptor);
}

function fileSink(descriptor: number): LogSink {
  return {
    write: (text) => {
      try {
        writeSync(descriptor, text);
      } catch {
        // The disk is full or the terminal is gone: there is nowhere left to say so.
      }
    },
    flush: async () => undefined,
  };
}

function pipeSink(descriptor: number): LogSink {
  const socket = new Socket({ fd: descriptor, readable: false, writable: true });
  let dropped = 0;
  let isGone = false;
  // The reader closed its end: there is nobody left to tell.
  socket.on("error", () => {
    isGone = true;
  });
  socket.unref();
  const tellDropped = () => {
    if (dropped === 0 || isGone) return;
    const time = new Date().toISOString();
    const msg = "log lines were dropped: standard error is read too slowly";
    socket.write(`${JSON.stringify({ level: "warn", time, dropped, msg })}\n`);
    dropped = 0;
  };
  socket.on("drain", tellDropped);
  return {
    write: (text) => {
      if (isGone) return;
      if (socket.writableLength > PENDING_BYTES_MAX) {
        dropped += 1;
        return;
      }
      tellDropped();
      socket.write(text);
    },
    flush: async () => {
      const deadline = performance.now() + FLUSH_TIMEOUT_MS;
      while (!isGone && socket.writableLength > 0 && performance.now() < deadline) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
  };
}
