/** A node that does not get to run accuses nobody, and storms of old news are answered sparingly. */
import { describe, expect, it } from "vitest";
import type { MembershipOutput } from "../../membership/output.ts";
import { decodePacket, encodePacket } from "../../membership/packets.ts";
import { parseRecord, type SignedRecord, signStatement } from "../../membership/records.ts";
import { eventsOf, type Host, Network, testSigner } from "./network.ts";

function joined(count: number): { network: Network; hosts: Host[] } {
  const network = new Network({ seed: 5 });
  const hosts = network.addCluster(count);
  network.run(10_000);
  for (const host of hosts) host.events.length = 0;
  return { network, hosts };
}

const awarenessOf = (host: Host) => host.membership?.health().awareness;

function delayLoop(network: Network, host: Host, ms: number): void {
  network.input(host, (now, out) => host.membership?.onLoopDelay(ms, now, out));
}

describe("event-loop delay", () => {
  it("counts against local health: once when noticed, threefold when severe", () => {
    const { network, hosts } = joined(3);
    const [one, other] = hosts as [Host, Host];
    delayLoop(network, one, 250);
    expect(awarenessOf(one)).toBe(1);
    delayLoop(network, other, 1_500);
    expect(awarenessOf(other)).toBe(3);
    network.run(20_000);
    expect(hosts.map(awarenessOf)).toEqual([0, 0, 0]);
  });

  it("counts, too, when only a deadline met late tells of it", () => {
    const { network, hosts } = joined(3);
    const [late] = hosts as [Host];
    network.pause(late);
    network.run(2_000);
    network.resume(late);
    expect(awarenessOf(late)).toBe(3);
  });

  it("keeps a starved node from accusing a member that is gone; a sound one does it", () => {
    const { network, hosts } = joined(4);
    const [starved, gone] = hosts as [Host, Host];
    for (let times = 0; times < 8; times += 1) delayLoop(network, starved, 250);
    network.crashSilently(gone);
    for (let step = 0; step < 80; step += 1) {
      network.run(250);
      delayLoop(network, starved, 250);
    }
    const rest = hosts.filter((host) => host !== gone);
    expect(network.allSee(rest, gone, "dead")).toBe(true);
    const accusers = new Set(
      eventsOf(hosts, "suspect").map(({ why }) => why.slice(why.indexOf("says"))),
    );
    expect(accusers.size).toBeGreaterThan(0);
    expect(accusers).not.toContain(`says ${starved.id}`);
  });
});

/** What `to` sends back when `from` brings these records. */
function answersTo(network: Network, to: Host, from: Host, records: Uint8Array[]): SignedRecord[] {
  const answers: SignedRecord[] = [];
  network.input(to, (now, out) => {
    const tap: MembershipOutput = {
      ...out,
      send: (_peer, bytes) => {
        const packet = decodePacket(bytes);
        if (packet?.kind !== "push") return;
        for (const wire of packet.records) answers.push(parseRecord(wire) as SignedRecord);
      },
    };
    const packet = encodePacket({ kind: "push", records, doubts: [] });
    to.membership?.onPacket(from.id, packet, now, tap);
  });
  return answers;
}

describe("a stale alive", () => {
  it("about a member held dead is answered with the accusation, a bounded number of times", () => {
    const { network, hosts } = joined(4);
    const [receiver, bringer, gone] = hosts as [Host, Host, Host];
    network.crash(gone);
    network.run(3_000);
    expect(network.state(receiver, gone)).toBe("dead");
    const old = signStatement(testSigner(gone.id), {
      ...{ epoch: 1, incarnation: 0, leaving: false, left: false, nonce: 99, bind: gone.address },
    });
    const answers = answersTo(network, receiver, bringer, [old.bytes]);
    const accusation = answers.find(({ kind }) => kind === "accusation");
    expect(accusation).toMatchObject({ subject: gone.id, verdict: "dead" });
    let corrected = 0;
    for (let times = 0; times < 500; times += 1) {
      corrected += Math.min(1, answersTo(network, receiver, bringer, [old.bytes]).length);
    }
    expect(corrected).toBeLessThan(40);
  });
});

describe("a member held dead that talks", () => {
  it("is told so, but not with every packet", () => {
    const { network, hosts } = joined(4);
    const [receiver, accused] = hosts as [Host, Host];
    network.pause(accused);
    expect(
      network.runUntil(() => network.state(receiver, accused) === "dead", 15_000),
    ).toBeDefined();
    const words: SignedRecord[] = [];
    for (let times = 0; times < 100; times += 1) {
      network.run(20);
      words.push(...answersTo(network, receiver, accused, []));
    }
    expect(words.length).toBeGreaterThan(0);
    expect(words.length).toBeLessThan(5);
    expect(words[0]).toMatchObject({ kind: "accusation", verdict: "dead" });
  });
});

describe("news that every rumour of was lost", () => {
  it("is found by comparing tables", () => {
    const { network, hosts } = joined(3);
    const [teller, reader, gone] = hosts as [Host, Host, Host];
    network.crash(gone);
    network.run(5_000);
    network.partition([teller], [reader]);
    network.input(teller, (now, out) => teller.membership?.forget(gone.id, now, out));
    network.run(6_000);
    network.heal();
    expect(network.state(reader, gone)).toBe("dead");
    const isForgotten = () => network.state(reader, gone) === undefined;
    expect(network.runUntil(isForgotten, 30_000)).toBeDefined();
    expect(network.dials).toBeLessThan(200);
  });
});

describe("a refused attempt to connect", () => {
  it("convicts nobody whose connection had not broken off before", () => {
    const { network, hosts } = joined(3);
    const [dialler, other] = hosts as [Host, Host];
    network.input(dialler, (now, out) => {
      const reason = { kind: "refused", detail: "a wrong address" } as const;
      dialler.membership?.onDialFailed(other.address, other.id, reason, now, out);
    });
    expect(network.state(dialler, other)).toBe("alive");
  });
});
