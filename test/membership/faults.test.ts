import { describe, expect, it } from "vitest";
import type { Host } from "./network.ts";
import { eventsOf, Network } from "./network.ts";

/** A cluster in which everybody sees everybody alive, with the joining forgotten. */
function joined(count: number, seed = 1): { network: Network; hosts: Host[] } {
  const network = new Network({ seed });
  const hosts = network.addCluster(count);
  expect(network.runUntil(() => network.agreeAlive(hosts, hosts), 30_000)).toBeDefined();
  network.run(3_000);
  for (const host of hosts) host.events.length = 0;
  return { network, hosts };
}

/** Nothing changes any more for a minute. */
function isStable(network: Network, hosts: readonly Host[]): boolean {
  for (const host of hosts) host.events.length = 0;
  network.run(60_000);
  return hosts.every((host) => host.events.length === 0);
}

describe("a paused member", () => {
  it.each([2, 3, 20, 40])(
    "of %i is dead for all in 10 s, and after it resumes alive for all",
    (count) => {
      const { network, hosts } = joined(count);
      const [victim, ...rest] = [network.at(1), ...hosts.filter((_, at) => at !== 1)];
      network.pause(victim);
      expect(network.runUntil(() => network.allSee(rest, victim, "dead"), 10_000)).toBeDefined();
      network.run(20_000);
      for (const host of hosts) host.events.length = 0;
      network.resume(victim);
      const ms = network.runUntil(() => network.agreeAlive(hosts, hosts), 5_000);
      expect(ms).toBeDefined();
      expect(eventsOf(hosts, "dead")).toEqual([]);
      network.run(30_000);
      expect(network.agreeAlive(hosts, hosts)).toBe(true);
    },
  );

  it("that resumes after its connections were closed is alive again for all", () => {
    const { network, hosts } = joined(20);
    const victim = network.at(5);
    network.pause(victim);
    network.run(120_000);
    network.resume(victim);
    expect(network.runUntil(() => network.agreeAlive(hosts, hosts), 10_000)).toBeDefined();
    expect(eventsOf([victim], "dead")).toEqual([]);
  });

  it("accuses nobody after a stall of 8 s", () => {
    const { network, hosts } = joined(10);
    const victim = network.at(3);
    network.pause(victim);
    network.run(8_000);
    network.resume(victim);
    network.run(10_000);
    const others = hosts.filter((host) => host !== victim);
    for (const event of eventsOf(hosts, "suspect")) expect(event.peer).toBe(victim.id);
    expect(network.agreeAlive(others, hosts)).toBe(true);
  });
});

describe("a restarted agent", () => {
  it.each([2, 3, 20])("of %i is back within 3 s under its old identity", (count) => {
    const { network, hosts } = joined(count);
    const victim = network.at(1);
    network.crash(victim);
    network.run(1_000);
    network.start(victim, [network.at(0).address]);
    expect(network.runUntil(() => network.agreeAlive(hosts, hosts), 3_000)).toBeDefined();
  });

  it("is found by the others within 10 s if it knows nobody", () => {
    const { network, hosts } = joined(20);
    const victim = network.at(1);
    network.crash(victim);
    network.run(30_000);
    network.start(victim, []);
    expect(network.runUntil(() => network.agreeAlive(hosts, hosts), 10_000)).toBeDefined();
  });

  it("is alive at its new address", () => {
    const { network, hosts } = joined(12);
    const victim = network.at(4);
    network.crash(victim);
    network.run(500);
    victim.address = "10.9.9.9:1000";
    network.start(victim, [network.at(0).address]);
    expect(network.runUntil(() => network.agreeAlive(hosts, hosts), 3_000)).toBeDefined();
    for (const host of hosts) {
      const row = host.membership?.snapshot().members.find((member) => member.id === victim.id);
      expect(row?.bind).toBe("10.9.9.9:1000");
      expect(row?.epoch).toBe(2);
    }
  });

  it("with a rolled-back epoch goes past its former life", () => {
    const { network, hosts } = joined(8);
    const victim = network.at(2);
    network.crash(victim);
    network.start(victim, [network.at(0).address], 9);
    expect(network.runUntil(() => network.agreeAlive(hosts, hosts), 3_000)).toBeDefined();
    network.crash(victim);
    network.start(victim, [network.at(0).address], 3);
    expect(network.runUntil(() => network.agreeAlive(hosts, hosts), 5_000)).toBeDefined();
    expect(eventsOf(hosts, "duplicate_identity")).toEqual([]);
    const row = network
      .at(0)
      .membership?.snapshot()
      .members.find(({ id }) => id === victim.id);
    expect(row?.epoch).toBe(9);
  });

  it("in a crash loop leaves one row and no leftovers", () => {
    const { network, hosts } = joined(6);
    const victim = network.at(3);
    for (let round = 0; round < 30; round += 1) {
      network.crash(victim);
      network.run(700);
      network.start(victim, [network.at(0).address]);
      network.run(1_300);
    }
    expect(network.runUntil(() => network.agreeAlive(hosts, hosts), 5_000)).toBeDefined();
    for (const host of hosts) expect(host.membership?.snapshot().members.length).toBe(6);
  });

  it.each([5, 20, 40])("all %i at once: nobody stays dead", (count) => {
    const { network, hosts } = joined(count);
    for (const host of hosts) network.crash(host);
    network.run(2_000);
    for (const host of hosts) network.start(host, [network.at(0).address]);
    expect(network.runUntil(() => network.agreeAlive(hosts, hosts), 10_000)).toBeDefined();
    network.run(60_000);
    expect(network.agreeAlive(hosts, hosts)).toBe(true);
  });
});

