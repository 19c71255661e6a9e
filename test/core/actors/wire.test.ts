import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { actorService, actorTypeOf, parseActorType } from "../../../core/actors/definition.ts";
import {
  decodeRemoteError,
  encodeRemoteError,
  RemoteError,
  remoteError,
} from "../../../core/actors/remote-error.ts";
import {
  decodeCall,
  decodeNotOwner,
  encodeAnswer,
  encodeCall,
  encodeNotOwner,
  faultOfNames,
} from "../../../core/actors/wire.ts";
import { decode, encode } from "../../../core/codec.ts";
import type { NodeId } from "../../../core/types.ts";

const types = fc.constantFrom("counter", "shop/cart", "a", "x9-y/z-1");
const heads = fc.record({
  service: types.map(actorService),
  key: fc.string({ unit: "grapheme", maxLength: 60 }),
  method: fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
  oneWay: fc.boolean(),
  forwards: fc.integer({ min: 0, max: 2 }),
  ringVersion: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
});

describe("calls of actors on the wire", () => {
  it("come out as they went in", () => {
    fc.assert(
      fc.property(heads, fc.array(fc.jsonValue()), (head, args) => {
        fc.pre(faultOfNames(head.key, head.method) === undefined);
        fc.pre(!JSON.stringify(args).includes('"__proto__"'));
        const decoded = decodeCall(encodeCall(head, encode(args)));
        expect(decoded?.head).toEqual(head);
        expect(decode(decoded?.args as Uint8Array)).toEqual(JSON.parse(JSON.stringify(args)));
      }),
    );
  });

  it("cannot reach the prototype of what they are read into: such a key is renamed", () => {
    const args = [JSON.parse('{"__proto__":{"isAdmin":true}}')];
    const [read] = decode(encode(args)) as [Record<string, unknown>];
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
    expect(read["isAdmin"]).toBeUndefined();
    expect(Object.keys(read)).toEqual(["__proto_"]);
  });

  it("are refused, not misread, when bytes are missing or strange", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        decodeCall(bytes);
        decodeNotOwner(bytes);
        decodeRemoteError(bytes);
      }),
    );
    const head = { service: actorService("counter"), key: "k", method: "add" };
    const whole = encodeCall({ ...head, oneWay: false, forwards: 0, ringVersion: 1 }, encode([]));
    for (let length = 0; length < whole.length - 1; length += 1) {
      expect(decodeCall(whole.subarray(0, length))).toBeUndefined();
    }
    expect(decodeCall(Uint8Array.of(9, ...whole.subarray(1)))).toBeUndefined();
  });

  it("name types by labels alone, and never like a service", () => {
    for (const bad of ["", "Counter", "a/b/c", "/a", "a/", "-a", "a-", "a.b", "x".repeat(57)]) {
      expect(parseActorType(bad)).toBeUndefined();
    }
    expect(actorService("shop/cart")).toBe("shop/actor--cart");
    expect(actorTypeOf(actorService("counter"))).toBe("counter");
    expect(actorTypeOf(actorService("shop/cart"))).toBe("shop/cart");
    expect(() => actorService("No")).toThrow(/does not name an actor type/);
  });

  it("bound keys and methods", () => {
    expect(faultOfNames("k", "add")).toBeUndefined();
    expect(faultOfNames("é".repeat(513), "add")).toMatch(/1024 bytes/);
    expect(faultOfNames("k", "")).toMatch(/128 bytes/);
    expect(faultOfNames("\ud800", "add")).toMatch(/well-formed/);
  });

  it("carry the answering node's view", () => {
    const owner = { agent: "12D3" as NodeId, instance: "a" };
    expect(decodeNotOwner(encodeNotOwner({ ringVersion: 7, owner }))).toEqual({
      ringVersion: 7,
      owner,
    });
    expect(decodeNotOwner(encodeNotOwner({ ringVersion: 0, owner: undefined }))).toEqual({
      ringVersion: 0,
      owner: undefined,
    });
    expect(decodeNotOwner(encodeAnswer(2, encode([])))).toBeUndefined();
  });
});

describe("what a handler threw", () => {
  it("arrives with name, message and code, and without its stack", () => {
    class Overdrawn extends Error {
      override readonly name = "Overdrawn";
      readonly code = "E_FUNDS";
    }
    const there = remoteError(new Overdrawn("no money"));
    const here = decodeRemoteError(encodeRemoteError(there));
    expect(here).toBeInstanceOf(RemoteError);
    expect(here).toMatchObject({ name: "Overdrawn", message: "no money", code: "E_FUNDS" });
    expect(Buffer.from(encodeRemoteError(there)).toString("latin1")).not.toContain("wire.test");
  });

  it("is an error whatever was thrown", () => {
    expect(remoteError("text").message).toBe("text");
    expect(remoteError(undefined).message).toBe("undefined");
    expect(remoteError(Symbol("s")).message).toBe("Symbol(s)");
    expect(remoteError({ code: 7 })).toMatchObject({ name: "Error", message: "", code: 7 });
    expect(remoteError(new Error("x".repeat(10_000))).message.length).toBeLessThan(8_200);
  });
});
