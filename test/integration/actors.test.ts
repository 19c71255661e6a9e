/** Actors on real agents: hosted by processes at the local socket and by embedded nodes. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type ActorConnection, connect, createNode, tell, withOptions } from "../../index.ts";
import { Counter } from "./counter.ts";
import { type AgentProcess, eventually, Fleet } from "./fleet.ts";

interface Host {
  readonly child: ChildProcess;
  readonly name: string;
}

/** Hosts that are processes of their own, so that they can be killed. */
class Hosts implements Disposable {
  readonly #running = new Set<ChildProcess>();

  async start(agent: AgentProcess): Promise<Host> {
    const file = fileURLToPath(new URL("actor-host.ts", import.meta.url));
    const child = spawn(process.execPath, [file, agent.socket], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#running.add(child);
    const [line] = (await once(child.stdout as NodeJS.ReadableStream, "data")) as [Buffer];
    return { child, name: String(line).trim().replace("hosting as ", "") };
  }

  [Symbol.dispose](): void {
    for (const child of this.#running) child.kill("SIGKILL");
  }
}

async function hostsSeen(node: Fleet, agent: AgentProcess, count: number): Promise<void> {
  await eventually(
    `${count} hosts seen by ${agent.name}`,
    10_000,
    async () => (await node.api(agent, "GET", "/v1/actors")) as { hosts: unknown[] }[],
    (types) => (types[0]?.hosts.length ?? 0) === count,
  );
}

/** Keys, and the pid that each lives in. */
async function places(node: ActorConnection, keys: readonly string[]) {
  return new Map(
    await Promise.all(
      keys.map(async (key) => [key, await node.actor(Counter, key).where()] as const),
    ),
  );
}

describe("actors at the local socket", () => {
  it("live once per key for all callers, and outlive neither their host nor its grave", async () => {
    await using fleet = new Fleet();
    using hosts = new Hosts();
    const a = await fleet.agent("a");
    const b = await fleet.agent("b", { join: a.bind });
    const [onA, onB] = [await hosts.start(a), await hosts.start(b)];
    expect([onA.name, onB.name]).toEqual(["a-1", "b-1"]);
    await Promise.all([hostsSeen(fleet, a, 2), hostsSeen(fleet, b, 2)]);
    await using fromA = await connect({ socket: a.socket });
    await using fromB = await connect({ socket: b.socket });
    const keys = Array.from({ length: 40 }, (_, at) => `user-${at}`);
    const seen = await places(fromA, keys);
    expect(await places(fromB, keys)).toEqual(seen);
    expect(new Set(seen.values())).toEqual(new Set([onA.child.pid, onB.child.pid]));
    const increments = keys.flatMap((key) =>
      [fromA, fromB].flatMap((node) => [1, 2, 3].map((by) => node.actor(Counter, key).add(by))),
    );
    await Promise.all(increments);
    for (const key of keys) expect(await fromB.actor(Counter, key).add(0)).toBe(12);

    const listed = await fleet.command(a, ["actors", "--json"]);
    const [type] = JSON.parse(listed.stdout) as { hosts: { activations: number | null }[] }[];
    expect(type?.hosts[0]?.activations).toBeGreaterThan(0);
    expect(type?.hosts[1]?.activations).toBeNull();

    const stuck = fromA.actor(Counter, keyIn(seen, onB)).slowly(5_000);
    const ended = stuck.catch((error: unknown) => error);
    await fromA.actor(Counter, keyIn(seen, onA)).add(0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    onB.child.kill("SIGKILL");
    expect(await ended).toMatchObject({ executed: "unknown" });
    await hostsSeen(fleet, a, 1);
    // What lived on the killed host begins anew on the other; the rest has kept its total.
    for (const [key, pid] of seen) {
      const expected = pid === onB.child.pid ? 1 : 13;
      expect(await fromA.actor(Counter, key).add(1)).toBe(expected);
    }
  });

  it("lose no call when their host leaves in order", async () => {
    await using fleet = new Fleet();
    using hosts = new Hosts();
    const a = await fleet.agent("a");
    const [first] = [await hosts.start(a), await hosts.start(a)];
    await hostsSeen(fleet, a, 2);
    await using node = await connect({ socket: a.socket });
    let calls = 0;
    let isOver = false;
    const callers = Array.from({ length: 8 }, async (_, at) => {
      for (let round = 0; !isOver; round += 1) {
        await node.actor(Counter, `${at}-${round % 20}`).add(1);
        calls += 1;
      }
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    first.child.stdin?.end();
    await once(first.child, "exit");
    await new Promise((resolve) => setTimeout(resolve, 200));
    isOver = true;
    await Promise.all(callers);
    expect(calls).toBeGreaterThan(100);
  });

  it("are reached from the command line, with errors that say what to do", async () => {
    await using fleet = new Fleet();
    const a = await fleet.agent("a");
    await using host = await connect({ socket: a.socket, actors: [Counter], instance: "mine" });
    expect(host.instance).toBe("mine");
    const call = (...args: string[]) => fleet.command(a, ["call", ...args]);
    expect(await call("counter/k", "add", "2")).toMatchObject({ code: 0, stdout: "2\n" });
    expect(await call("counter/k", "add", "--", "-1")).toMatchObject({ code: 0, stdout: "1\n" });
    const failed = await call("counter/k", "fail", "--json");
    expect(failed.code).toBe(1);
    expect(JSON.parse(failed.stdout)).toMatchObject({ error: { code: "handler_error" } });
    expect(failed.stderr).toContain("counter/k fail threw RangeError: too much");
    expect((await call("counter/k", "gone")).stderr).toContain("it has add, where");
    expect((await call("other/k", "add")).stderr).toContain("no live agent hosts it");
    expect((await call("counter/k", "add", "{")).code).toBe(2);
    expect((await call("counter", "add")).code).toBe(2);
    const explained = await fleet.command(a, ["explain", "--last", "1"]);
    expect(explained.stdout).toContain("not_hosted");
    await expect(
      connect({ socket: a.socket, actors: [Counter], instance: "mine" }),
    ).rejects.toMatchObject({ short: "conflict" });
    await expect(connect({ socket: `${a.socket}.gone` })).rejects.toMatchObject({
      short: "agent_unreachable",
    });
  });

  it("come back with their agent", async () => {
    await using fleet = new Fleet();
    const former = await fleet.agent("a");
    await using node = await connect({ socket: former.socket, actors: [Counter] });
    expect(await node.actor(Counter, "k").add(1)).toBe(1);
    former.child.kill("SIGKILL");
    await former.exited;
    await eventually(
      "calls fail at once",
      2_000,
      () =>
        node
          .actor(Counter, "k")
          .add(1)
          .then(
            () => undefined,
            (error: { short: string }) => error.short,
          ),
      (code) => code === "agent_unreachable",
    );
    await fleet.agent("a");
    const { value: total } = await eventually(
      "the host is back",
      10_000,
      () =>
        node
          .actor(Counter, "k")
          .add(5)
          .catch(() => 0),
      (value) => value > 0,
    );
    expect(total).toBe(5);
  });
});

describe("embedded nodes", () => {
  it("are members like any agent: they host, call and leave without losing a call", async () => {
    await using fleet = new Fleet();
    const a = await fleet.agent("a");
    await using one = await createNode({
      ...{ dev: true, name: "one", join: [a.bind], actors: [Counter], logLevel: "fatal" },
    });
    await using two = await createNode({
      ...{ dev: true, name: "two", join: [a.bind], actors: [Counter], logLevel: "fatal" },
    });
    await hostsSeen(fleet, a, 2);
    await eventually(
      "both know both",
      10_000,
      async () => [one, two],
      (nodes) =>
        nodes.every((node) => [...node.view().services.values()][0]?.instances.length === 2),
    );
    await using outside = await connect({ socket: a.socket });
    const keys = Array.from({ length: 20 }, (_, at) => `k${at}`);
    for (const key of keys) {
      expect(await one.actor(Counter, key).add(1)).toBe(1);
      expect(await two.actor(Counter, key).add(1)).toBe(2);
      expect(await outside.actor(Counter, key).add(1)).toBe(3);
    }
    one.actor(Counter, "k1")[tell].add(1);
    await expect(two.actor(Counter, "k1").fail()).rejects.toMatchObject({
      name: "RangeError",
      message: "too much",
      code: "E_MUCH",
    });
    const controller = new AbortController();
    const abandoned = two
      .actor(Counter, "k2")
      [withOptions]({ signal: controller.signal })
      .slowly(400);
    controller.abort();
    await expect(abandoned).rejects.toMatchObject({ short: "canceled" });
    await expect(
      two.actor(Counter, "k3")[withOptions]({ timeoutMs: 100 }).slowly(300),
    ).rejects.toMatchObject({ short: "deadline_exceeded", executed: "unknown" });

    let isOver = false;
    let calls = 0;
    const callers = Array.from({ length: 4 }, async (_, at) => {
      for (let round = 0; !isOver; round += 1) {
        await outside.actor(Counter, `c${at}-${round % 10}`).add(1);
        calls += 1;
      }
    });
    await new Promise((resolve) => setTimeout(resolve, 200));
    await two.close();
    await new Promise((resolve) => setTimeout(resolve, 200));
    isOver = true;
    await Promise.all(callers);
    expect(calls).toBeGreaterThan(50);
    expect(await one.actor(Counter, "new").where()).toBe(process.pid);
  });

  it("say what is missing", async () => {
    await expect(createNode({})).rejects.toMatchObject({ short: "identity_missing" });
    await expect(createNode({ dev: true, bind: "nonsense" })).rejects.toMatchObject({
      short: "config_invalid",
    });
  });
});

function keyIn(places: ReadonlyMap<string, number>, host: Host): string {
  const found = [...places].find(([, pid]) => pid === host.child.pid);
  if (found === undefined) throw new Error(`no key lives in ${host.name}`);
  return found[0];
}
