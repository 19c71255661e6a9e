/**
 * The directory of a large mesh in one process, with real keys and signatures: 10,000 owners with
 * ten instances each. What it takes to hold, to learn from scratch, to merge and to ask.
 */
import { randomBytes } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { SeededRandom } from "../../core/random.ts";
import type { Signer } from "../../core/seams.ts";
import { checkCertificate, issueCertificate, mayOffer } from "../../core/trust/certificate.ts";
import type { Millis, NodeId, ServiceKey, WallMillis } from "../../core/types.ts";
import {
  DIRECTORY_DEFAULTS,
  Directory,
  type DirectoryOutput,
  type OwnContent,
} from "../../membership/directory.ts";
import type { CertificateCheck } from "../../membership/document-codec.ts";
import { ViewBuilder } from "../../membership/view.ts";
import { KeySigner, KeyVerifier } from "../../transport/identity/signing.ts";
import type { BenchOptions, Outcome } from "../harness/bench.ts";
import { Measurements } from "../harness/report.ts";

const OWNERS = 10_000;
const INSTANCES = 10;
const SERVICES = 500;
const OWN_NAME = "grapevine";
const DEFAULT_ROUNDS = 2;
const LOOKUPS = 2_000_000;
const SEED_BYTES = 32;
const DAY_MS = 86_400_000;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;
const verifier = new KeyVerifier();
const authority = new KeySigner(randomBytes(SEED_BYTES));
const nothing = () => {};

export async function run(options: BenchOptions): Promise<Outcome> {
  const measurements = new Measurements();
  const add = (name: string, unit: string, better: "higher" | "lower", value: number) =>
    measurements.add(OWN_NAME, { case: name, unit, better }, value);
  options.progress(`signing the documents of ${OWNERS} owners`);
  const startedAt = performance.now();
  const messages = makeMessages(OWNERS);
  const signedPerSecond = (OWNERS * 1_000) / (performance.now() - startedAt);
  add("certificates issued and documents signed", "1/s", "higher", signedPerSecond);
  const bytes = messages.reduce((sum, { length }) => sum + length, 0);
  add("documents, all together", "MB", "lower", bytes / 1e6);
  const rounds = options.rounds ?? DEFAULT_ROUNDS;
  for (let round = 0; round < rounds; round += 1) {
    options.progress(`round ${round + 1} of ${rounds}`);
    const full = measureMerge(messages, add);
    measureJoin(full, add);
    measureLookups(full, add);
  }
  const notes = [
    `${OWNERS} owners, ${INSTANCES} instances each, ${SERVICES} services; Ed25519, one certificate each`,
    "join: an empty directory asks a full one, over packets handed from one to the other",
  ];
  return { rows: measurements.rows(), skipped: [], versions: {}, notes };
}

type Add = (name: string, unit: string, better: "higher" | "lower", value: number) => void;

function measureMerge(messages: readonly Uint8Array[], add: Add): Directory {
  collectGarbage();
  const before = memoryBytes();
  const full = directoryOf(new KeySigner(randomBytes(SEED_BYTES)));
  const startedAt = performance.now();
  let applied = 0;
  for (const message of messages) {
    if (full.restore(message, now(), wall()) === "applied") applied += 1;
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  if (applied !== messages.length) throw new Error(`only ${applied} documents were accepted`);
  add("merge: documents checked and stored", "1/s", "higher", applied / seconds);
  collectGarbage();
  add("memory of the stored documents", "MB", "lower", (memoryBytes() - before) / 1e6);
  return full;
}

function measureJoin(full: Directory, add: Add): void {
  const joiner = directoryOf(new KeySigner(randomBytes(SEED_BYTES)));
  const ids = { full: "full" as NodeId, joiner: "joiner" as NodeId };
  let bytes = 0;
  const queue: (() => void)[] = [];
  const startedAt = performance.now();
  // Virtual time moves only when nothing is under way, so that waiting is not measured.
  let clock = now();
  const output = (from: NodeId, to: Directory, answer: () => DirectoryOutput): DirectoryOutput => ({
    ...SILENT,
    send: (_peer, packet) => {
      bytes += packet.length;
      queue.push(() => to.onPacket(from, packet, clock, wall(), answer()));
    },
  });
  const outFull = (): DirectoryOutput => output(ids.full, joiner, outJoiner);
  const outJoiner = (): DirectoryOutput => output(ids.joiner, full, outFull);
  joiner.onPeerUp(ids.full, clock, wall(), outJoiner());
  full.onPeerUp(ids.joiner, clock, wall(), outFull());
  let rests = 0;
  while (joiner.root() !== full.root()) {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) next();
    if (joiner.root() === full.root()) break;
    const due = [joiner.nextDeadline(), full.nextDeadline()].filter((at) => at !== undefined);
    rests += 1;
    if (due.length === 0 || rests > 100_000) throw new Error("the join never ends");
    clock = Math.max(clock, Math.min(...due)) as Millis;
    joiner.onDeadline(clock, wall(), outJoiner());
    full.onDeadline(clock, wall(), outFull());
  }
  add(
    "join: processing until equal, both sides",
    "s",
    "lower",
    (performance.now() - startedAt) / 1e3,
  );
  add("join: bytes, both directions", "MB", "lower", bytes / 1e6);
  full.onPeerDown(ids.joiner, clock);
}

