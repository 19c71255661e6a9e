/** S-T3. */
import { isActorRecord } from "./actor-record.ts";
import type { CreateChecker } from "./checker.ts";

/** Requests of the workload have 10 s; moments are rounded. */
const DEADLINE_US = 10_050_000;

export const futileRepeat: CreateChecker = () => {
  const open = new Map<string, { readonly at: number; readonly isIdempotent: boolean }>();
  return {
    name: "S-T3",
    statement:
      "nothing is repeated after its deadline, nor what may have run and must not run twice",
    countsCases: true,
    on: {
      request: ({ at, request, isIdempotent }) => {
        open.set(request, { at, isIdempotent });
      },
      record: ({ node, request, service, attempts }, report) => {
        const known = open.get(request);
        open.delete(request);
        if (attempts.length < 2) return;
        report.judged();
        const mayRepeat = known?.isIdempotent ?? !isActorRecord(service);
        for (const [index, { at, executed, instance }] of attempts.entries()) {
          if (known !== undefined && at - known.at > DEADLINE_US) {
            report(`n${node} tried ${request} at ${instance} after its deadline`, [node]);
          }
          const isLast = index === attempts.length - 1;
          if (isLast || mayRepeat || executed !== "unknown") continue;
          report(`n${node} repeated ${request}, which may have run at ${instance}`, [node]);
        }
      },
    },
  };
};
