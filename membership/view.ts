/**
 * Makes the snapshots that the rest of the node reads: members as the failure detector has them,
 * described by their documents, and services as the documents of those list them that are not dead
 * or gone. A service that only dead or departed members offered stays known, without instances, for
 * as long as their documents are held: whoever dials it should hear that it is down, not that there
 * is no such name. Only what was touched is worked out again, and what comes out equal keeps its
 * object, so that readers can compare by identity: while a newcomer learns of ten thousand owners a
 * few at a time, most services change with each of these steps. A restarted member's former document stands until its new
 * one arrives: its registrations are on its disk and come back.
 */
import { serviceKey } from "../core/names.ts";
import type { MemberState, Millis, NodeId, ServiceKey, ServiceProtocol } from "../core/types.ts";
import type { InstanceView, MemberView, MeshView, ServiceView } from "../core/view.ts";
import type { InstanceEntry, OwnerDocument } from "./document.ts";
import { instanceKey } from "./document-fields.ts";
import { LayeredMap } from "./view-map.ts";

/** A member as the failure detector has it. */
export interface MemberRow {
  readonly id: NodeId;
  readonly state: MemberState;
  readonly leaving: boolean;
  readonly self: boolean;
  readonly epoch: number;
  readonly incarnation: number;
  /** HOST:PORT of its control plane; "" while not known. */
  readonly bind: string;
  readonly since: Millis;
}

/** The part of the directory that views are made from. */
export interface DirectoryReader {
  get(owner: NodeId): OwnerDocument | undefined;
  failing(owner: NodeId): ReadonlySet<string>;
}

export class ViewBuilder {
  readonly #directory: DirectoryReader;
  readonly #rows = new Map<NodeId, MemberRow>();
  /** The instances of each owner that are in view, by instance key. */
  readonly #offered = new Map<NodeId, ReadonlyMap<string, InstanceView>>();
  /** The same by service and owner. */
  readonly #byService = new Map<ServiceKey, Map<NodeId, readonly InstanceView[]>>();
  /** All instances of a service in order, before conflicts are flagged. */
  readonly #inOrder = new Map<ServiceKey, readonly InstanceView[]>();
  /** What services spoke that were offered by owners now dead or gone, by service and owner. */
  readonly #former = new Map<ServiceKey, Map<NodeId, ServiceProtocol>>();
  readonly #formerOf = new Map<NodeId, ReadonlySet<ServiceKey>>();
  /** An instance with its conflict flagged, so that it keeps its identity, too. */
  readonly #flagged = new WeakMap<InstanceView, InstanceView>();
  #members = LayeredMap.empty<NodeId, MemberView>();
  #services = LayeredMap.empty<ServiceKey, ServiceView>();
  #view: MeshView;

  constructor(options: { readonly self: NodeId; readonly directory: DirectoryReader }) {
    this.#directory = options.directory;
    const { self } = options;
    this.#view = { version: 0, self, members: this.#members, services: this.#services };
  }