describe("leaving", () => {
  it("is seen by all at once, and nobody is reported dead", () => {
    const { network, hosts } = joined(20);
    const leaver = network.at(7);
    const rest = hosts.filter((host) => host !== leaver);
    network.input(leaver, (now, out) => leaver.membership?.setLeaving(now, out));
    const isLeaving = (host: Host) =>
      host.membership?.snapshot().members.find((row) => row.id === leaver.id)?.leaving === true;
    expect(network.runUntil(() => rest.every(isLeaving), 1_000)).toBeDefined();
    network.input(leaver, (now, out) => leaver.membership?.leave(now, out));
    expect(leaver.membership?.nextDeadline()).toBeUndefined();
    network.run(20);
    network.stop(leaver);
    expect(network.runUntil(() => network.allSee(rest, leaver, "left"), 1_500)).toBeDefined();
    network.run(60_000);
    expect(network.allSee(rest, leaver, "left")).toBe(true);
    expect(eventsOf(rest, "dead")).toEqual([]);
    expect(eventsOf(rest, "suspect")).toEqual([]);
    network.start(leaver, [network.at(0).address]);
    expect(network.runUntil(() => network.agreeAlive(hosts, hosts), 3_000)).toBeDefined();
  });

  it("leaves no row once an operator forgets a dead member, on any agent", () => {
    const { network, hosts } = joined(6);
    const victim = network.at(2);
    const rest = hosts.filter((host) => host !== victim);
    const forget = () => {
      let isDone = false;
      network.input(network.at(0), (now, out) => {
        isDone = network.at(0).membership?.forget(victim.id, now, out) === true;
      });
      return isDone;
    };
    expect(forget()).toBe(false);
    network.crash(victim);
    network.run(3_000);
    expect(forget()).toBe(true);
    const isGone = (host: Host) => host.membership?.snapshot().members.length === 5;
    expect(network.runUntil(() => rest.every(isGone), 2_000)).toBeDefined();
    network.run(60_000);
    expect(rest.every(isGone)).toBe(true);
    network.start(victim, [network.at(0).address]);
    expect(network.runUntil(() => network.agreeAlive(hosts, hosts), 3_000)).toBeDefined();
  });
});

describe("a partition", () => {
  it.each([
    [4, 1],
    [10, 5],
    [20, 10],
    [40, 13],
  ])("of %i members after %i heals by itself", (count, at) => {
    const { network, hosts } = joined(count);
    const [left, right] = [hosts.slice(0, at), hosts.slice(at)];
    network.partition(left, right);
    network.run(60_000);
    network.breakCutConnections();
    network.run(120_000);
    expect(network.lost).toBeGreaterThan(0);
    for (const host of right) expect(network.allSee(right, host, "alive")).toBe(true);
    for (const host of left) expect(network.allSee(right, host, "dead")).toBe(true);
    for (const host of hosts) host.events.length = 0;
    network.heal();
    expect(network.runUntil(() => network.agreeAlive(hosts, hosts), 30_000)).toBeDefined();
    // Neither half buries its own members because the other half did.
    expect(eventsOf(hosts, "dead")).toEqual([]);
    expect(isStable(network, hosts)).toBe(true);
  });
});

