/**
 * Makes the plan's faults happen to real agents, and ends each after its time; the real twin of
 * sim/faults.ts. Whatever is done is told to the journal in the same words, so that the same
 * checkers excuse the same nodes.
 */
import type { RoadFault } from "../../../sim/network/paths.ts";
import type { Plan, PlanEvent, PlanEventKind } from "../../../sim/plan.ts";
import type { AgentProcess } from "./agent-process.ts";
import type { Applications } from "./applications.ts";
import type { Journal } from "./journal.ts";
import type { Registrations } from "./registrations.ts";
import type { Relay } from "./relay.ts";

type EventOf<Kind extends PlanEventKind> = Extract<PlanEvent, { kind: Kind }>;

export interface Surroundings {
  readonly plan: Plan;
  readonly agents: readonly AgentProcess[];
  readonly relay: Relay;
  readonly journal: Journal;
  readonly applications: Applications;
  readonly registrations: Registrations;
  /** Starts an agent whose process is gone. */
  startAgain(agent: AgentProcess, disk: "kept" | "lost"): Promise<void>;
  /** Something went wrong that the plan does not want: the run ends with it. */
  onFailure(error: unknown): void;
}

export class RealFaults {
  readonly counts = new Map<string, number>();
  readonly #around: Surroundings;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #active = new Map<number, () => Promise<void> | void>();
  /** Agents whose data directory was taken while they were down. */
  readonly #wiped = new Set<AgentProcess>();
  /** What each agent is being told, one after the other. */
  readonly #turns = new Map<AgentProcess, Promise<void>>();
  #nextId = 0;

  constructor(around: Surroundings) {
    this.#around = around;
  }

  /** Plans every event of the plan, from now on. */
  schedule(): void {
    for (const event of this.#around.plan.events) {
      this.#after(event.atMs, () => this.#begin(event));
    }
  }

