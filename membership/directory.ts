/**
 * The signed directory: what every agent offers, as that agent last said it. Each owner alone
 * writes its statements; everybody stores the newest of each by (epoch, seq, hash), so all stores
 * become equal in whatever order messages arrive. A push makes changes known at once;
 * anti-entropy alone is what convergence rests on. The directory says nothing of who is alive: the
 * failure detector does, and its word is what keeps documents beyond their lease. That lease,
 * signed by the owner, bounds how long the documents of those who are gone are kept, and nobody
 * accepts or forwards one after it, so that what was dropped cannot come back.
 */
import { DOCUMENT_BYTES_MAX } from "../core/limits.ts";
import { CLOCK_TOLERANCE_MS, readCertificate } from "../core/trust/certificate.ts";
import { isPlace } from "../core/trust/fields.ts";
import { toHex } from "../core/trust/sha256.ts";
import type { Millis, NodeId, WallMillis } from "../core/types.ts";
import { AntiEntropy, type DirectoryVerdict, type SyncContext } from "./anti-entropy.ts";
import { FingerprintTree } from "./anti-entropy-tree.ts";
import { earlier } from "./deadline.ts";
import { PushLimiter, Quarantine } from "./directory-admission.ts";
import type { DirectoryOptions, DirectoryOutput } from "./directory-contract.ts";
import { OwnStatements } from "./directory-own.ts";
import type { OwnerDocument } from "./document.ts";
import {
  compareOrder,
  FORGED,
  faultOfProof,
  HEAD_PART,
  NOT_A_STATEMENT,
  type OwnerStatement,
  type Statement,
} from "./document-codec.ts";
import { faultOfInstance, instanceKey, type OwnContent } from "./document-fields.ts";
import { freshReader, type StatementReader } from "./statement-reader.ts";

export type {
  DirectoryConfig,
  DirectoryOptions,
  DirectoryOutput,
  DirectoryReport,
} from "./directory-contract.ts";
export { DIRECTORY_DEFAULTS } from "./directory-contract.ts";
export type { OwnContent } from "./document-fields.ts";

const TOPIC_PREFIX = "grapevine/directory/1/";
const REGIONS_MAX = 64;
/** The longest lease that an owner may grant itself. */
const LEASE_MAX_MS = 24 * 3_600_000;
/** After this long a verdict that depends on clocks or on the failure detector is given anew. */
const TEMPORARY_REFUSAL_MS = 60_000;
/** A shard's push counts as this part of a whole document's. */
const SHARD_PUSH_COST = 1 / 16;
const CLONE_WINDOW_MS = 60_000;
const CLONE_SIGHTINGS = 3;

type Admission = DirectoryVerdict | "known" | "refused";

export class Directory {
  readonly #options: DirectoryOptions;
  readonly #regions = new Set<string>();
  #tree = new FingerprintTree();
  readonly #reader: StatementReader;
  readonly #quarantine: Quarantine;
  readonly #limiter: PushLimiter;
  readonly #own: OwnStatements;
  readonly #antiEntropy: AntiEntropy;
  /** Owners restored from disk, of whom nobody has been told yet. */
  readonly #restored = new Set<NodeId>();
  #sweepAt: Millis | undefined;
  #cloneSightings: Millis[] = [];
  #now = 0 as Millis;

