/** Killing, restarting and leaving: what an application notices, and what the mesh believes. */
import { cpSync } from "node:fs";
import * as http from "node:http";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type AgentProcess, type Answer, eventually, Fleet, get } from "./fleet.ts";

interface MemberRow {
  readonly name: string;
  readonly id: string;
  readonly status: string;
  readonly epoch: number;
}

const RATE_PER_SECOND = 500;

async function meshOf(fleet: Fleet, names: readonly string[]): Promise<AgentProcess[]> {
  const first = await fleet.agent(names[0] ?? "a");
  const others = names.slice(1).map((name) => fleet.agent(name, { join: first.bind }));
  const agents = [first, ...(await Promise.all(others))];
  await Promise.all(agents.map((agent) => sees(fleet, agent, "alive", agents.length)));
  return agents;
}

function sees(fleet: Fleet, agent: AgentProcess, status: string, count: number) {
  return eventually(
    `${agent.name} sees ${count} members ${status}`,
    10_000,
    async () => (await fleet.api(agent, "GET", "/v1/members")) as MemberRow[],
    (members) => members.filter((member) => member.status === status).length === count,
  );
}

async function offer(fleet: Fleet, agent: AgentProcess, service: string): Promise<void> {
  const port = await fleet.server((_, response) => {
    response.setHeader("x-served-by", agent.name);
    response.end("ok");
  });
  await fleet.api(agent, "PUT", `/v1/services/default/${service}/${agent.name}`, {
    ports: [{ port }],
  });
}

async function reaches(agent: AgentProcess, url: string, by: readonly string[]): Promise<void> {
  const seen = new Set<string>();
  await eventually(
    `${url} is served by ${by}`,
    5_000,
    async () => {
      seen.add(String((await get(agent, url)).headers["x-served-by"]));
      return [...seen];
    },
    () => by.every((name) => seen.has(name)),
  );
}

/** An open loop of plain GETs that are never repeated; `stop` gives every outcome. */
function load(agent: AgentProcess, url: string): () => Promise<(Answer | Error)[]> {
  const connections = new http.Agent({ keepAlive: true, maxSockets: 64 });
  const pending: Promise<Answer | Error>[] = [];
  const startedAt = performance.now();
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) / 1_000) * RATE_PER_SECOND;
    while (pending.length < due) {
      pending.push(get(agent, url, {}, connections).catch((error: Error) => error));
    }
  }, 2);
  return async () => {
    clearInterval(timer);
    const outcomes = await Promise.all(pending);
    connections.destroy();
    return outcomes;
  };
}

