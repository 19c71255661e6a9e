/**
 * Inbound control connections before their handshake is done: they wait for their turn, may send
 * only so much, and have to go where there are too many of them (see Admission). libp2p would let
 * each fill a buffer of megabytes, and begin every handshake at once.
 */
import type { AbortOptions, MessageStream } from "@libp2p/interface";
import { STRANGER_BYTES_MAX } from "../../core/limits.ts";
import { fromMultiaddrText, parseHostPort } from "../addresses.ts";
import { Admission } from "../admission.ts";

/** libp2p's raw connection: what its socket reads goes through a method of the object. */
interface RawConnection extends MessageStream {
  onData(data: { readonly byteLength: number }): void;
  readonly remoteAddr?: { toString(): string };
}

interface Stranger {
  readonly connection: RawConnection;
  readonly begin: () => void;
}

export class Strangers {
  readonly #admission = new Admission<Stranger>({
    begin: (stranger) => stranger.begin(),
    drop: (stranger, why) => stranger.connection.abort(new Error(why)),
  });
  /** By a connection's timeline, the one object that raw and encrypted connection share. */
  readonly #byTimeline = new WeakMap<object, Stranger>();

  /** Resolves when the handshake may begin; rejects if the connection ends before. */
  admit(connection: MessageStream, options: AbortOptions | undefined): Promise<void> {
    if (connection.direction !== "inbound") return Promise.resolve();
    const raw = connection as RawConnection;
    boundBytes(raw);
    return new Promise((resolve, reject) => {
      const stranger: Stranger = { connection: raw, begin: resolve };
      this.#byTimeline.set(connection.timeline, stranger);
      const end = () => {
        this.#admission.leave(stranger);
        reject(new Error("the connection ended before its handshake began"));
      };
      connection.addEventListener("close", end);
      options?.signal?.addEventListener("abort", end);
      if (connection.status !== "open" || options?.signal?.aborted === true) end();
      else this.#admission.arrive(stranger, addressOf(raw));
    });
  }

  /** The handshake has proved who it is. */
  onProved(connection: MessageStream): void {
    const stranger = this.#byTimeline.get(connection.timeline);
    if (stranger === undefined) return;
    this.#byTimeline.delete(connection.timeline);
    this.#admission.leave(stranger);
    // Back to the method of the class, without a count.
    Reflect.deleteProperty(stranger.connection, "onData");
  }

  close(): void {
    this.#admission.close();
  }
}

function boundBytes(raw: RawConnection): void {
  const onData = raw.onData.bind(raw);
  let received = 0;
  raw.onData = (data) => {
    received += data.byteLength;
    if (received <= STRANGER_BYTES_MAX) onData(data);
    else
      raw.abort(new Error(`more than ${STRANGER_BYTES_MAX} bytes before its handshake was done`));
  };
}

function addressOf({ remoteAddr }: RawConnection): string {
  const address = fromMultiaddrText(remoteAddr?.toString() ?? "");
  return (address === undefined ? undefined : parseHostPort(address)?.host) ?? "";
}
