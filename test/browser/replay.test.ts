import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { assemblePage } from "../../cli/sim/replay-page.ts";
import { runPlan } from "../../cli/sim/run-plan.ts";
import { drawPlan } from "../../sim/profiles.ts";
import { replayData } from "../../sim/replay.ts";
import type { TraceEvent } from "../../sim/trace.ts";
import { Browser, findBrowser, type Page } from "./chromium.ts";

const command = findBrowser();
if (command === undefined) {
  process.stderr.write("test/browser: skipped, there is no browser: apt-get install chromium\n");
}

const folder = mkdtempSync(join(tmpdir(), "grapevine-replay-"));
let browser: Browser | undefined;
beforeAll(async () => {
  if (command !== undefined) browser = await Browser.start(command);
});
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function openPage(name: string, lines: readonly object[]): Promise<Page> {
  const file = join(folder, `${name}.html`);
  const data = replayData(lines.map((line) => JSON.stringify(line))) as string;
  writeFileSync(file, assemblePage(data));
  const page = await (browser as Browser).open(`file://${file}`);
  while ((await page.evaluate("document.body?.dataset.ready")) !== "yes") {
    expect(page.errors).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return page;
}

/** Moves the scrubber as a hand would, and waits until the page is drawn. */
async function scrubTo(page: Page, share: number): Promise<void> {
  await page.evaluate(`(() => {
    const scrubber = document.getElementById("scrubber");
    scrubber.value = String(${Math.round(share * 1e6)});
    scrubber.dispatchEvent(new Event("input"));
    return new Promise((resolve) =>
      requestAnimationFrame(() => requestAnimationFrame(() => resolve(true))));
  })()`);
}

const textOf = (page: Page, id: string) =>
  page.evaluate(`document.getElementById("${id}").textContent`) as Promise<string>;

/** How many pixels of a canvas are nearly of a colour. */
function pixels(page: Page, id: string, red: number, green: number, blue: number): Promise<number> {
  return page.evaluate(`(() => {
    const canvas = document.getElementById("${id}");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let found = 0;
    for (let at = 0; at < data.length; at += 4) {
      const far = Math.abs(data[at] - ${red}) + Math.abs(data[at + 1] - ${green}) +
        Math.abs(data[at + 2] - ${blue});
      if (data[at + 3] > 200 && far < 30) found += 1;
    }
    return found;
  })()`) as Promise<number>;
}

const ALIVE = [0x2e, 0x9e, 0x5b] as const;
const DEAD = [0xc9, 0x3c, 0x3c] as const;
const ACCENT = [0x4f, 0x6b, 0xed] as const;

describe.skipIf(command === undefined)("the replay in a browser", () => {
  it("shows nodes, links, faults, beliefs, ring and messages of 32 nodes at any moment", {
    timeout: 120_000,
  }, async () => {
    const drawn = drawPlan({ profile: "calm", seed: 3, nodes: 32, minutes: 0.3 });
    const crash = { kind: "crash", node: 5, forMs: 0, how: "kill", disk: "kept" } as const;
    const cut = { kind: "partition", left: [7], forMs: 3_000, oneWay: false } as const;
    const plan = {
      ...{ ...drawn, joinMs: 3_000 },
      events: [
        { atMs: 4_000, ...crash },
        { atMs: 9_000, ...cut },
      ],
    };
    const events: TraceEvent[] = [];
    const { report } = runPlan(plan, { onTrace: (event) => events.push(event) });
    const page = await openPage("small", [{ plan }, ...events, { report }]);
    const end = (events.at(-1) as TraceEvent).at;
    const goTo = (ms: number) => scrubTo(page, ((plan.joinMs + ms) * 1_000) / end);

    await goTo(3_500);
    expect(await textOf(page, "title")).toContain("32 nodes: no violations");
    expect(await textOf(page, "time")).toMatch(/^6\.\d+ s$/);
    expect(await textOf(page, "node-hint")).toMatch(/n0: \d+ control connections, .*32 run/);
    expect(await pixels(page, "beliefs", ...DEAD)).toBe(0);
    expect(await pixels(page, "beliefs", ...ALIVE)).toBeGreaterThan(50_000);
    expect(await textOf(page, "owner")).toContain("All running nodes agree.");
    expect(await pixels(page, "lamport", ...ACCENT)).toBeGreaterThan(100);
    expect(await textOf(page, "lamport-hint")).toMatch(/[1-9]\d* messages/);
    const members = await textOf(page, "ring");
    expect(members).not.toContain("out of the ring");

    await goTo(8_500);
    expect(await pixels(page, "beliefs", ...DEAD)).toBeGreaterThan(1_000);
    expect(await pixels(page, "nodes", ...DEAD)).toBeGreaterThan(50);
    expect(await textOf(page, "node-hint")).toContain("31 run");
    expect(await textOf(page, "faults")).toContain("crash kill begins: n5");

    await goTo(10_000);
    expect(await textOf(page, "faults")).toContain("partition begins: n7 against");
    const hovered = await page.evaluate(`(() => {
      const canvas = document.getElementById("beliefs");
      const { left, top } = canvas.getBoundingClientRect();
      const at = 440 / 32;
      canvas.dispatchEvent(new MouseEvent("mousemove",
        { clientX: left + 5.5 * at, clientY: top + 2.5 * at }));
      return document.getElementById("pair").textContent;
    })()`);
    expect(hovered).toMatch(/^n2 about n5: dead, epoch \d+/);

    await page.evaluate(`document.getElementById("back").click()`);
    await scrubTo(page, 1);
    expect(await textOf(page, "time")).toContain("(healed)");
    expect(await textOf(page, "node-hint")).toContain("32 run");
    expect(page.errors).toEqual([]);
    expect((await page.screenshot()).length).toBeGreaterThan(20_000);
  });

  it("stays usable with 1,000 nodes that know each other", { timeout: 120_000 }, async () => {
    const page = await openPage("large", largeTrace(1_000));
    await scrubTo(page, 0.5);
    expect(await pixels(page, "beliefs", ...DEAD)).toBe(0);
    for (const share of [0.1, 0.9, 0.3, 1]) await scrubTo(page, share);
    // One member of a thousand is dead for all: less than half a column, and still to be seen.
    expect(await pixels(page, "beliefs", ...DEAD)).toBeGreaterThan(200);
    expect(await pixels(page, "nodes", ...DEAD)).toBeGreaterThan(10);
    expect(page.errors).toEqual([]);
  });
});

/** Everybody meets everybody, then one dies: written by hand, since a run of it takes minutes. */
function largeTrace(nodes: number): object[] {
  const lines: object[] = [{ plan: { ...drawPlan(LARGE), nodes } }];
  let at = 0;
  const add = (event: object) => {
    at += 5;
    lines.push({ at, ...event });
  };
  const meet = (node: number, subject: number) =>
    add({
      ...{ kind: "belief", node, subject, belief: "alive", epoch: subject, incarnation: 0 },
      why: `n${subject % 7} says so`,
    });
  for (let node = 0; node < nodes; node += 1) {
    add({ kind: "start", node, epoch: node, disk: "lost" });
    for (let other = 0; other < node; other += 1) {
      meet(node, other);
      meet(other, node);
    }
  }
  add({ kind: "fault", fault: "crash kill", id: 1, on: true, left: [500] });
  add({ kind: "stop", node: 500, how: "killed" });
  for (let node = 0; node < nodes; node += 1) {
    if (node === 500) continue;
    const life = { epoch: 500, incarnation: 0 };
    add({ kind: "belief", node, subject: 500, belief: "dead", ...life, why: "n3 says so" });
  }
  return lines;
}

const LARGE = { profile: "large", seed: 1, nodes: 16, minutes: 1 };
