import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Probe } from "../../../agent/registrations/probe.ts";
import type { RegistrationsChange } from "../../../agent/registrations/registrations.ts";
import { Registrations } from "../../../agent/registrations/registrations.ts";
import { readRegistration } from "../../../agent/registrations/schema.ts";
import { serviceKey } from "../../../core/names.ts";
import { SeededRandom } from "../../../core/random.ts";
import type { InstanceEntry } from "../../../membership/document.ts";
import { faultOfOwnContent } from "../../../membership/document-codec.ts";
import { settle, VirtualClock } from "../virtual-clock.ts";

/** A disk whose writes take until `flush`, and that survives the agent. */
class MemoryDisk {
  readonly rows = new Map<string, unknown>();
  held: (() => void)[] = [];
  hold = false;
  broken = false;

  async put(key: string, value: unknown): Promise<void> {
    if (this.broken) throw new Error("disk full");
    if (this.hold) await new Promise<void>((resolve) => this.held.push(resolve));
    this.rows.set(key, structuredClone(value));
  }

  async delete(key: string): Promise<void> {
    if (this.broken) throw new Error("disk full");
    this.rows.delete(key);
  }

  all(): Iterable<readonly [string, unknown]> {
    return [...this.rows];
  }

  release(): void {
    for (const resolve of this.held.splice(0)) resolve();
  }
}

function read(input: Record<string, unknown>) {
  const result = readRegistration({ name: "web", ports: [{ port: 8080 }], ...input });
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.registration;
}

function setUp(disk = new MemoryDisk(), allowExecChecks = false) {
  const clock = new VirtualClock();
  const changes: RegistrationsChange[] = [];
  const events: string[] = [];
  const answers = { ok: true };
  let runs = 0;
  const probe: Probe = async () => {
    runs += 1;
    return { ok: answers.ok, message: answers.ok ? "up" : "down" };
  };
  const registrations = new Registrations({
    clock,
    random: new SeededRandom(1),
    store: disk,
    agentName: "a",
    allowExecChecks,
    onChange: (change) => changes.push(change),
    onEvent: (event) => events.push(`${event.type} ${event.key}`),
    probe,
  });
  return { clock, disk, changes, events, answers, registrations, runs: () => runs };
}

function faultOf(instances: readonly InstanceEntry[]): string | undefined {
  const place = { bind: "", link: "", zone: "", region: "", labels: {}, version: "" };
  return faultOfOwnContent({ name: "a", ...place, certificate: new Uint8Array(), instances });
}

const web = serviceKey("default", "web");