  /**
   * Takes all members there are, or undefined if none has changed, and the owners whose documents
   * or vitals may have. Gives the former view if nothing comes out different.
   */
  update(rows: readonly MemberRow[] | undefined, touched: Iterable<NodeId>, now: Millis): MeshView {
    if (rows === undefined) return this.apply([], [], touched, now);
    const changed = rows.filter((row) => !isSameRow(this.#rows.get(row.id), row));
    const present = new Set(rows.map((row) => row.id));
    const removed = [...this.#rows.keys()].filter((id) => !present.has(id));
    return this.apply(changed, removed, touched, now);
  }

  /** As update, for a caller that knows which members have changed and which were forgotten. */
  apply(
    changed: readonly MemberRow[],
    removed: readonly NodeId[],
    touched: Iterable<NodeId>,
    now: Millis,
  ): MeshView {
    const owners = new Set(touched);
    for (const row of changed) {
      this.#rows.set(row.id, row);
      owners.add(row.id);
    }
    for (const id of removed) {
      this.#rows.delete(id);
      owners.add(id);
    }
    const members = new Map<NodeId, MemberView | undefined>();
    const services: Touched = new Map();
    for (const owner of owners) this.#rebuildOwner(owner, now, members, services);
    const rebuilt = new Map<ServiceKey, ServiceView | undefined>();
    for (const [key, changedOwners] of services) {
      const service = this.#rebuildService(key, changedOwners);
      if (service !== this.#services.get(key)) rebuilt.set(key, service);
    }
    if (members.size === 0 && rebuilt.size === 0) return this.#view;
    this.#members = this.#members.with(members);
    this.#services = this.#services.with(rebuilt);
    this.#view = {
      version: this.#view.version + 1,
      self: this.#view.self,
      members: this.#members,
      services: this.#services,
    };
    return this.#view;
  }

  #rebuildOwner(
    owner: NodeId,
    now: Millis,
    members: Map<NodeId, MemberView | undefined>,
    services: Touched,
  ): void {
    const row = this.#rows.get(owner);
    const document = this.#directory.get(owner);
    const former = this.#members.get(owner);
    const member = row === undefined ? undefined : memberView(row, document);
    if (!isSameFlat(former, member)) members.set(owner, member);
    const isDown = row !== undefined && (row.state === "dead" || row.state === "left");
    const isThere = row !== undefined && !isDown;
    this.#remember(owner, isDown ? document : undefined, services);
    this.#offer(owner, isThere ? document : undefined, now, services);
  }

  /** Replaces what an owner that is down is remembered for. */
  #remember(owner: NodeId, document: OwnerDocument | undefined, services: Touched): void {
    const before = this.#formerOf.get(owner);
    if (before === undefined && document === undefined) return;
    for (const key of before ?? []) {
      const owners = this.#former.get(key);
      owners?.delete(owner);
      if (owners?.size === 0) this.#former.delete(key);
      touch(services, key, owner);
    }
    this.#formerOf.delete(owner);
    if (document === undefined || document.instances.length === 0) return;
    const offered = new Set<ServiceKey>();
    for (const { namespace, name, protocol } of document.instances) {
      const key = serviceKey(namespace, name);
      const owners = this.#former.get(key) ?? new Map<NodeId, ServiceProtocol>();
      this.#former.set(key, owners.set(owner, protocol));
      offered.add(key);
      touch(services, key, owner);
    }
    this.#formerOf.set(owner, offered);
  }

  /** Replaces what an owner offers; notes the services that this changes. */
  #offer(owner: NodeId, document: OwnerDocument | undefined, now: Millis, services: Touched): void {
    const former = this.#offered.get(owner);
    const offered = new Map<string, InstanceView>();
    const failing = this.#directory.failing(owner);
    const touched = new Map<ServiceKey, InstanceView[]>();
    for (const entry of document?.instances ?? []) {
      const key = instanceKey(entry);
      const known = former?.get(key);
      const since = known?.since ?? now;
      const fresh = instanceView(entry, document as OwnerDocument, failing.has(key), since);
      const isSame = known !== undefined && isSameInstance(known, fresh);
      offered.set(key, isSame ? known : fresh);
      if (!isSame) touched.set(fresh.service, []);
    }
    for (const [key, known] of former ?? []) {
      if (!offered.has(key)) touched.set(known.service, []);
    }
    if (offered.size === 0) this.#offered.delete(owner);
    else this.#offered.set(owner, offered);
    if (touched.size === 0) return;
    for (const instance of offered.values()) touched.get(instance.service)?.push(instance);
    for (const [service, instances] of touched) {
      touch(services, service, owner);
      this.#index(service, owner, instances);
    }
  }

  #index(service: ServiceKey, owner: NodeId, instances: readonly InstanceView[]): void {
    const agents = this.#byService.get(service) ?? new Map<NodeId, readonly InstanceView[]>();
    if (instances.length === 0) agents.delete(owner);
    else agents.set(owner, instances);
    if (agents.size === 0) this.#byService.delete(service);
    else this.#byService.set(service, agents);
  }

  #rebuildService(key: ServiceKey, changed: ReadonlySet<NodeId>): ServiceView | undefined {
    const instances = this.#reorder(key, changed);
    const [first] = instances;
    const protocol = first?.protocol ?? this.#former.get(key)?.values().next().value;
    if (protocol === undefined) return undefined;
    const known = this.#services.get(key);
    if (first === undefined && known?.instances.length === 0 && known.protocol === protocol) {
      return known;
    }
    const slash = key.indexOf("/");
    return {
      key,
      namespace: key.slice(0, slash),
      name: key.slice(slash + 1),
      protocol,
      instances: instances.map((instance, at) =>
        instances[at - 1]?.id === instance.id ? this.#asConflict(instance) : instance,
      ),
    };
  }

  /** The service's instances in order, with those of the changed owners replaced. */
  #reorder(key: ServiceKey, changed: ReadonlySet<NodeId>): readonly InstanceView[] {
    const byOwner = this.#byService.get(key);
    const before = this.#inOrder.get(key) ?? [];
    if (byOwner === undefined) {
      this.#inOrder.delete(key);
      return [];
    }
    const kept = before.filter(({ agent }) => !changed.has(agent));
    const fresh = [...changed].flatMap((owner) => byOwner.get(owner) ?? []);
    const instances = merged(kept, fresh.sort(compareInstances));
    this.#inOrder.set(key, instances);
    return instances;
  }

  /** Of two agents with one instance id the smaller NodeId wins, on every node alike. */
  #asConflict(instance: InstanceView): InstanceView {
    const known = this.#flagged.get(instance);
    if (known !== undefined) return known;
    const flagged = { ...instance, conflict: true };
    this.#flagged.set(instance, flagged);
    return flagged;
  }
}

