import { defineActor } from "../../index.ts";

/** A total per key, in memory, and who keeps it. */
export const Counter = defineActor("counter", () => {
  let total = 0;
  return {
    /** Adds and returns the new total. */
    add: async (by: number) => {
      total += by;
      return total;
    },
    where: async () => process.pid,
    slowly: async (ms: number) => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      return total;
    },
    fail: async () => {
      throw Object.assign(new RangeError("too much"), { code: "E_MUCH" });
    },
  };
});
