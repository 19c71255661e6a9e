/**
 * Whole nodes whose wall clocks jump a year. What is judged by the clock (certificates) is refused
 * by name for as long as the clock is wrong; what is not (membership, documents of members that are
 * there) does not notice; and everything is as before once the clock is right again.
 */
import { describe, expect, it } from "vitest";
import { MeshNode } from "../../agent/assemble.ts";
import { GrapevineError } from "../../core/errors.ts";
import type { LocalInstance } from "../../core/exchange/inbound.ts";
import { refuse } from "../../core/exchange/refused.ts";
import { SeededRandom } from "../../core/random.ts";
import type {
  CloseReason,
  ControlListener,
  ControlTransport,
  LinkChannel,
  LinkListener,
  LinkTransport,
} from "../../core/seams.ts";
import { checkCertificate, issueCertificate, mayOffer } from "../../core/trust/certificate.ts";
import type { Millis, NodeId, ServiceKey, WallMillis } from "../../core/types.ts";
import { MEMBERSHIP_PRESETS } from "../../membership/config.ts";
import { echo, Notes, REQUEST } from "../core/link/world.ts";
import {
  AUTHORITY,
  fakeSigner,
  fakeVerifier,
  instance,
  nodeId,
} from "../membership/directory-mesh.ts";
import { VirtualClock } from "./virtual-clock.ts";

const YEAR_MS = 365 * 86_400_000;
const UPKEEP_MS = 5_000;
const SERVICE = "default/web" as ServiceKey;

/** One host's clock: monotonic time is shared, the wall's may be wrong. */
class HostClock {
  wrongByMs = 0;
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  now = (): Millis => this.#clock.now();
  at = (when: Millis, callback: () => void) => this.#clock.at(when, callback);
  wall = (): WallMillis => (this.#clock.wall() + this.wrongByMs) as WallMillis;
}

/** Both transports of one host; hosts reach each other by name in a millisecond. */
class Host implements ControlTransport {
  readonly id: NodeId;
  readonly clock: HostClock;
  readonly certificate: Uint8Array;
  readonly node: MeshNode<LocalInstance>;
  readonly refusals = new Set<string>();
  readonly deaths: string[] = [];
  readonly linkEnds: string[] = [];
  readonly #hosts: Map<string, Host>;
  readonly #peers = new Set<Host>();
  #control!: ControlListener;
  #links!: LinkListener;

  constructor(name: string, clock: VirtualClock, hosts: Map<string, Host>) {
    this.id = nodeId(name);
    this.clock = new HostClock(clock);
    this.#hosts = hosts;
    hosts.set(`${name}:1`, this);
    const now = clock.wall();
    const names = { trustDomain: "test", peer: this.id, name, zone: "", region: "" };
    const times = { notBefore: now - 3_600_000, notAfter: now + YEAR_MS / 4, serial: "01" };
    this.certificate = issueCertificate(
      { ...names, ...times, services: ["*/*"] },
      fakeSigner(AUTHORITY),
    );
    this.node = this.#assemble(name);
    this.#upkeep();
  }

  /** Why this host does not accept another now. */
  judge(peer: NodeId, certificate: Uint8Array) {
    const wall = this.clock.wall();
    const expectation = { trustDomain: "test", roots: [AUTHORITY], verifier: fakeVerifier, wall };
    const verdict = checkCertificate(certificate, { peer, ...expectation });
    if (!verdict.ok) this.refusals.add(verdict.reason);
    return verdict;
  }

  start(listener: ControlListener): void {
    this.#control = listener;
  }

