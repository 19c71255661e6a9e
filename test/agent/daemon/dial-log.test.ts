import { pino } from "pino";
import { beforeEach, describe, expect, it } from "vitest";
import { DialLog } from "../../../agent/daemon/dial-log.ts";

let lines: { level: number; msg: string }[];
let log: DialLog;

beforeEach(() => {
  lines = [];
  log = new DialLog(pino({ base: null }, { write: (line) => lines.push(JSON.parse(line)) }));
});

describe("an address that cannot be reached", () => {
  it("is told once, again when the reason changes, and when it is over", () => {
    const refused = { kind: "refused", detail: "ECONNREFUSED" } as const;
    const rejected = { kind: "rejected", detail: "another trust domain" } as const;
    for (let round = 0; round < 3; round += 1) log.onFailed("10.0.0.1:7946", refused);
    for (let round = 0; round < 3; round += 1) log.onFailed("10.0.0.1:7946", rejected);
    log.onConnected("10.0.0.1:7946");
    log.onConnected("10.0.0.1:7946");
    expect(lines.map(({ level, msg }) => [level, msg])).toEqual([
      [30, expect.stringContaining("nothing listens there")],
      [40, expect.stringContaining("another trust domain")],
      [30, "reached 10.0.0.1:7946"],
    ]);
  });
});
