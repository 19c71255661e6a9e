/** As defences.test.ts, for the ways in which directories are known to fail in production. */
import { describe, expect, it } from "vitest";
import { instanceKey } from "../../membership/document-fields.ts";
import type { PlanEvent } from "../../sim/plan.ts";
import type { Simulation } from "../../sim/simulation.ts";
import { DefenceRun } from "./defence.ts";

const LONG = { timeout: 120_000 };
const HOUR_MS = 3_600_000;
const register = (atMs: number, id: string, node = 1): PlanEvent => {
  return { atMs, kind: "register", node, service: "s0", id };
};

/** True if `viewer` holds a document of `owner`. */
function holds({ fleet }: Simulation, viewer: number, owner: number): boolean {
  const { agent } = fleet.hosts[viewer] ?? {};
  const id = fleet.signatures.signer(fleet.labelOf(fleet.hosts[owner] as never), () => {}).id;
  return agent?.node.directory.get(id) !== undefined;
}

describe("the resurrection of what was dropped", () => {
  it(
    "does not happen: a swept document is not taken back from those who still hold it",
    LONG,
    () => {
      const seen: { readonly atMs: number; readonly own: boolean[]; readonly others: boolean }[] =
        [];
      const run = new DefenceRun(
        [
          { atMs: 3_000, kind: "clock", node: 2, stepMs: HOUR_MS },
          { atMs: 5_000, kind: "crash", node: 1, forMs: 0, how: "power", disk: "kept" },
        ],
        { virtualMs: 200_000, leaseMs: HOUR_MS / 2 },
        (simulation, atMs) => {
          if (simulation.phase !== "faults") return;
          const own = [0, 1, 3, 4].map((owner) => holds(simulation, 2, owner));
          seen.push({ atMs, own, others: holds(simulation, 3, 1) });
        },
      );
      const swept = seen.findIndex(({ own }) => own[1] === false);
      expect(swept).toBeGreaterThan(0);
      // It never came back, though the others held it all the time and offered it.
      for (const { own, others } of seen.slice(swept)) {
        expect(own).toEqual([true, false, true, true]);
        expect(others).toBe(true);
      }
      expect(run.report.marks["directory refused"]).toBeGreaterThan(0);
      expect(run.report.violations).toEqual([]);
    },
  );
});

describe("state that grows with crash loops", () => {
  it("does not: twenty lives of a member leave one row and one document", LONG, () => {
    const loop = Array.from({ length: 20 }, (_, at): PlanEvent => {
      const atMs = 2_000 + at * 3_000;
      return { atMs, kind: "crash", node: 1, forMs: 1_000, how: "kill", disk: "kept" };
    });
    const run = new DefenceRun(loop, { virtualMs: 70_000 });
    expect(run.report.faults["crash kill"]).toBe(20);
    const held = run.of("settled").flatMap(({ held: kept }) => kept ?? []);
    expect(new Set(held.map(({ members }) => members))).toEqual(new Set([12]));
    expect(new Set(held.map(({ statements }) => statements))).toEqual(new Set([12]));
    expect(run.report.violations).toEqual([]);
  });
});

describe("gossip that amplifies itself", () => {
  it("an application that registers without end is held to the owner's pace", LONG, () => {
    const storm = Array.from({ length: 200 }, (_, at) => register(5_000 + at * 50, `x${at}`));
    const run = new DefenceRun(storm);
    const stormed = run.of("registered").filter(({ instance }) => /\/x\d+$/.test(instance));
    expect(stormed.length).toBe(200);
    const published = run.of("published").filter(({ node }) => node === 1);
    expect(published.filter((event) => run.msOf(event) > 5_000).length).toBeLessThanOrEqual(18);
    expect(run.report.violations).toEqual([]);
  });

  it("two halves that hold each other dead talk no faster for it", LONG, () => {
    const cut: PlanEvent[] = [
      ...[5_000, 25_000, 45_000].map((atMs): PlanEvent => {
        return { atMs, kind: "partition", left: [0, 1, 2, 3, 4, 5], forMs: 12_000, oneWay: false };
      }),
    ];
    const calm = new DefenceRun([]).report.metrics["controlBytesPerNodeSecond"] as number;
    const run = new DefenceRun(cut);
    expect(run.report.faults["partition"]).toBe(3);
    expect(run.dead().size).toBe(12);
    expect(run.report.metrics["controlBytesPerNodeSecond"]).toBeLessThan(10 * calm);
    expect(
      Math.max(...run.of("settled").map(({ held }) => held?.rumours ?? 0)),
    ).toBeLessThanOrEqual(3);
    expect(run.report.violations).toEqual([]);
  });
});

describe("clock skew between two versions of a document", () => {
  it("lets the later one win, though its owner's clock was set back in between", LONG, () => {
    const run = new DefenceRun([
      register(3_000, "old"),
      { atMs: 6_000, kind: "clock", node: 1, stepMs: -HOUR_MS },
      { atMs: 8_000, kind: "deregister", node: 1, service: "s0", id: "old" },
      register(9_000, "new"),
    ]);
    expect(run.report.faults["clock step"]).toBe(1);
    const leases = run.of("published").filter(({ node }) => node === 1);
    expect((leases.at(-1)?.notAfter ?? 0) < (leases[0]?.notAfter ?? 0)).toBe(true);
    const listed = run.of("settled").flatMap(({ instances }) => instances);
    expect(listed).toContain("default/s0/new");
    expect(listed).not.toContain("default/s0/old");
    expect(run.report.violations).toEqual([]);
  });
});

describe("drift between the detector and what routes by it", () => {
  it("is not there at any moment, while members come and go and register", LONG, () => {
    const crash = { kind: "crash", forMs: 6_000, disk: "kept" } as const;
    let compared = 0;
    const run = new DefenceRun(
      [
        ...Array.from({ length: 40 }, (_, at) => register(1_000 + at * 700, `x${at}`, at % 12)),
        ...[3, 9, 15, 21].map((s): PlanEvent => {
          return { ...crash, atMs: s * 1_000, node: s % 12, how: "kill" };
        }),
        { ...crash, atMs: 12_000, node: 5, how: "power" },
        { atMs: 18_000, kind: "leave", node: 6, forMs: 5_000, version: "0.1.0" },
      ],
      {},
      ({ fleet }) => {
        for (const { agent } of fleet.hosts) {
          if (agent === undefined) continue;
          const { members, services } = agent.node.view();
          const expected = [...agent.node.directory.owners()]
            .filter((owner) => ["alive", "suspect"].includes(members.get(owner)?.state ?? ""))
            .flatMap((owner) => agent.node.directory.get(owner)?.instances.map(instanceKey) ?? []);
          const shown = [...services.values()].flatMap(({ key, instances }) =>
            instances.map(({ id }) => `${key}/${id}`),
          );
          expect(shown.sort()).toEqual(expected.sort());
          compared += shown.length;
        }
      },
    );
    expect(run.report.faults["crash kill"]).toBe(4);
    expect(compared).toBeGreaterThan(10_000);
    expect(run.report.violations).toEqual([]);
  });
});