function measureLookups(full: Directory, add: Add): void {
  const owners = [...full.owners()];
  const builder = new ViewBuilder({ self: owners[0] as NodeId, directory: full });
  const rows = owners.map((id) => ({
    ...{ id, state: "alive" as const, leaving: false, epoch: 1, incarnation: 0, since: now() },
    ...{ name: "", bind: "127.0.0.1:7946", self: false },
  }));
  const builtAt = performance.now();
  const view = builder.update(rows, owners, now());
  add("view: built from nothing", "ms", "lower", performance.now() - builtAt);
  const keys = [...view.services.keys()] as ServiceKey[];
  const startedAt = performance.now();
  let found = 0;
  for (let at = 0; at < LOOKUPS; at += 1) {
    const service = view.services.get(keys[at % keys.length] as ServiceKey);
    if (service !== undefined && service.instances.length > 0) found += 1;
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  if (found !== LOOKUPS) throw new Error("a service was not found");
  add("view: services looked up", "1/s", "higher", LOOKUPS / seconds);
}

/** What each owner publishes, made and signed as its agent would. */
function makeMessages(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, at) => {
    const signer = new KeySigner(randomBytes(SEED_BYTES));
    const messages: Uint8Array[] = [];
    const out = { ...SILENT, persist: (_: NodeId, message: Uint8Array) => messages.push(message) };
    directoryOf(signer).setOwn(contentOf(at, signer.id), now(), wall(), out);
    const [message] = messages;
    if (message === undefined) throw new Error("an owner published nothing");
    return message;
  });
}

function contentOf(at: number, id: NodeId): OwnContent {
  const name = `host-${at}`;
  const host = `10.${(at >> 16) & 255}.${(at >> 8) & 255}.${at & 255}`;
  return {
    name,
    bind: `${host}:7946`,
    link: `${host}:7947`,
    zone: `zone-${at % 3}`,
    region: "",
    labels: {},
    version: "0.1.0",
    certificate: issueCertificate(
      {
        ...{ trustDomain: "bench", peer: id, name, zone: `zone-${at % 3}`, region: "" },
        ...{ services: ["*/*"], serial: `${at}`.padStart(8, "0") },
        ...{ notBefore: wall() - 1_000, notAfter: wall() + DAY_MS },
      },
      authority,
    ),
    instances: Array.from({ length: INSTANCES }, (_, each) => ({
      namespace: "default",
      name: `service-${(at * INSTANCES + each) % SERVICES}`,
      id: `${name}-${8_080 + each}`,
      protocol: "http",
      ports: [80],
      address: `127.0.0.1:${8_080 + each}`,
      version: "1.4.2",
      weight: 100,
      tags: {},
    })),
  };
}

function directoryOf(signer: Signer): Directory {
  return new Directory({
    self: signer.id,
    epoch: 1,
    nonce: 1,
    config: DIRECTORY_DEFAULTS,
    random: new SeededRandom(1),
    signer,
    verifier,
    checkCertificate: check,
    memberState: () => undefined,
  });
}

const check: CertificateCheck = (peer, certificate) => {
  const verdict = checkCertificate(certificate, {
    peer,
    trustDomain: "bench",
    roots: [authority.id],
    verifier,
    wall: wall(),
  });
  return verdict.ok
    ? { ok: true, mayOffer: (ns, name) => mayOffer(verdict.certificate, ns, name) }
    : { ok: false, reason: verdict.reason, mayOffer: () => false };
};

const SILENT: DirectoryOutput = {
  send: nothing,
  publish: nothing,
  changed: nothing,
  persist: nothing,
};

function memoryBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function now(): Millis {
  return performance.now() as Millis;
}

function wall(): WallMillis {
  return Date.now() as WallMillis;
}
