/** What a run was like in figures: how fast deaths were known, what it cost, how often it erred. */
import type { Fleet } from "./node/fleet.ts";
import type { TraceEvent } from "./trace.ts";

interface Death {
  readonly at: number;
  readonly waiting: Set<number>;
}

export class Measures {
  readonly #running = new Set<number>();
  readonly #deaths = new Map<number, Death>();
  readonly #delaysMs: number[] = [];
  readonly #nodes: number;
  #falseDeaths = 0;
  #packets = 0;
  #bytes = 0;

  constructor(nodes: number) {
    this.#nodes = nodes;
  }

  onEvent(event: TraceEvent): void {
    switch (event.kind) {
      case "start":
        this.#running.add(event.node);
        this.#deaths.delete(event.node);
        return;
      case "stop":
        this.#running.delete(event.node);
        if (event.how !== "left" && event.node < this.#nodes) {
          this.#deaths.set(event.node, { at: event.at, waiting: new Set(this.#running) });
        }
        return;
      case "belief":
        if (event.belief === "dead") this.#onDead(event.node, event.subject, event.at);
    }
  }

  /** What the trace alone tells. */
  detection(): Record<string, number> {
    const delays = this.#delaysMs.sort((one, other) => one - other);
    const at = (share: number) => delays[Math.floor((delays.length - 1) * share)] ?? -1;
    return {
      falseDeaths: this.#falseDeaths,
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
      gossipDelivered: fleet.gossip.delivered,
      signaturesVerified: fleet.signatures.verified,
    };
  }

  #onDead(viewer: number, subject: number, at: number): void {
    const death = this.#deaths.get(subject);
    if (death === undefined) {
      if (this.#running.has(subject)) this.#falseDeaths += 1;
      return;
    }
    if (death.waiting.delete(viewer)) this.#delaysMs.push((at - death.at) / 1_000);
  }
}
