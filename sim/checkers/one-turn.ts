/** S-A3. */
import type { CreateChecker } from "./checker.ts";

export const oneTurn: CreateChecker = () => {
  const running = new Map<number, string>();
  return {
    name: "S-A3",
    statement: "an activation runs one turn at a time",
    on: {
      turn: ({ node, actor, activation, call, on }, report) => {
        const what = call === "" ? "a timer" : call;
        if (!on) {
          running.delete(activation);
          return;
        }
        const former = running.get(activation);
        running.set(activation, what);
        if (former === undefined) return;
        report(`${actor} on n${node} began ${what} while ${former} ran`, [node]);
      },
    },
  };
};
