/** Real agents as one mesh: how long it takes until all of them agree on something. */
import { type AgentProcess, Fleet, get } from "../../test/integration/fleet.ts";

const POLL_MS = 5;
const TIMEOUT_MS = 60_000;
const CALLERS = 8;

interface MemberRow {
  readonly name: string;
  readonly status: string;
}

interface RequestRow {
  readonly attempts: readonly { readonly agentName: string }[];
}

export class Mesh implements AsyncDisposable {
  readonly #fleet = new Fleet();
  readonly agents: AgentProcess[] = [];

  async add(name: string): Promise<AgentProcess> {
    const [first] = this.agents;
    const agent = await this.#fleet.agent(name, first === undefined ? {} : { join: first.bind });
    this.agents.push(agent);
    return agent;
  }

  /** kill -9; its place in the list goes too. */
  async kill(agent: AgentProcess): Promise<void> {
    this.agents.splice(this.agents.indexOf(agent), 1);
    agent.child.kill("SIGKILL");
    await agent.exited;
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
    await this.#fleet[Symbol.asyncDispose]();
  }
}

async function until(since: number, what: string, ask: () => Promise<boolean>): Promise<number> {
  for (;;) {
    if (await ask()) return performance.now() - since;
    if (performance.now() - since > TIMEOUT_MS) throw new Error(`${what}: not in ${TIMEOUT_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
