/** S-B1. */
import { BREAKER_DEFAULTS } from "../../policies/breaker.ts";
import type { CreateChecker } from "./checker.ts";

const LEGAL = new Set(["closed open", "open half-open", "half-open open", "half-open closed"]);

export const breakerStates: CreateChecker = () => ({
  name: "S-B1",
  statement:
    "a breaker opens, tries a few attempts after a while, and closes if all of them succeed",
  countsCases: true,
  on: {
    breaker: ({ node, service, breaker, from, to, successes }, report) => {
      if (to === "held back") return;
      report.judged();
      const which = `breaker ${breaker} of n${node} for ${service}`;
      if (to === "attempted") report(`${which} let an attempt through while it was open`, [node]);
      else if (!LEGAL.has(`${from} ${to}`)) report(`${which} went from ${from} to ${to}`, [node]);
      else if (to === "closed" && successes < BREAKER_DEFAULTS.probes) {
        report(`${which} closed after ${successes} successes`, [node]);
      }
    },
  },
});