  dial(address: string, expect: NodeId | undefined): void {
    this.#soon(() => {
      const peer = this.#hosts.get(address);
      const fault = peer === undefined ? "nothing listens" : this.#faultWith(peer);
      if (peer === undefined || fault !== undefined) {
        const kind = peer === undefined ? "refused" : "rejected";
        this.#control.onDialFailed(address, expect, { kind, detail: fault ?? "" });
        return;
      }
      peer.#peers.add(this);
      this.#peers.add(peer);
      this.#control.onConnected(peer.id, peer.certificate, address);
      peer.#control.onConnected(this.id, this.certificate, undefined);
    });
  }

  isConnected(peer: NodeId): boolean {
    return [...this.#peers].some(({ id }) => id === peer);
  }

  send(peer: NodeId, packet: Uint8Array): void {
    const to = [...this.#peers].find(({ id }) => id === peer);
    this.#soon(() => {
      if (to !== undefined && this.#peers.has(to)) to.#control.onPacket(this.id, packet);
    });
  }

  hangUp(peer: NodeId): void {
    for (const other of [...this.#peers]) if (other.id === peer) this.#part(other, "hung up");
  }

  publish(): void {}

  /** The link plane of the same host. */
  readonly links: LinkTransport = {
    start: (listener) => {
      this.#links = listener;
    },
    dial: (attempt, peer, address) =>
      this.#soon(() => {
        const other = this.#hosts.get(address);
        const fault = other === undefined ? "nothing listens" : this.#faultWith(other);
        if (other === undefined || fault !== undefined) {
          const reason: CloseReason = { kind: "rejected", detail: fault ?? "" };
          this.#links.onDialFailed(attempt, peer, reason);
          return;
        }
        const [here, there] = [this.#channel(other, true), other.#channel(this, false)];
        here.other = there;
        there.other = here;
        other.#links.onOpened(there, undefined);
        this.#links.onOpened(here, attempt);
      }),
  };

  #channel(remote: Host, dialer: boolean) {
    let isOver = false;
    const end = (reason: CloseReason) => {
      if (isOver) return;
      isOver = true;
      this.#soon(() => this.#links.onClosed(channel, reason));
    };
    const channel: LinkChannel & { other?: typeof channel; end: typeof end; get over(): boolean } =
      {
        ...{ peer: remote.id, dialer, end },
        expiresWallMs: this.judge(remote.id, remote.certificate).ok ? expiryOf(remote) : 0,
        get over() {
          return isOver;
        },
        write: (batch) => {
          const { other } = channel;
          this.#soon(() => {
            if (other !== undefined && !other.over) remote.#links.onBatch(other, batch);
          });
          return true;
        },
        close: () => {
          end({ kind: "closed", detail: "closed" });
          channel.other?.end({ kind: "closed", detail: "closed by the peer" });
        },
        destroy: () => channel.close(),
      };
    return channel;
  }

  #faultWith(peer: Host): string | undefined {
    const [ours, theirs] = [
      this.judge(peer.id, peer.certificate),
      peer.judge(this.id, this.certificate),
    ];
    if (!ours.ok) return ours.reason;
    return theirs.ok ? undefined : theirs.reason;
  }

  #part(peer: Host, detail: string): void {
    this.#peers.delete(peer);
    peer.#peers.delete(this);
    const reason: CloseReason = { kind: "closed", detail };
    this.#soon(() => this.#control.onDisconnected(peer.id, reason));
    this.#soon(() => peer.#control.onDisconnected(this.id, reason));
  }

  /** As the real transport does: open connections are judged again. */
  #upkeep(): void {
    this.clock.at((this.clock.now() + UPKEEP_MS) as Millis, () => {
      for (const peer of [...this.#peers]) {
        const verdict = this.judge(peer.id, peer.certificate);
        if (!verdict.ok && this.clock.wall() >= expiryOf(peer)) this.#part(peer, verdict.reason);
      }
      this.#upkeep();
    });
  }

  #soon(callback: () => void): void {
    this.clock.at((this.clock.now() + 1) as Millis, callback);
  }

  #assemble(name: string): MeshNode<LocalInstance> {
    const ignore = () => undefined;
    const random = new SeededRandom(name.charCodeAt(0));
    const local = { service: SERVICE, id: `${name}-80`, protocol: "http", ports: [80] } as const;
    return new MeshNode<LocalInstance>(
      {
        ...{ clock: this.clock, random, signer: fakeSigner(this.id), verifier: fakeVerifier },
        ...{ control: this, links: this.links },
        flushSoon: (callback) => this.clock.at(this.clock.now(), callback),
        instances: {
          find: (_service, id) => (id === local.id ? local : undefined),
          open: (_instance, context, request, observer) =>
            echo(this.id, context, request, observer),
        },
        outside: {
          open: (_host, _port, _request, observer) =>
            refuse(this.clock, new GrapevineError("egress_failed", "nowhere"), observer),
        },
      },
      {
        ...{ self: this.id, epoch: 1, nonce: name.charCodeAt(0), certificate: this.certificate },
        ...{ name, zone: "", region: "", labels: {}, version: "1", bind: `${name}:1` },
        ...{
          link: `${name}:1`,
          membership: MEMBERSHIP_PRESETS.lan,
          caller: `spiffe://test/${name}`,
        },
        directory: { pushEnabled: false },
        egress: () => "deny",
        checkCertificate: (peer, certificate) => {
          const verdict = this.judge(peer, certificate);
          if (!verdict.ok) return { ...verdict, mayOffer: () => false };
          return {
            ok: true,
            mayOffer: (ns, service) => mayOffer(verdict.certificate, ns, service),
          };
        },
      },
      {
        ...{ onView: ignore, onDocument: ignore, onRefused: ignore, onDirectoryReport: ignore },
        ...{ onDialed: ignore, onRecord: ignore },
        onMemberEvent: (event) => {
          if (event.kind === "dead") this.deaths.push(event.peer);
        },
        onLinkEvent: (event) => {
          if (event.kind !== "link_up") this.linkEnds.push(event.reason.detail);
        },
      },
    );
  }
}

