/**
 * How fast what an owner publishes is known to (almost) all: from the moment of signing to the one
 * at which so many of the running nodes have stored it. What is published before the mesh is
 * complete, or while parts of it are cut off, is the caller's to leave out.
 */
import type { TraceEvent } from "../../sim/trace.ts";

/** The share of nodes that counts as all. */
const SHARE = 0.999;

interface Publication {
  readonly key: string;
  readonly atUs: number;
  readonly known: Set<number>;
}

export class Spread {
  readonly #running = new Set<number>();
  /** The newest of each owner and part. */
  readonly #open = new Map<string, Publication>();
  readonly #sinceUs: number;
  readonly delaysMs: number[] = [];

  constructor(sinceUs: number) {
    this.#sinceUs = sinceUs;
  }

  /** Publications that were not known to enough nodes when the run ended. */
  get unfinished(): number {
    return this.#open.size;
  }

  onEvent(event: TraceEvent): void {
    if (event.kind === "start") this.#running.add(event.node);
    else if (event.kind === "stop") this.#running.delete(event.node);
    else if (event.kind === "published" && event.at >= this.#sinceUs) {
      const key = `${event.epoch} ${event.seq}`;
      const known = new Set([event.node]);
      this.#open.set(`${event.node} ${event.part}`, { key, atUs: event.at, known });
    } else if (event.kind === "stored") {
      const place = `${event.owner} ${event.part}`;
      const publication = this.#open.get(place);
      if (publication?.key !== `${event.epoch} ${event.seq}`) return;
      publication.known.add(event.node);
      if (publication.known.size < SHARE * this.#running.size) return;
      this.delaysMs.push((event.at - publication.atUs) / 1_000);
      this.#open.delete(place);
    }
  }
}
