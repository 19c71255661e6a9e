/**
 * One run of a plan with real agents on this host, in the same phases as in the simulator: they
 * join; faults happen while applications work; everything is healed, and within a bound all must
 * agree again and stay so. Checkers that declare themselves fit for it judge what the agents tell.
 * Whatever way it ends, no process and no file is left.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { NodeId } from "../../../core/types.ts";
import { CHECKERS } from "../../../sim/checkers/all.ts";
import type { Violation } from "../../../sim/checkers/checker.ts";
import { Panel } from "../../../sim/checkers/panel.ts";
import { Measures } from "../../../sim/measures.ts";
import { Paths } from "../../../sim/network/paths.ts";
import type { Plan } from "../../../sim/plan.ts";
import { furnished } from "../../../sim/requests.ts";
import { checkContext } from "../../../sim/simulation.ts";
import type { TraceEvent } from "../../../sim/trace.ts";
import { createAuthority, issueIdentity } from "../../../transport/identity/authority.ts";
import { AgentProcess } from "./agent-process.ts";
import { disagreements, type Listing, takeListings } from "./agreement.ts";
import { Applications } from "./applications.ts";
import { Callers } from "./callers.ts";
import { Dialers } from "./dialers.ts";
import { RealFaults } from "./faults.ts";
import { Journal } from "./journal.ts";
import { Observer } from "./observer.ts";
import { Registrations } from "./registrations.ts";
import { Relay } from "./relay.ts";

export interface RealReport {
  readonly wallMs: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly violations: readonly Violation[];
  /** The checkers that judged it. */
  readonly judged: readonly string[];
  readonly marks: Readonly<Record<string, number>>;
  readonly metrics: Readonly<Record<string, number>>;
}

export interface RealOptions {
  readonly signal: AbortSignal;
  readonly onTrace?: (event: TraceEvent) => void;
  /** Called when something new begins, and every so often. */
  readonly onProgress?: (phase: RealPhase, ms: number) => void;
}

export type RealPhase = "start" | "join" | "faults" | "converge" | "stay";

const TRUST_DOMAIN = "sim";
const SEEDS = 3;
const ADVANCE_MS = 100;
const STEP_MS = 250;
/** As in sim/simulation.ts. */
const STAY_MS = 3_000;
const GRACE_MS = 12_000;

/** Undefined if the signal was aborted before the end. */
export async function runForReal(
  plan: Plan,
  options: RealOptions,
): Promise<RealReport | undefined> {
  const folder = mkdtempSync(join(tmpdir(), "grapevine-real-"));
  const run = new RealRun(plan, folder, options);
  const atExit = () => {
    run.killAll();
    rmSync(folder, { recursive: true, force: true });
  };
  process.once("exit", atExit);
  try {
    return await run.run();
  } catch (error) {
    if (options.signal.aborted) return undefined;
    throw error;
  } finally {
    await run.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    process.off("exit", atExit);
  }
}

class RealRun {
  readonly #plan: Plan;
  readonly #folder: string;
  readonly #options: RealOptions;
  readonly #startedMs = performance.now();
  readonly #panel: Panel;
  readonly #judged: string[] = [];
  readonly #measures: Measures;
  readonly #marks = new Map<string, number>();
  readonly #journal: Journal;
  readonly #relay: Relay;
  readonly #applications: Applications;
  readonly #registrations: Registrations;
  readonly #agents: AgentProcess[] = [];
  readonly #indexes = new Map<NodeId, number>();
  readonly #observers = new Map<AgentProcess, Observer>();
  /** Aborted when the run is over for whatever reason. */
  readonly #over = new AbortController();
  #failure: unknown;
  #phase: RealPhase = "start";
  #callers: Callers | undefined;
  #faults: RealFaults | undefined;
  #advancing: NodeJS.Timeout | undefined;

