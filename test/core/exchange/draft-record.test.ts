import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { draftRecord } from "../../../core/exchange/draft-record.ts";
import { destinationOf } from "../../../core/http/destination.ts";
import { parseRequest } from "../../../core/http/request-reader.ts";
import type { WallMillis } from "../../../core/types.ts";

const HEAD_BYTES = 60_000;
const REQUESTS = 400;

function heapUsed(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed;
}

function record(request: number, rest: string) {
  const line = `GET /path-number-${request}-long-enough-to-be-a-slice HTTP/1.1\r\n`;
  const fields = `Host: instance-with-a-name.web.default.mesh\r\ngrapevine-key: user-with-a-key-${request}\r\n`;
  const bytes = Buffer.from(`${line}${fields}${rest}\r\n`, "latin1");
  const parsed = parseRequest(bytes.toString("latin1"));
  if ("code" in parsed) throw new Error(parsed.message);
  const destination = destinationOf(parsed, { kind: "proxy" });
  if ("code" in destination) throw new Error(destination.message);
  const head = {
    kind: "http" as const,
    method: parsed.method,
    path: parsed.path,
    authority: parsed.authority,
    headers: parsed.fields,
    body: parsed.body,
    upgrade: undefined,
    expectContinue: false,
  };
  const asked = { head, destination, key: parsed.key, listener: "proxy", remote: "" };
  return draftRecord(`r${request}`, asked, 0 as WallMillis, [], []);
}

describe("a decision record", () => {
  it("holds its own text, not the whole head that the text was cut from", () => {
    const rest = `Cookie: ${"x".repeat(HEAD_BYTES)}\r\n`;
    const before = heapUsed();
    const records = Array.from({ length: REQUESTS }, (_, request) => record(request, rest));
    expect(heapUsed() - before).toBeLessThan((REQUESTS * HEAD_BYTES) / 5);
    expect(records[1]).toMatchObject({
      path: "/path-number-1-long-enough-to-be-a-slice",
      named: "instance-with-a-name",
      service: "default/web",
      key: "user-with-a-key-1",
    });
  });
});
