import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { DecisionRecord } from "../../core/record.ts";
import { FakeAgent, grapevine } from "./terminal.ts";

const MEMBER = {
  name: "a",
  id: "12D3KooWA",
  status: "alive",
  leaving: false,
  self: true,
  bind: "127.0.0.1:7946",
  link: "127.0.0.1:7947",
  zone: "north",
  region: "",
  epoch: 1,
  incarnation: 0,
  version: "0.1.0",
  sinceMs: 61_000,
};
const INSTANCE = {
  id: "a-8080",
  agent: "a",
  address: "127.0.0.1:8080",
  version: "",
  weight: 1,
  tags: { team: "x" },
  health: "passing",
  ageMs: 10,
  breaker: "closed",
  zone: "",
  conflict: false,
};
const SERVICE = {
  namespace: "default",
  name: "web",
  protocol: "http",
  ports: [80],
  instances: [INSTANCE],
};
const LOCAL = {
  ...{ namespace: "default", name: "web", id: "a-8080", protocol: "http" },
  ...{ address: "127.0.0.1:8080", ports: [{ servicePort: 80, address: "127.0.0.1:8080" }] },
  ...{ health: "passing" },
};
const STATUS = {
  ...{ pid: 42, name: "a", id: "12D3KooWA", version: "0.1.0", uptimeMs: 5_000, ready: true },
  ...{ draining: false, members: { alive: 1, suspect: 0, dead: 0, left: 0 }, services: 1 },
  ...{ links: 0, zone: "", region: "" },
  addresses: { bind: "127.0.0.1:7946", proxy: "127.0.0.1:15001", dns: "off" },
};

describe("what is listed", () => {
  it.each([
    ["members", "/v1/members", [MEMBER], ["a (this agent)", "alive", "1m", "north"]],
    ["services", "/v1/services", [SERVICE], ["web", "1/1", "http"]],
    ["status", "/v1/status", STATUS, ["pid 42", "ready, for 5s", "1 alive", "127.0.0.1:15001"]],
    [
      "forward",
      "/v1/forwards",
      [{ service: "default/web", listen: "127.0.0.1:9", port: 80 }],
      ["127.0.0.1:9"],
    ],
  ])("by %s comes as a table, or as the API's JSON", async (name, path, body, texts) => {
    await using agent = await FakeAgent.start({ [`GET ${path}`]: { body } });
    const text = await agent.run([name]);
    expect([text.code, text.err]).toEqual([0, ""]);
    for (const part of texts) expect(text.out).toContain(part);
    const json = await agent.run([name, "--json"]);
    expect(JSON.parse(json.out)).toEqual(body);
  });

  it("has no empty columns, and colours where they are seen", async () => {
    await using agent = await FakeAgent.start({ "GET /v1/members": { body: [MEMBER] } });
    expect((await agent.run(["members"])).out).not.toContain("REGION");
    expect((await agent.run(["members"], { colours: true })).out).toContain("<green>alive</green>");
  });

  it("cannot move the cursor or forge lines", async () => {
    const evil = { ...MEMBER, name: "x\u001b[2J\ny\u202e" };
    await using agent = await FakeAgent.start({ "GET /v1/members": { body: [evil] } });
    const { out } = await agent.run(["members"]);
    expect(out.split("\n")).toHaveLength(3);
    for (const character of ["\u001b", "\u202e"]) expect(out).not.toContain(character);
  });

  it("of one service are its instances, in JSON still a list", async () => {
    await using agent = await FakeAgent.start({
      "GET /v1/services/default/web": { body: SERVICE },
    });
    expect((await agent.run(["services", "web"])).out).toContain("a-8080");
    expect(JSON.parse((await agent.run(["services", "web", "--json"])).out)).toEqual([SERVICE]);
  });
});

