import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GrapevineError } from "../../../core/errors.ts";
import type { NodeId } from "../../../core/types.ts";
import { openState } from "../../../transport/storage/state.ts";
import { killChildren, startChild } from "./children.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "grapevine-state-"));
});
afterEach(() => {
  killChildren();
  rmSync(dir, { recursive: true, force: true });
});

const web = { namespace: "default", name: "web", id: "a-80" };
const peer = (text: string) => text as NodeId;

function failure(run: () => unknown): GrapevineError {
  try {
    run();
  } catch (error) {
    if (error instanceof GrapevineError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("what an agent keeps", () => {
  it("is there after a restart", () => {
    const first = openState(dir);
    expect(first.nodeName()).toBeUndefined();
    first.setNodeName("a");
    first.putRegistration(web, { port: 80 });
    first.putRegistration(web, { port: 81, tags: { ö: "ü" } });
    first.putRegistration({ ...web, id: "gone" }, {});
    expect(first.deleteRegistration({ ...web, id: "gone" })).toBe(true);
    expect(first.deleteRegistration({ ...web, id: "gone" })).toBe(false);
    first.putForward("127.0.0.1:5000", { service: "db" });
    first.putKnownPeer({ id: peer("p1"), bind: "10.0.0.1:1", lastSeen: 1 });
    first.putKnownPeer({ id: peer("p2"), bind: "10.0.0.2:1", lastSeen: 2.5 });
    first.putDocument(peer("p1"), new Uint8Array([1, 2, 3]));
    first.putDocument(peer("p2"), new Uint8Array([4]));
    first.deleteDocument(peer("p2"));
    first.close();
    first.close();

    const second = openState(dir);
    expect(second.warnings).toEqual([]);
    expect(second.nodeName()).toBe("a");
    expect(second.registrations()).toEqual([{ ...web, document: { port: 81, tags: { ö: "ü" } } }]);
    expect(second.registration(web)).toMatchObject({ port: 81 });
    expect(second.registration({ ...web, id: "gone" })).toBeUndefined();
    expect(second.forwards()).toEqual([{ key: "127.0.0.1:5000", document: { service: "db" } }]);
    expect(second.deleteForward("127.0.0.1:5000")).toBe(true);
    expect(second.knownPeers().map((known) => known.id)).toEqual(["p2", "p1"]);
    expect(second.documents()).toEqual([{ owner: "p1", bytes: new Uint8Array([1, 2, 3]) }]);
    second.close();
  });

  it("has an epoch that only grows, even if the clock goes back or the database is lost", () => {
    const first = openState(dir);
    expect(first.nextEpoch(1_000.7)).toBe(1_000);
    expect(first.nextEpoch(500)).toBe(1_001);
    first.close();
    for (const file of readdirSync(dir)) if (file.startsWith("state.db")) rmSync(join(dir, file));
    const second = openState(dir);
    expect(second.nextEpoch(10)).toBe(1_002);
    second.close();
    writeFileSync(join(dir, "epoch"), "");
    const third = openState(dir);
    expect(third.nextEpoch(10)).toBe(1_003);
    third.close();
  });

  it("is written by itself within a second or so, without being asked", async () => {
    const state = openState(dir);
    state.putKnownPeer({ id: peer("p1"), bind: "10.0.0.1:1", lastSeen: 1 });
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    const other = new DatabaseSync(join(dir, "state.db"), { readOnly: true });
    expect(other.prepare("SELECT count(*) AS count FROM peers").get()).toEqual({ count: 1 });
    other.close();
    state.close();
  });

  it("lies in a directory that nobody else can read", () => {
    chmodSync(dir, 0o755);
    openState(dir).close();
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(join(dir, "state.db")).mode & 0o777).toBe(0o600);
  });
});

describe("a crash", () => {
  it("loses nothing that was acknowledged, and leaves no lock behind", async () => {
    const child = await startChild(`
      import { openState } from "./state.ts";
      const state = openState(${JSON.stringify(dir)});
      console.log("epoch " + state.nextEpoch(5));
      for (let index = 0; ; index += 1) {
        state.putRegistration({ namespace: "default", name: "web", id: "i" + index }, { index, pad: "x".repeat(2000) });
        state.putDocument("p" + index, new Uint8Array(3000));
        if (index % 50 === 0) state.documents();
        process.stdout.write("i" + index + "\\n");
      }
    `);
    while (child.lines.length < 120) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(failure(() => openState(dir)).message).toContain(`(pid ${child.pid})`);
    await child.kill();
    const state = openState(dir);
    expect(state.warnings).toEqual([]);
    const kept = new Set(state.registrations().map((registration) => registration.id));
    const lost = child.lines.filter((line) => line.startsWith("i") && !kept.has(line));
    expect(lost).toEqual([]);
    expect(state.nextEpoch(5)).toBe(6);
    state.close();
  }, 20_000);
});

describe("a damaged database", () => {
  function filled(): string {
    const state = openState(dir);
    for (let index = 0; index < 300; index += 1) {
      state.putRegistration({ ...web, id: `i${index}` }, { pad: "y".repeat(500) });
    }
    state.nextEpoch(9_000);
    state.close();
    return join(dir, "state.db");
  }

  it.each([
    ["overwritten from the start", (bytes: Buffer) => bytes.fill(0x5a, 0, 4_096)],
    [
      "cut in half",
      (bytes: Buffer) => bytes.subarray(0, Math.floor(bytes.length / 8192) * 4096 - 100),
    ],
    ["overwritten in the middle", (bytes: Buffer) => bytes.fill(0xa5, 8_192, bytes.length)],
    ["another kind of file", () => Buffer.from("hello, this is not a database at all".repeat(200))],
  ])("%s, is set aside and the agent goes on", (_, damage) => {
    const path = filled();
    writeFileSync(path, damage(readFileSync(path)));
    const state = openState(dir);
    expect(state.warnings.join()).toMatch(/state\.db was damaged .* kept as .*corrupt-/);
    expect(readdirSync(dir).some((file) => file.startsWith("state.db.corrupt-"))).toBe(true);
    expect(state.registrations()).toEqual([]);
    expect(state.nextEpoch(1)).toBe(9_001);
    state.putRegistration(web, { port: 1 });
    state.close();
    const again = openState(dir);
    expect(again.warnings).toEqual([]);
    expect(again.registrations().length).toBe(1);
    again.close();
  });

  it("of a newer version is left alone", () => {
    const path = filled();
    const database = new DatabaseSync(path);
    database.exec("PRAGMA user_version = 99");
    database.close();
    expect(failure(() => openState(dir)).message).toMatch(
      /written by a newer Grapevine \(format 99/,
    );
    expect(existsSync(path)).toBe(true);
  });
});

describe("a directory that cannot be used", () => {
  it("is in use: by this process, or another that is named", () => {
    const state = openState(dir);
    const error = failure(() => openState(dir));
    expect(error.short).toBe("data_dir_in_use");
    expect(error.message).toContain(dir);
    expect(error.message).toContain(`pid ${process.pid}`);
    state.close();
    openState(dir).close();
  });

  it("is a file, or lies below one", () => {
    writeFileSync(join(dir, "file"), "");
    expect(failure(() => openState(join(dir, "file"))).short).toBe("data_dir_invalid");
    const below = failure(() => openState(join(dir, "file", "below")));
    expect(below.short).toBe("data_dir_invalid");
    expect(below.message).toMatch(/--data-dir/);
  });

  it("has a full disk: the call says so, changes nothing, and the agent lives", () => {
    const state = openState(dir);
    state.putRegistration(web, { port: 1 });
    state.close();
    // Fails with SQLite's words for a full disk.
    const database = new DatabaseSync(join(dir, "state.db"));
    database.exec(
      "CREATE TRIGGER full BEFORE INSERT ON registrations BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END",
    );
    database.close();
    const again = openState(dir);
    const error = failure(() => again.putRegistration({ ...web, id: "b" }, { pad: "z" }));
    expect(error.short).toBe("storage_failed");
    expect(error.message).toMatch(/registration default\/web\/b .*disk is full.*free space/);
    expect(again.registrations().length).toBe(1);
    again.close();
  });
});
