/**
 * Directories in virtual time for the tests: fake keys whose signatures are keyed hashes, a
 * certificate that any authority may have issued, and a network that loses, repeats and reorders.
 */
import { createHash } from "node:crypto";
import { SeededRandom } from "../../core/random.ts";
import type { Signer, Verifier } from "../../core/seams.ts";
import { checkCertificate, issueCertificate, mayOffer } from "../../core/trust/certificate.ts";
import type { MemberState, Millis, NodeId, WallMillis } from "../../core/types.ts";
import {
  DIRECTORY_DEFAULTS,
  Directory,
  type DirectoryConfig,
  type DirectoryOutput,
  type DirectoryReport,
  type OwnContent,
} from "../../membership/directory.ts";
import type { InstanceEntry } from "../../membership/document.ts";
import type { CertificateCheck } from "../../membership/document-codec.ts";

export const WALL = 1_800_000_000_000 as WallMillis;
const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** Something of a NodeId's shape, different for each name. */
export function nodeId(name: string): NodeId {
  const digest = createHash("sha512").update(name).digest();
  const tail = [...digest.subarray(0, 44)].map((byte) => ALPHABET[byte % 58]).join("");
  return `12D3KooW${tail}` as NodeId;
}

function signature(id: NodeId, bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash("sha512").update(id).update(bytes).digest());
}

export function fakeSigner(id: NodeId): Signer {
  return { id, sign: (bytes) => signature(id, bytes) };
}

export const fakeVerifier: Verifier = {
  verify: (id, bytes, claimed) => Buffer.compare(signature(id, bytes), claimed) === 0,
};

export const AUTHORITY = nodeId("authority");

export function certificateOf(name: string, services: readonly string[] = ["*/*"]): Uint8Array {
  return issueCertificate(
    {
      trustDomain: "test",
      peer: nodeId(name),
      name,
      zone: "",
      region: "",
      services,
      notBefore: WALL - 1_000,
      notAfter: WALL + 90 * 86_400_000,
      serial: "01",
    },
    fakeSigner(AUTHORITY),
  );
}

export const checkTestCertificate: CertificateCheck = (peer, bytes) => {
  const verdict = checkCertificate(bytes, {
    peer,
    trustDomain: "test",
    roots: [AUTHORITY],
    verifier: fakeVerifier,
    wall: WALL,
  });
  return verdict.ok
    ? { ok: true, mayOffer: (ns, name) => mayOffer(verdict.certificate, ns, name) }
    : { ok: false, reason: verdict.reason, mayOffer: () => false };
};

export function instance(name: string, id: string, extra: Partial<InstanceEntry> = {}) {
  return {
    namespace: "default",
    name,
    id,
    protocol: "http",
    ports: [80],
    address: "127.0.0.1:8080",
    version: "1",
    weight: 100,
    tags: {},
    ...extra,
  } satisfies InstanceEntry;
}

export function content(name: string, instances: readonly InstanceEntry[] = []): OwnContent {
  return {
    name,
    bind: "127.0.0.1:7946",
    link: "127.0.0.1:7947",
    zone: "z1",
    region: "",
    labels: {},
    version: "0.1.0",
    certificate: certificateOf(name),
    instances,
  };
}

/** Collects what one directory asks for. */
export class Outbox implements DirectoryOutput {
  readonly sent: { peer: NodeId; packet: Uint8Array }[] = [];
  readonly published: { topic: string; message: Uint8Array }[] = [];
  readonly changes: NodeId[] = [];
  readonly kept: { owner: NodeId; message: Uint8Array; part: number }[] = [];
  readonly reports: DirectoryReport[] = [];

  send(peer: NodeId, packet: Uint8Array): void {
    this.sent.push({ peer, packet });
  }
  publish(topic: string, message: Uint8Array): void {
    this.published.push({ topic, message });
  }
  changed(owner: NodeId): void {
    this.changes.push(owner);
  }
  persist(owner: NodeId, message: Uint8Array, part: number): void {
    this.kept.push({ owner, message, part });
  }
  report(report: DirectoryReport): void {
    this.reports.push(report);
  }
}

