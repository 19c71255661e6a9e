/**
 * What is written to a socket within one turn of the event loop goes out in one system call: head,
 * chunk sizes and body pieces are gathered and written when the turn's callback has run. Small
 * turns are copied into one buffer, large ones go out as they are with writev. Back-pressure counts
 * what is gathered here together with what the socket still holds.
 */
import type { Socket } from "node:net";

/** Bytes on their way to one socket above which writers are told to wait. */
const HELD_BYTES_MAX = 64 * 1024;
/** Up to here one copy is cheaper than a vector of pieces. */
const COPY_BYTES_MAX = 16 * 1024;

export class Outlet {
  readonly #socket: Socket;
  readonly #onDrain: () => void;
  readonly #flushNow = () => this.#flush();
  #pieces: (string | Uint8Array)[] = [];
  #bytes = 0;
  #scheduled = false;
  #blocked = false;
  #ended = false;
  /** Flushes that reached the socket, for whoever must know whether anything was sent. */
  flushes = 0;

  /** `onDrain` is called after a `write` that gave false, once there is room again. */
  constructor(socket: Socket, onDrain: () => void) {
    this.#socket = socket;
    this.#onDrain = onDrain;
    socket.on("drain", () => this.#unblock());
  }

  /** Takes Latin-1 text or bytes. False: wait for onDrain before the next piece. */
  write(piece: string | Uint8Array): boolean {
    if (this.#ended || piece.length === 0) return true;
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    this.#schedule();
    if (this.#bytes + this.#socket.writableLength < HELD_BYTES_MAX) return true;
    this.#blocked = true;
    return false;
  }

  /** Sends what was written, then ends this side of the connection. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(this.#flushNow);
  }

  #flush(): void {
    this.#scheduled = false;
    const pieces = this.#pieces;
    const bytes = this.#bytes;
    if (this.#socket.destroyed) {
      this.#pieces = [];
      this.#bytes = 0;
      return;
    }
    if (pieces.length > 0) {
      this.#pieces = [];
      this.#bytes = 0;
      this.flushes += 1;
      this.#send(pieces, bytes);
    }
    if (this.#ended) this.#socket.end();
    else if (!this.#socket.writableNeedDrain) this.#unblock();
  }

  #send(pieces: (string | Uint8Array)[], bytes: number): void {
    const socket = this.#socket;
    const [first] = pieces;
    if (pieces.length === 1 && first !== undefined) {
      writePiece(socket, first);
    } else if (bytes <= COPY_BYTES_MAX) {
      const whole = Buffer.allocUnsafe(bytes);
      let at = 0;
      for (const piece of pieces) {
        if (typeof piece === "string") whole.write(piece, at, "latin1");
        else whole.set(piece, at);
        at += piece.length;
      }
      socket.write(whole);
    } else {
      socket.cork();
      for (const piece of pieces) writePiece(socket, piece);
      socket.uncork();
    }
  }

  #unblock(): void {
    if (!this.#blocked || this.#socket.writableNeedDrain || this.#bytes > 0) return;
    this.#blocked = false;
    this.#onDrain();
  }
}

function writePiece(socket: Socket, piece: string | Uint8Array): void {
  if (typeof piece === "string") socket.write(piece, "latin1");
  else socket.write(piece);
}
