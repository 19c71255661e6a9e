import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { programEnvironment } from "../../cli/commands/run.ts";
import { FakeAgent } from "./terminal.ts";

const CLI = fileURLToPath(new URL("../../cli/grapevine.js", import.meta.url));
const INSTANCE = "/v1/services/default/web/a-8080";

async function fakeAgent(onDelete: () => void = () => undefined): Promise<FakeAgent> {
  const body = { id: "a-8080" };
  return await FakeAgent.start({
    "GET /v1/status": { body: { addresses: { proxy: "127.0.0.1:15001" } } },
    "PUT /v1/services/default/web/_": { status: 201, body },
    [`DELETE ${INSTANCE}`]: () => {
      onDelete();
      return { body };
    },
  });
}

interface Running {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly errors: () => string;
  readonly ended: Promise<{ code: number | null }>;
}

/** `grapevine run web …` as a process, with a program in JavaScript. */
function start(agent: FakeAgent, program: string, ...flags: string[]): Running {
  const args = [
    CLI,
    "run",
    "web",
    "--port",
    "8080",
    ...flags,
    "--",
    process.execPath,
    "-e",
    program,
  ];
  const env = { ...process.env, GRAPEVINE_SOCKET: agent.socket, http_proxy: "http://old:1" };
  const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  child.stdout?.on("data", (chunk) => {
    output += String(chunk);
  });
  child.stderr?.on("data", (chunk) => {
    errors += String(chunk);
  });
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null }));
  return { child, output: () => output, errors: () => errors, ended };
}

async function until(running: Running, text: string): Promise<void> {
  while (!running.output().includes(text)) await once(running.child.stdout as never, "data");
}

const asked = (agent: FakeAgent) => agent.received.map(({ method, path }) => `${method} ${path}`);

describe("run", () => {
  it("registers with a lease, runs, takes it back and exits with the program's code", async () => {
    await using agent = await fakeAgent();
    const program =
      "const e = process.env; console.log(e.http_proxy, e.GRAPEVINE_SERVICE, e.GRAPEVINE_INSTANCE); process.exit(7)";
    const running = start(agent, program);
    expect(await running.ended).toEqual({ code: 7 });
    expect(running.output()).toBe("http://127.0.0.1:15001 default/web a-8080\n");
    expect(running.errors()).toBe("");
    expect(asked(agent)).toEqual([
      "GET /v1/status",
      "PUT /v1/services/default/web/_",
      `DELETE ${INSTANCE}`,
    ]);
    expect(agent.received[1]?.body).toEqual({
      ports: [{ port: 8080 }],
      check: { type: "tcp", intervalMs: 1_000 },
      leaseMs: 10_000,
    });
  });

  it("takes the registration back before the program hears the signal", async () => {
    const order: string[] = [];
    await using agent = await fakeAgent(() => order.push("deregistered"));
    const program =
      'process.on("SIGTERM", () => { console.log("told"); process.exit(3); }); console.log("up"); setInterval(() => {}, 1000)';
    const running = start(agent, program);
    await until(running, "up\n");
    running.child.stdout?.on("data", (chunk) => {
      if (String(chunk).includes("told")) order.push("told");
    });
    running.child.kill("SIGTERM");
    expect(await running.ended).toEqual({ code: 3 });
    expect(order).toEqual(["deregistered", "told"]);
    expect(asked(agent).filter((line) => line.startsWith("DELETE"))).toHaveLength(1);
  });

  it("keeps the registration when a signal is no end, and reports a killed program", async () => {
    await using agent = await fakeAgent();
    const program =
      'process.on("SIGHUP", () => console.log("hup")); console.log("up"); setInterval(() => {}, 1000)';
    const running = start(agent, program, "--json");
    while (!running.errors().includes("up\n")) await once(running.child.stderr as never, "data");
    running.child.kill("SIGHUP");
    while (!running.errors().includes("hup\n")) await once(running.child.stderr as never, "data");
    expect(asked(agent)).toHaveLength(2);
    running.child.kill("SIGINT");
    expect(await running.ended).toEqual({ code: 130 });
    expect(JSON.parse(running.output())).toEqual({
      service: "web",
      instance: "a-8080",
      exitCode: 130,
      signal: "SIGINT",
    });
  });

  it("takes the registration back if there is no such program", async () => {
    await using agent = await fakeAgent();
    const { code, err } = await agent.run(["run", "web", "--port", "1", "--", "/no/such/program"]);
    expect(code).toBe(1);
    expect(err).toContain('there is no program "/no/such/program"');
    expect(asked(agent).at(-1)).toBe(`DELETE ${INSTANCE}`);
  });

  it("does not run anything that could not be registered", async () => {
    await using agent = await FakeAgent.start({
      "GET /v1/status": { body: { addresses: { proxy: "off" } } },
    });
    const { code, out } = await agent.run(["run", "web", "--port", "1", "--", "/no/such/program"]);
    expect([code, out]).toEqual([1, ""]);
    expect(asked(agent)).toHaveLength(2);
  });
});

describe("the program's variables", () => {
  const facts = { proxy: "127.0.0.1:1", socket: "/s", service: "default/web", instance: "i" };

  it("lead to the proxy, and past it for this host", () => {
    expect(programEnvironment({ NO_PROXY: "a.example", HOME: "/h" }, facts)).toMatchObject({
      HOME: "/h",
      http_proxy: "http://127.0.0.1:1",
      HTTP_PROXY: "http://127.0.0.1:1",
      no_proxy: "a.example,localhost,127.0.0.1,::1",
      NODE_USE_ENV_PROXY: "1",
      GRAPEVINE_SOCKET: "/s",
    });
  });

  it("stay as they are where the proxy is off", () => {
    const env = programEnvironment({ http_proxy: "http://x" }, { ...facts, proxy: "off" });
    expect(env).toMatchObject({ http_proxy: "http://x", GRAPEVINE_INSTANCE: "i" });
    expect(env["no_proxy"]).toBeUndefined();
  });
});
