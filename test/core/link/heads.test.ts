import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GrapevineError } from "../../../core/errors.ts";
import type { AttemptContext, RequestHead } from "../../../core/exchange/contract.ts";
import { decodeError, encodeError, encodeReason } from "../../../core/link/failures.ts";
import {
  decodeHead,
  decodeOpening,
  decodeTrailers,
  encodeHead,
  encodeOpening,
  encodeTrailers,
} from "../../../core/link/heads.ts";
import { CONTEXT, OK, REQUEST } from "./world.ts";

const latin1 = fc
  .array(fc.integer({ min: 0, max: 255 }), { maxLength: 300 })
  .map((codes) => String.fromCharCode(...codes));
const headers = fc.array(fc.tuple(latin1, latin1), { maxLength: 40 }).map((pairs) => pairs.flat());
const bodyLength = fc.oneof(fc.nat(), fc.constant("chunked" as const));
const maybe = fc.option(latin1, { nil: undefined });
const context: fc.Arbitrary<AttemptContext> = fc.record({
  requestId: latin1,
  service: latin1,
  instance: latin1,
  port: fc.integer({ min: 0, max: 65_535 }),
  attempt: fc.integer({ min: 1, max: 1000 }),
  rank: fc.integer({ min: -1, max: 1000 }),
  reason: latin1,
  deadlineLeftMs: fc.option(fc.double({ min: 0, max: 1e9, noNaN: true }), { nil: undefined }),
  traceparent: maybe,
  caller: maybe,
  ringVersion: fc.maxSafeInteger(),
  retryTokens: fc.double({ min: 0, max: 1e6, noNaN: true }),
});
const request: fc.Arbitrary<RequestHead> = fc.record({
  kind: fc.constantFrom("http", "tcp"),
  method: latin1,
  path: latin1,
  authority: latin1,
  headers,
  body: bodyLength,
  upgrade: maybe,
  expectContinue: fc.boolean(),
});
const copy = (encoded: unknown) => Buffer.from(encoded as Uint8Array);

describe("heads on a link", () => {
  it("come out as they went in", () => {
    fc.assert(
      fc.property(context, request, (someContext, someRequest) => {
        const body = copy(encodeOpening(someContext, someRequest));
        expect(decodeOpening(body)).toEqual({ context: someContext, request: someRequest });
      }),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 999 }),
        latin1,
        headers,
        bodyLength,
        (status, reason, fields, length) => {
          const head = { status, reason, headers: fields, body: length };
          expect(decodeHead(copy(encodeHead(head)))).toEqual(head);
          expect(decodeTrailers(copy(encodeTrailers(fields)))).toEqual(fields);
        },
      ),
    );
  });

  it("carry a value longer than 64 KiB together with many short ones", () => {
    const headers = ["Cookie", "x".repeat(70_000), ...Array.from({ length: 200 }, () => "abc")];
    expect(decodeHead(copy(encodeHead({ ...OK, headers })))?.headers).toEqual(headers);
  });

  it("are refused where they break a bound or would smuggle bytes", () => {
    const big = { ...REQUEST, headers: ["a", "x".repeat(200_000)] };
    expect(encodeOpening(CONTEXT, big)).toBe("too_large");
    const many = { ...REQUEST, headers: Array.from({ length: 700 }, () => "a") };
    expect(encodeOpening(CONTEXT, many)).toBe("too_large");
    const smuggled = { ...REQUEST, headers: ["a", "b\u010ac"] };
    expect(encodeOpening(CONTEXT, smuggled)).toBe("not_latin1");
  });

  it("never throw, whatever bytes arrive", () => {
    const good = copy(encodeOpening(CONTEXT, REQUEST));
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(good.length), (noise, cut) => {
        for (const body of [Buffer.from(noise), Buffer.concat([good.subarray(0, cut), noise])]) {
          decodeOpening(body);
          decodeHead(body);
          decodeTrailers(body);
          decodeError(body);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("errors on a link", () => {
  it("keep code, message and what is known about the execution", () => {
    const error = new GrapevineError("upstream_reset", "gone für immer", { executed: "no" });
    const back = decodeError(Buffer.from(encodeError(error)));
    expect(back).toMatchObject({
      short: "upstream_reset",
      message: "gone für immer",
      executed: "no",
      retryable: true,
    });
  });

  it("show the code of a newer version in the message", () => {
    const body = Buffer.concat([Buffer.of(2, 8), Buffer.from("new_kind"), Buffer.from("why")]);
    const error = decodeError(body);
    expect(error).toMatchObject({ short: "internal", message: "new_kind: why", retryable: true });
  });

  it("cut long reasons between characters", () => {
    const text = encodeReason("ü".repeat(2000)).toString("utf8");
    expect(text).toMatch(/^ü+$/);
  });
});
