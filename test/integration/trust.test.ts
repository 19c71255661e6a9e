/** Real identities: three agents that trust each other, and the strangers whom nobody lets in. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AgentProcess, eventually, Fleet, get } from "./fleet.ts";

interface MemberRow {
  readonly name: string;
  readonly status: string;
}

const fleet = new Fleet();
const PASSPHRASE = { GRAPEVINE_CA_PASSPHRASE: "correct horse" };
const file = (name: string) => join(fleet.directory, name);
let a: AgentProcess;
let b: AgentProcess;

async function ca(...args: string[]): Promise<void> {
  const { code, stderr } = await fleet.command(undefined, ["ca", ...args], PASSPHRASE);
  if (code !== 0) throw new Error(stderr);
}

async function issue(authority: string, name: string, ...args: string[]): Promise<void> {
  await ca("issue", "--ca", file(authority), "--name", name, "-o", file(`${name}.id`), ...args);
}

function start(name: string, seed?: AgentProcess): Promise<AgentProcess> {
  const args = ["--identity", file(`${name}.id`)];
  return fleet.agent(name, { args, ...(seed === undefined ? {} : { join: seed.bind }) });
}

async function alive(agent: AgentProcess): Promise<string[]> {
  const members = (await fleet.api(agent, "GET", "/v1/members")) as MemberRow[];
  return members.filter(({ status }) => status === "alive").map(({ name }) => name);
}

const says = (agent: AgentProcess, text: RegExp) =>
  eventually(
    `${agent.name} logs ${text}`,
    8_000,
    async () => agent.log(),
    (log) => text.test(log),
  );

beforeAll(async () => {
  await ca("init", file("ca"), "--trust-domain", "example.org");
  await ca("init", file("other"), "--trust-domain", "other.org");
  await ca("init", file("twin"), "--trust-domain", "example.org");
  await issue("ca", "a", "--zone", "north");
  await issue("ca", "b", "--services", "default/web");
  a = await start("a");
  b = await start("b", a);
});

afterAll(() => fleet[Symbol.asyncDispose]());

describe("agents with identities of one authority", () => {
  it("find each other and carry requests", async () => {
    const port = await fleet.server((_, response) => response.end("ok"));
    const register = await fleet.command(b, ["register", "web", "--port", String(port)]);
    expect(register).toMatchObject({ code: 0 });
    await eventually(
      "a request through both",
      5_000,
      async () => (await get(a, "http://web.mesh/")).text,
      (text) => text === "ok",
    );
    expect(await alive(a)).toEqual(["a", "b"]);
  });

  it("register only what their certificate lets them offer", async () => {
    const { code, stderr } = await fleet.command(b, ["register", "billing", "--port", "1"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/certificate of b lets it offer default\/web, not default\/billing/);
  });
});

describe("a stranger", () => {
  it("of another trust domain is refused, and both sides say why", async () => {
    await issue("other", "foreign");
    const foreign = await start("foreign", a);
    await says(
      foreign,
      /"level":"warn".*cannot connect to .*another trust domain or cluster than \\"other.org/,
    );
    await says(a, /refused .*another trust domain or cluster than \\"example.org/);
    expect(await alive(a)).toEqual(["a", "b"]);
    expect(await alive(foreign)).toEqual(["foreign"]);
    const { code, stderr } = await fleet.command(foreign, ["join", a.bind]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/another trust domain or cluster than "other.org"/);
  });

  it("of another authority with the same name is refused, and both sides say why", async () => {
    await issue("twin", "impostor");
    const impostor = await start("impostor", a);
    await says(impostor, /"level":"warn".*cannot connect to .*not among this node's roots/);
    await says(a, /refused .*certificate of \\"impostor\\".*not among this node's roots/);
    expect(await alive(a)).toEqual(["a", "b"]);
  });

  it("of another cluster of the same trust domain is refused, and both sides say why", async () => {
    await issue("ca", "blue");
    const args = ["--identity", file("blue.id"), "--cluster", "blue"];
    const blue = await fleet.agent("blue", { args, join: a.bind });
    await says(
      blue,
      /"level":"warn".*cannot connect to .*another trust domain or cluster than \\"example.org\/blue/,
    );
    await says(a, /refused .*another trust domain or cluster than \\"example.org/);
    expect(await alive(a)).toEqual(["a", "b"]);
    expect(await alive(blue)).toEqual(["blue"]);
  });

  it("with the development identity is refused, and both sides say why", async () => {
    const dev = await fleet.agent("dev", { join: a.bind });
    await says(dev, /"level":"warn".*cannot connect to .*another trust domain or cluster than/);
    expect(await alive(a)).toEqual(["a", "b"]);
    expect(await alive(dev)).toEqual(["dev"]);
  });
});

describe("an expired certificate", () => {
  it("keeps an agent from starting, and one that runs out of the mesh", async () => {
    await issue("ca", "brief", "--ttl", "5s");
    const brief = await start("brief", a);
    await eventually(
      "brief is in",
      5_000,
      () => alive(a),
      (names) => names.includes("brief"),
    );
    await eventually(
      "brief is out",
      15_000,
      () => alive(a),
      (names) => !names.includes("brief"),
    );
    await says(a, /refused .*certificate of \\"brief\\" is expired/);
    brief.child.kill("SIGKILL");
    await brief.exited;
    await expect(start("brief", a)).rejects.toThrow(/"brief" is expired since .*issue a new one/);
  });
});