function failures(outcomes: readonly (Answer | Error)[]): string[] {
  return outcomes
    .filter((outcome) => outcome instanceof Error || outcome.status !== 200)
    .map((outcome) =>
      outcome instanceof Error
        ? outcome.message
        : `${outcome.status} ${outcome.headers["grapevine-error"]}`,
    );
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe("an agent that is killed", () => {
  it("costs no request, is declared dead everywhere, and comes back under its identity", async () => {
    await using fleet = new Fleet();
    const [a, b, c] = (await meshOf(fleet, ["a", "b", "c"])) as [
      AgentProcess,
      AgentProcess,
      AgentProcess,
    ];
    await offer(fleet, b, "web");
    await offer(fleet, c, "web");
    await reaches(a, "http://web.mesh/", ["b", "c"]);
    const stop = load(a, "http://web.mesh/");
    await pause(500);
    c.child.kill("SIGKILL");
    await Promise.all([a, b].map((agent) => sees(fleet, agent, "dead", 1)));
    await pause(300);
    const outcomes = await stop();
    expect(failures(outcomes)).toEqual([]);
    expect(outcomes.length).toBeGreaterThan(300);

    const again = await fleet.agent("c", { join: a.bind });
    expect(again.id).toBe(c.id);
    await Promise.all([a, b].map((agent) => sees(fleet, agent, "alive", 3)));
    await reaches(a, "http://web.mesh/", ["c"]);
  });
});

describe("an agent that leaves under load", () => {
  it("loses none of its requests and is seen to have left", async () => {
    await using fleet = new Fleet();
    const [a, b, c] = (await meshOf(fleet, ["a", "b", "c"])) as [
      AgentProcess,
      AgentProcess,
      AgentProcess,
    ];
    await offer(fleet, b, "web");
    await offer(fleet, c, "web");
    await reaches(a, "http://web.mesh/", ["b", "c"]);
    const stop = load(a, "http://web.mesh/");
    await pause(700);
    c.child.kill("SIGTERM");
    expect(await c.exited).toBe(0);
    await sees(fleet, a, "left", 1);
    await pause(300);
    const outcomes = await stop();
    expect(failures(outcomes)).toEqual([]);
    expect(outcomes.length).toBeGreaterThan(300);
  });
});

describe("an agent that leaves while its instance is at work", () => {
  it("lets the instance ask other services until the request is answered", async () => {
    await using fleet = new Fleet();
    const [a, b] = (await meshOf(fleet, ["a", "b"])) as [AgentProcess, AgentProcess];
    await offer(fleet, a, "orders");
    await offer(fleet, b, "stock");
    const begun = Promise.withResolvers<void>();
    const port = await fleet.server((_, response) => {
      begun.resolve();
      void eventually(
        "b drains",
        5_000,
        async () => ((await fleet.api(b, "GET", "/v1/status")) as { draining: boolean }).draining,
        (draining) => draining,
      )
        .then(() => pause(100))
        .then(() => Promise.all(["orders", "stock"].map((name) => get(b, `http://${name}.mesh/`))))
        .then(
          (answers) => response.end(answers.map(({ headers }) => headers["x-served-by"]).join(" ")),
          (error: Error) => response.writeHead(502).end(error.message),
        );
    });
    await fleet.api(b, "PUT", "/v1/services/default/shop/b", { ports: [{ port }] });
    await reaches(b, "http://orders.mesh/", ["a"]);
    await eventually(
      "a knows the shop",
      5_000,
      async () => (await fleet.api(a, "GET", "/v1/services")) as unknown[],
      (services) => services.length === 3,
    );
    const answer = get(a, "http://shop.mesh/");
    await begun.promise;
    b.child.kill("SIGTERM");
    expect(await answer).toMatchObject({ status: 200, text: "a b" });
    expect(await b.exited).toBe(0);
  });
});

describe("an agent that leaves under the load of its own clients", () => {
  it("finishes what they have begun, and then refuses connections", async () => {
    await using fleet = new Fleet();
    const [a, b] = (await meshOf(fleet, ["a", "b"])) as [AgentProcess, AgentProcess];
    await offer(fleet, b, "web");
    await reaches(a, "http://web.mesh/", ["b"]);
    const stop = load(a, "http://web.mesh/");
    await pause(500);
    a.child.kill("SIGTERM");
    expect(await a.exited).toBe(0);
    const outcomes = await stop();
    const closed = /ECONNREFUSED|ECONNRESET|socket hang up/;
    expect(failures(outcomes).filter((failure) => !closed.test(failure))).toEqual([]);
    expect(outcomes.filter((outcome) => !(outcome instanceof Error)).length).toBeGreaterThan(100);
  });
});

describe("an instance that is killed", () => {
  it("costs no request while another one is there", async () => {
    await using fleet = new Fleet();
    const [a, b] = (await meshOf(fleet, ["a", "b"])) as [AgentProcess, AgentProcess];
    await offer(fleet, a, "web");
    const server = http.createServer((_, response) => {
      response.setHeader("x-served-by", b.name);
      response.end("ok");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    await fleet.api(b, "PUT", "/v1/services/default/web/b", { ports: [{ port }] });
    await reaches(a, "http://web.mesh/", ["a", "b"]);
    const stop = load(a, "http://web.mesh/");
    await pause(500);
    server.closeAllConnections();
    server.close();
    await pause(500);
    expect(failures(await stop())).toEqual([]);
  });
});

describe("registrations", () => {
  it("survive kill -9 of their agent", async () => {
    await using fleet = new Fleet();
    const a = await fleet.agent("a");
    await offer(fleet, a, "kept");
    a.child.kill("SIGKILL");
    await a.exited;
    const again = await fleet.agent("a");
    expect((await get(again, "http://kept.mesh/")).status).toBe(200);
    expect((await fleet.command(again, ["deregister", "kept", "--instance", "a"])).code).toBe(0);
    again.child.kill("SIGKILL");
    await again.exited;
    const third = await fleet.agent("a");
    expect((await get(third, "http://kept.mesh/")).status).toBe(404);
  });
});

describe("a clone of a data directory", () => {
  it("is found out, and one of the two stops with a clear message", async () => {
    await using fleet = new Fleet();
    const [a, b] = (await meshOf(fleet, ["a", "b"])) as [AgentProcess, AgentProcess];
    cpSync(b.dataDir, join(fleet.directory, "clone"), { recursive: true });
    const clone = await fleet.agent("clone", { join: a.bind });
    expect(clone.id).toBe(b.id);
    // Both have just started: either may be the one that stops.
    const stopped = await Promise.race([b, clone].map((each) => each.exited.then(() => each)));
    expect(await stopped.exited).toBe(1);
    expect(stopped.log()).toMatch(/another agent runs with the identity of this one/);
    await sees(fleet, a, "alive", 2);
  });
});
