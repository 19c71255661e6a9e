/**
 * What one start of a real agent tells, as trace events. Its event stream says what it believes of
 * others at the moment it changes its mind; its list of members, asked again and again, adds the
 * lives that the stream does not name; its decision records say where requests went. A list that
 * was overtaken by an event while it was asked for says nothing about that member.
 */
import type { MemberShape } from "../../../agent/api/shapes.ts";
import type { MeshEvent } from "../../../agent/telemetry/events.ts";
import type { DecisionRecord } from "../../../core/record.ts";
import type { NodeId } from "../../../core/types.ts";
import type { Belief, TracedAttempt } from "../../../sim/trace.ts";
import type { AgentProcess, Life } from "./agent-process.ts";
import type { Journal } from "./journal.ts";

const POLL_MS = 500;
const ASK_MS = 5_000;
const RECORDS = 500;
const REPLAYED = 1_000;

const BELIEFS: Readonly<Record<string, Belief>> = {
  ...{ "member.joined": "alive", "member.alive": "alive", "member.suspect": "suspect" },
  ...{ "member.dead": "dead", "member.left": "left", "member.forgotten": "forgotten" },
};

interface Held {
  belief: Belief;
  epoch: number;
  incarnation: number;
  /** Events about it so far. */
  told: number;
}

export class Observer {
  readonly #agent: AgentProcess;
  readonly #life: Life;
  readonly #journal: Journal;
  readonly #indexes: ReadonlyMap<NodeId, number>;
  readonly #mark: (name: string) => void;
  readonly #held = new Map<number, Held>();
  readonly #recorded = new Set<string>();
  #startedAt = 0;

  constructor(
    agent: AgentProcess,
    life: Life,
    journal: Journal,
    indexes: ReadonlyMap<NodeId, number>,
    mark: (name: string) => void,
  ) {
    this.#agent = agent;
    this.#life = life;
    this.#journal = journal;
    this.#indexes = indexes;
    this.#mark = mark;
  }

  /** Tells of its start, and from then on of everything until it is over. */
  async begin(disk: "kept" | "lost"): Promise<void> {
    const { node } = this.#agent;
    const members = await this.#members();
    const epoch = members.find(({ self }) => self)?.epoch ?? 0;
    this.#startedAt = this.#journal.now();
    this.#journal.emit({ kind: "start", node, epoch, disk }, this.#startedAt);
    this.#compare(members, new Map());
    void this.#follow();
    void this.#poll();
  }

  /** Asks for what is not known yet. */
  async catchUp(): Promise<void> {
    await this.#askMembers();
    await this.#askRecords();
  }

  async #follow(): Promise<void> {
    try {
      const path = `/v1/events?replay=${REPLAYED}`;
      const options = { signal: this.#life.over };
      for await (const line of this.#life.client.subscribe(path, options)) {
        this.#onEvent(JSON.parse(line) as MeshEvent);
      }
    } catch {
      // It ended, as the plan wants or as the run notices elsewhere.
    }
  }

  async #poll(): Promise<void> {
    while (!this.#life.over.aborted) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      if (!this.#life.isPaused) await this.catchUp().catch(() => undefined);
    }
  }

  #onEvent(event: MeshEvent): void {
    const at = this.#journal.at(Date.parse(event.time));
    if (at < this.#startedAt) return;
    this.#mark(event.type);
    if (event.type === "link.opened" || event.type === "link.closed") this.#onLink(event, at);
    const belief = BELIEFS[event.type];
    const subject = this.#indexes.get(event.memberId as NodeId);
    if (belief === undefined || subject === undefined || subject === this.#agent.node) return;
    const former = this.#held.get(subject);
    if (event.type === "member.joined" && former !== undefined) return;
    const { epoch = 0, incarnation = 0, told = 0 } = former ?? {};
    this.#held.set(subject, { belief, epoch, incarnation, told: told + 1 });
    this.#tell(subject, at, event.type);
  }

  #onLink({ type, memberId }: MeshEvent, at: number): void {
    const peer = this.#indexes.get(memberId as NodeId);
    if (peer === undefined) return;
    const { node } = this.#agent;
    const on = type === "link.opened";
    this.#journal.emit({ kind: "linked", node, peer, plane: "link", on }, at);
  }

  async #askMembers(): Promise<void> {
    const before = new Map([...this.#held].map(([subject, { told }]) => [subject, told]));
    const members = await this.#members();
    if (!this.#life.over.aborted) this.#compare(members, before);
  }

  #compare(members: readonly MemberShape[], before: ReadonlyMap<number, number>): void {
    for (const { id, self, status, epoch, incarnation } of members) {
      const subject = this.#indexes.get(id);
      if (self || subject === undefined) continue;
      const former = this.#held.get(subject);
      if (former !== undefined && former.told !== before.get(subject)) continue;
      const isSame =
        former?.belief === status && former.epoch === epoch && former.incarnation === incarnation;
      if (isSame) continue;
      this.#held.set(subject, { belief: status, epoch, incarnation, told: former?.told ?? 0 });
      this.#tell(subject, this.#journal.now(), "seen in its list of members");
    }
  }

  #tell(subject: number, at: number, why: string): void {
    const { belief, epoch, incarnation } = this.#held.get(subject) as Held;
    const { node } = this.#agent;
    this.#journal.emit({ kind: "belief", node, subject, belief, epoch, incarnation, why }, at);
  }

  async #members(): Promise<readonly MemberShape[]> {
    return (await this.#ask("/v1/members")) as readonly MemberShape[];
  }

  async #askRecords(): Promise<void> {
    const records = (await this.#ask(`/v1/requests?last=${RECORDS}`)) as readonly DecisionRecord[];
    for (const record of records.toReversed()) {
      if (this.#recorded.has(record.id)) continue;
      this.#recorded.add(record.id);
      this.#record(record);
    }
  }

  #record(record: DecisionRecord): void {
    const { service, outcome, error, startedWallMs, durationMs } = record;
    const attempts = record.attempts.map(
      (attempt): TracedAttempt => ({
        at: this.#journal.at(startedWallMs + attempt.startMs),
        instance: `${service}/${attempt.instance}`,
        target: this.#indexes.get(attempt.agent as NodeId) ?? -1,
        ...{ breaker: attempt.breaker, outcome: attempt.outcome, error: attempt.error ?? "" },
        executed: attempt.executed ?? "",
      }),
    );
    const { node } = this.#agent;
    const at = this.#journal.at(startedWallMs + durationMs);
    this.#journal.emit(
      {
        ...{ kind: "record", node, request: record.id, service, outcome, attempts },
        error: error ?? "",
      },
      at,
    );
    for (const { error: failure } of record.attempts) {
      if (failure !== null) this.#mark(`attempt ${failure}`);
    }
  }

  async #ask(path: string): Promise<unknown> {
    return await this.#life.client.request("GET", path, { timeoutMs: ASK_MS });
  }
}
