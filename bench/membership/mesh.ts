/** Real agents as one mesh: how long it takes until all of them agree on something. */
import { join } from "node:path";
import { openSubscription } from "../../cli/subscription.ts";
import { GrapevineError } from "../../core/errors.ts";
import { type AgentProcess, Fleet, get } from "../../test/integration/fleet.ts";
import type { Cluster } from "./cluster.ts";
import type { Lan } from "./lan.ts";
import { Views } from "./views.ts";

export const OWN_NAME = "grapevine";
const POLL_MS = 5;
const TIMEOUT_MS = 60_000;
const CALLERS = 8;
const PASSPHRASE = { GRAPEVINE_CA_PASSPHRASE: "of a benchmark" };

interface MemberRow {
  readonly name: string;
  readonly id: string;
  readonly status: string;
}

interface RequestRow {
  readonly attempts: readonly { readonly agentName: string }[];
}

interface EventRow {
  readonly type: string;
  readonly memberId?: string;
}

export class Mesh implements Cluster, AsyncDisposable {
  readonly subject = OWN_NAME;
  readonly views = new Views();
  readonly agents: AgentProcess[] = [];
  readonly #fleet = new Fleet();
  readonly #lan: Lan | undefined;
  readonly #nameOf = new Map<string, string>();
  /** What was said of agents before their ready lines were read: observer and state. */
  readonly #early = new Map<string, [observer: string, state: string][]>();
  readonly #end = new AbortController();

  private constructor(lan: Lan | undefined) {
    this.#lan = lan;
  }

  /** Development agents on loopback; or one with an identity on each machine of `lan`. */
  static async make(lan?: Lan): Promise<Mesh> {
    const mesh = new Mesh(lan);
    if (lan !== undefined) await mesh.#ca("init", mesh.#file("ca"), "--trust-domain", "bench.test");
    return mesh;
  }

  get names(): string[] {
    return this.agents.map(({ name }) => name);
  }

  async add(name: string): Promise<AgentProcess> {
    const [first] = this.agents;
    const agent = await this.#fleet.agent(name, {
      ...(first === undefined ? {} : { join: first.bind }),
      ...(this.#lan === undefined ? {} : await this.#onMachine(this.#lan, name)),
    });
    this.agents.push(agent);
    this.#nameOf.set(agent.id, name);
    for (const [observer, state] of this.#early.get(agent.id) ?? []) {
      this.#note(observer, agent.id, state);
    }
    this.views.add(name);
    void this.#watch(agent);
    const members = (await this.#fleet.api(agent, "GET", "/v1/members")) as MemberRow[];
    for (const { id, status } of members) this.#note(name, id, status);
    return agent;
  }

  /** kill -9; its place in the list goes too. */
  async kill(agent: AgentProcess): Promise<void> {
    this.signal(agent.name, "SIGKILL");
    await agent.exited;
  }

  signal(name: string, signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    const at = this.agents.findIndex((agent) => agent.name === name);
    this.agents[at]?.child.kill(signal);
    if (signal !== "SIGKILL") return;
    this.agents.splice(at, 1);
    this.views.remove(name);
  }

  /** For each agent, the milliseconds from `since` until it sees these members so. */
  async untilSeen(names: readonly string[], state: string, since: number): Promise<number[]> {
    return await Promise.all(
      this.agents.map((agent) =>
        until(since, `${names.join()} ${state} at ${agent.name}`, async () => {
          const members = (await this.#fleet.api(agent, "GET", "/v1/members")) as MemberRow[];
          const right = members.filter((row) => names.includes(row.name) && row.status === state);
          return right.length === names.length;
        }),
      ),
    );
  }

  async register(agent: AgentProcess, name: string, port: number): Promise<void> {
    const path = `/v1/services/default/${name}/_`;
    await this.#fleet.api(agent, "PUT", path, { ports: [{ port }] });
  }

  /** For each agent, the milliseconds from `since` until a request through it is answered. */
  async untilUsable(name: string, since: number): Promise<number[]> {
    return await Promise.all(
      this.agents.map((agent) =>
        until(since, `${name} usable at ${agent.name}`, async () => {
          const { status } = await get(agent, `http://${name}.mesh/`);
          return status === 200;
        }),
      ),
    );
  }

  /**
   * Asks for the service through one agent, several times at once and again and again, until
   * `quietMs` have passed after `killedAt` in which no attempt went to the instance of `gone`.
   * Gives the milliseconds from `killedAt` to the last request that was sent there; 0 for none.
   */
  async lastRoutedTo(
    gone: string,
    name: string,
    through: AgentProcess,
    killedAt: () => number,
    quietMs = 500,
  ): Promise<{ readonly afterMs: number; readonly failures: number }> {
    let afterMs = 0;
    let failures = 0;
    const askOn = async () => {
      while (!(performance.now() - killedAt() - afterMs > quietMs)) {
        const sentMs = performance.now() - killedAt();
        const { status, headers } = await get(through, `http://${name}.mesh/`);
        if (status !== 200) failures += 1;
        const id = String(headers["grapevine-request-id"]);
        const row = (await this.#fleet.api(through, "GET", `/v1/requests/${id}`)) as RequestRow;
        const wasSent = row.attempts.some(({ agentName }) => agentName === gone);
        if (wasSent && sentMs > afterMs) afterMs = sentMs;
      }
    };
    await Promise.all(Array.from({ length: CALLERS }, askOn));
    return { afterMs, failures };
  }

  async server(): Promise<number> {
    return await this.#fleet.server((_request, response) => response.end("ok"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#fleet[Symbol.asyncDispose]();
  }

  /** Notes what the agent says of others until it ends. */
  async #watch(agent: AgentProcess): Promise<void> {
    const ended = () => new GrapevineError("agent_unreachable", "the agent has ended");
    const stream = openSubscription(agent.socket, "/v1/events", this.#end.signal, ended);
    try {
      for await (const line of stream) {
        const { type, memberId } = JSON.parse(line) as EventRow;
        const [kind, what = ""] = type.split(".");
        if (kind !== "member" || memberId === undefined || what === "leaving") continue;
        this.#note(agent.name, memberId, what === "joined" ? "alive" : what);
      }
    } catch (error) {
      if (!(error instanceof GrapevineError)) throw error;
    }
  }

  #note(observer: string, memberId: string, state: string): void {
    const member = this.#nameOf.get(memberId);
    if (member === undefined) {
      const early = this.#early.get(memberId) ?? [];
      this.#early.set(memberId, [...early, [observer, state]]);
    } else if (member !== observer) this.views.note(observer, member, state);
  }

  /** The options of an agent on the machine with its number, with an identity of this mesh. */
  async #onMachine(lan: Lan, name: string) {
    const at = this.agents.length;
    const identity = this.#file(`${name}.id`);
    await this.#ca("issue", "--ca", this.#file("ca"), "--name", name, "-o", identity);
    return { args: ["--identity", identity], host: lan.address(at), within: lan.within(at) };
  }

  async #ca(...args: readonly string[]): Promise<void> {
    const { code, stderr } = await this.#fleet.command(undefined, ["ca", ...args], PASSPHRASE);
    if (code !== 0) throw new Error(stderr);
  }

  #file(name: string): string {
    return join(this.#fleet.directory, name);
  }
}

async function until(since: number, what: string, ask: () => Promise<boolean>): Promise<number> {
  for (;;) {
    if (await ask()) return performance.now() - since;
    if (performance.now() - since > TIMEOUT_MS) throw new Error(`${what}: not in ${TIMEOUT_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
