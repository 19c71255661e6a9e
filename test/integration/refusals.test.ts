/** Bad input of every kind: a clear message or a refusal, and the agent goes on. */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import * as net from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AgentProcess, Fleet, get } from "./fleet.ts";

const fleet = new Fleet();
let a: AgentProcess;

beforeAll(async () => {
  a = await fleet.agent("a");
});

afterAll(() => fleet[Symbol.asyncDispose]());

/** Starts an agent that must not start; what it said. */
async function refused(...args: string[]) {
  return await fleet.command(undefined, ["agent", "--dev", ...args], {
    GRAPEVINE_DATA_DIR: join(fleet.directory, "r"),
    GRAPEVINE_SOCKET: join(fleet.directory, "r.sock"),
    GRAPEVINE_BIND: "127.0.0.1:0",
    GRAPEVINE_LINK_BIND: "127.0.0.1:0",
    GRAPEVINE_HTTP_PROXY: "off",
  });
}

describe("an agent does not start, and says why,", () => {
  it.each([
    ["with an unknown flag", 2, ["--nmae", "x"], /unknown flag --nmae.*did you mean --name/],
    ["with a name that is no DNS label", 2, ["--name", "No_Label"], /--name: expects a DNS label/],
    ["with an address that is none", 2, ["--bind", "here"], /--bind: expects HOST:PORT/],
    [
      "where nobody can make a folder",
      1,
      ["--data-dir", "/proc/no"],
      /directory \/proc\/no cannot/,
    ],
    ["where nobody can make a socket", 1, ["--socket", "/proc/no.sock"], /cannot make the socket/],
  ])("%s", async (_, code, args, message) => {
    const result = await refused(...args);
    expect(result.stderr).toMatch(message);
    expect(result.stderr).not.toContain("defect");
    expect(result.code).toBe(code);
  });

  it("with a file that is wrong in several places", async () => {
    const config = join(fleet.directory, "wrong.yaml");
    writeFileSync(config, "bnid: 1\nservices:\n  - name: Web_\n    ports: [{port: x}]\n");
    const { code, stderr } = await refused("--config", config);
    expect(code).toBe(2);
    expect(stderr).toMatch(/wrong.yaml:1:1: unknown key "bnid"; did you mean "bind"/);
    expect(stderr).toMatch(/wrong.yaml:3:11: services\[0\].name: "Web_" is not a DNS label/);
  });

  it.each([
    ["--data-dir", () => a.dataDir, /is used by another agent \(pid \d+\)/],
    ["--socket", () => a.socket, /is served by a running agent \(a, pid \d+\)/],
    ["--bind", () => a.bind, /--bind .* is in use by another process/],
    ["--link-bind", () => a.link, /--link-bind .* is in use by another process/],
    ["--admin", () => a.admin, /--admin .* is in use by another process/],
  ])("where %s is taken", async (flag, taken, message) => {
    const { code, stderr } = await refused(flag, taken());
    expect(stderr).toMatch(message);
    expect(code).toBe(1);
  });
});

describe("an agent that starts on a broken database", () => {
  it.each([
    ["garbage", randomBytes(20_000), /state.db was damaged .* has been kept as /],
    ["nothing", Buffer.alloc(0), /state.db was empty/],
  ])("of %s says so and goes on under its identity", async (what, bytes, message) => {
    const before = await fleet.agent(`broken-${what}`);
    await fleet.command(before, ["leave"]);
    await before.exited;
    writeFileSync(join(before.dataDir, "state.db"), bytes);
    const after = await fleet.agent(`broken-${what}`);
    expect(after.id).toBe(before.id);
    expect(after.log()).toMatch(message);
    await fleet.command(after, ["leave"]);
  });
});

describe("an agent that is sent garbage", () => {
  const GARBAGE = [
    randomBytes(50_000),
    Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    Buffer.from("\x13/multistream/1.0.0\n\x07/noise\n"),
    Buffer.from([0xff, 0xff, ...randomBytes(300)]),
    Buffer.from([0, 0]),
    Buffer.alloc(0),
  ];

  function send(where: net.NetConnectOpts, bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      const socket = net.connect(where);
      socket.on("error", () => {});
      socket.on("close", () => resolve());
      socket.on("connect", () => socket.end(bytes));
      socket.resume();
    });
  }

  it("on any of its ports goes on", async () => {
    const port = await fleet.server((_, response) => response.end("ok"));
    await fleet.api(a, "PUT", "/v1/services/default/web/one", { ports: [{ port }] });
    const places: net.NetConnectOpts[] = [a.bind, a.link, a.proxy, a.admin].map((address) => {
      const [host = "", number] = address.split(":");
      return { host, port: Number(number) };
    });
    const all = [...places, { path: a.socket }];
    await Promise.all(all.flatMap((place) => GARBAGE.map((bytes) => send(place, bytes))));
    expect(await get(a, "http://web.mesh/")).toMatchObject({ status: 200, text: "ok" });
    expect(await fleet.api(a, "GET", "/v1/status")).toMatchObject({ ready: true });
    const b = await fleet.agent("b", { join: a.bind });
    expect((await fleet.command(b, ["join", a.bind])).code).toBe(0);
    expect(a.child.exitCode).toBeNull();
    expect(a.log()).not.toMatch(/uncaught exception|unhandled rejection/);
  });
});
