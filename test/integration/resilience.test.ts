/**
 * What an agent does when its host or its neighbours behave badly: no descriptors, no disk, no
 * processor for seconds, clients and services that are slow or greedy. It stays up, says what is
 * wrong, keeps serving the others, and loses nothing that it has acknowledged.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as http from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type AgentProcess, type Answer, eventually, Fleet, get } from "./fleet.ts";

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function residentMiB({ pid }: AgentProcess): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

function raw(agent: AgentProcess): Socket {
  const [host = "", port] = agent.proxy.split(":");
  return connect({ host, port: Number(port) }).on("error", () => {});
}

async function offer(
  fleet: Fleet,
  agent: AgentProcess,
  handler: http.RequestListener,
  name = "web",
): Promise<void> {
  const port = await fleet.server(handler);
  await fleet.api(agent, "PUT", `/v1/services/default/${name}/${agent.name}`, {
    ports: [{ port }],
  });
}

function served(agent: AgentProcess, url = "http://web.mesh/") {
  return eventually(
    `${url} is served`,
    15_000,
    () => get(agent, url).catch((): Answer => ({ status: 0, headers: {}, text: "" })),
    ({ status }) => status === 200,
  );
}

/** Two agents; the second offers web. */
async function pair(fleet: Fleet, handler: http.RequestListener) {
  const a = await fleet.agent("a");
  const b = await fleet.agent("b", { join: a.bind });
  await offer(fleet, b, handler);
  await served(a);
  return [a, b] as const;
}

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[values.length >> 1] ?? 0;
}

/** The median time of some requests, each of which must be served. */
async function latencyMs(agent: AgentProcess, count = 30): Promise<number> {
  const times: number[] = [];
  for (let at = 0; at < count; at += 1) {
    const startedAt = performance.now();
    expect((await get(agent, "http://web.mesh/")).status).toBe(200);
    times.push(performance.now() - startedAt);
  }
  return median(times);
}

describe("an agent without file descriptors", () => {
  it("stays up while clients take them all, says so, and serves again when they are gone", async () => {
    await using fleet = new Fleet();
    const a = await fleet.agent("a", { descriptorsMax: 80 });
    await offer(fleet, a, (_request, response) => response.end("ok"));
    await served(a);
    const clients = Array.from({ length: 200 }, () => raw(a));
    await eventually(
      "the operator is told",
      15_000,
      async () => a.log(),
      (log) => /80 file descriptors are in use/.test(log),
    );
    expect(a.child.exitCode).toBeNull();
    for (const client of clients) client.destroy();
    await served(a);
    expect(await fleet.api(a, "GET", "/v1/status")).toMatchObject({ ready: true });
  });
});