  constructor(options: DirectoryOptions) {
    const { self, epoch, nonce, config, random, signer } = options;
    this.#options = options;
    this.#reader = options.reader ?? freshReader;
    this.#quarantine = new Quarantine(config.quarantineMax);
    this.#limiter = new PushLimiter(
      config.ownerPushesPerSecond,
      config.ownerPushBurst,
      config.ownersMax,
    );
    const { leaseMs, publishIntervalMs } = config;
    const own = { self, epoch, nonce, leaseMs, publishIntervalMs };
    this.#own = new OwnStatements(own, random.fork("own"), signer);
    this.#regions.add(config.region);
    this.#antiEntropy = new AntiEntropy(config.antiEntropy, random.fork("anti-entropy"), {
      tree: () => this.#tree,
      find: ({ owner, part }) => this.#tree.get(owner)?.part(part),
      isRefused: (hash) => this.#quarantine.has(hash, this.#now),
      isElsewhere: (peer) => this.#isElsewhere(peer),
    });
  }

  /**
   * Sets what this node offers. Name, zone and region are the certificate's where that names them;
   * instances that the certificate does not allow are reported and left out. The own view shows it
   * at once; others hear of it at once after quiet time, else within publishIntervalMs. Content
   * that faultOfOwnContent finds fault with, beyond single instances, is a failed assertion.
   * Call setFailing first for an instance that starts out failing.
   */
  setOwn(content: OwnContent, now: Millis, wall: WallMillis, out: DirectoryOutput): void {
    this.#now = now;
    const allowed = this.#allowed(content, out);
    this.#noteRegion(allowed.region);
    if (this.#own.setContent(allowed, now)) out.changed(this.#options.self);
    this.#publishDue(now, wall, out);
  }

  /** Sets which own instances fail their checks, by "namespace/name/id". */
  setFailing(
    failing: readonly string[],
    now: Millis,
    wall: WallMillis,
    out: DirectoryOutput,
  ): void {
    this.#now = now;
    if (this.#own.setFailing(failing, now)) out.changed(this.#options.self);
    this.#publishDue(now, wall, out);
  }

  /** "reject" only for what no honest node forwards, whatever its version or clock. */
  onPublished(
    topic: string,
    message: Uint8Array,
    now: Millis,
    wall: WallMillis,
    out: DirectoryOutput,
  ): "accept" | "ignore" | "reject" {
    this.#now = now;
    const region = topic.startsWith(TOPIC_PREFIX) ? topic.slice(TOPIC_PREFIX.length) : undefined;
    if (region === undefined) return "ignore";
    const verdict = this.#admit(message, true, region, now, wall, out);
    if (verdict === "applied" || verdict === "known") return "accept";
    return verdict === "malformed" || verdict === "forged" ? "reject" : "ignore";
  }

  onPacket(
    peer: NodeId,
    packet: Uint8Array,
    now: Millis,
    wall: WallMillis,
    out: DirectoryOutput,
  ): DirectoryVerdict {
    this.#now = now;
    const verdict = this.#antiEntropy.onPacket(peer, packet, this.#context(now, wall, out));
    this.#publishDue(now, wall, out);
    return verdict;
  }

  /** A control connection is up; compares stores with the peer at once. */
  onPeerUp(peer: NodeId, now: Millis, wall: WallMillis, out: DirectoryOutput): void {
    this.#now = now;
    this.#antiEntropy.onPeerUp(peer, this.#context(now, wall, out));
  }

  onPeerDown(peer: NodeId, _now: Millis): void {
    this.#antiEntropy.onPeerDown(peer);
  }

  /** What the failure detector holds of a member has changed. */
  onMemberState(peer: NodeId): void {
    if (this.#isPresent(peer)) this.#quarantine.releaseTemporary(peer);
  }

  /** Takes a message that persist gave before the last stop. */
  restore(message: Uint8Array, now: Millis, wall: WallMillis): DirectoryVerdict {
    this.#now = now;
    const silent: DirectoryOutput = {
      send: () => {},
      publish: () => {},
      persist: () => {},
      changed: (owner) => this.#restored.add(owner),
    };
    return asVerdict(this.#admit(message, false, undefined, now, wall, silent));
  }

  /** What is stored; not to be written to. */
  get store(): FingerprintTree {
    return this.#tree;
  }

  /** Begins with another node's store, this node's own statements in it; nobody is told. */
  takeOver(store: FingerprintTree, regions: Iterable<string>, now: Millis): void {
    this.#tree = store.fork();
    for (const region of regions) this.#noteRegion(region);
    this.#sweepAt ??= (now + this.#options.config.sweepIntervalMs) as Millis;
  }

  onDeadline(now: Millis, wall: WallMillis, out: DirectoryOutput): void {
    this.#now = now;
    for (const owner of this.#restored) out.changed(owner);
    this.#restored.clear();
    this.#publishDue(now, wall, out);
    this.#antiEntropy.onDeadline(this.#context(now, wall, out));
    if (this.#sweepAt !== undefined && now >= this.#sweepAt) this.#sweep(now, wall, out);
  }

  nextDeadline(): Millis | undefined {
    if (this.#restored.size > 0) return this.#now;
    const session = earlier(this.#own.nextDeadline(), this.#antiEntropy.nextDeadline());
    return earlier(session, this.#sweepAt);
  }

  /** The owner's newest complete document; this node's own as last set, published or not. */
  get(owner: NodeId): OwnerDocument | undefined {
    const own = owner === this.#options.self ? this.#own.document() : undefined;
    return own ?? this.#tree.get(owner)?.document;
  }

  /** "namespace/name/id" of the owner's instances that fail their checks. */
  failing(owner: NodeId): ReadonlySet<string> {
    if (owner === this.#options.self && this.#own.document() !== undefined) {
      return this.#own.failing();
    }
    return this.#tree.get(owner)?.failing ?? new Set();
  }

  *owners(): IterableIterator<NodeId> {
    for (const { owner } of this.#tree.records()) yield owner;
  }

  /** Equal on two nodes if and only if they store the same. */
  root(): string {
    return toHex(this.#tree.root());
  }

  /** Topics to subscribe to: one for each region that is known; more may follow after `changed`. */
  topics(): readonly string[] {
    return [...this.#regions].map(topicOf);
  }

  /** How many documents it keeps, each part of an owner for itself. */
  parts(): number {
    let parts = 0;
    for (const record of this.#tree.records()) parts += record.parts.length;
    return parts;
  }

  snapshot() {
    return {
      root: this.root(),
      storedBytes: this.#tree.bytes,
      quarantined: this.#quarantine.size,
      statements: [...this.#tree.records()].flatMap((record) =>
        record.parts.map(({ owner, part, epoch, seq, hash }) => {
          return { owner, part, epoch, seq, hash };
        }),
      ),
    };
  }

  #context(now: Millis, wall: WallMillis, out: DirectoryOutput): SyncContext {
    return {
      now,
      send: (peer, packet) => out.send(peer, packet),
      admit: (message, isPush) =>
        asVerdict(this.#admit(message, isPush, undefined, now, wall, out)),
    };
  }

  #admit(
    message: Uint8Array,
    isPush: boolean,
    region: string | undefined,
    now: Millis,
    wall: WallMillis,
    out: DirectoryOutput,
  ): Admission {
    if (message.length > DOCUMENT_BYTES_MAX) return "malformed";
    const { hash, statement } = this.#reader.read(message);
    if (this.#quarantine.has(hash, now)) return "refused";
    if (typeof statement === "string") {
      this.#refuse(hash, undefined, statement, now, out);
      return statement === NOT_A_STATEMENT ? "malformed" : "refused";
    }
    const { owner, part } = statement;
    const stored = this.#tree.get(owner)?.part(part);
    const order = stored === undefined ? 1 : compareOrder(statement, stored);
    if (order === 0) return "known";
    if (order < 0) return "ignored";
    const fault = faultOfProof(statement, this.#options.verifier, this.#options.checkCertificate);
    if (fault !== undefined) {
      // What stands in a certificate is judged by clocks and roots, and both may be mended.
      this.#refuse(hash, owner, fault, now, out, fault !== FORGED);
      return fault === FORGED ? "forged" : "refused";
    }
    const obstacle = this.#obstacle(statement, stored, wall);
    if (obstacle !== undefined) {
      this.#refuse(hash, owner, obstacle, now, out, true);
      return "ignored";
    }
    if (statement.kind === "vitals" && this.#tree.get(owner)?.head === undefined) {
      return "ignored";
    }
    if (region !== undefined && this.#regionOf(statement) !== region) return "ignored";
    const cost = part > HEAD_PART && statement.kind === "owner" ? SHARD_PUSH_COST : 1;
    if (isPush && !this.#limiter.take(owner, cost, now)) return "limited";
    this.#accept(statement, stored, now, out);
    return "applied";
  }

  #accept(
    statement: Statement,
    stored: Statement | undefined,
    now: Millis,
    out: DirectoryOutput,
  ): void {
    const { owner, epoch, seq } = statement;
    if (stored !== undefined && stored.epoch === epoch && stored.seq === seq) {
      out.report?.({ kind: "equivocation", owner, epoch, seq });
    }
    if (owner === this.#options.self) this.#onOwnSeen(statement, now, out);
    this.#tree.put(statement);
    if (statement.kind === "owner") {
      this.#noteRegion(statement.document.region);
      out.persist(owner, statement.message, statement.part);
    }
    out.changed(owner);
    this.#sweepAt ??= (now + this.#options.config.sweepIntervalMs) as Millis;
  }

  /** Why a statement that its owner did sign is not taken now; a later try may fare better. */
  #obstacle(
    statement: Statement,
    stored: Statement | undefined,
    wall: WallMillis,
  ): string | undefined {
    const { owner, message } = statement;
    if (statement.kind === "owner" && isLeaseOver(statement, wall)) {
      const record = this.#tree.get(owner);
      if (!this.#isPresent(owner)) return "its lease does not cover the present";
      if (record?.head !== undefined && record.isStray(statement.part)) return "its lease is over";
    }
    const { ownersMax, storedBytesMax } = this.#options.config;
    if (this.#tree.get(owner) === undefined && this.#tree.owners >= ownersMax) {
      return `the directory holds ${ownersMax} owners already`;
    }
    const growth = message.length - (stored?.message.length ?? 0);
    return this.#tree.bytes + growth > storedBytesMax
      ? `the directory holds ${storedBytesMax} bytes already`
      : undefined;
  }

  #refuse(
    hash: string,
    owner: NodeId | undefined,
    reason: string,
    now: Millis,
    out: DirectoryOutput,
    isTemporary = false,
  ): void {
    const duration = isTemporary ? TEMPORARY_REFUSAL_MS : this.#options.config.quarantineMs;
    const until = (now + duration) as Millis;
    this.#quarantine.add(hash, { owner, reason, until, isTemporary });
    out.report?.({ kind: "refused", owner, reason });
  }

  /** A statement under this node's key that this process did not make. */
  #onOwnSeen(statement: Statement, now: Millis, out: DirectoryOutput): void {
    if (!this.#own.isAhead(statement)) return;
    const { epoch, seq } = statement;
    let notBefore = now;
    if (statement.part === HEAD_PART) {
      const since = now - CLONE_WINDOW_MS;
      this.#cloneSightings = this.#cloneSightings.filter((moment) => moment > since);
      this.#cloneSightings.push(now);
      const sightings = this.#cloneSightings.length;
      // Two clones that outrun each other must not fill the mesh with their quarrel.
      notBefore = (now + 1_000 * (2 ** Math.min(sightings - 1, 6) - 1)) as Millis;
      if (sightings >= CLONE_SIGHTINGS && statement.kind === "owner") {
        out.report?.({ kind: "duplicate_identity", nonce: statement.document.nonce });
      }
    }
    this.#own.outrun({ epoch, seq }, notBefore);
    out.report?.({ kind: "outrun", epoch, seq });
  }

  #publishDue(now: Millis, wall: WallMillis, out: DirectoryOutput): void {
    const { self, config } = this.#options;
    const fresh: Uint8Array[] = [];
    for (;;) {
      const messages = this.#own.issue(now, wall);
      if (messages.length === 0) break;
      fresh.push(...messages);
    }
    if (fresh.length === 0) return;
    // Others take a document only on the topic of its region; elsewhere anti-entropy carries it.
    const isPublished = config.pushEnabled && this.#own.document()?.region === config.region;
    for (const message of fresh) {
      const { statement } = this.#reader.read(message);
      if (typeof statement === "string") throw new Error(`own statement is invalid: ${statement}`);
      this.#tree.put(statement);
      if (statement.kind === "owner") out.persist(self, message, statement.part);
      if (isPublished) out.publish(topicOf(config.region), message);
    }
    if (config.pushEnabled) this.#antiEntropy.push(fresh, this.#context(now, wall, out));
    this.#sweepAt ??= (now + config.sweepIntervalMs) as Millis;
  }

  /** Drops what no lease covers any more, of owners that the failure detector does not hold. */
  #sweep(now: Millis, wall: WallMillis, out: DirectoryOutput): void {
    this.#sweepAt = (now + this.#options.config.sweepIntervalMs) as Millis;
    this.#limiter.prune(now);
    for (const record of this.#tree.records()) {
      const { owner } = record;
      const isPresent = this.#isPresent(owner);
      const isHeadOver = record.head === undefined || isLeaseOver(record.head, wall);
      const isKept = (part: number) =>
        isPresent && (record.head === undefined || !record.isStray(part));
      let dropped = 0;
      for (const statement of record.parts) {
        const isOver = statement.kind === "owner" ? isLeaseOver(statement, wall) : isHeadOver;
        if (!isOver || isKept(statement.part)) continue;
        this.#tree.remove(statement);
        dropped += 1;
      }
      if (dropped > 0) out.changed(owner);
    }
  }

  #allowed(content: OwnContent, out: DirectoryOutput): OwnContent {
    const { self, checkCertificate } = this.#options;
    const verdict = checkCertificate(self, content.certificate);
    const certificate = readCertificate(content.certificate);
    const instances = content.instances.filter((entry) => {
      const fault = faultOfInstance(entry);
      const mayOffer = !verdict.ok || verdict.mayOffer(entry.namespace, entry.name);
      if (fault === undefined && mayOffer) return true;
      const reason =
        fault ??
        `this node's certificate does not let it offer ${entry.namespace}/${entry.name}; issue ` +
          `one with --services`;
      out.report?.({ kind: "not_offered", instance: instanceKey(entry), reason });
      return false;
    });
    return {
      ...content,
      instances,
      name: certificate?.name ?? content.name,
      zone: certificate?.zone || content.zone,
      region: certificate?.region || content.region,
    };
  }

  #regionOf(statement: Statement): string | undefined {
    return statement.kind === "owner"
      ? statement.document.region
      : this.#tree.get(statement.owner)?.head?.document.region;
  }

  #noteRegion(region: string): void {
    if (this.#regions.size < REGIONS_MAX && isPlace(region)) this.#regions.add(region);
  }

  #isElsewhere(peer: NodeId): boolean {
    const zone = this.#tree.get(peer)?.document?.zone;
    return zone !== undefined && zone !== this.#own.document()?.zone;
  }

  /** True if the failure detector holds the owner alive: its documents stay whatever clocks say. */
  #isPresent(owner: NodeId): boolean {
    if (owner === this.#options.self) return true;
    const state = this.#options.memberState(owner);
    return state === "alive" || state === "suspect";
  }
}

/** Over, or longer than any owner may grant itself: then the owner's clock cannot be relied on. */
function isLeaseOver(statement: OwnerStatement, wall: WallMillis): boolean {
  const { notAfter } = statement.document;
  return (
    notAfter + CLOCK_TOLERANCE_MS < wall || notAfter > wall + LEASE_MAX_MS + CLOCK_TOLERANCE_MS
  );
}

/** The topic on which owners of a region publish. */
export function topicOf(region: string): string {
  return TOPIC_PREFIX + region;
}

function asVerdict(admission: Admission): DirectoryVerdict {
  return admission === "known" || admission === "refused" ? "ignored" : admission;
}
