import { beforeEach, describe, expect, it } from "vitest";
import { SeededRandom } from "../../core/random.ts";
import type { CloseReason, ControlListener, ControlTransport } from "../../core/seams.ts";
import type { Millis, NodeId } from "../../core/types.ts";
import { LAN } from "../../membership/config.ts";
import { ControlLoop } from "../../membership/control-loop.ts";
import { DIRECTORY_DEFAULTS, Directory } from "../../membership/directory.ts";
import { Membership } from "../../membership/membership.ts";
import { ViewBuilder } from "../../membership/view.ts";
import { VirtualClock } from "../agent/virtual-clock.ts";
import {
  certificateOf,
  checkTestCertificate,
  fakeSigner,
  fakeVerifier,
  instance,
  nodeId,
} from "./directory-mesh.ts";

/** Control transports that reach each other by name in one millisecond. */
class Wire {
  readonly hosts = new Map<string, Host>();

  readonly clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.clock = clock;
  }

  soon(deliver: () => void): void {
    this.clock.at((this.clock.now() + 1) as Millis, deliver);
  }
}

const addressOf = (name: string) => `${name}:7946`;

class Host implements ControlTransport {
  readonly name: string;
  readonly id: NodeId;
  readonly refused: string[] = [];
  readonly dialed: string[] = [];
  readonly loop: ControlLoop;
  readonly #wire: Wire;
  readonly #peers = new Set<Host>();
  #listener: ControlListener | undefined;

  constructor(name: string, wire: Wire) {
    this.name = name;
    this.#wire = wire;
    this.id = nodeId(name);
    wire.hosts.set(addressOf(name), this);
    const random = new SeededRandom(name.charCodeAt(0));
    const identity = { self: this.id, epoch: 1, nonce: name.charCodeAt(0) };
    const keys = { signer: fakeSigner(this.id), verifier: fakeVerifier };
    const directory = new Directory({
      ...identity,
      ...keys,
      config: DIRECTORY_DEFAULTS,
      random: random.fork("directory"),
      checkCertificate: checkTestCertificate,
      memberState: (peer) => this.loop.memberState(peer),
    });
    const membership = new Membership({
      ...identity,
      ...keys,
      bind: addressOf(name),
      config: LAN,
      random: random.fork("membership"),
    });
    const views = new ViewBuilder({ self: this.id, directory });
    const ignore = () => undefined;
    this.loop = new ControlLoop(
      { clock: wire.clock, transport: this, membership, directory, views },
      {
        onView: ignore,
        followsViews: () => true,
        onMemberEvent: ignore,
        onDocument: ignore,
        onDirectoryReport: ignore,
        onRefused: (_, why) => this.refused.push(why),
        onDialed: (address, failure) =>
          this.dialed.push(`${address} ${failure?.kind ?? "connected"}`),
      },
    );
  }

  start(listener: ControlListener): void {
    this.#listener = listener;
  }

  dial(address: string, expect: NodeId | undefined): void {
    this.#wire.soon(() => {
      const peer = this.#wire.hosts.get(address);
      if (peer === undefined) {
        const reason: CloseReason = { kind: "refused", detail: "nothing listens" };
        this.#listener?.onDialFailed(address, expect, reason);
        return;
      }
      peer.#peers.add(this);
      this.#peers.add(peer);
      this.#listener?.onConnected(peer.id, certificateOf(peer.name), address);
      peer.#listener?.onConnected(this.id, certificateOf(this.name), undefined);
    });
  }

  isConnected(peer: NodeId): boolean {
    return [...this.#peers].some(({ id }) => id === peer);
  }

  send(peer: NodeId, packet: Uint8Array): void {
    const to = [...this.#peers].find(({ id }) => id === peer);
    this.#wire.soon(() => to?.receive(this.id, packet));
  }

  hangUp(peer: NodeId): void {
    for (const host of this.#peers) if (host.id === peer) this.#peers.delete(host);
  }

  /** Gossip that never arrives: anti-entropy and direct copies must do. */
  publish(): void {}

  receive(from: NodeId, packet: Uint8Array): void {
    this.#listener?.onPacket(from, packet);
  }

  /** The process is gone: its connections break and its port refuses. */
  crash(): void {
    this.#wire.hosts.delete(addressOf(this.name));
    this.loop.stop();
    for (const peer of this.#peers) {
      peer.#peers.delete(this);
      peer.#listener?.onDisconnected(this.id, { kind: "reset", detail: "the socket broke" });
    }
  }

  garble(to: Host, packet: readonly number[]): void {
    to.receive(this.id, Uint8Array.from(packet));
  }

  offer(name: string): void {
    const content = { name: this.name, bind: addressOf(this.name), link: `${this.name}:7947` };
    this.loop.setOwn({
      ...content,
      zone: "",
      region: "",
      labels: {},
      version: "1",
      certificate: certificateOf(this.name),
      instances: name === "" ? [] : [instance(name, `${name}-${this.name}`)],
    });
  }
}

describe("the control loop", () => {
  let clock: VirtualClock;
  let a: Host;
  let b: Host;
  let c: Host;

  beforeEach(async () => {
    clock = new VirtualClock();
    const wire = new Wire(clock);
    [a, b, c] = [new Host("a", wire), new Host("b", wire), new Host("c", wire)];
    a.loop.start([]);
    b.loop.start([addressOf("a")]);
    c.loop.start([addressOf("a")]);
    a.offer("");
    b.offer("web");
    c.offer("web");
    await clock.advance(3_000);
  });

  it("shows members with their names and services of everybody", () => {
    const view = a.loop.view();
    const members = [...view.members.values()].map(({ name, state }) => `${name} ${state}`);
    expect(members.sort()).toEqual(["a alive", "b alive", "c alive"]);
    const web = [...view.services.values()].find(({ name }) => name === "web");
    expect(web?.instances.map(({ id }) => id)).toEqual(["web-b", "web-c"]);
    expect(view.members.get(b.id)?.link).toBe("b:7947");
  });

  it("drops the instances of an agent that crashed once it is dead", async () => {
    c.crash();
    await clock.advance(3_000);
    const view = a.loop.view();
    expect(view.members.get(c.id)?.state).toBe("dead");
    const web = [...view.services.values()].find(({ name }) => name === "web");
    expect(web?.instances.map(({ id }) => id)).toEqual(["web-b"]);
  });

  it("marks own instances that fail, here and elsewhere", async () => {
    b.loop.setFailing(["default/web/web-b"]);
    await clock.advance(2_000);
    for (const host of [a, b]) {
      const web = [...host.loop.view().services.values()].find(({ name }) => name === "web");
      expect(web?.instances.map(({ health }) => health)).toEqual(["failing", "passing"]);
    }
  });

  it("refuses packets of unknown kinds and garbage, and goes on", async () => {
    for (const packet of [[], [99, 1, 2], [1, 0xff, 0xff], [2, 0xc1]]) b.garble(a, packet);
    expect(a.refused.length).toBeGreaterThan(0);
    await clock.advance(2_000);
    expect(a.loop.view().members.get(b.id)?.state).toBe("alive");
  });

  it("tells what became of each address that was dialled", async () => {
    a.loop.withMembership((membership, now, out) => membership.addSeeds(["nowhere:1"], now, out));
    await clock.advance(100);
    expect(a.dialed).toContain("nowhere:1 refused");
    expect(b.dialed).toContain("a:7946 connected");
  });

  it("keeps the same view while nothing changes", async () => {
    const before = a.loop.view();
    await clock.advance(5_000);
    expect(a.loop.view()).toBe(before);
  });
});
