/**
 * The actor of simulations: it counts how often it was called, takes its time over each call, and
 * now and then lets a timer run a turn. Everything that the promises of actors are about is told to
 * the trace: when an activation begins and ends, and each of its turns.
 */
import { CallTarget } from "../../core/actors/call.ts";
import { type ActorContext, actorService, defineActor } from "../../core/actors/definition.ts";
import { PromiseCall } from "../../core/actors/promise-call.ts";
import type { Millis } from "../../core/types.ts";
import { drawBelow } from "../engine/draws.ts";
import type { Agent } from "./agent.ts";
import { Later } from "./later.ts";

const TYPE = "tally";
export const TALLY_SERVICE = actorService(TYPE);
const TURN_MS_MAX = 20;
const TIMER_MS = 500;
const CALL_MS = 5_000;
const IDLE_MS = 30_000;

/** What an agent's actors are, with everything that they do told to the trace. */
export function tallyOf(agent: Agent) {
  return defineActor(TYPE, (context) => createTally(agent, context), { idleMs: IDLE_MS });
}

function createTally(agent: Agent, context: ActorContext) {
  const { fleet, host, clock } = agent;
  const actor = context.self.key;
  const activation = fleet.nextActivation();
  const where = { node: host.index, actor, activation };
  let count = 0;
  fleet.mark("actor activated");
  fleet.emit({ kind: "activated", ...where });
  context.signal.addEventListener("abort", () => fleet.emit({ kind: "deactivated", ...where }));
  /** One turn, from its start to the moment when its result is there. */
  const turn = (call: string, draw: number, settle: () => void) => {
    fleet.emit({ kind: "turn", ...where, call, on: true });
    clock.at((clock.now() + 1 + drawBelow(draw, activation, TURN_MS_MAX)) as Millis, () => {
      fleet.emit({ kind: "turn", ...where, call, on: false });
      settle();
    });
  };
  return {
    add: (call: string): PromiseLike<number> => {
      const result = new Later<number>();
      count += 1;
      if (count % 4 === 1) {
        context.after(TIMER_MS, () => {
          const over = new Later<number>();
          turn("", count, () => over.settle(0));
          return over;
        });
      }
      turn(call, count, () => result.settle(count));
      return result;
    },
  };
}

/** Calls the actor with this key from this node; how it ends is told to the trace. */
export function callTally(agent: Agent, actor: string, call: string): void {
  const { fleet, host, clock, node } = agent;
  const now = clock.now();
  fleet.emit({ kind: "call", node: host.index, call, actor });
  const end = (error: string, executed: string) => {
    fleet.mark(`call ${error === "" ? "answered" : error}`);
    fleet.emit({ kind: "called", node: host.index, call, actor, error, executed });
  };
  const made = new PromiseCall(
    new CallTarget(TALLY_SERVICE, actor),
    "add",
    [call],
    false,
    now + CALL_MS,
    () => end("", ""),
    (thrown) => {
      const { short, executed } = thrown as { short?: string; executed?: string };
      end(short ?? "handler_error", executed ?? "");
    },
  );
  made.startedAt = now;
  node.actors.router.call(made);
}
