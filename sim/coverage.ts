/**
 * What many runs together must have met. A farm in which nobody ever refuted an accusation, or no
 * breaker ever opened, proves nothing about either; and an invariant that never had anything to judge
 * has not been kept, only not been asked. What is missing is named, so that it can be drawn again.
 */

import { BYZANTINE_BEHAVIOURS } from "./plan-event.ts";

/** Rare branches that the default profiles reach, by the marks of a run. */
const SOMETIMES = [
  "member suspect",
  "member dead",
  "member left",
  "member refuted",
  "refuted an accusation of itself",
  "directory outrun",
  "directory refused",
  "directory duplicate_identity",
  "a request was repeated",
  "request circuit_open",
  "request deadline_exceeded",
  "request link_reset",
  "request no_instance",
  "request unreachable",
  "breaker open",
  "breaker half-open",
  "breaker closed",
  "actor activated",
  "call answered",
  "call deadline_exceeded",
] as const;

/** Kinds of faults that the default profiles draw. */
const FAULTS = [
  ...["application errors", "application hangs", "application slow", "clock drift", "clock step"],
  ...["clog", "clone", "crash kill", "crash power", "delay", "disk full", "disk lost"],
  ...["disk rolled back", "disk slow", "disk torn", "half-open", "join wave", "leave", "loss"],
  ...["narrow road", "overload", "partition", "partition one way", "pause", "reset", "slow"],
  ...["starve", "swapped addresses", "swizzle", "upgrade", "zone cut", "zone power"],
  ...BYZANTINE_BEHAVIOURS.map((behaviour) => `byzantine ${behaviour}`),
  ...["left broken: cut", "left broken: deaf", "left broken: pause", "left broken: power"],
] as const;

export interface Covered {
  readonly faults: Readonly<Record<string, number>>;
  readonly marks: Readonly<Record<string, number>>;
  readonly judged: Readonly<Record<string, number>>;
}

/** Names what never happened; empty if all did. */
export function missing({ faults, marks, judged }: Covered): string[] {
  const absent = (names: readonly string[], counts: Readonly<Record<string, number>>) =>
    names.filter((name) => (counts[name] ?? 0) === 0);
  return [
    ...absent(SOMETIMES, marks).map((name) => `mark "${name}" was never hit`),
    ...absent(FAULTS, faults).map((name) => `fault "${name}" never happened`),
    ...absent(Object.keys(judged), judged).map((name) => `${name} never had anything to judge`),
  ];
}