describe("register", () => {
  const routes = {
    "PUT /v1/services/default/web/_": { status: 201, body: LOCAL },
    "PUT /v1/services/shop/db/one": { status: 200, body: { ...LOCAL, protocol: "tcp" } },
  };

  it("sends what the flags say", async () => {
    await using agent = await FakeAgent.start(routes);
    const first = await agent.run(["register", "web", "--port", "8080"]);
    expect(first).toEqual({
      code: 0,
      out: "registered web/a-8080 at 127.0.0.1:8080, dialled as http://web.mesh/\n",
      err: "",
    });
    const flags =
      "--port 1:5432 --port 2 --instance one --protocol tcp --version v2 --weight 0 --tag a=b --check exec:echo --check-interval 2s";
    await agent.run(["register", "shop/db", ...flags.split(" ")]);
    expect(agent.received.map(({ body }) => body)).toEqual([
      { ports: [{ port: 8080 }] },
      {
        ports: [{ port: 1, servicePort: 5432 }, { port: 2 }],
        protocol: "tcp",
        version: "v2",
        weight: 0,
        tags: { a: "b" },
        check: { type: "exec", command: "echo", intervalMs: 2_000 },
      },
    ]);
  });

  it.each([
    ["http:/healthz", { type: "http", path: "/healthz" }],
    ["http", { type: "http", path: "/" }],
    ["tcp", { type: "tcp" }],
    ["grpc", { type: "grpc" }],
    ["grpc:my.Service", { type: "grpc", service: "my.Service" }],
    ["ttl", { type: "ttl" }],
    ["exec:a b:c", { type: "exec", command: "a b:c" }],
  ])("reads --check %s", async (check, body) => {
    await using agent = await FakeAgent.start(routes);
    await agent.run(["register", "web", "--port", "1", "--check", check]);
    expect(agent.received[0]?.body).toMatchObject({ check: body });
  });

  it.each([
    ["web", "where does the instance listen?"],
    ["web --port 1 --address a:1", "give only one of --port and --address"],
    ["web --port 0", "--port: expects a whole number from 1 to 65535"],
    ["web --port http", "--port: expects PORT or PORT:SERVICE_PORT"],
    ["web --address x", "--address: expects HOST:PORT"],
    ["web --unix web.sock", '--unix: "web.sock" is not an absolute path'],
    ["Web --port 1", '"Web" is not a service name'],
    ["web --port 1 --instance A", '--instance: "A" is not a DNS label'],
    ["web --port 1 --protocol https", '--protocol: expects http, h2c, grpc or tcp, not "https"'],
    ["web --port 1 --weight x", "--weight: expects a whole number"],
    ["web --port 1 --tag x", "--tag: expects KEY=VALUE"],
    ["web --port 1 --check htp:/x", "did you mean http?"],
    ["web --port 1 --check exec:", "--check: expects"],
    ["web --port 1 --check-interval 1s", "--check-interval needs --check"],
    ["web --port 1 --check tcp --check-interval 1", "--check-interval: expects a duration"],
  ])("says what is wrong with %j and asks nobody", async (text, message) => {
    const { code, out, err } = await grapevine(["register", ...text.split(" ")]);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(message);
  });
});

describe("deregister", () => {
  it("takes back the only instance of this agent", async () => {
    const other = { ...INSTANCE, id: "b-1", agent: "b" };
    await using agent = await FakeAgent.start({
      "GET /v1/services/default/web": { body: { ...SERVICE, instances: [INSTANCE, other] } },
      "GET /v1/status": { body: STATUS },
      "DELETE /v1/services/default/web/a-8080": { body: LOCAL },
    });
    expect((await agent.run(["deregister", "web"])).out).toBe("deregistered web/a-8080\n");
  });

  it("asks which one if there are several", async () => {
    const instances = [INSTANCE, { ...INSTANCE, id: "a-2" }];
    await using agent = await FakeAgent.start({
      "GET /v1/services/default/web": { body: { ...SERVICE, instances } },
      "GET /v1/status": { body: STATUS },
    });
    const { code, err } = await agent.run(["deregister", "web"]);
    expect(code).toBe(2);
    expect(err).toContain("web has 2 instances on this agent (a-8080, a-2)");
  });
});

describe("orders to the agent", () => {
  it.each([
    ["join [::1]:7946", "POST /v1/join", { address: "[::1]:7946" }],
    ["forget b", "DELETE /v1/members/b", undefined],
    [
      "forward web 127.0.0.1:9",
      "PUT /v1/forwards",
      { service: "default/web", listen: "127.0.0.1:9" },
    ],
    ["forward web --remove", "DELETE /v1/forwards", { service: "default/web" }],
    ["reload", "POST /v1/reload", undefined],
  ])("%s", async (text, route, body) => {
    const answer = { changed: ["zone"], ignored: ["bind"] };
    await using agent = await FakeAgent.start({ [route]: { body: answer } });
    const { code, out } = await agent.run(text.split(" "));
    expect(code).toBe(0);
    expect(out).not.toBe("");
    expect(agent.received[0]?.body).toEqual(body);
    const json = await agent.run([...text.split(" "), "--json"]);
    expect(JSON.parse(json.out)).toEqual(answer);
  });

  it.each([
    ["join x"],
    ["join 10.0.0.1:0"],
    ["forward web"],
    ["forward web x"],
    ["forward --remove"],
  ])("%s is wrong usage", async (text) => {
    expect((await grapevine(text.split(" "))).code).toBe(2);
  });

  it("leave returns when the agent is gone", async () => {
    const agent = await FakeAgent.start({
      "GET /v1/status": { body: STATUS },
      "POST /v1/leave": () => {
        setTimeout(() => agent.close(), 100);
        return { body: { left: true } };
      },
    });
    await using _closing = agent;
    const { code, out } = await agent.run(["leave"]);
    expect([code, out]).toEqual([0, "the agent has left the mesh\n"]);
    expect((await agent.run(["status"])).code).toBe(1);
  });
});

