/** A run's report as lines for people. */
import type { Report } from "../../sim/simulation.ts";

export function describeReport(report: Report): string {
  const { seed, profile, nodes, virtualMs, wallMs, events, hash, metrics } = report;
  const speed = (virtualMs / Math.max(1, wallMs)).toFixed(1);
  const converged = metrics["convergedMs"] as number;
  const lines = [
    `profile ${profile}, seed ${seed}, ${nodes} nodes: ${(virtualMs / 1_000).toFixed(1)} s of ` +
      `virtual time in ${(wallMs / 1_000).toFixed(1)} s (${speed} times real time)`,
    `events ${events}, hash ${hash}`,
    `faults   ${pairs(report.faults)}`,
    `marks    ${pairs(report.marks)}`,
    `requests ${metrics["requests"]} sent, ${metrics["answered"]} answered, ` +
      `${metrics["failed"]} failed`,
    converged < 0 ? "the mesh did not come right" : `came right ${converged} ms after the heal`,
    ...report.violations.map(
      ({ checker, atMs, detail, statement }) =>
        `VIOLATION ${checker} at ${(atMs / 1_000).toFixed(3)} s: ${detail}\n  (${statement})`,
    ),
    report.violations.length === 0 ? "no violation" : `${report.violations.length} violations`,
  ];
  return `${lines.join("\n")}\n`;
}

export function pairs(counts: Readonly<Record<string, number>>): string {
  const all = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return all.length === 0 ? "none" : all.join(", ");
}
