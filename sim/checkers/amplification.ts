/** S-T2. */
import { ACTOR_FORWARDS_MAX, ATTEMPTS_MAX } from "../../core/limits.ts";
import { isActorRecord } from "./actor-record.ts";
import type { CreateChecker } from "./checker.ts";

export const amplification: CreateChecker = () => {
  const executed = new Map<string, number>();
  return {
    name: "S-T2",
    statement:
      "one request becomes no more attempts, and runs no more often, than one layer repeats",
    on: {
      executed: ({ node, request }, report) => {
        const times = (executed.get(request) ?? 0) + 1;
        executed.set(request, times);
        if (times > ATTEMPTS_MAX) report(`request ${request} ran ${times} times`, [node]);
      },
      record: ({ node, request, service, attempts }, report) => {
        executed.delete(request);
        const most = isActorRecord(service) ? 1 + ACTOR_FORWARDS_MAX : ATTEMPTS_MAX;
        if (attempts.length <= most) return;
        report(`request ${request} of n${node} was tried ${attempts.length} times`, [node]);
      },
    },
  };
};
