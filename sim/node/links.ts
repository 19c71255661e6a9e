/** The data plane's connections of one simulated process: whole batches over streams, no sealing. */
import type { LinkChannel, LinkListener, LinkTransport } from "../../core/seams.ts";
import type { NodeId } from "../../core/types.ts";
import type { Lane } from "../engine/lane.ts";
import type { Network } from "../network/network.ts";
import type { Half } from "../network/stream.ts";

const HANDSHAKE_MS_MAX = 5_000;

export interface LinkOptions {
  readonly id: NodeId;
  readonly lane: Lane;
  readonly address: string;
  readonly network: Network;
  readonly expiresWallMs: number;
  readonly onLinked: (peer: NodeId, on: boolean) => void;
}

export class SimLinks implements LinkTransport {
  readonly #options: LinkOptions;
  #listener: LinkListener | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  start(listener: LinkListener): void {
    this.#listener = listener;
    const { network, address, lane, id } = this.#options;
    network.listen(address, {
      lane,
      id,
      accept: (half, peer) => this.#open(half, peer, undefined),
    });
  }

  dial(attempt: number, peer: NodeId, address: string): void {
    const { network, lane, id } = this.#options;
    network.dial(address, "batch", peer, {
      lane,
      id,
      timeoutMs: HANDSHAKE_MS_MAX,
      opened: (half) => this.#open(half, peer, attempt),
      failed: (reason) => this.#listener?.onDialFailed(attempt, peer, reason),
    });
  }

  #open(half: Half, peer: NodeId, attempt: number | undefined): void {
    const listener = this.#listener;
    if (listener === undefined) return;
    const channel: LinkChannel = {
      peer,
      dialer: attempt !== undefined,
      expiresWallMs: this.#options.expiresWallMs,
      write: (batch) => half.send(new Uint8Array(batch)),
      close: () => half.close("closed"),
      destroy: () => half.reset("destroyed"),
    };
    half.listener = {
      onMessage: (batch) => listener.onBatch(channel, batch),
      onDrain: () => listener.onDrain(channel),
      onClosed: (reason) => {
        this.#options.onLinked(peer, false);
        listener.onClosed(channel, reason);
      },
    };
    this.#options.onLinked(peer, true);
    listener.onOpened(channel, attempt);
  }
}
