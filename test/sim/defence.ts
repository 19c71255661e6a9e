/**
 * A run for one defence: a calm mesh with exactly the faults that provoke one failure mode, the
 * trace to prove that they did, and a look into the nodes at each step of virtual time.
 */
import { createKeyRing } from "../../cli/sim/keys.ts";
import type { Plan, PlanEvent } from "../../sim/plan.ts";
import { drawPlan } from "../../sim/profiles.ts";
import { type Report, Simulation } from "../../sim/simulation.ts";
import type { TraceEvent, TraceEventOf, TraceKind } from "../../sim/trace.ts";

const STEP_MS = 500;

export class DefenceRun {
  readonly report: Report;
  readonly trace: readonly TraceEvent[];
  /** When the plan's faults began to count, in milliseconds. */
  readonly startMs: number;

  /** `look` sees the nodes twice a second, `atMs` as in the plan's events. */
  constructor(
    events: readonly PlanEvent[],
    changes: Partial<Plan> = {},
    look: (simulation: Simulation, atMs: number) => void = () => {},
  ) {
    const calm = drawPlan({ profile: "calm", seed: 7, nodes: 12, minutes: 1 });
    const plan: Plan = { ...calm, joinMs: 4_000, push: true, ...changes, events };
    const trace: TraceEvent[] = [];
    const onTrace = (event: TraceEvent) => trace.push(event);
    const simulation = new Simulation(plan, { ring: createKeyRing(), onTrace });
    while (!simulation.isOver) {
      simulation.advance(STEP_MS);
      if (!simulation.isOver) look(simulation, simulation.virtualMs - plan.joinMs);
    }
    this.report = simulation.report();
    this.trace = trace;
    this.startMs = plan.joinMs;
  }

  of<Kind extends TraceKind>(kind: Kind): TraceEventOf<Kind>[] {
    return this.trace.filter((event): event is TraceEventOf<Kind> => event.kind === kind);
  }

  /** Milliseconds as in the plan's events. */
  msOf(event: TraceEvent): number {
    return event.at / 1_000 - this.startMs;
  }

  /** What each node that held something of the subject after `atMs` held of it, one after another. */
  beliefsOf(subject: number, afterMs = 0): TraceEventOf<"belief">[] {
    return this.of("belief").filter(
      (event) => event.subject === subject && this.msOf(event) > afterMs,
    );
  }

  /** Members that anybody held dead. */
  dead(): Set<number> {
    const dead = this.of("belief").filter(({ belief }) => belief === "dead");
    return new Set(dead.map(({ subject }) => subject));
  }
}
