import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Admission, type AdmissionOptions } from "../../transport/admission.ts";

interface Visitor {
  readonly name: string;
}

let begun: string[];
let dropped: string[];

function admission(options: Partial<AdmissionOptions<Visitor>>): Admission<Visitor> {
  return new Admission<Visitor>({
    begin: ({ name }) => begun.push(name),
    drop: ({ name }) => dropped.push(name),
    ...options,
  });
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  begun = [];
  dropped = [];
});

afterEach(() => vi.useRealTimers());

const visitor = (name: string): Visitor => ({ name });

describe("strangers", () => {
  it("begin at once while there are few, and then at a steady rate", () => {
    const door = admission({ perSecond: 10, burst: 3 });
    for (let at = 0; at < 8; at += 1) door.arrive(visitor(`v${at}`), "10.0.0.1");
    expect(begun).toHaveLength(3);
    vi.advanceTimersByTime(305);
    expect(begun).toHaveLength(6);
    vi.advanceTimersByTime(10_000);
    expect(begun).toHaveLength(8);
    for (let at = 0; at < 8; at += 1) door.arrive(visitor(`w${at}`), "10.0.0.1");
    expect(begun).toHaveLength(11);
  });

  it("take turns by address, however many one address sends", () => {
    const door = admission({ perSecond: 10, burst: 1 });
    for (let at = 0; at < 50; at += 1) door.arrive(visitor(`flood${at}`), "10.0.0.1");
    door.arrive(visitor("honest"), "10.0.0.2");
    vi.advanceTimersByTime(250);
    expect(begun).toContain("honest");
  });

  it("begin latest first within an address, since the latest may still be there when done", () => {
    const door = admission({ perSecond: 10, burst: 1 });
    for (const name of ["a", "b", "c"]) door.arrive(visitor(name), "10.0.0.1");
    vi.advanceTimersByTime(1_000);
    expect(begun).toEqual(["a", "c", "b"]);
  });

  it("beyond the bound cost the first of the address that has most", () => {
    const door = admission({ guestsMax: 4 });
    door.arrive(visitor("honest"), "10.0.0.2");
    for (const name of ["a", "b", "c", "d", "e"]) door.arrive(visitor(name), "10.0.0.1");
    expect(dropped).toEqual(["a", "b"]);
    expect(door.size).toBe(4);
  });

  it("of one IPv6 network count as one address", () => {
    const door = admission({ guestsMax: 3 });
    door.arrive(visitor("honest"), "2001:db8:0:1::1");
    door.arrive(visitor("a"), "2001:db8::1");
    door.arrive(visitor("b"), "2001:db8::ffff:0:0:2");
    door.arrive(visitor("c"), "2001:db8:0:0:1:2:3:4");
    expect(dropped).toEqual(["a"]);
    door.arrive(visitor("d"), "::ffff:10.0.0.1");
    expect(dropped).toEqual(["a", "b"]);
  });

  it("that prove who they are make room, and whoever waits at the end is given back", () => {
    const door = admission({ guestsMax: 2, burst: 1, perSecond: 1 });
    const [first, second, third] = [visitor("1"), visitor("2"), visitor("3")];
    door.arrive(first, "10.0.0.1");
    door.leave(first);
    door.leave(first);
    door.arrive(second, "10.0.0.1");
    door.arrive(third, "10.0.0.1");
    expect(dropped).toEqual([]);
    expect(door.close()).toEqual([second, third]);
    vi.advanceTimersByTime(60_000);
    expect(begun).toEqual(["1"]);
  });
});