describe("explain", () => {
  const record = {
    ...{ id: "00f067aa0ba902b7", startedWallMs: 1_800_000_000_000, durationMs: 12.34 },
    ...{ listener: "proxy", remote: "127.0.0.1:5", caller: null, kind: "http", method: "GET" },
    ...{ authority: "web.mesh", path: "/x", traceparent: null, destination: "mesh" },
    ...{ service: "default/web", port: 80, named: null, key: "k", viewVersion: 3, ringVersion: 1 },
    preference: ["a-1", "b-1"],
    candidates: [
      {
        attempt: 1,
        instance: "a-1",
        agent: "12D3A",
        agentName: "a",
        rank: 0,
        verdict: "breaker_open",
      },
      { attempt: 1, instance: "b-1", agent: "12D3B", agentName: "b", rank: 1, verdict: "chosen" },
    ],
    attempts: [
      {
        ...{ number: 1, instance: "b-1", agent: "12D3B", agentName: "b", rank: 1 },
        ...{ reason: "fallback", breaker: "closed", startMs: 0, headMs: 5, endMs: 12 },
        ...{ outcome: "answered", status: 200, error: null, errorMessage: null, executed: null },
      },
    ],
    ...{ notRepeated: null, retryTokens: 9.5, requestBytes: 0, responseBytes: 5, headMs: 5 },
    ...{ outcome: "answered", status: 200, error: null, errorMessage: null, executed: null },
  };
  const typed = record as unknown as DecisionRecord;

  it("tells the way of one request", async () => {
    await using agent = await FakeAgent.start({
      "GET /v1/requests/00f067aa0ba902b7": { body: typed },
    });
    const { out } = await agent.run(["explain", typed.id]);
    for (const text of [
      "GET web.mesh/x",
      "answered 200",
      "breaker open",
      "chosen",
      'key "k" prefers a-1, b-1',
    ]) {
      expect(out).toContain(text);
    }
    const json = await agent.run(["explain", typed.id, "--json"]);
    expect(JSON.parse(json.out)).toEqual(record);
  });

  it("tells the last ones", async () => {
    await using agent = await FakeAgent.start({
      "GET /v1/requests?last=2": {
        body: [
          { ...typed, id: "new" },
          { ...typed, id: "old" },
        ],
      },
    });
    const { out } = await agent.run(["explain", "--last", "2"]);
    expect(out.indexOf("old GET")).toBeLessThan(out.indexOf("new GET"));
    expect(JSON.parse((await agent.run(["explain", "--last", "2", "--json"])).out)).toHaveLength(2);
  });

  it.each([[["explain"]], [["explain", "x", "--last", "1"]], [["explain", "--last", "0"]]])(
    "%j is wrong usage",
    async (args) => {
      expect((await grapevine(args)).code).toBe(2);
    },
  );
});

describe("streams", () => {
  const event = JSON.stringify({
    seq: 1,
    time: "2026-11-22T10:00:00.000Z",
    type: "member.dead",
    member: "b",
  });

  it("print events line by line until the agent stops", async () => {
    await using agent = await FakeAgent.start({}, (path, webSocket) => {
      expect(path).toBe("/v1/events");
      for (let at = 0; at < 1_000; at += 1) webSocket.send(event);
      webSocket.close(1001);
    });
    const json = await agent.run(["events", "--json"]);
    expect(json.code).toBe(0);
    expect(json.out).toBe(`${event}\n`.repeat(1_000));
    const text = await agent.run(["events"]);
    expect(text.out.split("\n")[0]).toBe("10:00:00.000  member.dead           member=b");
  });

  it("end without an error when nobody reads any more", async () => {
    const stop = new AbortController();
    await using agent = await FakeAgent.start({}, (_path, webSocket) => webSocket.send(event));
    const options = { signal: stop.signal, onOut: () => stop.abort() };
    expect(await agent.run(["events"], options)).toMatchObject({ code: 0, err: "" });
  });

  it("say so when they break off", async () => {
    await using agent = await FakeAgent.start({}, (_path, webSocket) => webSocket.terminate());
    const { code, err } = await agent.run(["monitor", "--level", "debug"]);
    expect(code).toBe(1);
    expect(err).toContain("the agent ended the stream");
  });

  it("show the log for people", async () => {
    const line = JSON.stringify({
      time: "2026-11-22T10:00:00.000Z",
      level: "warn",
      msg: "hello",
      peer: "b",
    });
    await using agent = await FakeAgent.start({}, (path, webSocket) => {
      expect(path).toBe("/v1/logs?level=info");
      webSocket.send(line);
      webSocket.close(1000);
    });
    expect((await agent.run(["monitor"])).out).toBe("10:00:00.000 WARN  hello peer=b\n");
    expect((await agent.run(["monitor", "--level", "loud"])).code).toBe(2);
  });
});