describe("one-way faults", () => {
  it("a member that hears nothing is dead for all, and kills nobody", () => {
    const { network, hosts } = joined(20);
    const deaf = network.at(6);
    const rest = hosts.filter((host) => host !== deaf);
    for (const host of rest) network.cut(host, deaf);
    network.run(120_000);
    expect(network.allSee(rest, deaf, "dead")).toBe(true);
    for (const event of eventsOf(rest, "dead")) expect(event.peer).toBe(deaf.id);
    expect(isStable(network, rest)).toBe(true);
    network.heal();
    expect(network.runUntil(() => network.agreeAlive(hosts, hosts), 15_000)).toBeDefined();
  });

  it("a member that is heard by nobody is dead for all, and kills nobody", () => {
    const { network, hosts } = joined(20);
    const mute = network.at(6);
    const rest = hosts.filter((host) => host !== mute);
    for (const host of rest) network.cut(mute, host);
    network.run(60_000);
    expect(network.allSee(rest, mute, "dead")).toBe(true);
    for (const event of eventsOf(rest, "dead")) expect(event.peer).toBe(mute.id);
    expect(isStable(network, rest)).toBe(true);
    network.heal();
    expect(network.runUntil(() => network.agreeAlive(hosts, hosts), 15_000)).toBeDefined();
  });

  it("one broken direction between two members harms nobody", () => {
    const { network, hosts } = joined(20);
    network.cut(network.at(2), network.at(3));
    network.run(120_000);
    expect(network.lost).toBeGreaterThan(0);
    expect(network.agreeAlive(hosts, hosts)).toBe(true);
    expect(eventsOf(hosts, "dead")).toEqual([]);
  });
});

describe("loss", () => {
  it("of 1% for an hour kills nobody", { timeout: 60_000 }, () => {
    const { network, hosts } = joined(16);
    network.loss = 0.01;
    network.run(3_600_000);
    expect(network.lost).toBeGreaterThan(1_000);
    expect(eventsOf(hosts, "dead")).toEqual([]);
    expect(network.agreeAlive(hosts, hosts)).toBe(true);
  });
});

describe("80% loss at one member", () => {
  it.each([
    [8, "in"],
    [8, "out"],
    [8, "both"],
    [20, "in"],
    [20, "out"],
    [20, "both"],
  ])("of %i, %s, ends in a view that stays, and heals", (count, side) => {
    for (let seed = 1; seed <= 4; seed += 1) {
      const { network, hosts } = joined(count, seed);
      const struck = network.at(count - 1);
      const rest = hosts.filter((host) => host !== struck);
      if (side !== "out") struck.lossIn = 0.8;
      if (side !== "in") struck.lossOut = 0.8;
      network.run(90_000);
      expect(isStable(network, rest)).toBe(true);
      const seen = new Set(rest.map((host) => network.state(host, struck)));
      expect(seen.size).toBe(1);
      for (const event of eventsOf(rest, "dead")) expect(event.peer).toBe(struck.id);
      struck.lossIn = 0;
      struck.lossOut = 0;
      expect(network.runUntil(() => network.agreeAlive(hosts, hosts), 60_000)).toBeDefined();
    }
  });
});

describe("duplicate identity", () => {
  it("is reported instead of fought over", () => {
    const { network, hosts } = joined(8);
    const clone = network.add("host3");
    network.start(clone, [network.at(0).address], 1);
    network.run(60_000);
    const reports = eventsOf([...hosts, clone], "duplicate_identity");
    expect(reports.length).toBeGreaterThan(0);
    for (const report of reports) expect(report.peer).toBe(clone.id);
    const epochs = hosts.map(
      (host) => host.membership?.snapshot().members.find(({ id }) => id === clone.id)?.incarnation,
    );
    network.run(30_000);
    const later = hosts.map(
      (host) => host.membership?.snapshot().members.find(({ id }) => id === clone.id)?.incarnation,
    );
    expect(later).toEqual(epochs);
  });
});

describe("a starved observer", () => {
  it("whose loop stalls half of the time kills nobody", () => {
    const { network, hosts } = joined(10);
    const sick = network.at(4);
    for (let round = 0; round < 120; round += 1) {
      network.pause(sick);
      network.run(700);
      network.resume(sick);
      network.run(700);
    }
    expect(eventsOf(hosts, "dead")).toEqual([]);
    for (const event of eventsOf(hosts, "suspect")) expect(event.peer).toBe(sick.id);
    expect(network.runUntil(() => network.agreeAlive(hosts, hosts), 5_000)).toBeDefined();
  });
});
