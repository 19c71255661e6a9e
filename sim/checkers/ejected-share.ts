/** S-B4. */
import { BREAKER_DEFAULTS } from "../../policies/breaker.ts";
import type { CreateChecker } from "./checker.ts";

export const ejectedShare: CreateChecker = () => ({
  name: "S-B4",
  statement: "bad answers eject at most a fixed share of a service's instances, or one",
  countsCases: true,
  on: {
    breaker: ({ node, service, from, to, evidence, instances, ejected }, report) => {
      if (from !== "closed" || to !== "open" || evidence !== "soft") return;
      report.judged();
      if (ejected === 0 || ejected + 1 <= instances * BREAKER_DEFAULTS.ejectedShareMax) return;
      report(`n${node} ejected ${ejected + 1} of ${instances} instances of ${service}`, [node]);
    },
  },
});