describe("Registrations", () => {
  it("acknowledges only what is on disk and published", async () => {
    const { disk, changes, registrations } = setUp();
    disk.hold = true;
    let acknowledged = false;
    const pending = registrations.register(read({})).then(() => {
      acknowledged = true;
    });
    await settle();
    expect([acknowledged, changes.length]).toEqual([false, 0]);
    expect(registrations.target(web, "a-8080", 80)).toBeUndefined();
    disk.release();
    await pending;
    expect(disk.rows.has("default/web/a-8080")).toBe(true);
    expect(changes.at(-1)?.entries.map((entry) => entry.id)).toEqual(["a-8080"]);
    expect(registrations.target(web, "a-8080", 80)).toEqual({ host: "127.0.0.1", port: 8080 });
    expect(registrations.target(web, "a-8080", 81)).toBeUndefined();
  });

  it("changes nothing when the disk refuses", async () => {
    const { disk, changes, registrations } = setUp();
    disk.broken = true;
    await expect(registrations.register(read({}))).rejects.toThrow("disk full");
    expect([registrations.list().length, changes.length]).toEqual([0, 0]);
    disk.broken = false;
    await registrations.register(read({}));
    disk.broken = true;
    await expect(registrations.deregister(web, "a-8080")).rejects.toThrow("disk full");
    expect(registrations.get(web, "a-8080")).toBeDefined();
  });

  it("survives a restart with everything that was acknowledged", async () => {
    const first = setUp();
    const check = { type: "http", path: "/up", intervalMs: 700 };
    await first.registrations.register(read({ id: "one", check, tags: { a: "1" }, weight: 3 }));
    await first.registrations.register(read({ id: "two", unix: "/run/x.sock", ports: undefined }));
    const before = first.registrations.list().map((instance) => instance.entry);
    await first.registrations.close();

    const second = setUp(first.disk);
    second.disk.rows.set("default/web/torn", { name: "web", ports: "garbage" });
    expect(await second.registrations.restore()).toEqual(["default/web/torn"]);
    expect(second.registrations.list().map((instance) => instance.entry)).toEqual(before);
    expect(second.changes.at(-1)?.failing).toEqual(["default/web/one"]);
    await second.clock.advance(0);
    expect(second.changes.at(-1)?.failing).toEqual([]);
  });

  it("tells the mesh once for a burst, and before each acknowledgement", async () => {
    const { changes, registrations } = setUp();
    const seen = await Promise.all(
      Array.from({ length: 50 }, async (_, at) => {
        await registrations.register(read({ id: `i${at}` }));
        return changes.at(-1)?.entries.some((entry) => entry.id === `i${at}`);
      }),
    );
    expect(seen.every(Boolean)).toBe(true);
    expect(changes.length).toBeLessThan(10);
  });

  it("takes the same id again as an update and keeps the check's verdict", async () => {
    const { clock, registrations, events, runs } = setUp();
    const check = { type: "tcp" };
    const first = await registrations.register(read({ id: "one", check }));
    expect([first.created, first.instance.health]).toEqual([true, "failing"]);
    await clock.advance(0);
    const second = await registrations.register(read({ id: "one", check, weight: 9 }));
    expect([second.created, second.instance.health]).toEqual([false, "passing"]);
    expect(runs()).toBe(1);
    const moved = await registrations.register(read({ id: "one", check, ports: [{ port: 9 }] }));
    expect(moved.instance.health).toBe("failing");
    expect(events).toEqual([
      "registered default/web/one",
      "health default/web/one",
      "updated default/web/one",
      "updated default/web/one",
    ]);
  });

  it("keeps the order of operations on one instance while the disk is slow", async () => {
    const { disk, registrations } = setUp();
    disk.hold = true;
    const first = registrations.register(read({ id: "one", weight: 1 }));
    const second = registrations.register(read({ id: "one", weight: 2 }));
    const gone = registrations.deregister(web, "one");
    const last = registrations.register(read({ id: "one", weight: 3 }));
    for (let turn = 0; turn < 5; turn += 1) {
      disk.release();
      await settle();
    }
    await Promise.all([first, second, gone, last]);
    expect((await last).created).toBe(true);
    expect(registrations.get(web, "one")?.entry.weight).toBe(3);
    expect(disk.rows.get("default/web/one")).toMatchObject({ weight: 3 });
  });

  it("forgets a leased instance whose holder went silent, also across a restart", async () => {
    const { clock, disk, events, changes, registrations } = setUp();
    await registrations.register(read({ id: "one", leaseMs: 5_000 }));
    expect(disk.rows.size).toBe(0);
    await clock.advance(4_000);
    registrations.report(web, "one", true);
    await clock.advance(4_000);
    await registrations.register(read({ id: "one", leaseMs: 5_000 }));
    await clock.advance(4_999);
    expect(registrations.get(web, "one")).toBeDefined();
    await clock.advance(1);
    await settle();
    expect(events.at(-1)).toBe("expired default/web/one");
    expect(changes.at(-1)?.entries).toEqual([]);
  });

  it("moves between lease and disk with an update", async () => {
    const { clock, disk, registrations } = setUp();
    await registrations.register(read({ id: "one" }));
    await registrations.register(read({ id: "one", leaseMs: 5_000 }));
    expect(disk.rows.size).toBe(0);
    await registrations.register(read({ id: "one" }));
    expect(disk.rows.size).toBe(1);
    await clock.advance(60_000);
    expect(registrations.get(web, "one")).toBeDefined();
  });

  it("follows a ttl check by the application's own word", async () => {
    const { clock, changes, registrations } = setUp();
    await registrations.register(read({ id: "one", check: { type: "ttl", ttlMs: 1_000 } }));
    expect(registrations.report(web, "one", true, "fine").health).toBe("passing");
    expect(registrations.report(web, "one", false, "out of disk").checkStatus).toMatchObject({
      health: "failing",
      message: "out of disk",
    });
    registrations.report(web, "one", true);
    await settle();
    expect(changes.at(-1)?.failing).toEqual([]);
    await clock.advance(1_000);
    await settle();
    expect(changes.at(-1)?.failing).toEqual(["default/web/one"]);
  });

  it("says what a report needs", async () => {
    const { registrations } = setUp();
    await registrations.register(read({ id: "one" }));
    expect(() => registrations.report(web, "one", true)).toThrow("a ttl check or a lease");
    expect(() => registrations.report(web, "two", true)).toThrow('no instance "two"');
    await expect(registrations.deregister(web, "two")).rejects.toMatchObject({
      short: "not_found",
    });
  });

  it("runs programs for the socket's users only if allowed", async () => {
    const check = { type: "exec", command: "true" };
    const refused = setUp().registrations.register(read({ check }));
    await expect(refused).rejects.toMatchObject({ short: "forbidden" });
    const allowed = setUp(new MemoryDisk(), true);
    await allowed.registrations.register(read({ check }));

    const restarted = setUp(allowed.disk);
    await restarted.registrations.restore();
    await restarted.clock.advance(60_000);
    expect(restarted.runs()).toBe(0);
    const [instance] = restarted.registrations.list();
    expect(instance?.health).toBe("failing");
    expect(instance?.checkStatus?.message).toContain("--enable-exec-checks");
  });

  it("refuses more than the directory can publish, whatever arrives at once", async () => {
    const { changes, registrations } = setUp();
    const tags = Object.fromEntries(
      Array.from({ length: 32 }, (_, at) => [`tag${at}`, "x".repeat(255)]),
    );
    const results = await Promise.allSettled(
      Array.from({ length: 130 }, (_, at) => registrations.register(read({ id: `i${at}`, tags }))),
    );
    const accepted = results.filter((result) => result.status === "fulfilled").length;
    expect(accepted).toBeGreaterThan(20);
    expect(accepted).toBeLessThan(110);
    expect(registrations.list()).toHaveLength(accepted);
    const refusals = results.filter((result) => result.status === "rejected");
    expect(refusals[0]?.reason).toMatchObject({ short: "too_large" });
    expect(faultOf(changes.at(-1)?.entries ?? [])).toBeUndefined();
    await registrations.register(read({ id: "i0" }));
    await registrations.register(read({ id: "small" }));
  });

  it("never acknowledges what the directory would refuse", async () => {
    const label = fc.stringMatching(/^[a-z][a-z0-9-]{0,61}[a-z0-9]$/);
    const text = fc.string({ unit: "binary", maxLength: 300 });
    const port = fc.integer({ min: 1, max: 65_535 });
    const input = fc.record({
      name: label,
      id: label,
      ports: fc.array(fc.record({ port, servicePort: port }), { minLength: 1, maxLength: 16 }),
      version: text,
      weight: fc.integer({ min: 0, max: 2_000 }),
      tags: fc.dictionary(label, text),
    });
    await fc.assert(
      fc.asyncProperty(input, async (given) => {
        const result = readRegistration(given);
        if (!result.ok) return;
        const { changes, registrations } = setUp();
        await registrations.register(result.registration);
        expect(faultOf(changes.at(-1)?.entries ?? [])).toBeUndefined();
      }),
    );
  });

  it("lets the configuration declare instances that the socket cannot touch", async () => {
    const { disk, events, registrations } = setUp();
    await registrations.register(read({ id: "one" }));
    await registrations.declare([read({ id: "one", weight: 5 }), read({ id: "two" })]);
    expect(disk.rows.size).toBe(0);
    const update = registrations.register(read({ id: "one" }));
    await expect(update).rejects.toMatchObject({ short: "conflict" });
    await expect(registrations.deregister(web, "two")).rejects.toThrow("reload");

    events.length = 0;
    await registrations.declare([read({ id: "two" })]);
    expect(events).toEqual(["deregistered default/web/one"]);
    expect(registrations.list().map(({ id, origin }) => [id, origin])).toEqual([["two", "config"]]);
    const twice = registrations.declare([read({ id: "x" }), read({ id: "x" })]);
    await expect(twice).rejects.toMatchObject({ short: "config_invalid" });
  });

  it("runs exec checks that the configuration declares", async () => {
    const { clock, registrations, runs } = setUp();
    await registrations.declare([read({ check: { type: "exec", command: "true" } })]);
    await clock.advance(0);
    expect(runs()).toBe(1);
  });

  it("leaves no timer behind", async () => {
    const { clock, registrations } = setUp();
    await registrations.register(read({ id: "one", leaseMs: 5_000, check: { type: "tcp" } }));
    await registrations.register(read({ id: "two", check: { type: "ttl" } }));
    registrations.report(web, "two", true);
    await clock.advance(0);
    await registrations.close();
    await settle();
    expect(clock.pending).toBe(0);
  });
});