function expiryOf(host: Host): number {
  const verdict = checkCertificate(host.certificate, {
    ...{ peer: host.id, trustDomain: "test", roots: [AUTHORITY], verifier: fakeVerifier },
    wall: new VirtualClock().wall(),
  });
  return verdict.ok ? verdict.certificate.notAfter : 0;
}

async function mesh() {
  const clock = new VirtualClock();
  const hosts = new Map<string, Host>();
  const [a, b, c] = ["a", "b", "c"].map((name) => new Host(name, clock, hosts));
  if (a === undefined || b === undefined || c === undefined) throw new Error("no hosts");
  for (const host of [a, b, c]) host.node.start(["a:1"]);
  b.node.setInstances([instance("web", "b-80")], []);
  await clock.advance(8_000);
  return { clock, a, b, c };
}

const statesOf = (host: Host) => [...host.node.view().members.values()].map(({ state }) => state);
const ALIVE = ["alive", "alive", "alive"];

/** What a request from `host` to web comes to. */
async function ask(host: Host, clock: VirtualClock): Promise<string> {
  const notes = new Notes();
  const destination = { kind: "mesh", service: SERVICE, instance: undefined, port: 80 } as const;
  const { exchange } = host.node.router.open(
    { head: { ...REQUEST, body: 0 }, destination, key: undefined, listener: "test", remote: "" },
    notes,
  );
  exchange.endBody([]);
  await clock.advance(3_000);
  return notes.words.join();
}

describe("a wall clock that jumps", () => {
  it("a year ahead on one host: it refuses its peers by name, and all heals with the clock", async () => {
    const { clock, a, b, c } = await mesh();
    expect(await ask(a, clock)).toBe("head 200,end");
    a.clock.wrongByMs = YEAR_MS;
    await clock.advance(20_000);
    expect([...a.refusals].join()).toMatch(/certificate of "b" is expired since \d{4}-\d\d-\d\d/);
    expect(a.linkEnds.join()).toContain("certificate has expired");
    expect(await ask(a, clock)).toMatch(/^error /);
    expect(await ask(c, clock)).toBe("head 200,end");
    b.node.setInstances([instance("web", "b-80"), instance("api", "b-81")], []);
    await clock.advance(60_000);
    a.clock.wrongByMs = 0;
    await clock.advance(90_000);
    for (const host of [a, b, c]) expect(statesOf(host)).toEqual(ALIVE);
    expect(await ask(a, clock)).toBe("head 200,end");
    expect(a.node.view().services.has("default/api" as ServiceKey)).toBe(true);
  });

  it("a year back, or ahead within the certificates: links stay, nobody is suspected, all is heard of", async () => {
    const { clock, a, b, c } = await mesh();
    expect(await ask(a, clock)).toBe("head 200,end");
    for (const jump of [-YEAR_MS, YEAR_MS / 8]) {
      for (const host of [a, b, c]) host.clock.wrongByMs = jump;
      await clock.advance(30_000);
      for (const host of [a, b, c]) {
        expect(statesOf(host)).toEqual(ALIVE);
        expect(host.deaths).toEqual([]);
      }
      expect(await ask(a, clock)).toBe("head 200,end");
      b.node.setInstances([instance("web", "b-80", { version: String(jump) })], []);
      await clock.advance(30_000);
    }
    for (const host of [a, b, c]) host.clock.wrongByMs = 0;
    await clock.advance(90_000);
    expect(await ask(c, clock)).toBe("head 200,end");
    const seen = [...(c.node.view().services.get(SERVICE)?.instances.values() ?? [])];
    expect(seen.map(({ version }) => version)).toEqual([String(YEAR_MS / 8)]);
  });
});