const canMount = (() => {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false;
  const probe = `/tmp/grapevine-mount-${process.pid}`;
  try {
    mkdirSync(probe);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", probe], { stdio: "ignore" });
    execFileSync("umount", [probe]);
    return true;
  } catch {
    return false;
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
})();

describe("a full disk", () => {
  // Needs a disk of its own that can be filled: root on Linux, outside of unprivileged containers.
  it.runIf(canMount)(
    "refuses what it cannot keep, in words, and keeps what it promised",
    async () => {
      await using fleet = new Fleet();
      const disk = join(fleet.directory, "disk");
      mkdirSync(disk);
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", disk]);
      try {
        const dataDir = join(disk, "data");
        const a = await fleet.agent("a", { dataDir });
        await offer(fleet, a, (_request, response) => response.end("ok"));
        await served(a);
        fill(disk);
        const kept: string[] = ["a"];
        let refusal = "";
        for (let at = 0; at < 60; at += 1) {
          const args = ["register", "web", "--port", "9", "--instance", `i${at}`];
          const { code, stderr } = await fleet.command(a, [
            ...args,
            "--tag",
            `k=${"x".repeat(200)}`,
          ]);
          if (code === 0) kept.push(`i${at}`);
          else {
            refusal = stderr;
            break;
          }
        }
        expect(refusal).toMatch(/disk|full|space/i);
        expect((await get(a, "http://web.mesh/")).status).toBeGreaterThan(0);
        expect(a.child.exitCode).toBeNull();
        rmSync(join(disk, "ballast"));
        await eventually(
          "registering works again",
          5_000,
          () => fleet.command(a, ["register", "web", "--port", "9", "--instance", "later"]),
          ({ code }) => code === 0,
        );
        kept.push("later");
        a.child.kill("SIGKILL");
        await a.exited;
        const again = await fleet.agent("a", { dataDir });
        const services = (await fleet.api(again, "GET", "/v1/services/default/web")) as {
          instances: { id: string }[];
        };
        expect(services.instances.map(({ id }) => id).sort()).toEqual(kept.sort());
        again.child.kill("SIGKILL");
        await again.exited;
      } finally {
        execFileSync("umount", ["-l", disk]);
      }
    },
  );
});

/** Writes until nothing more goes. */
function fill(disk: string): void {
  for (let size = 1024 * 1024; size >= 512; size /= 2) {
    for (;;) {
      try {
        writeFileSync(join(disk, "ballast"), Buffer.alloc(size), { flag: "a" });
      } catch {
        break;
      }
    }
  }
}

describe("an agent that the system stops for 5 s", () => {
  it("is a member again at once, and no answer that a client got was lost", async () => {
    await using fleet = new Fleet();
    const written = new Set<string>();
    const [a, b] = await pair(fleet, (request, response) => {
      written.add(request.url ?? "");
      response.end(request.url);
    });
    let serial = 0;
    const outcomes: Promise<{ path: string; answer: Answer | undefined }>[] = [];
    const timer = setInterval(() => {
      serial += 1;
      const path = `/${serial}`;
      const answer = get(a, `http://web.mesh${path}`).catch(() => undefined);
      outcomes.push(answer.then((value) => ({ path, answer: value })));
    }, 20);
    await sleep(500);
    b.child.kill("SIGSTOP");
    await sleep(5_000);
    b.child.kill("SIGCONT");
    await sleep(1_500);
    clearInterval(timer);
    for (const { path, answer } of await Promise.all(outcomes)) {
      expect(answer).toBeDefined();
      if (answer?.status !== 200) continue;
      expect(answer.text).toBe(path);
      expect(written.has(path)).toBe(true);
    }
    for (const agent of [a, b]) {
      await eventually(
        "both are alive",
        10_000,
        () => fleet.api(agent, "GET", "/v1/members") as Promise<{ status: string }[]>,
        (members) => members.filter(({ status }) => status === "alive").length === 2,
      );
    }
    await latencyMs(a);
  });
});

describe("clients and services that are slow or greedy", () => {
  it("hold their own connections, not those of others, and little memory", async () => {
    await using fleet = new Fleet();
    const piece = Buffer.alloc(64 * 1024);
    const [a, b] = await pair(fleet, (request, response) => {
      if (request.url !== "/endless") {
        response.end("ok");
        return;
      }
      const more = () => {
        while (!response.destroyed && response.write(piece));
      };
      response.on("drain", more);
      more();
    });
    const before = [residentMiB(a), residentMiB(b)];
    const loris = Array.from({ length: 300 }, () => raw(a));
    for (const client of loris) client.write("GET / HTTP/1.1\r\nHost: web.mesh\r\nX: ");
    const drip = setInterval(() => {
      for (const client of loris) client.write("y");
    }, 500);
    const unread = Array.from({ length: 100 }, () => raw(a).pause());
    for (const client of unread) client.write("GET /endless HTTP/1.1\r\nHost: web.mesh\r\n\r\n");
    await sleep(2_000);
    const busyMs = await latencyMs(a);
    const after = [residentMiB(a), residentMiB(b)];
    clearInterval(drip);
    const answers = loris.map(
      (client) =>
        new Promise<string>((resolve) => {
          let text = "";
          client.on("data", (chunk) => {
            text += chunk;
          });
          client.on("close", () => resolve(text));
        }),
    );
    expect((await Promise.all(answers)).every((text) => text.includes(" 408 "))).toBe(true);
    for (const client of unread) client.destroy();
    expect(busyMs).toBeLessThan(500);
    for (const [at, now] of after.entries()) expect(now - (before[at] ?? 0)).toBeLessThan(250);
  });

  it("pipeline 20,000 tiny requests: all are answered, in order, and others are served meanwhile", async () => {
    await using fleet = new Fleet();
    const [a] = await pair(fleet, (request, response) => response.end(request.url));
    const count = 20_000;
    const client = raw(a);
    let seen = 0;
    let rest = "";
    let inOrder = true;
    const done = new Promise<void>((resolve) => {
      client.on("data", (chunk) => {
        rest += chunk.toString("latin1");
        const pattern = /\r\n\r\n\/(\d+)/g;
        let end = 0;
        for (let match = pattern.exec(rest); match !== null; match = pattern.exec(rest)) {
          if (pattern.lastIndex === rest.length) break;
          inOrder &&= Number(match[1]) === seen;
          seen += 1;
          end = pattern.lastIndex;
        }
        rest = rest.slice(end);
        if (seen >= count - 1) resolve();
      });
    });
    const requests = Array.from(
      { length: count },
      (_, at) => `GET /${at} HTTP/1.1\r\nHost: web.mesh\r\n\r\n`,
    );
    client.write(requests.join(""));
    const busyMs = await latencyMs(a, 50);
    const seenMeanwhile = seen;
    await done;
    client.destroy();
    expect(inOrder).toBe(true);
    expect(seenMeanwhile).toBeLessThan(count);
    expect(busyMs).toBeLessThan(500);
  }, 120_000);

  it("send heads of nearly 64 KiB over a link, and are told when one is too long", async () => {
    await using fleet = new Fleet();
    const [a] = await pair(fleet, (request, response) => {
      response.end(String(JSON.stringify(request.rawHeaders).length));
    });
    const ask = async (bytes: number) => {
      const client = raw(a);
      let text = "";
      client.on("data", (chunk) => {
        text += chunk;
      });
      client.write(
        `GET / HTTP/1.1\r\nHost: web.mesh\r\nConnection: close\r\nX: ${"a".repeat(bytes)}\r\n\r\n`,
      );
      await new Promise((resolve) => client.on("close", resolve));
      return text;
    };
    expect(await ask(15_000)).toContain(" 200 ");
    // Node's own server takes 16 KiB: the agent passes the head on, and the instance refuses it.
    expect(await ask(64_000)).toContain(" 431 ");
    const refused = await ask(65_536);
    expect(refused).toContain(" 431 ");
    expect(refused).toContain("grapevine-error: header_too_large");
  });

  it("open more streams than a link takes: the surplus is refused as such, the others are served", async () => {
    await using fleet = new Fleet();
    const held: http.ServerResponse[] = [];
    const [a, b] = await pair(fleet, (_request, response) => response.end("ok"));
    const hold: http.RequestListener = (_request, response) => void held.push(response);
    await offer(fleet, b, hold, "slow");
    await offer(fleet, b, hold, "slower");
    for (const name of ["slow", "slower"]) {
      await eventually(
        `${name} is known`,
        10_000,
        () => fleet.api(a, "GET", "/v1/services") as Promise<{ name: string }[]>,
        (services) => services.some((service) => service.name === name),
      );
    }
    const connections = new http.Agent({ maxSockets: 8_000 });
    const early: Answer[] = [];
    const all: Promise<Answer>[] = [];
    const ask = async (name: string, count: number, settled: number) => {
      for (let at = 0; at < count; at += 1) {
        const answer = get(a, `http://${name}.mesh/`, {}, connections);
        answer.then((first) => early.push(first));
        all.push(answer);
      }
      await eventually(
        `${settled} are held or refused`,
        30_000,
        async () => held.length + early.length,
        (sum) => sum >= settled,
      );
    };
    // One instance cannot take all streams of its link: what else is behind it is served.
    await ask("slow", 5_000, 5_000);
    expect(held).toHaveLength(1_536);
    await latencyMs(a);
    await ask("slower", 1_000, 6_000);
    expect(held).toHaveLength(2_048);
    for (const { status, headers } of early) {
      expect(status).toBe(503);
      expect(headers["grapevine-error"]).toContain("overloaded");
    }
    for (const response of held) response.end("late");
    const answers = await Promise.all(all);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(2_048);
    await latencyMs(a);
  }, 120_000);

  it("move 128 MiB each way through both agents with flat memory", async () => {
    await using fleet = new Fleet();
    const total = 128 * 1024 * 1024;
    const piece = Buffer.alloc(64 * 1024, 7);
    const [a, b] = await pair(fleet, (request, response) => {
      if (request.method === "GET" && request.url !== "/big") {
        response.end("ok");
        return;
      }
      if (request.method === "GET") {
        void pour(response, piece, total);
        return;
      }
      let bytes = 0;
      request.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
      });
      request.on("end", () => response.end(String(bytes)));
    });
    const before = [residentMiB(a), residentMiB(b)];
    let most = [0, 0];
    const watch = setInterval(() => {
      most = [a, b].map((agent, at) => Math.max(most[at] ?? 0, residentMiB(agent)));
    }, 50);
    const [host, port] = a.proxy.split(":");
    const common = { host, port, headers: { host: "web.mesh" } };
    const down = await new Promise<number>((resolve, reject) => {
      http.get({ ...common, path: "http://web.mesh/big" }, (response) => {
        let bytes = 0;
        response.on("data", (chunk: Buffer) => {
          bytes += chunk.length;
        });
        response.on("end", () => resolve(bytes)).on("error", reject);
      });
    });
    const up = await new Promise<string>((resolve, reject) => {
      const outgoing = http.request({ ...common, method: "POST", path: "http://web.mesh/up" });
      outgoing.on("response", (response) => {
        response.setEncoding("utf8").on("data", resolve);
      });
      outgoing.on("error", reject);
      void pour(outgoing, piece, total);
    });
    clearInterval(watch);
    expect([down, up]).toEqual([total, String(total)]);
    for (const [at, peak] of most.entries()) expect(peak - (before[at] ?? 0)).toBeLessThan(160);
  }, 120_000);
});

/** Writes `total` bytes as fast as they are taken, and ends. */
async function pour(
  to: http.ServerResponse | http.ClientRequest,
  piece: Buffer,
  total: number,
): Promise<void> {
  for (let sent = 0; sent < total; sent += piece.length) {
    if (!to.write(piece)) await new Promise((resolve) => to.once("drain", resolve));
  }
  to.end();
}
