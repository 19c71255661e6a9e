/** The demo's actor: a total per key, kept in memory by whichever host owns the key. */
import { defineActor } from "../../index.ts";

export interface Count {
  readonly total: number;
  /** Tells one activation from the next: its total begins at nothing. */
  readonly life: string;
}

export const Counter = defineActor("counter", (ctx) => {
  const life = `${process.pid}-${Math.floor(ctx.random() * 1e9)}`;
  let total = 0;
  return {
    /** Adds and returns the new total. */
    async add(by: number): Promise<Count> {
      total += by;
      return { total, life };
    },
  };
});
