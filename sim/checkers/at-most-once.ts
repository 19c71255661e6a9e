/** S-R6. */
import type { CreateChecker } from "./checker.ts";

export const atMostOnce: CreateChecker = () => {
  const unsafe = new Set<string>();
  const executed = new Map<string, string>();
  return {
    name: "S-R6",
    statement: "a request that must not run twice reaches an application at most once",
    isFitForReal: true,
    on: {
      request: ({ request, isIdempotent }) => {
        if (!isIdempotent) unsafe.add(request);
      },
      executed: ({ node, request, instance }, report) => {
        if (!unsafe.has(request)) return;
        const former = executed.get(request);
        executed.set(request, instance);
        if (former === undefined) return;
        report(`request ${request} ran at ${former} and again at ${instance}`, [node]);
      },
    },
  };
};
