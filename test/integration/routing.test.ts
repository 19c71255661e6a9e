/** Registering and dialling: the whole path over three real agents. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AgentProcess, eventually, Fleet, get } from "./fleet.ts";

interface ServiceRow {
  readonly name: string;
  readonly instances: readonly { readonly id: string; readonly health: string }[];
}

const fleet = new Fleet();
let a: AgentProcess;
let b: AgentProcess;
let c: AgentProcess;

beforeAll(async () => {
  a = await fleet.agent("a");
  [b, c] = (await Promise.all(["b", "c"].map((name) => fleet.agent(name, { join: a.bind })))) as [
    AgentProcess,
    AgentProcess,
  ];
  for (const agent of [b, c]) {
    const port = await fleet.server((request, response) => {
      response.setHeader("x-served-by", agent.name);
      response.end(`${request.method} ${request.url}`);
    });
    const result = await fleet.command(agent, ["register", "web", "--port", String(port)]);
    expect(result).toMatchObject({ code: 0 });
  }
  await known(a, "web", 2);
});

afterAll(() => fleet[Symbol.asyncDispose]());

async function known(agent: AgentProcess, name: string, instances: number): Promise<void> {
  await eventually(
    `${agent.name} knows ${instances} instances of ${name}`,
    5_000,
    async () => (await fleet.api(agent, "GET", "/v1/services")) as ServiceRow[],
    (services) => services.find((service) => service.name === name)?.instances.length === instances,
  );
}

async function servers(count: number, headers: Record<string, string> = {}): Promise<string[]> {
  const names: string[] = [];
  for (let request = 0; request < count; request += 1) {
    const answer = await get(a, "http://web.mesh/hello", headers);
    expect(answer.status).toBe(200);
    names.push(String(answer.headers["x-served-by"]));
  }
  return names;
}

describe("requests without a key", () => {
  it("reach the instances of both other agents", async () => {
    expect(new Set(await servers(40))).toEqual(new Set(["b", "c"]));
  });
});

describe("requests with a key", () => {
  it("always reach the same instance, from every agent", async () => {
    for (const key of ["alice", "bob", "carol", "dave"]) {
      const names = await servers(10, { "grapevine-key": key });
      const other = await get(b, "http://web.mesh/", { "grapevine-key": key });
      expect(new Set([...names, String(other.headers["x-served-by"])]).size).toBe(1);
    }
  });

  it("are spread over the instances", async () => {
    const owners = new Set<string>();
    for (let key = 0; key < 30; key += 1) {
      owners.add((await servers(1, { "grapevine-key": `user-${key}` }))[0] ?? "");
    }
    expect(owners).toEqual(new Set(["b", "c"]));
  });
});

describe("one instance by name", () => {
  it("is reached by its four labels", async () => {
    const services = (await fleet.api(a, "GET", "/v1/services")) as ServiceRow[];
    for (const { id } of services.find(({ name }) => name === "web")?.instances ?? []) {
      const answer = await get(a, `http://${id}.web.default.mesh/`);
      expect(answer.status).toBe(200);
      expect(id.startsWith(String(answer.headers["x-served-by"]))).toBe(true);
    }
  });
});

describe("names outside the mesh", () => {
  it("pass through the same proxy and are counted", async () => {
    const port = await fleet.server((_, response) => response.end("outside"));
    const answer = await get(a, `http://127.0.0.1:${port}/`);
    expect(answer).toMatchObject({ status: 200, text: "outside" });
    const [record] = (await fleet.api(a, "GET", "/v1/requests?last=1")) as [
      { destination: string },
    ];
    expect(record.destination).toBe("outside");
  });

  it("are refused where egress is denied", async () => {
    const port = await fleet.server((_, response) => response.end("outside"));
    const closed = await fleet.agent("closed", { join: a.bind, args: ["--egress", "deny"] });
    const answer = await get(closed, `http://127.0.0.1:${port}/`);
    expect(answer.status).toBe(403);
    expect(answer.headers["grapevine-error"]).toMatch(/^egress_denied; /);
    await fleet.command(closed, ["leave"]);
  });
});

describe("what cannot be routed", () => {
  it("is answered with a code and an explanation", async () => {
    const answer = await get(a, "http://nothing.mesh/");
    expect(answer.status).toBe(404);
    expect(answer.headers["grapevine-error"]).toMatch(/^unknown_service; /);
    const wrongPort = await get(a, "http://web.mesh:81/");
    expect(wrongPort.headers["grapevine-error"]).toMatch(/^unknown_service; .*80/);
  });
});

describe("explain", () => {
  it("tells candidates and attempts of a request by the id in its answer", async () => {
    const answer = await get(a, "http://web.mesh/explained");
    const id = String(answer.headers["grapevine-request-id"]);
    const result = await fleet.command(a, ["explain", id, "--json"]);
    const record = JSON.parse(result.stdout) as {
      service: string;
      path: string;
      attempts: { instance: string; outcome: string }[];
      candidates: { verdict: string }[];
    };
    expect(record).toMatchObject({ service: "default/web", path: "/explained" });
    expect(record.attempts).toMatchObject([{ outcome: "answered" }]);
    expect(record.candidates.filter(({ verdict }) => verdict === "chosen")).toHaveLength(1);
  });
});

describe("an instance with a check", () => {
  it("takes no traffic until its first success, and none after it fails", async () => {
    let isHealthy = false;
    const port = await fleet.server((request, response) => {
      response.statusCode = request.url === "/health" && !isHealthy ? 500 : 200;
      response.end();
    });
    const registered = await fleet.command(b, [
      ...["register", "checked", "--port", String(port)],
      ...["--check", "http:/health", "--check-interval", "100ms"],
    ]);
    expect(registered.code).toBe(0);
    await known(a, "checked", 1);
    expect((await get(a, "http://checked.mesh/")).headers["grapevine-error"]).toMatch(
      /^no_instance; /,
    );
    const answers = (status: number) =>
      eventually(
        `an answer with ${status}`,
        5_000,
        async () => (await get(a, "http://checked.mesh/")).status,
        (seen) => seen === status,
      );
    isHealthy = true;
    await answers(200);
    isHealthy = false;
    await answers(503);
  });
});

describe("a forwarded port", () => {
  it("leads to its service until it is removed", async () => {
    const added = await fleet.command(a, ["forward", "web", "127.0.0.1:0", "--json"]);
    expect(added.code).toBe(0);
    const { listen } = JSON.parse(added.stdout) as { listen: string };
    const viaForward = { ...a, proxy: listen };
    expect((await get(viaForward, "http://anything/")).status).toBe(200);
    const removed = await fleet.command(a, ["forward", "web", listen, "--remove"]);
    expect(removed.code).toBe(0);
    await expect(get(viaForward, "http://anything/")).rejects.toThrow("ECONNREFUSED");
  });
});

describe("an instance id that another agent holds", () => {
  it("is refused with the name of that agent", async () => {
    const args = ["register", "single", "--port", "1", "--instance", "one"];
    expect((await fleet.command(b, args)).code).toBe(0);
    await known(c, "single", 1);
    const second = await fleet.command(c, args);
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(/registered on agent b/);
  });
});