  constructor(plan: Plan, folder: string, options: RealOptions) {
    this.#plan = plan;
    this.#folder = folder;
    this.#options = options;
    const context = checkContext(plan);
    const fit = CHECKERS.filter((create) => create(context).isFitForReal === true);
    this.#judged = fit.map((create) => create(context).name);
    this.#panel = new Panel(context, fit);
    this.#measures = new Measures(plan.nodes);
    this.#journal = new Journal((event) => {
      this.#panel.onEvent(event);
      this.#measures.onEvent(event);
      options.onTrace?.(event);
    });
    const dialers = new Dialers(() => this.#pids());
    const paths = new Paths(plan.seed, plan.network, (node) => node % plan.zones, {
      get now() {
        return Math.round(performance.now() * 1_000);
      },
    });
    this.#relay = new Relay(paths, dialers, plan.seed);
    const { signal } = this.#over;
    this.#applications = new Applications((node, request, instance) =>
      this.#journal.emit({ kind: "executed", node, request, instance }),
    );
    const { nodes } = plan;
    this.#registrations = new Registrations(nodes, this.#applications, this.#journal, signal);
    options.signal.addEventListener("abort", () => this.#over.abort(), { once: true });
    if (options.signal.aborted) this.#over.abort();
  }

  async run(): Promise<RealReport> {
    await this.#prepare();
    this.#advancing = setInterval(() => {
      this.#journal.advance();
      this.#options.onProgress?.(this.#phase, performance.now() - this.#startedMs);
    }, ADVANCE_MS);
    await this.#join();
    await this.#breakThings();
    const convergedMs = await this.#converge();
    this.#journal.flush();
    this.#panel.atEnd(this.#journal.now());
    const { counts } = this.#callers as Callers;
    return {
      wallMs: Math.round(performance.now() - this.#startedMs),
      faults: sorted(this.#faults?.counts ?? new Map()),
      violations: this.#panel.violations,
      judged: [...this.#judged, "L-M8"],
      marks: sorted(this.#marks),
      metrics: {
        ...this.#measures.detection(),
        convergedMs: convergedMs ?? -1,
        ...{ requests: counts.sent, answered: counts.answered, failed: counts.failed },
      },
    };
  }

  killAll(): void {
    for (const agent of this.#agents) agent.killNow();
  }

  async close(): Promise<void> {
    this.#over.abort();
    clearInterval(this.#advancing);
    this.#faults?.stop();
    this.#callers?.stop();
    await Promise.all(this.#agents.map((agent) => agent.kill()));
    this.#relay.close();
    this.#applications.close();
  }

  async #prepare(): Promise<void> {
    const authority = join(this.#folder, "authority");
    createAuthority(authority, TRUST_DOMAIN, undefined);
    const gates = await Promise.all(
      Array.from({ length: this.#plan.nodes }, async (_, node) => ({
        control: await this.#relay.gate(node),
        link: await this.#relay.gate(node),
      })),
    );
    const seeds = gates.slice(0, SEEDS).map(({ control }) => control.address);
    for (const [node, pair] of gates.entries()) {
      const zone = `z${node % this.#plan.zones}`;
      const name = `n${node}`;
      const { bundle, id } = issueIdentity({
        ...{ dir: authority, passphrase: undefined, name, zone },
      });
      writeFileSync(join(this.#folder, `${name}.id`), bundle, { mode: 0o600 });
      const place = { folder: this.#folder, node, id, zone, gates: pair, seeds };
      const agent = new AgentProcess(place);
      agent.onLost = (account) => this.#fail(new Error(account));
      this.#agents.push(agent);
      this.#indexes.set(id, node);
    }
  }

  async #join(): Promise<void> {
    this.#phase = "join";
    const pauseMs = this.#plan.joinMs / this.#plan.nodes;
    const starts = this.#agents.map(async (agent) => {
      await this.#sleep(agent.node * pauseMs);
      await this.#start(agent, "lost");
      for (const { service, id } of furnished(this.#plan, agent.node)) {
        await this.#registrations.add(agent, service, id);
      }
    });
    await this.#unlessOver(Promise.all(starts));
    const found = await this.#untilAgreed();
    if (found.length > 0) this.#disagree("did not find each other", found);
  }

  async #breakThings(): Promise<void> {
    this.#phase = "faults";
    this.#faults = new RealFaults({
      ...{ plan: this.#plan, agents: this.#agents, relay: this.#relay, journal: this.#journal },
      ...{ applications: this.#applications, registrations: this.#registrations },
      startAgain: async (agent, disk) => {
        if (disk === "lost") this.#registrations.forget(agent);
        await this.#start(agent, disk);
      },
      onFailure: (error) => this.#fail(error),
    });
    this.#callers = new Callers(this.#plan, this.#agents, this.#journal);
    this.#faults.schedule();
    this.#callers.start();
    await this.#sleep(this.#plan.virtualMs);
    this.#callers.stop();
    await this.#unlessOver(this.#faults.heal());
    this.#journal.emit({ kind: "healed", broken: [] });
  }

  /** Milliseconds from the heal to the moment from which all agreed. */
  async #converge(): Promise<number | undefined> {
    this.#phase = "converge";
    const healedMs = performance.now();
    const found = await this.#untilAgreed();
    const sinceMs = performance.now() - healedMs;
    if (found.length > 0) {
      this.#disagree(`do not agree ${Math.round(sinceMs / 1_000)} s after the heal`, found);
    } else {
      this.#phase = "stay";
      await this.#sleep(Math.max(STAY_MS, GRACE_MS - sinceMs));
      this.#disagree("did not stay as they were", await this.#disagreements());
    }
    for (const observer of this.#observers.values()) {
      await observer.catchUp().catch(() => undefined);
    }
    this.#tellSettled(await takeListings(this.#agents));
    return found.length > 0 ? undefined : Math.round(sinceMs);
  }

  /** Empty as soon as all agree; what they disagree about if they never do. */
  async #untilAgreed(): Promise<readonly string[]> {
    const deadline = performance.now() + this.#plan.convergeMs;
    for (;;) {
      const found = await this.#disagreements();
      if (found.length === 0 || performance.now() > deadline) return found;
      await this.#sleep(STEP_MS);
    }
  }

  async #disagreements(): Promise<readonly string[]> {
    try {
      const listings = await this.#unlessOver(takeListings(this.#agents));
      return disagreements(listings, this.#registrations.acknowledged);
    } catch (error) {
      if (this.#over.signal.aborted) throw error;
      return [error instanceof Error ? error.message : String(error)];
    }
  }

  #disagree(what: string, found: readonly string[]): void {
    if (found.length === 0) return;
    this.#panel.violations.push({
      ...{ checker: "L-M8", atMs: this.#journal.now() / 1_000, nodes: [] },
      statement: "after the last fault all nodes agree within the bound, and stay so",
      detail: `the nodes ${what}: ${found.join("; ")}`,
    });
  }

  #tellSettled(listings: readonly Listing[]): void {
    const listed = new Set<string>();
    for (const { agent, root, instances } of listings) {
      const shown = listed.has(root) ? [] : instances;
      listed.add(root);
      this.#journal.emit({
        ...{ kind: "settled", node: agent.node, root, instances: shown, held: undefined },
        unmirrored: [],
      });
    }
  }

  async #start(agent: AgentProcess, disk: "kept" | "lost"): Promise<void> {
    if (this.#over.signal.aborted) return;
    const mark = (name: string) => this.#marks.set(name, (this.#marks.get(name) ?? 0) + 1);
    await agent.start(async (life) => {
      const observer = new Observer(agent, life, this.#journal, this.#indexes, mark);
      this.#observers.set(agent, observer);
      await observer.begin(disk);
    });
  }

  #pids(): ReadonlyMap<number, number> {
    return new Map(
      this.#agents.flatMap(({ pid, node }) => (pid === undefined ? [] : [[pid, node]])),
    );
  }

  #fail(error: unknown): void {
    if (this.#over.signal.aborted) return;
    this.#failure = error;
    this.#over.abort();
  }

  #sleep(ms: number): Promise<void> {
    const { signal } = this.#over;
    return this.#unlessOver(delay(ms, undefined, { signal }));
  }

  /** Rejects as soon as the run is over. */
  #unlessOver<Value>(work: Promise<Value>): Promise<Value> {
    const { signal } = this.#over;
    const why = () => this.#failure ?? new Error("the run was stopped");
    return new Promise((resolve, reject) => {
      const stop = () => reject(why());
      if (signal.aborted) stop();
      signal.addEventListener("abort", stop, { once: true });
      work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
    });
  }
}

function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  return Object.fromEntries([...counts].sort(([one], [other]) => (one < other ? -1 : 1)));
}