/** Services to work out again, each with the owners because of whom. */
type Touched = Map<ServiceKey, Set<NodeId>>;

function touch(services: Touched, key: ServiceKey, owner: NodeId): void {
  const owners = services.get(key);
  if (owners === undefined) services.set(key, new Set([owner]));
  else owners.add(owner);
}

/** Two lists in order as one. */
function merged(
  one: readonly InstanceView[],
  other: readonly InstanceView[],
): readonly InstanceView[] {
  if (other.length === 0) return one;
  const all: InstanceView[] = [];
  let at = 0;
  for (const instance of one) {
    for (let next = other[at]; next !== undefined; next = other[at]) {
      if (compareInstances(next, instance) > 0) break;
      all.push(next);
      at += 1;
    }
    all.push(instance);
  }
  for (; at < other.length; at += 1) all.push(other[at] as InstanceView);
  return all;
}

function memberView(row: MemberRow, document: OwnerDocument | undefined): MemberView {
  return {
    id: row.id,
    name: document?.name ?? "",
    state: row.state,
    leaving: row.leaving,
    self: row.self,
    bind: row.bind === "" ? (document?.bind ?? "") : row.bind,
    link: document?.link ?? "",
    zone: document?.zone ?? "",
    region: document?.region ?? "",
    epoch: row.epoch,
    incarnation: row.incarnation,
    version: document?.version ?? "",
    since: row.since,
  };
}

function instanceView(
  entry: InstanceEntry,
  document: OwnerDocument,
  isFailing: boolean,
  since: Millis,
): InstanceView {
  return {
    id: entry.id,
    service: serviceKey(entry.namespace, entry.name),
    agent: document.owner,
    agentName: document.name,
    protocol: entry.protocol,
    ports: entry.ports,
    address: entry.address,
    version: entry.version,
    weight: entry.weight,
    tags: entry.tags,
    health: isFailing ? "failing" : "passing",
    zone: document.zone,
    region: document.region,
    since,
    conflict: false,
  };
}

function compareInstances(one: InstanceView, other: InstanceView): number {
  if (one.id !== other.id) return one.id < other.id ? -1 : 1;
  return one.agent < other.agent ? -1 : 1;
}

function isSameRow(one: MemberRow | undefined, other: MemberRow): boolean {
  return (
    one !== undefined &&
    one.state === other.state &&
    one.leaving === other.leaving &&
    one.self === other.self &&
    one.epoch === other.epoch &&
    one.incarnation === other.incarnation &&
    one.bind === other.bind &&
    one.since === other.since
  );
}

/** For members, whose fields are all plain values. */
function isSameFlat(one: MemberView | undefined, other: MemberView | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  const keys = Object.keys(one) as (keyof MemberView)[];
  return keys.every((key) => one[key] === other[key]);
}

function isSameInstance(one: InstanceView, other: InstanceView): boolean {
  return (
    one.agentName === other.agentName &&
    one.protocol === other.protocol &&
    one.address === other.address &&
    one.version === other.version &&
    one.weight === other.weight &&
    one.health === other.health &&
    one.zone === other.zone &&
    one.region === other.region &&
    one.ports.length === other.ports.length &&
    one.ports.every((port, at) => port === other.ports[at]) &&
    isSameTags(one.tags, other.tags)
  );
}

function isSameTags(
  one: Readonly<Record<string, string>>,
  other: Readonly<Record<string, string>>,
): boolean {
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && one[key] === other[key])
  );
}
