import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodePacket } from "../../membership/packets.ts";
import { signAccusation, signStatement } from "../../membership/records.ts";
import { eventsOf, Network, nodeId, testSigner } from "./network.ts";

function pair() {
  const network = new Network({ seed: 3 });
  const hosts = network.addCluster(3);
  network.run(5_000);
  for (const host of hosts) host.events.length = 0;
  return { network, hosts, receiver: network.at(0), sender: network.at(1) };
}

describe("bad input from a peer", () => {
  it("of any bytes is a verdict, never an exception", () => {
    const { network, receiver, sender, hosts } = pair();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        network.input(receiver, (now, out) => {
          receiver.membership?.onPacket(sender.id, noise, now, out);
        });
      }),
      { numRuns: 1_000 },
    );
    network.run(30_000);
    expect(network.agreeAlive(hosts, hosts)).toBe(true);
  });

  it("with a record that its author did not sign changes nothing", () => {
    const { network, receiver, sender } = pair();
    const victim = network.at(2);
    const accusation = signAccusation(testSigner(sender.id), {
      subject: victim.id,
      epoch: 1,
      incarnation: 9,
      verdict: "dead",
      basis: "refused",
    });
    const forged = new Uint8Array(accusation.bytes);
    forged[3] = (forged[3] as number) ^ 1;
    const left = signStatement(testSigner(sender.id), {
      epoch: 9,
      incarnation: 0,
      leaving: true,
      left: true,
      nonce: 5,
      bind: "x:1",
    });
    const stolen = new Uint8Array(left.bytes);
    stolen[0] = (stolen[0] as number) ^ 1;
    for (const record of [forged, stolen]) {
      network.input(receiver, (now, out) => {
        const packet = encodePacket({ kind: "push", records: [record], doubts: [] });
        expect(receiver.membership?.onPacket(sender.id, packet, now, out)).toBe("forged");
      });
    }
    expect(network.state(receiver, victim)).toBe("alive");
    expect(network.state(receiver, sender)).toBe("alive");
  });

  it("that accuses everybody all the time gets refuted, and the talk stays bounded", () => {
    const { network, hosts, sender } = pair();
    const packetsBefore = network.packets;
    for (let round = 0; round < 60; round += 1) {
      for (const receiver of hosts) {
        if (receiver === sender) continue;
        network.input(receiver, (now, out) => {
          const records = hosts
            .filter((host) => host !== sender)
            .map(
              (host) =>
                signAccusation(testSigner(sender.id), {
                  subject: host.id,
                  epoch: 1,
                  incarnation: round,
                  verdict: "suspect",
                  basis: "silence",
                }).bytes,
            );
          const packet = encodePacket({ kind: "push", records, doubts: [] });
          receiver.membership?.onPacket(sender.id, packet, now, out);
        });
      }
      network.run(1_000);
    }
    network.run(5_000);
    expect(network.agreeAlive(hosts, hosts)).toBe(true);
    expect(eventsOf(hosts, "dead")).toEqual([]);
    expect((network.packets - packetsBefore) / 65 / 3).toBeLessThan(60);
  });

  it("that calls a sound member dead again and again makes it pause for seconds, never for good", () => {
    const { network, hosts, sender } = pair();
    const victim = network.at(2);
    network.run(60_000);
    const incarnationOf = (host: typeof victim) =>
      host.membership?.snapshot().members.find(({ self }) => self)?.incarnation ?? 0;
    let refuted = incarnationOf(victim);
    const waits: number[] = [];
    for (let round = 0; round < 12; round += 1) {
      const accusation = signAccusation(testSigner(sender.id), {
        subject: victim.id,
        epoch: 1,
        incarnation: refuted,
        verdict: "dead",
        basis: "refused",
      });
      const packet = encodePacket({ kind: "push", records: [accusation.bytes], doubts: [] });
      network.input(victim, (now, out) => victim.membership?.onPacket(sender.id, packet, now, out));
      const wait = network.runUntil(() => incarnationOf(victim) > refuted, 10_000, 10);
      waits.push(wait ?? Number.POSITIVE_INFINITY);
      refuted = incarnationOf(victim);
    }
    expect(waits[0]).toBe(0);
    for (const wait of waits.slice(1)) expect(wait).toBeGreaterThanOrEqual(2_000);
    expect(Math.max(...waits)).toBeLessThan(3_100);
    network.run(5_000);
    expect(network.agreeAlive(hosts, hosts)).toBe(true);
  });

  it("about a member nobody knows is passed on, so that it can answer when it comes", () => {
    const { network, hosts, receiver, sender } = pair();
    const stranger = nodeId("stranger");
    const record = signAccusation(testSigner(sender.id), {
      subject: stranger,
      epoch: 5,
      incarnation: 2,
      verdict: "dead",
      basis: "refused",
    });
    network.input(receiver, (now, out) => {
      const packet = encodePacket({ kind: "push", records: [record.bytes], doubts: [] });
      expect(receiver.membership?.onPacket(sender.id, packet, now, out)).toBe("ok");
    });
    network.run(1_000);
    expect(network.at(2).membership?.state(stranger)).toBe("dead");
    expect(network.at(2).membership?.snapshot().members).toHaveLength(3);
    const host = network.add("stranger");
    network.start(host, [receiver.address], 4);
    const everybody = [...hosts, host];
    const took = network.runUntil(() => network.agreeAlive(everybody, everybody), 5_000);
    expect(took).toBeDefined();
    const row = receiver.membership?.snapshot().members.find(({ id }) => id === stranger);
    expect(row?.epoch).toBe(5);
  });
});
