/** S-M4. */
import type { CreateChecker } from "./checker.ts";
import { lifeKey } from "./life.ts";

/** Clocks of nodes run up to this much faster or slower. */
const CLOCK_SLACK = 0.99;

export const noLoneVerdict: CreateChecker = ({ suspicionMinMs, loneSuspicionMs }) => {
  const suspicions = new Map<string, Map<number, number>>();
  return {
    name: "S-M4",
    statement:
      "a death is stated only with a second accuser, after the suspicion's time, or on a refusal",
    on: {
      accused: (event, report) => {
        const { node, subject, verdict, basis, at } = event;
        const key = lifeKey(subject, event);
        const accusers = suspicions.get(key) ?? new Map<number, number>();
        if (verdict === "suspect") {
          suspicions.set(key, accusers);
          if (!accusers.has(node)) accusers.set(node, at);
          return;
        }
        if (verdict !== "dead" || basis === "refused") return;
        const own = accusers.get(node);
        const others = [...accusers.keys()].filter((other) => other !== node);
        const who = `n${node} stated the death of n${subject} (${basis})`;
        const isLone = basis === "silence" || basis === "window";
        const leastMs = isLone ? loneSuspicionMs : suspicionMinMs;
        if (own === undefined) report(`${who} without having suspected it`, [node, subject]);
        else if (at - own < leastMs * 1_000 * CLOCK_SLACK) {
          report(`${who} ${(at - own) / 1_000} ms after suspecting it`, [node, subject]);
        } else if (basis === "agreed" && others.length === 0) {
          report(`${who}, but nobody else suspected that life of it`, [node, subject]);
        }
      },
    },
  };
};