describe("when something is wrong with the agent", () => {
  it("names the socket and how to start one", async () => {
    const env = { GRAPEVINE_SOCKET: "/nonexistent/agent.sock" };
    const { code, out, err } = await grapevine(["members"], { env });
    expect([code, out]).toEqual([1, ""]);
    expect(err).toContain("no agent is running at /nonexistent/agent.sock");
    expect(err).toContain("grapevine agent --dev");
  });

  it("says that a file is no socket", async () => {
    const file = join(tmpdir(), `grapevine-file-${process.pid}`);
    writeFileSync(file, "");
    const { code, err } = await grapevine(["members", "--socket", file]);
    expect(code).toBe(1);
    expect(err).toContain(file);
  });

  it("shows the problem and the remedy that it answers", async () => {
    await using agent = await FakeAgent.start({});
    const { code, err } = await agent.run(["services", "web"]);
    expect(code).toBe(1);
    expect(err).toBe("grapevine: nothing is there\n  look elsewhere\n");
    const json = await agent.run(["services", "web", "--json"]);
    expect(JSON.parse(json.out)).toMatchObject({ error: { code: "not_found" } });
  });
});

describe("completion", () => {
  const candidates = async (agent: FakeAgent, ...words: string[]) =>
    (await agent.run(["__complete", ...words])).out.trimEnd().split("\n");

  it("knows commands, flags, words and live names", async () => {
    await using agent = await FakeAgent.start({
      "GET /v1/services": { body: [SERVICE, { ...SERVICE, namespace: "shop", name: "db" }] },
      "GET /v1/members": { body: [MEMBER] },
    });
    expect(await candidates(agent, "re")).toEqual(["register", "reload"]);
    expect(await candidates(agent, "ca", "")).toEqual(["init", "inspect", "issue"]);
    expect(await candidates(agent, "register", "web", "--prot")).toEqual(["--protocol"]);
    expect(await candidates(agent, "register", "web", "--protocol", "h")).toEqual(["h2c", "http"]);
    expect(await candidates(agent, "services", "")).toEqual(["shop/db", "web"]);
    expect(await candidates(agent, "deregister", "web", "--instance", "")).toEqual(["a-8080"]);
    expect(await candidates(agent, "forget", "")).toEqual(["a"]);
    expect(await candidates(agent, "agent", "--config", "")).toEqual([":file"]);
    expect(await candidates(agent, "run", "web", "--", "no")).toEqual([":file"]);
  });

  it("works in bash, also behind an equals sign", () => {
    const cli = fileURLToPath(new URL("../../cli/grapevine.js", import.meta.url));
    const words = (line: string) => {
      const script = `
        grapevine() { "${process.execPath}" "${cli}" "$@"; }
        eval "$(grapevine completion bash)"
        COMP_WORDS=(${line}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _grapevine
        printf '%s\\n' "\${COMPREPLY[@]}"`;
      return execFileSync("bash", ["-c", script], { encoding: "utf8" }).trim().split("\n");
    };
    expect(words("grapevine ca in")).toEqual(["init", "inspect"]);
    expect(words("grapevine register web --protocol = h")).toEqual(["h2c", "http"]);
  });

  it("prints nothing into the line if the agent is away", async () => {
    const env = { GRAPEVINE_SOCKET: "/nonexistent/agent.sock" };
    expect(await grapevine(["__complete", "services", ""], { env })).toEqual({
      code: 1,
      out: "",
      err: "",
    });
  });

  it("has a script for each shell", async () => {
    for (const shell of ["bash", "zsh", "fish"]) {
      const { code, out } = await grapevine(["completion", shell]);
      expect(code).toBe(0);
      expect(out).toContain("__complete");
    }
    expect((await grapevine(["completion", "tcsh"])).code).toBe(2);
  });
});
