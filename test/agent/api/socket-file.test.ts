import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import type { LocalApi } from "../../../agent/api/server.ts";
import { createLocalApi } from "../../../agent/api/server.ts";
import { call } from "./client.ts";
import { createFakeNode } from "./fake-node.ts";

const folder = mkdtempSync(join(tmpdir(), "gv-sock-"));
const fake = createFakeNode();
const apis: LocalApi[] = [];
afterEach(async () => {
  for (const api of apis.splice(0)) await api.close();
});
afterAll(async () => {
  await fake.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(socketPath: string, socketGroup?: string): Promise<LocalApi> {
  const log = fake.log.component("api");
  const api = createLocalApi({ socketPath, socketGroup, node: fake.node, log });
  await api.start();
  apis.push(api);
  return api;
}

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

describe("the socket's file", () => {
  it("is open to its owner alone, in a folder of its own, and gone afterwards", async () => {
    const path = join(folder, "new", "deep", "agent.sock");
    const api = await start(path);
    expect([mode(path), mode(join(folder, "new", "deep"))]).toEqual(["600", "700"]);
    expect(readdirSync(join(folder, "new", "deep"))).toEqual(["agent.sock"]);
    await api.close();
    expect(existsSync(path)).toBe(false);
  });

  it("is open to a group that is named, and to nobody else", async () => {
    const path = join(folder, "group", "agent.sock");
    await start(path, `${process.getgid?.()}`);
    expect([mode(path), mode(join(folder, "group"))]).toEqual(["660", "750"]);
    await expect(start(join(folder, "g.sock"), "no-such-group")).rejects.toThrow("no group");
  });

  it("stays with a living agent, and names it", async () => {
    const path = join(folder, "live.sock");
    await start(path);
    await expect(start(path)).rejects.toMatchObject({
      short: "socket_in_use",
      message: expect.stringContaining(`a running agent (a, pid ${process.pid})`),
    });
    expect((await call(path, "GET", "/v1/status")).status).toBe(200);
  });

  it("stays with any other program that listens there", async () => {
    const path = join(folder, "other.sock");
    const other = createServer((socket) => socket.on("error", () => undefined).end("hello"));
    await new Promise<void>((resolve) => other.listen(path, resolve));
    await expect(start(path)).rejects.toThrow("another process");
    other.close();
  });

  it("is taken over from an agent that was killed", async () => {
    const path = join(folder, "killed.sock");
    const source = `
      require("node:net").createServer().listen(${JSON.stringify(path)}, () => console.log("up"));
    `;
    const child = spawn(process.execPath, ["-e", source], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(existsSync(path)).toBe(true);
    await start(path);
    expect((await call(path, "GET", "/v1/status")).status).toBe(200);
  });

  it("goes to exactly one of many that start at once", async () => {
    const path = join(folder, "race.sock");
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => start(path)));
    expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
    expect((await call(path, "GET", "/v1/status")).status).toBe(200);
    expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
  });

  it("does not remove what took its place", async () => {
    const path = join(folder, "replaced.sock");
    const api = await start(path);
    rmSync(path);
    writeFileSync(path, "precious");
    await api.close();
    expect(statSync(path).isFile()).toBe(true);
    await expect(start(path)).rejects.toMatchObject({
      short: "socket_in_use",
      message: expect.stringContaining("is not a socket"),
    });
  });

  it.each(["file/agent.sock", "/proc/nowhere/agent.sock", "/proc/agent.sock"])(
    "at a place where none can be made, %s, says so and what to do",
    async (place) => {
      writeFileSync(join(folder, "file"), "");
      const path = place.startsWith("/") ? place : join(folder, place);
      await expect(start(path)).rejects.toMatchObject({
        short: "invalid_argument",
        message: expect.stringMatching(
          /^cannot make the socket .*; choose another path with --socket$/,
        ),
      });
    },
  );

  it("has a path that the system can hold", async () => {
    await expect(start(join(folder, "x".repeat(120)))).rejects.toMatchObject({
      short: "invalid_argument",
      message: expect.stringContaining("too long"),
    });
    const longest = join(folder, "y".repeat(107 - folder.length - 1));
    await start(longest);
    expect((await call(longest, "GET", "/v1/status")).status).toBe(200);
  });
});