export function directoryOf(
  name: string,
  config: Partial<DirectoryConfig> = {},
  options: {
    epoch?: number;
    nonce?: number;
    seed?: number;
    /** What the failure detector holds of members; may change. */
    states?: ReadonlyMap<NodeId, MemberState>;
  } = {},
): Directory {
  const { epoch = 1, nonce = 7, seed = 1, states } = options;
  return new Directory({
    self: nodeId(name),
    epoch,
    nonce,
    config: { ...DIRECTORY_DEFAULTS, ...config },
    random: new SeededRandom(seed).fork(name),
    signer: fakeSigner(nodeId(name)),
    verifier: fakeVerifier,
    checkCertificate: checkTestCertificate,
    memberState: (peer) => states?.get(peer),
  });
}

interface Flight {
  readonly at: number;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly packet: Uint8Array;
}

export interface Faults {
  readonly loss: number;
  readonly duplicate: number;
  readonly delayMs: number;
}

/** A full mesh of directories with one clock; control packets only, gossip goes nowhere. */
export class TestMesh {
  now = 1_000 as Millis;
  readonly nodes = new Map<NodeId, Directory>();
  readonly outboxes = new Map<NodeId, Outbox>();
  readonly #random: SeededRandom;
  /** In the order of arrival. */
  readonly #flights: Flight[] = [];
  faults: Faults;
  bytes = 0;
  packets = 0;

  constructor(seed: number, faults: Faults = { loss: 0, duplicate: 0, delayMs: 1 }) {
    this.#random = new SeededRandom(seed);
    this.faults = faults;
  }

  get wall(): WallMillis {
    return (WALL + this.now) as WallMillis;
  }

  add(name: string, directory: Directory): void {
    this.nodes.set(nodeId(name), directory);
    this.outboxes.set(nodeId(name), new Outbox());
  }

  node(name: string): Directory {
    return this.nodes.get(nodeId(name)) as Directory;
  }

  outbox(name: string): Outbox {
    return this.outboxes.get(nodeId(name)) as Outbox;
  }

  connectAll(): void {
    for (const one of this.nodes.keys()) {
      for (const other of this.nodes.keys()) if (one !== other) this.#up(one, other);
    }
  }

  connect(one: string, other: string): void {
    this.#up(nodeId(one), nodeId(other));
    this.#up(nodeId(other), nodeId(one));
  }

  setOwn(name: string, own: OwnContent): void {
    this.node(name).setOwn(own, this.now, this.wall, this.outbox(name));
    this.#collect(nodeId(name));
  }

  /** Until `until`, or until nothing can happen any more. */
  runUntil(until: number): void {
    for (;;) {
      const flight = this.#flights[0];
      let next = flight?.at ?? Number.POSITIVE_INFINITY;
      let owner: NodeId | undefined;
      for (const [id, directory] of this.nodes) {
        const deadline = directory.nextDeadline();
        if (deadline !== undefined && deadline < next) {
          next = deadline;
          owner = id;
        }
      }
      if (next > until) break;
      this.now = Math.max(this.now, next) as Millis;
      if (owner !== undefined) this.#onDeadline(owner);
      else if (flight !== undefined) this.#deliver(flight);
    }
    this.now = until as Millis;
  }

  roots(): Set<string> {
    return new Set([...this.nodes.values()].map((directory) => directory.root()));
  }

  #up(one: NodeId, other: NodeId): void {
    const outbox = this.outboxes.get(one) as Outbox;
    this.nodes.get(one)?.onPeerUp(other, this.now, this.wall, outbox);
    this.#collect(one);
  }

  #onDeadline(id: NodeId): void {
    this.nodes.get(id)?.onDeadline(this.now, this.wall, this.outboxes.get(id) as Outbox);
    this.#collect(id);
  }

  #deliver(flight: Flight): void {
    this.#flights.shift();
    const outbox = this.outboxes.get(flight.to) as Outbox;
    this.nodes.get(flight.to)?.onPacket(flight.from, flight.packet, this.now, this.wall, outbox);
    this.#collect(flight.to);
  }

  #collect(from: NodeId): void {
    const outbox = this.outboxes.get(from) as Outbox;
    for (const { peer, packet } of outbox.sent.splice(0)) {
      this.packets += 1;
      this.bytes += packet.length;
      const copies = this.#random.float() < this.faults.duplicate ? 2 : 1;
      for (let copy = 0; copy < copies; copy += 1) {
        if (this.#random.float() < this.faults.loss || !this.nodes.has(peer)) continue;
        const at = this.now + 0.1 + this.#random.float() * this.faults.delayMs;
        const later = this.#flights.findIndex((other) => other.at > at);
        const place = later < 0 ? this.#flights.length : later;
        this.#flights.splice(place, 0, { at, from, to: peer, packet });
      }
    }
  }
}
