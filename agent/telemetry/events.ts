/**
 * What happens in the mesh and on this agent, as a stream for people and scripts (`grapevine
 * events`). Events are hints: whoever needs the truth reads the newest view. A bounded history lets
 * a late reader see what led to the present state.
 */

/** Events kept for late readers. */
const HISTORY_MAX = 1_000;

export type MeshEventType =
  | "member.joined"
  | "member.alive"
  | "member.suspect"
  | "member.dead"
  | "member.left"
  | "member.leaving"
  | "member.forgotten"
  | "instance.registered"
  | "instance.updated"
  | "instance.deregistered"
  | "instance.expired"
  | "instance.passing"
  | "instance.failing"
  | "instance.conflict"
  | "breaker.open"
  | "breaker.half-open"
  | "breaker.closed"
  | "link.opened"
  | "link.closed"
  | "agent.ready"
  | "agent.draining"
  | "agent.reloaded"
  | "forward.added"
  | "forward.removed";

/** What an event is about; only what applies is present. */
export interface MeshEventSubject {
  /** A member's name and id. */
  readonly member?: string;
  readonly memberId?: string;
  /** "namespace/name". */
  readonly service?: string;
  readonly instance?: string;
  /** Name of the agent that the instance runs on. */
  readonly agent?: string;
  readonly detail?: string;
}

export interface MeshEvent extends MeshEventSubject {
  /** Grows by one with each event of this agent's life: a gap tells that events were missed. */
  readonly seq: number;
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly type: MeshEventType;
}

export class EventBus {
  readonly #wallMs: () => number;
  readonly #history: MeshEvent[] = [];
  readonly #subscribers = new Set<(event: MeshEvent) => void>();
  #seq = 0;

  constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  publish(type: MeshEventType, subject: MeshEventSubject): void {
    this.#seq += 1;
    const time = new Date(this.#wallMs()).toISOString();
    const event: MeshEvent = { seq: this.#seq, time, type, ...subject };
    this.#history.push(event);
    if (this.#history.length > HISTORY_MAX) this.#history.shift();
    for (const subscriber of this.#subscribers) subscriber(event);
  }

  /** Calls back for each event from now on, until the returned function is called. */
  subscribe(subscriber: (event: MeshEvent) => void): () => void {
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  /** The newest `last` events, oldest first. */
  recent(last: number): readonly MeshEvent[] {
    return last <= 0 ? [] : this.#history.slice(-last);
  }
}
