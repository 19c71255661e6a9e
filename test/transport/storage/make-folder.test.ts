import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeFolder } from "../../../transport/storage/make-folder.ts";

let base: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "grapevine-folder-"));
});
afterEach(() => rmSync(base, { recursive: true }));

describe("makeFolder", () => {
  it("makes what is missing, with its mode, and says where it began", () => {
    expect(makeFolder(join(base, "a", "b", "c"), 0o700)).toBe(join(base, "a"));
    expect(statSync(join(base, "a", "b", "c")).mode & 0o777).toBe(0o700);
    expect(makeFolder(join(base, "a", "b"), 0o755)).toBeUndefined();
    expect(statSync(join(base, "a", "b")).mode & 0o777).toBe(0o700);
  });

  it("throws, and does not hang, where the system lets nobody make one", () => {
    writeFileSync(join(base, "file"), "");
    expect(() => makeFolder(join(base, "file"), 0o700)).toThrow("is not a folder");
    expect(() => makeFolder(join(base, "file", "below"), 0o700)).toThrow("ENOTDIR");
    if (existsSync("/proc/self")) expect(() => makeFolder("/proc/none/below", 0o700)).toThrow();
  });
});
