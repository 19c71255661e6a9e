import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../core/random.ts";
import { createRequestId, withTrace } from "../../core/trace.ts";

describe("identifiers of requests and traces", () => {
  it("request ids are 16 hexadecimal digits and do not repeat", () => {
    const random = new SeededRandom(5);
    const ids = Array.from({ length: 10_000 }, () => createRequestId(random));
    expect(new Set(ids).size).toBe(10_000);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{16}$/);
  });

  it("a new trace has the request as its first span", () => {
    const { headers, traceparent } = withTrace(["A", "1"], "00f067aa0ba902b7", new SeededRandom(5));
    expect(traceparent).toMatch(/^00-[0-9a-f]{32}-00f067aa0ba902b7-01$/);
    expect(headers).toEqual(["A", "1", "traceparent", traceparent]);
    expect(withTrace([], "0".repeat(16), new SeededRandom(5)).traceparent).not.toContain(
      "-0000000000000000-",
    );
  });

  it("a malformed traceparent is replaced together with its tracestate, a good one kept", () => {
    const random = new SeededRandom(5);
    const bad = [
      "00-00000000000000000000000000000000-b7ad6b7169203331-01",
      "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
      "0af7651916cd43dd8448eb211c80319c",
      "",
    ];
    for (const value of bad) {
      const { headers } = withTrace(
        ["Traceparent", value, "Tracestate", "x=1"],
        "1".repeat(16),
        random,
      );
      expect(headers).toHaveLength(2);
      expect(headers[1]).not.toBe(value);
    }
    const good = ["TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"];
    expect(withTrace(good, "1".repeat(16), random)).toEqual({
      headers: good,
      traceparent: good[1],
    });
  });
});
