import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { claimDevName, firstFreePort } from "../../../transport/storage/dev-host.ts";
import { killChildren, startChild } from "./children.ts";

let registry: string;
beforeEach(() => {
  registry = mkdtempSync(join(tmpdir(), "grapevine-names-"));
});
afterEach(() => {
  killChildren();
  rmSync(registry, { recursive: true, force: true });
});

describe("names of development agents", () => {
  it("count up while others live, and go back to their data directories", () => {
    const a = claimDevName("host", "/a", registry);
    const b = claimDevName("host", "/b", registry);
    const c = claimDevName("host", "/c", registry);
    expect([a.name, b.name, c.name]).toEqual(["host", "host-2", "host-3"]);
    a.release();
    b.release();
    b.release();
    expect(claimDevName("host", "/b", registry).name).toBe("host-2");
    expect(claimDevName("host", "/d", registry).name).toBe("host");
    expect(claimDevName("host", "/a", registry).name).toBe("host-4");
    expect(claimDevName("other", "/e", registry).name).toBe("other");
  });

  it("are free again when their agent was killed", async () => {
    const child = await startChild(`
      import { claimDevName } from "./dev-host.ts";
      console.log(claimDevName("host", "/child", ${JSON.stringify(registry)}).name);
      setInterval(() => {}, 1000);
    `);
    expect(child.lines).toEqual(["host"]);
    const beside = claimDevName("host", "/a", registry);
    expect(beside.name).toBe("host-2");
    await child.kill();
    expect(claimDevName("host", "/b", registry).name).toBe("host");
  }, 15_000);

  it("are claimed once when many agents start together", async () => {
    const source = `
      import { claimDevName } from "./dev-host.ts";
      console.log(claimDevName("host", "/" + process.pid, ${JSON.stringify(registry)}).name);
      setInterval(() => {}, 1000);
    `;
    const children = await Promise.all(Array.from({ length: 4 }, () => startChild(source)));
    const names = children.map((child) => child.lines[0]).sort();
    expect(names).toEqual(["host", "host-2", "host-3", "host-4"]);
  }, 20_000);

  it("stay DNS labels when the host's name is long", () => {
    const long = `${"h".repeat(61)}-x`;
    claimDevName(long, "/a", registry);
    expect(claimDevName(long, "/b", registry).name).toBe(`${"h".repeat(61)}-2`);
  });

  it("survive a damaged registry, and refuse one that others can write to", () => {
    claimDevName("host", "/a", registry);
    for (const file of readdirSync(registry)) {
      if (file.startsWith("names.db")) writeFileSync(join(registry, file), "damaged".repeat(1000));
    }
    expect(claimDevName("host", "/b", registry).name).toBe("host-2");
    chmodSync(registry, 0o777);
    expect(() => claimDevName("host", "/c", registry)).toThrow(/others may write to it/);
    expect(() => claimDevName("Not A Label", "/c", registry)).toThrow(/DNS label/);
  });
});

describe("free ports", () => {
  it("are the first from the wanted one upwards", async () => {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as net.AddressInfo;
    const free = await firstFreePort("127.0.0.1", port);
    expect(free).toBeGreaterThan(port);
    server.close();
    expect(await firstFreePort("127.0.0.1", 0)).toBe(0);
    await expect(firstFreePort("192.0.2.1", 7946)).rejects.toMatchObject({
      short: "config_invalid",
    });
  });
});
