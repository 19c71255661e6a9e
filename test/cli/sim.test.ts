import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { drawPlan } from "../../sim/profiles.ts";
import { grapevine } from "./terminal.ts";

const folder = mkdtempSync(join(tmpdir(), "grapevine-sim-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const sim = (args: string) => grapevine(["sim", ...args.split(" ")], { folder });

/** Nobody may be given time to come right: this plan must fail. */
const drawn = drawPlan({ profile: "calm", seed: 1, nodes: 4, minutes: 0.1 });
const down = { atMs: 1_000, kind: "crash", node: 1, forMs: 0, how: "kill", disk: "kept" } as const;
const slow = { ...drawn.network.sameZone, baseUs: 200_000 };
const network = { ...drawn.network, sameZone: slow, otherZone: slow };
const failing = { ...drawn, joinMs: 1_000, convergeMs: 0, network, events: [down] };

describe("sim run", () => {
  it("prints the report as the contract says, the same each time", {
    timeout: 60_000,
  }, async () => {
    const args = "run --profile crash --nodes 4 --seed 9 --minutes 0.2 --json";
    const { code, out } = await sim(args);
    expect(code).toBe(0);
    const report = JSON.parse(out);
    expect(Object.keys(report)).toEqual(
      "seed profile nodes virtualMs wallMs events hash faults violations marks metrics".split(" "),
    );
    expect(report).toMatchObject({ seed: 9, profile: "crash", nodes: 4, violations: [] });
    expect(JSON.parse((await sim(args)).out).hash).toBe(report.hash);
  });

  it("fails with 1, names who disagrees about what, and shrinks", { timeout: 60_000 }, async () => {
    writeFileSync(join(folder, "failing.json"), JSON.stringify(failing));
    const run = await sim("run failing.json --trace failing.trace --json");
    expect(run.code).toBe(1);
    const violations = JSON.parse(run.out).violations as { checker: string; detail: string }[];
    const disagreement = violations.find(({ checker }) => checker === "L-M8");
    expect(disagreement?.detail).toMatch(/n\d holds .* of n1, which runs/);

    expect((await sim("replay failing.trace -o page.html")).code).toBe(0);
    const page = readFileSync(join(folder, "page.html"), "utf8");
    const [, packed = ""] = /id="data">([^<]*)</.exec(page) ?? [];
    const trace = gunzipSync(Buffer.from(packed, "base64")).toString();
    expect(trace).toContain('"kind":"healed"');
    expect(page).not.toContain("GRAPEVINE_TRACE");

    const shrunk = await sim("shrink failing.json --invariant L-M8 -o small.json --json");
    expect(shrunk.code).toBe(0);
    expect(JSON.parse(shrunk.out)).toMatchObject({ plan: "small.json", nodes: 2, events: 1 });
    expect(readFileSync(join(folder, "small.md"), "utf8")).toContain("crash node 0");
  });

  it("refuses what it cannot use, by name", async () => {
    expect((await sim("run --profile storm")).err).toContain('no profile "storm"');
    expect((await sim("run --nodes 0")).code).toBe(2);
    expect((await sim("run absent.json")).err).toContain("cannot read the plan absent.json");
    expect((await sim("run failing.json --seed 3")).code).toBe(2);
    expect((await sim("replay absent -o x.html")).err).toContain("cannot read the trace absent");
  });
});

/** Each is found before anything is run, so that nothing is lost on it. */
describe("what cannot be written", () => {
  it.each([
    ["run --nodes 2 --minutes 0.01 --trace absent/t", "cannot write the trace to"],
    ["run --nodes 2 --minutes 0.01 --trace .", "it is a directory"],
    ["shrink failing.json -o absent/q.json", "cannot write the plan to"],
    ["replay failing.trace -o absent/page.html", "cannot write the page to"],
    ["replay failing.trace -o .", "it is a directory"],
    [
      "farm --seeds 1 --nodes 2 --minutes 0.01 --out failing.json",
      "failing.json is not a directory",
    ],
    ["farm --seeds 1 --nodes 2 --minutes 0.01 --out failing.json/in", "cannot write the failing"],
  ])("%s is refused, and says what and where", async (args, message) => {
    writeFileSync(join(folder, "failing.json"), JSON.stringify(failing));
    const { code, err } = await sim(args);
    expect(code).toBe(1);
    expect(err).toContain(message);
    expect(err).not.toContain("defect");
    expect(err.split("\n").length).toBe(2);
  });
});

describe("sim farm", () => {
  it("runs seeds over the profiles and sums them up", { timeout: 120_000 }, async () => {
    const { code, out } = await sim("farm --seeds 2 --nodes 4 --minutes 0.1 --workers 1 --json");
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ seeds: 2, skipped: 0, failures: [] });
  });
});
