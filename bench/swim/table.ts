/** The experiment's results as one table, and what they come to. */
import {
  ANOMALIES,
  PAPER,
  STARVE_MS,
  SUBJECTS,
  type Subject,
  type SubjectResult,
  type Summary,
  summarize,
} from "../../sim/swim/experiment.ts";
import { aligned } from "../harness/report.ts";

export type ResultsOf = (subject: Subject, anomalies: number) => readonly SubjectResult[];

const HEAD = [
  ...["starved", "subject", "FP", "FP-", "starved dead", "first p50", "p99"],
  ...["all p50", "p99", "messages", "MB"],
];

export function tableOf(of: ResultsOf): string[] {
  const lines = ANOMALIES.flatMap((anomalies) =>
    SUBJECTS.map((subject) => cells(anomalies, subject, summarize(of(subject, anomalies)))),
  );
  const total = SUBJECTS.map((subject) => {
    const all = ANOMALIES.flatMap((anomalies) => of(subject, anomalies));
    return cells("all", subject, summarize(all));
  });
  return [
    "means of one run; FP: sound members declared dead; FP-: by sound members; times in seconds",
    ...aligned([HEAD, ...lines, ...total]),
  ];
}

function cells(anomalies: number | "all", subject: Subject, summary: Summary): string[] {
  const seconds = (ms: number) => (ms < 0 ? "never" : (ms / 1_000).toFixed(1));
  const count = (value: number) => (value >= 10 ? value.toFixed(0) : value.toFixed(1));
  return [
    ...[`${anomalies}`, subject, count(summary.falsePositives)],
    ...[count(summary.falsePositivesAtSound), count(summary.starvedDeclared)],
    ...[seconds(summary.firstMsP50), seconds(summary.firstMsP99)],
    ...[seconds(summary.fullMsP50), seconds(summary.fullMsP99)],
    ...[count(summary.messages), count(summary.megabytes)],
  ];
}

export function verdicts(of: ResultsOf, starveMs: number): string[] {
  const all = (subject: Subject) =>
    summarize(ANOMALIES.flatMap((anomalies) => of(subject, anomalies)));
  const [ours, swim, lifeguard] = [all("grapevine"), all("swim"), all("lifeguard")];
  const share = (value: number) =>
    swim.falsePositives === 0 ? "none" : `${((100 * value) / swim.falsePositives).toFixed(2)}%`;
  const missed = (subject: Summary) => subject.undetected;
  const lines = [
    `of plain SWIM's false positives: grapevine ${share(ours.falsePositives)}, ` +
      `SWIM + Lifeguard ${share(lifeguard.falsePositives)}`,
    `crashes not known to all sound members by the end: grapevine ${missed(ours)}, ` +
      `SWIM + Lifeguard ${missed(lifeguard)}, SWIM ${missed(swim)}`,
    `violations of the simulator's invariants: ${ours.violations}`,
  ];
  if (starveMs !== STARVE_MS) return lines;
  const paper = Object.entries(PAPER).map(([anomalies, figure]) => {
    const mean = summarize(of("swim", Number(anomalies))).falsePositives;
    return `${anomalies}: ${mean.toFixed(0)} for ${figure.swim} (${(mean / figure.swim).toFixed(2)})`;
  });
  return [...lines, `plain SWIM beside the paper's figure 1: ${paper.join(", ")}`];
}
