import { describe, expect, it } from "vitest";
import { eventsOf, Network } from "./network.ts";

/** A cluster in which everybody sees everybody alive. */
function joined(count: number, seed = 1): Network {
  const network = new Network({ seed });
  const hosts = network.addCluster(count);
  const ms = network.runUntil(() => network.agreeAlive(hosts, hosts), 30_000);
  expect(ms).toBeDefined();
  network.run(3_000);
  for (const host of hosts) host.events.length = 0;
  return network;
}

describe("joining", () => {
  it.each([2, 3, 8, 9, 10, 11, 17, 20, 40, 64])(
    "%i members find each other within 10 s",
    (count) => {
      const network = new Network({ seed: count });
      const hosts = network.addCluster(count);
      const ms = network.runUntil(() => network.agreeAlive(hosts, hosts), 10_000);
      expect(ms).toBeDefined();
      network.run(60_000);
      expect(network.agreeAlive(hosts, hosts)).toBe(true);
      expect(eventsOf(hosts, "suspect")).toEqual([]);
    },
  );
});

describe("five hundred members", () => {
  it("find each other at once over one seed, and no member does work for each other", {
    timeout: 120_000,
  }, () => {
    const count = 500;
    const network = new Network({ seed: 5, isRegistryShared: true });
    const hosts = network.addCluster(count);
    const isComplete = () => hosts.every((host) => host.membership?.health().members === count);
    expect(network.runUntil(isComplete, 10_000)).toBeDefined();
    expect(network.packets / count).toBeLessThan(150);
    network.run(30_000);
    const connections = hosts.map((host) => host.peers.size);
    expect(Math.max(...connections)).toBeLessThanOrEqual(64);
    const before = { packets: network.packets, bytes: network.bytes };
    network.run(10_000);
    // Eight probes a second sent and answered, eight received, and a sync now and then.
    expect((network.packets - before.packets) / count / 10).toBeLessThan(20);
    expect((network.bytes - before.bytes) / count / 10).toBeLessThan(2_000);
    expect(eventsOf(hosts, "suspect")).toEqual([]);
    const [victim, ...rest] = [network.at(9), ...hosts.filter((_, at) => at !== 9)];
    network.crash(victim);
    const ms = network.runUntil(() => network.allSee(rest, victim, "dead"), 3_000, 100);
    expect(ms).toBeDefined();
  });
});

describe("a crash", () => {
  it.each([2, 3, 5, 20, 64])("with closed sockets is known to all of %i within 3 s", (count) => {
    const network = joined(count);
    const [victim, ...rest] = [network.at(1), ...network.hosts.filter((_, at) => at !== 1)];
    network.crash(victim);
    const ms = network.runUntil(() => network.allSee(rest, victim, "dead"), 3_000);
    expect(ms).toBeDefined();
    expect(eventsOf(rest, "dead").every((event) => event.peer === victim.id)).toBe(true);
  });

  it.each([3, 5, 20, 64])("without a word is known to all of %i within 10 s", (count) => {
    const network = joined(count);
    const victim = network.at(1);
    const rest = network.hosts.filter((host) => host !== victim);
    network.crashSilently(victim);
    const ms = network.runUntil(() => network.allSee(rest, victim, "dead"), 10_000);
    expect(ms).toBeDefined();
    expect(eventsOf(rest, "dead").every((event) => event.peer === victim.id)).toBe(true);
  });

  it("of one of two, without a word, is known to the other within 10 s, without an accusation", () => {
    const network = joined(2);
    network.crashSilently(network.at(1));
    network.run(4_000);
    expect(network.state(network.at(0), network.at(1))).toBe("suspect");
    network.run(6_000);
    expect(network.state(network.at(0), network.at(1))).toBe("dead");
  });
});
