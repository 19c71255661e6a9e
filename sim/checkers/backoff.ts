/** S-T4. */
import { RETRY_DEFAULTS } from "../../policies/retry.ts";
import type { CreateChecker } from "./checker.ts";

/** Half of the first delay is certain; moments are rounded and clocks drift. */
const LEAST_US = RETRY_DEFAULTS.backoffBaseMs * 500 - 2_000;

export const backoff: CreateChecker = () => ({
  name: "S-T4",
  statement: "an instance that failed a request is asked again only after a pause",
  countsCases: true,
  on: {
    record: ({ node, request, attempts }, report) => {
      for (const [index, { at, instance, target }] of attempts.entries()) {
        const next = attempts[index + 1];
        if (next === undefined || next.instance !== instance || next.target !== target) continue;
        report.judged();
        if (next.at - at >= LEAST_US) continue;
        const ms = (next.at - at) / 1_000;
        report(`n${node} tried ${request} at ${instance} again after ${ms} ms`, [node, target]);
      }
    },
  },
});
