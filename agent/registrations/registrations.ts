/**
 * The instances that are registered with this agent. It decides which registration is accepted and
 * when it is acknowledged: only after it is on disk (unless it has a lease, which ends with its
 * holder) and after `onChange` has told the mesh of it. The data path asks it where an instance
 * listens. Those declared in the configuration live in the configuration file alone.
 */
import { encode } from "../../core/codec.ts";
import { GrapevineError } from "../../core/errors.ts";
import { isLabel, serviceKey } from "../../core/names.ts";
import type { Clock, Random, Timer } from "../../core/seams.ts";
import type { InstanceHealth, Millis, ServiceKey } from "../../core/types.ts";
import type { InstanceEntry } from "../../membership/document.ts";
import { Capacity } from "./capacity.ts";
import type { CheckStatus } from "./check-state.ts";
import { HealthChecks } from "./health-checks.ts";
import type { Probe } from "./probe.ts";
import { probe } from "./probe.ts";
import type { CheckSpec, LocalTarget, RegisteredPort, Registration } from "./registration.ts";
import { defaultInstanceId, describeAddress } from "./registration.ts";
import { readRegistration, writeRegistration } from "./schema.ts";
import type { RegistrationStore } from "./store.ts";

export interface LocalInstance {
  readonly namespace: string;
  readonly name: string;
  readonly id: string;
  readonly service: ServiceKey;
  /** What the mesh is told. */
  readonly entry: InstanceEntry;
  readonly ports: readonly RegisteredPort[];
  readonly check: CheckSpec | undefined;
  readonly leaseMs: number | undefined;
  readonly origin: "api" | "config";
  readonly health: InstanceHealth;
  /** The check's newest result; undefined where there is no check. */
  readonly checkStatus: CheckStatus | undefined;
  /** When it was first registered here, in this life of the agent. */
  readonly since: Millis;
}

/** What the data path has to know of an instance, the same object until its row is replaced. */
export interface ServedInstance {
  readonly service: ServiceKey;
  readonly id: string;
  readonly protocol: InstanceEntry["protocol"];
  /** Service ports that it answers for. */
  readonly ports: readonly number[];
}

export interface RegistrationsChange {
  /** All instances, sorted by namespace, name and id. */
  readonly entries: readonly InstanceEntry[];
  /** "namespace/name/id" of those that do not pass their checks, sorted. */
  readonly failing: readonly string[];
}

export type RegistrationEvent =
  | { readonly type: "registered" | "updated" | "deregistered" | "expired"; readonly key: string }
  | {
      readonly type: "health";
      readonly key: string;
      readonly health: InstanceHealth;
      readonly message: string;
    };

export interface RegistrationsOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: RegistrationStore;
  /** The agent's name, for default instance ids. */
  readonly agentName: string;
  /** Whether exec checks may come over the socket; those of the configuration always may. */
  readonly allowExecChecks: boolean;
  /** Told of every change, several of one event-loop turn at once, before their acknowledgement. */
  readonly onChange: (change: RegistrationsChange) => void;
  readonly onEvent?: (event: RegistrationEvent) => void;
  /** Replaces the real probes in tests. */
  readonly probe?: Probe;
}

interface Row {
  readonly key: string;
  readonly id: string;
  readonly registration: Registration;
  readonly entry: InstanceEntry;
  readonly entryBytes: number;
  readonly origin: "api" | "config";
  readonly since: Millis;
  readonly served: ServedInstance;
  lease: Timer | undefined;
}

export class Registrations {
  readonly #options: RegistrationsOptions;
  readonly #checks: HealthChecks;
  readonly #rows = new Map<string, Row>();
  readonly #capacity = new Capacity();
  /** The last operation on each key that is still under way: operations on one key are in order. */
  readonly #tails = new Map<string, Promise<unknown>>();
  #published: Promise<void> | undefined;
  #closed = false;

