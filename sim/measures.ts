/** What a run was like in figures: how fast deaths were known, what it cost, how often it erred. */
import type { Fleet } from "./node/fleet.ts";
import type { TraceEvent } from "./trace.ts";

interface Death {
  readonly at: number;
  readonly waiting: Set<number>;
}

/** Every node should know by then. */
const LONG_US = 20_000_000;

export class Measures {
  /** The epoch of each process that runs, by its node. */
  readonly #running = new Map<number, number>();
  readonly #deaths = new Map<number, Death>();
  readonly #delaysMs: number[] = [];
  readonly #nodes: number;
  #falseDeaths = 0;
  /** Nodes that did not learn of a death that lasted long. */
  #undetected = 0;
  #packets = 0;
  #bytes = 0;

  constructor(nodes: number) {
    this.#nodes = nodes;
  }

  onEvent(event: TraceEvent): void {
    switch (event.kind) {
      case "start":
        this.#running.set(event.node, event.epoch);
        this.#onBack(event.node, event.at);
        return;
      case "stop":
        this.#running.delete(event.node);
        for (const { waiting } of this.#deaths.values()) waiting.delete(event.node);
        if (event.how !== "left" && event.node < this.#nodes) {
          this.#deaths.set(event.node, { at: event.at, waiting: new Set(this.#running.keys()) });
        }
        return;
      case "belief":
        if (event.belief === "dead") this.#onDead(event);
    }
  }

  /** What the trace alone tells. */
  detection(): Record<string, number> {
    const delays = this.#delaysMs.sort((one, other) => one - other);
    const at = (share: number) => delays[Math.floor((delays.length - 1) * share)] ?? -1;
    return {
      falseDeaths: this.#falseDeaths,
      undetected: this.#undetected,
      detectedMsP50: Math.round(at(0.5)),
      detectedMsP99: Math.round(at(0.99)),
    };
  }

  summary(fleet: Fleet): Record<string, number> {
    for (const { agent } of fleet.hosts) {
      this.#packets += agent?.control.sentPackets ?? 0;
      this.#bytes += agent?.control.sentBytes ?? 0;
    }
    const seconds = (fleet.world.now / 1_000_000) * this.#nodes;
    return {
      ...this.detection(),
      controlPackets: this.#packets,
      controlBytesPerNodeSecond: Math.round(this.#bytes / Math.max(1, seconds)),
      gossipDelivered: fleet.broadcast.delivered,
      gossipDuplicates: fleet.broadcast.duplicates,
      signaturesVerified: fleet.signatures.verified,
    };
  }

  #onBack(node: number, at: number): void {
    const death = this.#deaths.get(node);
    this.#deaths.delete(node);
    if (death !== undefined && at - death.at > LONG_US) this.#undetected += death.waiting.size;
  }

  /** That an earlier life of a running process is over is no mistake. */
  #onDead({ node, subject, at, epoch }: Extract<TraceEvent, { kind: "belief" }>): void {
    const death = this.#deaths.get(subject);
    if (death === undefined) {
      if (epoch >= (this.#running.get(subject) ?? Number.POSITIVE_INFINITY)) this.#falseDeaths += 1;
      return;
    }
    if (death.waiting.delete(node)) this.#delaysMs.push((at - death.at) / 1_000);
  }
}
