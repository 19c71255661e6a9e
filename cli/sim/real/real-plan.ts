/**
 * The part of a plan that a real host allows. A process can be killed, stopped and started again, and
 * a relay between processes can delay, stall, reset and cut; but nobody may set the clock of the
 * whole host, fill its disk or take its power for a test, and an agent cannot be told to lie. What
 * is taken out is named, and the simulated half of the comparison runs without it, too.
 */
import { freemem } from "node:os";
import { GrapevineError } from "../../../core/errors.ts";
import type { Plan, PlanEvent } from "../../../sim/plan.ts";

/** More agents than this on one host measure its processors, not the protocol. */
const REAL_NODES_MAX = 32;
const REAL_MINUTES_MAX = 60;
const AGENT_BYTES = 120 * 1024 * 1024;
/** What agents of this checkout say they are. */
const VERSION = "0.1.0";

export interface RealPlan {
  readonly plan: Plan;
  /** How many events of each kind were left out. */
  readonly leftOut: Readonly<Record<string, number>>;
  /** What else of the plan has no meaning for real agents. */
  readonly notes: readonly string[];
}

/** Throws `invalid_argument` for a plan that no host should be asked to run. */
export function realPlan(given: Plan): RealPlan {
  refuseTooMuch(given);
  const leftOut: Record<string, number> = {};
  const events = given.events.flatMap((event) => {
    const refusal = refusalOf(event);
    if (refusal === undefined) return [asAllowed(event)];
    leftOut[refusal] = (leftOut[refusal] ?? 0) + 1;
    return [];
  });
  const network = { ...given.network, gossipLoss: 0, gossipDuplicates: 0, gossipLateMs: 0 };
  const plan: Plan = {
    ...{ ...given, events, network, preset: "lan", membership: {}, push: true },
    ...{ clockOffsetMs: 0, clockDriftPpm: 0, broken: [] },
    workload: { ...given.workload, callsPerSecond: 0, burstsPerSecond: 0 },
  };
  return { plan, leftOut, notes: notesOn(given) };
}

function refuseTooMuch({ nodes, virtualMs }: Plan): void {
  const refuse = (why: string) => {
    throw new GrapevineError("invalid_argument", `the plan cannot be run with --real: ${why}`);
  };
  if (nodes < 2 || nodes > REAL_NODES_MAX) {
    refuse(`it has ${nodes} nodes; a host can be asked for 2 to ${REAL_NODES_MAX} agents`);
  }
  if (virtualMs > REAL_MINUTES_MAX * 60_000) {
    refuse(`its faults last ${virtualMs / 60_000} minutes; at most ${REAL_MINUTES_MAX} are real`);
  }
  const needed = nodes * AGENT_BYTES;
  if (needed > freemem()) {
    const mebibytes = (bytes: number) => `${Math.round(bytes / 1024 / 1024)} MiB`;
    refuse(`${nodes} agents need ${mebibytes(needed)}, and ${mebibytes(freemem())} are free`);
  }
}

/** The name under which an event is left out; undefined if a host allows it. */
function refusalOf(event: PlanEvent): string | undefined {
  switch (event.kind) {
    case "crash":
      if (event.disk === "rolled back") return "disk rolled back";
      return event.how === "kill" ? undefined : "crash power";
    case "clock":
      return event.stepMs === 0 ? "clock drift" : "clock step";
    case "disk":
      return `disk ${event.mode ?? "full"}`;
    case "byzantine":
      return `byzantine ${event.behaviour}`;
    case "leave":
    case "pause":
    case "partition":
    case "road":
    case "reset":
    case "application":
    case "register":
    case "deregister":
      return undefined;
    default:
      return event.kind;
  }
}

/** The host's own kernel decides what runs first after a pause; there is one version of the code. */
function asAllowed(event: PlanEvent): PlanEvent {
  if (event.kind === "leave") return { ...event, version: VERSION };
  return event.kind === "pause" ? { ...event, resume: "timers" } : event;
}

function notesOn(plan: Plan): string[] {
  const { membership, preset, push, clockOffsetMs, clockDriftPpm, broken, workload } = plan;
  const notes: string[] = [];
  if (broken !== undefined && broken.length > 0) notes.push("machines that stay broken");
  if ((workload.callsPerSecond ?? 0) > 0) notes.push("calls of actors");
  if ((workload.burstsPerSecond ?? 0) > 0) notes.push("bursts of requests");
  if (preset !== "lan" || Object.keys(membership).length > 0) {
    notes.push("parameters of the failure detector (agents use their own: lan)");
  }
  if (!push) notes.push("a directory without push");
  if (clockOffsetMs > 0 || clockDriftPpm > 0) notes.push("clocks that differ");
  return notes;
}