  constructor(options: RegistrationsOptions) {
    this.#options = options;
    this.#checks = new HealthChecks({
      clock: options.clock,
      random: options.random,
      probe: options.probe ?? probe,
      onChange: (key, status) => this.#onHealth(key, status),
    });
  }

  /**
   * Brings back what is on disk and tells onChange once, also if there is nothing. Rows that cannot
   * be read or published are returned, left on disk, and otherwise ignored.
   */
  async restore(): Promise<readonly string[]> {
    const unreadable: string[] = [];
    for (const [key, value] of this.#options.store.all()) {
      const row = this.#rowFromDisk(key, value);
      if (row === undefined) unreadable.push(key);
      else this.#apply(row);
    }
    await this.#publish();
    return unreadable;
  }

  /**
   * Registers or updates an instance. Resolves when it is durable and published. Throws
   * `forbidden`, `too_large` or `conflict`; nothing has changed then.
   */
  async register(
    registration: Registration,
  ): Promise<{ created: boolean; instance: LocalInstance }> {
    this.#checkExec(registration);
    const id = registration.id ?? defaultInstanceId(this.#options.agentName, registration.ports);
    if (!isLabel(id)) {
      throw new GrapevineError(
        "invalid_argument",
        `"${id}" is not a DNS label: choose an instance id, as the agent's name makes none`,
      );
    }
    const row = this.#row(registration, id, "api");
    this.#capacity.claim(row, this.#rows);
    return await this.#inOrder(row.key, async () => {
      try {
        if (this.#rows.get(row.key)?.origin === "config") {
          throw new GrapevineError("conflict", declaredInConfig(row.key, "change"));
        }
        await this.#write(row);
        const created = this.#apply(row);
        this.#options.onEvent?.({ type: created ? "registered" : "updated", key: row.key });
        await this.#publish();
        return { created, instance: this.#describe(this.#rows.get(row.key) ?? row) };
      } finally {
        this.#capacity.release(row.key);
      }
    });
  }

  /** Throws `not_found`, or `conflict` for an instance that the configuration declares. */
  async deregister(service: ServiceKey, id: string): Promise<LocalInstance> {
    const key = `${service}/${id}`;
    return await this.#inOrder(key, async () => {
      const row = this.#find(service, id);
      if (row.origin === "config") {
        throw new GrapevineError("conflict", declaredInConfig(key, "remove"));
      }
      const instance = this.#describe(row);
      await this.#options.store.delete(key);
      this.#drop(row);
      this.#options.onEvent?.({ type: "deregistered", key });
      await this.#publish();
      return instance;
    });
  }

  /**
   * Replaces what the configuration declares. An instance that was registered over the socket under
   * the same id gives way; its row on disk is deleted.
   */
  async declare(declared: readonly Registration[]): Promise<void> {
    const rows = declared.map((registration) => {
      const id = registration.id ?? defaultInstanceId(this.#options.agentName, registration.ports);
      return this.#row(registration, id, "config");
    });
    const keys = new Set(rows.map((row) => row.key));
    if (keys.size !== rows.length) {
      throw new GrapevineError("config_invalid", "the configuration declares an instance twice");
    }
    this.#claimAll(rows);
    for (const row of [...this.#rows.values()]) {
      if (row.origin === "config" && !keys.has(row.key)) {
        this.#drop(row);
        this.#options.onEvent?.({ type: "deregistered", key: row.key });
      }
    }
    await Promise.all(
      rows.map((row) =>
        this.#inOrder(row.key, async () => {
          try {
            const earlier = this.#rows.get(row.key);
            if (earlier !== undefined && same(earlier, row)) return;
            await this.#options.store.delete(row.key);
            const created = this.#apply(row);
            this.#options.onEvent?.({ type: created ? "registered" : "updated", key: row.key });
          } finally {
            this.#capacity.release(row.key);
          }
        }),
      ),
    );
    await this.#publish();
  }

  /**
   * The application's own word on an instance: renews its lease and feeds its ttl check. Throws
   * `not_found`, or `invalid_argument` if there is neither a lease nor a ttl check.
   */
  report(service: ServiceKey, id: string, ok: boolean, message = ""): LocalInstance {
    const row = this.#find(service, id);
    const said = message === "" ? (ok ? "reported as passing" : "reported as failing") : message;
    const fed = this.#checks.report(row.key, ok, said);
    const renewed = row.registration.leaseMs !== undefined && ok;
    if (renewed) this.#startLease(row);
    if (!fed && !renewed) {
      const needs = ok ? "a ttl check or a lease" : "a ttl check";
      throw new GrapevineError(
        "invalid_argument",
        `${row.key} has no use for this report: register it with ${needs}`,
      );
    }
    return this.#describe(row);
  }

  /** Where the data path finds an instance; undefined if it is not registered here. */
  target(service: ServiceKey, instance: string, port: number): LocalTarget | undefined {
    const row = this.#rows.get(`${service}/${instance}`);
    if (row === undefined) return undefined;
    for (const registered of row.registration.ports) {
      if (registered.servicePort === port) return registered.target;
    }
    return undefined;
  }

  /** Looked up for every request: nothing is made for it. */
  served(service: ServiceKey, instance: string): ServedInstance | undefined {
    return this.#rows.get(`${service}/${instance}`)?.served;
  }

  get(service: ServiceKey, instance: string): LocalInstance | undefined {
    const row = this.#rows.get(`${service}/${instance}`);
    return row === undefined ? undefined : this.#describe(row);
  }

  /** Sorted by namespace, name and id. */
  list(): readonly LocalInstance[] {
    return this.#sorted().map((row) => this.#describe(row));
  }

  /** Ends all checks and leases; what is on disk stays. Resolves after pending writes. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#checks.close();
    for (const row of this.#rows.values()) row.lease?.cancel();
    await Promise.allSettled([...this.#tails.values()]);
    this.#checks.close();
    for (const row of this.#rows.values()) row.lease?.cancel();
  }

  /** Claims room for all or, if that throws, for none. */
  #claimAll(rows: readonly Row[]): void {
    const claimed: Row[] = [];
    try {
      for (const row of rows) {
        this.#capacity.claim(row, this.#rows);
        claimed.push(row);
      }
    } catch (error) {
      for (const row of claimed) this.#capacity.release(row.key);
      throw error;
    }
  }

  #checkExec(registration: Registration): void {
    if (registration.check?.type === "exec" && !this.#options.allowExecChecks) {
      const remedy =
        "start the agent with --enable-exec-checks, or declare it in the configuration";
      throw new GrapevineError("forbidden", `exec checks are not accepted here: ${remedy}`);
    }
  }

  #rowFromDisk(key: string, value: unknown): Row | undefined {
    const read = readRegistration(value);
    const id = read.ok ? read.registration.id : undefined;
    if (!read.ok || id === undefined || keyOf(read.registration, id) !== key) return undefined;
    const row = this.#row(read.registration, id, "api");
    try {
      this.#capacity.claim(row, this.#rows);
    } catch {
      return undefined;
    }
    this.#capacity.release(key);
    return row;
  }

  #row(registration: Registration, id: string, origin: "api" | "config"): Row {
    const key = keyOf(registration, id);
    const { namespace, name, protocol, ports, version, weight, tags } = registration;
    const entry: InstanceEntry = {
      namespace,
      name,
      id,
      protocol,
      ports: ports.map((port) => port.servicePort),
      address: describeAddress(ports),
      version,
      weight,
      tags,
    };
    const since = this.#rows.get(key)?.since ?? this.#options.clock.now();
    const entryBytes = encode(entry).length;
    const served = { service: serviceKey(namespace, name), id, protocol, ports: entry.ports };
    return { key, id, registration, entry, entryBytes, origin, since, served, lease: undefined };
  }

  async #write(row: Row): Promise<void> {
    const { store } = this.#options;
    if (row.registration.leaseMs !== undefined) {
      if (this.#rows.get(row.key)?.registration.leaseMs === undefined) await store.delete(row.key);
      return;
    }
    await store.put(row.key, writeRegistration({ ...row.registration, id: row.id }));
  }

  /** True if the instance is new. An unchanged check keeps its state, so updates cause no flap. */
  #apply(row: Row): boolean {
    const earlier = this.#rows.get(row.key);
    earlier?.lease?.cancel();
    this.#rows.set(row.key, row);
    if (this.#closed) return earlier === undefined;
    this.#startLease(row);
    const { check, ports, protocol } = row.registration;
    const first = ports[0];
    if (check === undefined || first === undefined || !this.#mayRun(row)) {
      this.#checks.remove(row.key);
    } else if (earlier === undefined || !sameCheck(earlier, row)) {
      const service = `${row.registration.namespace}/${row.registration.name}`;
      this.#checks.add(row.key, {
        spec: check,
        target: first.target,
        protocol,
        service,
        instance: row.id,
      });
    }
    return earlier === undefined;
  }

  /**
   * An exec check that was accepted in an earlier life of the agent needs its leave in this one.
   */
  #mayRun({ registration, origin }: Row): boolean {
    const { allowExecChecks } = this.#options;
    return registration.check?.type !== "exec" || origin === "config" || allowExecChecks;
  }

  #drop(row: Row): void {
    row.lease?.cancel();
    this.#checks.remove(row.key);
    this.#rows.delete(row.key);
  }

  #startLease(row: Row): void {
    row.lease?.cancel();
    const { leaseMs } = row.registration;
    if (leaseMs === undefined) return;
    const { clock } = this.#options;
    row.lease = clock.at((clock.now() + leaseMs) as Millis, () => {
      if (this.#rows.get(row.key) !== row) return;
      this.#drop(row);
      this.#options.onEvent?.({ type: "expired", key: row.key });
      void this.#publish();
    });
  }

  #onHealth(key: string, status: CheckStatus): void {
    const { health, message } = status;
    this.#options.onEvent?.({ type: "health", key, health, message });
    void this.#publish();
  }

  #find(service: ServiceKey, id: string): Row {
    const row = this.#rows.get(`${service}/${id}`);
    if (row === undefined) {
      const elsewhere = "an instance of another agent is deregistered there";
      throw new GrapevineError(
        "not_found",
        `no instance "${id}" of ${service} is registered with this agent; ${elsewhere}`,
      );
    }
    return row;
  }

  #describe(row: Row): LocalInstance {
    const { namespace, name, ports, check, leaseMs } = row.registration;
    const checkStatus = check === undefined ? undefined : this.#statusOf(row);
    const health = checkStatus?.health ?? "passing";
    const service = serviceKey(namespace, name);
    const { id, entry, origin, since } = row;
    return {
      namespace,
      name,
      id,
      service,
      entry,
      ports,
      check,
      leaseMs,
      origin,
      health,
      checkStatus,
      since,
    };
  }

  #statusOf(row: Row): CheckStatus {
    const message = "exec checks are not enabled: start the agent with --enable-exec-checks";
    const { since } = row;
    const unknown: CheckStatus = { health: "failing", message, since, checked: undefined };
    return this.#checks.status(row.key) ?? unknown;
  }

  #sorted(): Row[] {
    return [...this.#rows.values()].sort((left, right) => (left.key < right.key ? -1 : 1));
  }

  /** Tells onChange at the end of this event-loop turn; resolves after that. */
  #publish(): Promise<void> {
    this.#published ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        this.#published = undefined;
        try {
          if (!this.#closed) this.#options.onChange(this.#change());
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
    return this.#published;
  }

  #change(): RegistrationsChange {
    const rows = this.#sorted();
    const failing = rows.filter((row) => this.#describe(row).health === "failing");
    return { entries: rows.map((row) => row.entry), failing: failing.map((row) => row.key) };
  }

  async #inOrder<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    const earlier = this.#tails.get(key) ?? Promise.resolve();
    const mine = earlier.then(work, work);
    const settled = mine.catch(() => undefined);
    this.#tails.set(key, settled);
    try {
      return await mine;
    } finally {
      if (this.#tails.get(key) === settled) this.#tails.delete(key);
    }
  }
}

function keyOf(registration: Registration, id: string): string {
  return `${registration.namespace}/${registration.name}/${id}`;
}

function same(left: Row, right: Row): boolean {
  return left.origin === right.origin && sameData(left.registration, right.registration);
}

function sameCheck(left: Row, right: Row): boolean {
  return (
    sameData(left.registration.check, right.registration.check) &&
    sameData(left.registration.ports[0], right.registration.ports[0]) &&
    left.registration.protocol === right.registration.protocol
  );
}

/** Registrations come out of the reader with their fields in one order. */
function sameData(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

function declaredInConfig(key: string, verb: string): string {
  return `${key} is declared in the agent's configuration; ${verb} it there, then reload`;
}
