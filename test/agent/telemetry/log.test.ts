import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { createAccessLog } from "../../../agent/telemetry/access-log.ts";
import type { LogLevel } from "../../../agent/telemetry/log.ts";
import { Log } from "../../../agent/telemetry/log.ts";
import { readableLine } from "../../../agent/telemetry/log-line.ts";
import { decisionRecord } from "./record.ts";

function setUp(level: LogLevel = "info", readable = false) {
  const written: string[] = [];
  const sink = { write: (text: string) => written.push(text), flush: async () => undefined };
  return { written, log: new Log({ level, sink, readable }) };
}

const messages = (lines: readonly string[]) => lines.map((line) => JSON.parse(line).msg);

describe("Log", () => {
  it("writes one JSON object a line, with time, level and component", () => {
    const { written, log } = setUp();
    log.component("api").info({ service: "default/web" }, "registered");
    log.root.debug("not shown");
    expect(written).toHaveLength(1);
    expect(written[0]?.endsWith("\n")).toBe(true);
    const { time, ...rest } = JSON.parse(written[0] ?? "");
    expect(time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    const service = "default/web";
    expect(rest).toEqual({ level: "info", component: "api", service, msg: "registered" });
  });

  it("gives a subscriber more detail without showing it to others", () => {
    const { written, log } = setUp("warn");
    const api = log.component("api");
    const debug: string[] = [];
    const errors: string[] = [];
    const unsubscribe = log.subscribe("debug", (line) => debug.push(line));
    log.subscribe("error", (line) => errors.push(line));
    api.trace("trace");
    api.debug("debug");
    log.component("later").debug("later");
    api.error("error");
    expect(messages(debug)).toEqual(["debug", "later", "error"]);
    expect(messages(errors)).toEqual(["error"]);
    expect(messages(written)).toEqual(["error"]);
    unsubscribe();
    expect(api.isLevelEnabled("debug")).toBe(false);
    expect(api.isLevelEnabled("warn")).toBe(true);
  });

  it("keeps a bounded number of lines, and of bytes, for late readers", () => {
    const { log } = setUp("silent");
    log.subscribe("info", () => undefined);
    for (let at = 0; at < 3_000; at += 1) log.root.info(`line ${at}`);
    expect(log.recent("info", 5_000)).toHaveLength(2_000);
    expect(messages(log.recent("info", 2))).toEqual(["line 2998", "line 2999"]);
    for (let at = 0; at < 20; at += 1) log.root.warn("x".repeat(100_000));
    expect(log.recent("warn", 100)).toHaveLength(10);
    expect(log.recent("error", 100)).toEqual([]);
  });

  it("changes its level while it runs, for every component", () => {
    const { written, log } = setUp("info");
    const api = log.component("api");
    log.setLevel("debug");
    api.debug("seen");
    log.setLevel("silent");
    api.fatal("unseen");
    expect(messages(written)).toEqual(["seen"]);
    expect(log.level).toBe("silent");
  });

  it("is readable on a terminal", () => {
    const { written, log } = setUp("info", true);
    log.component("api").warn({ key: "a\u001b[31mb", count: 2 }, "odd\nthing");
    expect(written[0]).toMatch(
      /^[\d:.]{12} WARN {2}api: odd\\u000athing key=a\\u001b\[31mb count=2\n$/,
    );
    log.root.error({ err: new Error("broken") }, "failed");
    expect(written[1]).toMatch(/^[\d:.]{12} ERROR failed\n {2}Error: broken\n {4,}at /);
    expect(readableLine("not JSON \u0007")).toBe("not JSON \\u0007\n");
  });

  it.each(["stuck", "gone", "reading"])(
    "neither blocks nor dies when the reader of standard error is %s",
    { timeout: 20_000 },
    async (reader) => {
      const source = `
        import { Log } from "./agent/telemetry/log.ts";
        const log = new Log({ level: "info" });
        const text = "x".repeat(10_000);
        for (let round = 0; round < 20; round += 1) {
          for (let at = 0; at < 100; at += 1) log.root.info(text);
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        log.root.info("last");
        const patience = ${reader === "reading" ? 20 : 1};
        for (let round = 0; round < patience; round += 1) await log.flush();
        process.stdout.write("done");
        process.exit(0);
      `;
      const args = ["--input-type=module", "-e", source];
      const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
      let text = "";
      if (reader === "gone") child.stderr.destroy();
      else if (reader === "reading") child.stderr.on("data", (chunk) => (text += chunk));
      const exited = once(child, "close");
      expect(String(await once(child.stdout, "data"))).toBe("done");
      expect(await exited).toEqual([0, null]);
      if (reader !== "reading") return;
      const lines = text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
      const dropped = lines.reduce((sum, line) => sum + (line.dropped ?? 0), 0);
      const written = lines.filter((line) => line.dropped === undefined);
      expect(written.length + dropped).toBe(2_001);
    },
  );
});

describe("the access log", () => {
  it("writes one line for each request, from its record", () => {
    const { written, log } = setUp("info");
    const access = createAccessLog(log.component("access"), "info");
    access(decisionRecord({ path: `/${"x".repeat(2_000)}` }));
    const error = "no_instance";
    access(decisionRecord({ status: 503, outcome: "failed", error, executed: "no", attempts: [] }));
    const [first, second] = written.map((line) => JSON.parse(line));
    expect(first).toMatchObject({
      msg: expect.stringMatching(/^GET \/x{500,}… 200$/),
      request: "00112233445566aa",
      service: "default/web",
      instance: "two",
      agent: "b",
      attempts: 2,
      status: 200,
      durationMs: 12,
    });
    expect(second).toMatchObject({ msg: "GET / 503", error, executed: "no", attempts: 0 });
  });

  it("writes nothing where its level is off", () => {
    const { written, log } = setUp("info");
    createAccessLog(log.component("access"))(decisionRecord({}));
    expect(written).toEqual([]);
  });
});