  /** Ends everything that is still going on, and starts every agent that is down. */
  async heal(): Promise<void> {
    this.stop();
    await Promise.all(this.#turns.values());
    const ends = [...this.#active.values()];
    this.#active.clear();
    await Promise.all(ends.map((end) => end()));
    await Promise.all(this.#around.agents.map((agent) => this.#powerUp(agent)));
    await this.#around.registrations.settled();
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }

  #begin(event: PlanEvent): Promise<void> | void {
    switch (event.kind) {
      case "crash":
        return this.#crash(event);
      case "leave":
        return this.#leave(event);
      case "pause":
        return this.#pause(event);
      case "partition":
        return this.#partition(event);
      case "road":
        return this.#road(event);
      case "reset":
        return this.#reset(event);
      case "application":
        return this.#application(event);
      case "register":
      case "deregister":
        return this.#registration(event);
      default:
        throw new Error(`${event.kind} cannot be done to a real agent`);
    }
  }

  async #crash({ node, forMs, disk }: EventOf<"crash">): Promise<void> {
    const agent = this.#agent(node);
    if (agent.life === undefined) return;
    this.#count("crash kill");
    if (disk === "lost") this.#count("disk lost");
    const { journal } = this.#around;
    journal.emit({ kind: "stop", node, how: "killed" });
    this.#during("crash kill", forMs, [node], undefined, () => this.#powerUp(agent));
    await this.#inTurn(agent, async () => {
      await agent.kill();
      if (disk !== "lost") return;
      agent.wipe();
      this.#wiped.add(agent);
    });
  }

  async #leave({ node, forMs }: EventOf<"leave">): Promise<void> {
    const agent = this.#agent(node);
    if (agent.life === undefined || agent.life.isPaused) return;
    this.#count("leave");
    const { journal } = this.#around;
    journal.emit({ kind: "leaving", node });
    this.#during("leave", forMs, [node], undefined, () => this.#powerUp(agent));
    await this.#inTurn(agent, async () => {
      await agent.leave();
      journal.emit({ kind: "stop", node, how: "left" });
    });
  }

  #pause({ node, forMs }: EventOf<"pause">): void {
    const agent = this.#agent(node);
    const { life } = agent;
    if (life === undefined || life.isPaused) return;
    this.#count("pause");
    const { journal } = this.#around;
    journal.emit({ kind: "paused", node });
    agent.pause();
    this.#during("pause", forMs, [node], undefined, () => {
      if (life.over.aborted) return;
      journal.emit({ kind: "resumed", node });
      agent.resume();
    });
  }

  #partition({ left, forMs, oneWay }: EventOf<"partition">): void {
    const name = oneWay ? "partition one way" : "partition";
    this.#count(name);
    const near = new Set(left);
    const right = this.#around.agents.map(({ node }) => node).filter((node) => !near.has(node));
    if (right.length === 0) return;
    const whole = { block: "cut", loss: 0, delayUs: 0, jitterUs: 0, bytesPerSecond: 0 } as const;
    const far = new Set(right);
    const faults: RoadFault[] = [{ ...whole, from: near, to: far }];
    if (!oneWay) faults.push({ ...whole, from: far, to: near });
    this.#strike(name, forMs, left, right, faults);
  }

  #road(event: EventOf<"road">): void {
    const { from, to, forMs, clog, loss, delayMs, jitterMs, bytesPerSecond } = event;
    const name = clog ? "clog" : loss > 0 ? "loss" : bytesPerSecond > 0 ? "narrow road" : "delay";
    this.#count(name);
    const fault: RoadFault = {
      ...{ from: new Set(from), to: new Set(to), block: clog ? "clog" : undefined, loss },
      ...{ delayUs: delayMs * 1_000, jitterUs: jitterMs * 1_000, bytesPerSecond },
    };
    this.#strike(name, forMs, from, to, [fault]);
  }

  #strike(
    name: string,
    forMs: number,
    left: readonly number[],
    right: readonly number[],
    faults: readonly RoadFault[],
  ): void {
    const { relay } = this.#around;
    for (const fault of faults) relay.addFault(fault);
    this.#during(name, forMs, left, right, () => {
      for (const fault of faults) relay.removeFault(fault);
    });
  }

  #reset({ node, other }: EventOf<"reset">): void {
    if (this.#around.relay.resetBetween(node, other) === 0) return;
    this.#count("reset");
    this.#during("reset", 1, [node], [other], () => {});
  }

  #application({ node, forMs, mode }: EventOf<"application">): void {
    const { applications } = this.#around;
    this.#count(`application ${mode}`);
    applications.behave(node, mode);
    this.#during(`application ${mode}`, forMs, [node], undefined, () =>
      applications.behave(node, "well"),
    );
  }

  async #registration(event: EventOf<"register" | "deregister">): Promise<void> {
    const agent = this.#agent(event.node);
    const { life } = agent;
    if (life === undefined || life.isPaused) return;
    const { registrations } = this.#around;
    if (event.kind === "register") await registrations.add(agent, event.service, event.id);
    else await registrations.remove(agent, event.service, event.id);
  }

  /** Ends are counted and told by their moment, whatever else the agent is just being told. */
  #during(
    fault: string,
    forMs: number,
    left: readonly number[],
    right: readonly number[] | undefined,
    undo: () => Promise<void> | void,
  ): void {
    this.#nextId += 1;
    const id = this.#nextId;
    const { journal } = this.#around;
    journal.emit({ kind: "fault", fault, id, on: true, left, right });
    const end = async () => {
      this.#active.delete(id);
      await undo();
      journal.emit({ kind: "fault", fault, id, on: false, left, right });
    };
    this.#active.set(id, end);
    if (forMs > 0) this.#after(forMs, () => (this.#active.has(id) ? end() : undefined));
  }

  #powerUp(agent: AgentProcess): Promise<void> {
    return this.#inTurn(agent, async () => {
      if (agent.life !== undefined) return;
      const disk = this.#wiped.delete(agent) ? "lost" : "kept";
      await this.#around.startAgain(agent, disk);
    });
  }

  #inTurn(agent: AgentProcess, body: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(agent) ?? Promise.resolve()).then(body);
    this.#turns.set(
      agent,
      turn.catch(() => undefined),
    );
    return turn;
  }

  #after(ms: number, body: () => Promise<void> | void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      new Promise<void>((resolve) => resolve(body())).catch((error: unknown) =>
        this.#around.onFailure(error),
      );
    }, ms);
    this.#timers.add(timer);
  }

  #agent(index: number): AgentProcess {
    return this.#around.agents[index] as AgentProcess;
  }

  #count(kind: string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }
}
