import { describe, expect, it } from "vitest";
import { GrapevineError } from "../../../core/errors.ts";
import { REPEATABLE_BODY_BYTES_MAX } from "../../../core/limits.ts";
import type { NodeId, ServiceKey } from "../../../core/types.ts";
import { front, instance, member, meshView } from "./fakes.ts";
import { RouterFixture } from "./router-fixture.ts";

const three = () => [instance("a", "n1"), instance("b", "n2"), instance("c", "n3")];
const web = { kind: "mesh", service: "default/web" as ServiceKey, instance: undefined, port: 80 };
const bytes = (text: string) => new TextEncoder().encode(text);
const canceled = () => new GrapevineError("canceled", "the client went away");

describe("a routed request", () => {
  it("reaches an instance and leaves one record of how", () => {
    const mesh = new RouterFixture(meshView(three()));
    const { observer, requestId } = mesh.open(front());
    mesh.clock.advance(7);
    mesh.backends.last.answer(200, "hello");
    expect(observer.lines).toEqual(["head 200", "body 5", "end"]);
    mesh.expectQuiet(1);
    expect(requestId).toMatch(/^[0-9a-f]{16}$/);
    expect(mesh.record).toMatchObject({
      id: requestId,
      outcome: "answered",
      status: 200,
      headMs: 7,
      durationMs: 7,
      responseBytes: 5,
      attempts: [{ number: 1, reason: "least_latency", outcome: "answered", headMs: 7 }],
    });
    expect(mesh.record.candidates).toHaveLength(3);
    expect(JSON.parse(JSON.stringify(mesh.record))).toEqual(mesh.record);
  });

  it("keeps a key on its owner, and names owner and list as the ring does", () => {
    const mesh = new RouterFixture(meshView(three()));
    for (let round = 0; round < 20; round += 1) {
      mesh.open(front({}, { key: "user-42" }));
      mesh.backends.last.answer();
    }
    expect(new Set(mesh.backends.attempts.map((attempt) => attempt.instance)).size).toBe(1);
    expect(mesh.record.preference[0]).toBe(mesh.backends.last.instance);
    expect(mesh.record.attempts[0]).toMatchObject({ rank: 0, reason: "owner" });
    expect(mesh.backends.last.context).toMatchObject({
      rank: 0,
      ringVersion: mesh.record.ringVersion,
    });
  });

  it("repeats at another instance in the same millisecond when a link breaks, other agents first", () => {
    const mesh = new RouterFixture(
      meshView([instance("a1", "n1"), instance("a2", "n1"), instance("b1", "n2")]),
    );
    for (let seed = 0; seed < 20; seed += 1) {
      const { observer } = mesh.open(front({}, { key: `k${seed}` }));
      const failed = mesh.backends.last.context.instance;
      if (failed !== "b1") {
        mesh.backends.last.fail("link_reset");
        expect(mesh.backends.last.instance).toBe("b1");
        expect(mesh.backends.last.context).toMatchObject({ attempt: 2, reason: "retry" });
      }
      mesh.backends.last.answer();
      expect(observer.lines).toEqual(["head 200", "body 2", "end"]);
      expect(mesh.record.durationMs).toBe(0);
    }
  });

  it("sends the body again byte for byte, although the first attempt destroyed its copy", () => {
    const mesh = new RouterFixture(meshView(three()));
    const { exchange, observer } = mesh.open(front({ method: "PUT", body: "chunked" }));
    exchange.writeBody(bytes("one "));
    exchange.writeBody(bytes("two "));
    mesh.backends.last.fail("link_reset");
    exchange.writeBody(bytes("three"));
    exchange.endBody(["x-sum", "1"]);
    mesh.backends.last.fail("upstream_reset");
    const last = mesh.backends.last;
    expect(new TextDecoder().decode(Uint8Array.from(last.body))).toBe("one two three");
    expect(last.trailers).toEqual(["x-sum", "1"]);
    last.answer();
    expect(observer.lines.at(-1)).toBe("end");
    expect(mesh.record.attempts.map((attempt) => attempt.outcome)).toEqual([
      "failed",
      "failed",
      "answered",
    ]);
    expect(mesh.record.requestBytes).toBe(13);
  });

  it("does not repeat a POST that may have run, but does one that surely did not", () => {
    const mesh = new RouterFixture(meshView(three()));
    const first = mesh.open(front({ method: "POST", body: 2 }));
    first.exchange.writeBody(bytes("hi"));
    first.exchange.endBody([]);
    mesh.backends.last.fail("link_reset");
    expect(first.observer.lines).toEqual(["error link_reset"]);
    expect(first.observer.errors[0]?.executed).toBe("unknown");
    const second = mesh.open(front({ method: "POST", body: 2 }));
    second.exchange.writeBody(bytes("hi"));
    mesh.backends.last.fail("upstream_refused");
    expect(second.observer.lines).toEqual([]);
    expect(mesh.backends.last.body).toEqual([...bytes("hi")]);
    mesh.backends.last.fail("link_reset");
    expect(second.observer.errors[0]?.executed).toBe("unknown");
    mesh.expectQuiet(2);
  });

  it("says that a request may have run if any of its attempts may have", () => {
    const mesh = new RouterFixture(meshView(three()));
    const { observer } = mesh.open(front());
    mesh.backends.last.fail("link_reset");
    mesh.backends.last.fail("upstream_refused");
    mesh.backends.last.fail("upstream_refused");
    expect(observer.errors[0]).toMatchObject({ short: "upstream_refused", executed: "unknown" });
    expect(mesh.backends.attempts).toHaveLength(3);
    expect(mesh.record.notRepeated).toContain("3 attempts");
  });

  it("stops being repeatable once the body has outgrown what is kept", () => {
    const mesh = new RouterFixture(meshView(three()));
    const { exchange, observer } = mesh.open(front({ method: "PUT", body: "chunked" }));
    exchange.writeBody(new Uint8Array(REPEATABLE_BODY_BYTES_MAX));
    mesh.backends.last.fail("upstream_refused");
    expect(mesh.backends.last.body).toHaveLength(REPEATABLE_BODY_BYTES_MAX);
    exchange.writeBody(new Uint8Array(1));
    mesh.backends.last.fail("upstream_refused");
    expect(observer.lines).toEqual(["error upstream_refused"]);
    expect(mesh.record.notRepeated).toContain("too large");
  });

  it("does not repeat after the head was passed on", () => {
    const mesh = new RouterFixture(meshView(three()));
    const { observer } = mesh.open(front());
    mesh.backends.last.head(200);
    mesh.backends.last.fail("link_reset");
    expect(observer.lines).toEqual(["head 200", "error link_reset"]);
    expect(mesh.record).toMatchObject({ outcome: "failed", status: 200, error: "link_reset" });
    mesh.expectQuiet(1);
  });

  it("takes each attempt's candidates from the newest view", () => {
    const mesh = new RouterFixture(meshView(three()));
    mesh.open(front());
    mesh.view = meshView([instance("fresh", "n9")]);
    mesh.backends.last.fail("link_reset");
    expect(mesh.backends.last.instance).toBe("fresh");
    mesh.backends.last.answer();
    expect(mesh.router.inFlight).toBe(0);
  });

  it("waits before it tries the same instance again", () => {
    const mesh = new RouterFixture(meshView([instance("only", "n1")]));
    const { exchange, observer } = mesh.open(front({ method: "PUT", body: "chunked" }));
    mesh.backends.last.fail("upstream_refused");
    expect(mesh.backends.attempts).toHaveLength(1);
    expect(exchange.writeBody(bytes("held"))).toBe(false);
    mesh.clock.advance(12);
    expect(mesh.backends.attempts).toHaveLength(1);
    mesh.clock.advance(13);
    expect(mesh.backends.attempts).toHaveLength(2);
    expect(observer.lines).toEqual(["drain"]);
    expect(mesh.backends.last.body).toEqual([...bytes("held")]);
    mesh.backends.last.answer(204, "");
    expect(mesh.record.candidates.filter((each) => each.attempt === 2)).toMatchObject([
      { verdict: "chosen" },
    ]);
  });

  it("lets a waiting client go on when the attempt that it waited for is gone", () => {
    const mesh = new RouterFixture(meshView(three()));
    const { exchange, observer } = mesh.open(front({ method: "PUT", body: "chunked" }));
    mesh.backends.last.takesMore = false;
    expect(exchange.writeBody(bytes("x"))).toBe(false);
    mesh.backends.last.fail("link_reset");
    expect(observer.lines).toEqual(["drain"]);
  });

  it("survives an attempt that fails inside a write", () => {
    const mesh = new RouterFixture(meshView(three()));
    const { exchange, observer } = mesh.open(front({ method: "PUT", body: "chunked" }));
    const first = mesh.backends.last;
    first.onWrite = () => first.fail("link_reset");
    expect(exchange.writeBody(bytes("abc"))).toBe(true);
    expect(mesh.backends.last).not.toBe(first);
    expect(mesh.backends.last.body).toEqual([...bytes("abc")]);
    mesh.backends.last.answer();
    expect(observer.lines.at(-1)).toBe("end");
  });

  it("keeps back-pressure on the answer over a repeat", () => {
    const mesh = new RouterFixture(meshView(three()));
    const { exchange } = mesh.open(front());
    exchange.pause();
    mesh.backends.last.fail("link_reset");
    expect(mesh.backends.last.isPaused).toBe(true);
    exchange.resume();
    expect(mesh.backends.last.isPaused).toBe(false);
  });

  it("passes 100 on once, and repeats without asking for it again", () => {
    const mesh = new RouterFixture(meshView(three()));
    const request = front({ method: "PUT", body: "chunked", expectContinue: true });
    const { observer, exchange } = mesh.open(request);
    const permit = { status: 100, reason: "Continue", headers: [], body: 0 };
    mesh.backends.last.observer.onInformational(permit);
    exchange.writeBody(bytes("abc"));
    mesh.backends.last.fail("link_reset");
    expect(mesh.backends.last.request.expectContinue).toBe(false);
    mesh.backends.last.observer.onInformational(permit);
    expect(observer.lines).toEqual(["informational 100"]);
  });

  it("adds a traceparent only where there is none", () => {
    const mesh = new RouterFixture(meshView(three()));
    mesh.open(front());
    const added = mesh.backends.last.request.headers;
    expect(added.slice(0, 3)).toEqual(["Host", "web.mesh", "traceparent"]);
    expect(added[3]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(mesh.backends.last.context.traceparent).toBe(added[3]);
    const own = ["TraceParent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"];
    mesh.open(front({ headers: own }));
    expect(mesh.backends.last.request.headers).toEqual(own);
    mesh.open(front({ headers: ["traceparent", "nonsense", "tracestate", "a=b", "A", "1"] }));
    expect(mesh.backends.last.request.headers.slice(0, 3)).toEqual(["A", "1", "traceparent"]);
  });

  it("ends an attempt that is silent for 65 s before its head, and never one after it", () => {
    const mesh = new RouterFixture(meshView(three()));
    const silent = mesh.open(front());
    const streaming = mesh.open(front());
    const attempt = mesh.backends.attempts[0];
    mesh.backends.attempts[1]?.head();
    mesh.clock.advance(64_000);
    expect(silent.observer.lines).toEqual([]);
    mesh.clock.advance(2_000);
    expect(silent.observer.lines).toEqual(["error idle_timeout"]);
    expect(attempt?.canceled?.short).toBe("idle_timeout");
    expect(mesh.record.status).toBe(504);
    mesh.clock.advance(600_000);
    expect(streaming.observer.lines).toEqual(["head 200"]);
  });

  it("counts a body that is still being sent as a sign of life", () => {
    const mesh = new RouterFixture(meshView(three()));
    const { exchange, observer } = mesh.open(front({ method: "POST", body: "chunked" }));
    for (let minute = 0; minute < 5; minute += 1) {
      mesh.clock.advance(50_000);
      exchange.writeBody(bytes("."));
    }
    expect(observer.lines).toEqual([]);
    exchange.cancel(canceled());
    mesh.expectQuiet(1);
  });

  it("keeps to a deadline over all attempts, and tells what is left of it", () => {
    const mesh = new RouterFixture(meshView([instance("only", "n1")]));
    const { observer } = mesh.open(front({}, { deadlineLeftMs: 100 }));
    expect(mesh.backends.last.context.deadlineLeftMs).toBe(100);
    mesh.clock.advance(40);
    mesh.backends.last.fail("upstream_refused");
    mesh.clock.advance(25);
    expect(mesh.backends.last.context.deadlineLeftMs).toBeLessThan(60);
    mesh.clock.advance(50);
    expect(observer.lines).toEqual(["error deadline_exceeded"]);
    expect(mesh.record.durationMs).toBe(100);
    expect(mesh.backends.last.canceled?.short).toBe("deadline_exceeded");
    mesh.expectQuiet(1);
  });
});

describe("a process that stood still", () => {
  it("does not begin the repeat whose pause ended meanwhile if the deadline passed, too", () => {
    const mesh = new RouterFixture(meshView([instance("only", "n1")]));
    const { observer } = mesh.open(front({}, { deadlineLeftMs: 100 }));
    mesh.clock.advance(40);
    mesh.backends.last.fail("upstream_refused");
    expect(mesh.backends.attempts).toHaveLength(1);
    mesh.clock.stall(300);
    expect(mesh.backends.attempts).toHaveLength(1);
    expect(observer.lines).toEqual(["error deadline_exceeded"]);
    expect(mesh.record.attempts).toHaveLength(1);
    expect(mesh.record.executed).toBe("no");
    mesh.expectQuiet(1);
  });
});

describe("a request that cannot be routed", () => {
  const refusal = (mesh: RouterFixture, request = front()) => {
    const { observer } = mesh.open(request);
    mesh.clock.advance(0);
    mesh.expectQuiet(mesh.records.length);
    return observer.errors[0] as GrapevineError;
  };

  it("names the services whose name is near an unknown one", () => {
    const mesh = new RouterFixture(meshView(three()));
    const destination = { ...web, kind: "mesh" as const, service: "default/wep" as ServiceKey };
    const error = refusal(mesh, front({}, { destination }));
    expect(error).toMatchObject({ short: "unknown_service", status: 404, executed: "no" });
    expect(error.message).toContain("default/web");
  });

  it("names the ports there are, and the instances there are", () => {
    const mesh = new RouterFixture(meshView(three()));
    const at = (port: number, named?: string) =>
      front({}, { destination: { ...web, kind: "mesh", port, instance: named } });
    expect(refusal(mesh, at(81))).toMatchObject({ status: 404 });
    expect(mesh.record.errorMessage).toContain("it offers 80");
    expect(refusal(mesh, at(80, "zz")).message).toContain("a, b, c");
  });

  it("answers 503 no_instance where none is healthy, and says why for each", () => {
    const mesh = new RouterFixture(
      meshView(
        [
          instance("a", "n1", { health: "failing" }),
          instance("b", "n2"),
          instance("c", "n3"),
          instance("d", "n4", { weight: 0 }),
        ],
        [member("n2", { leaving: true }), member("n3", { state: "dead" })],
      ),
    );
    expect(refusal(mesh)).toMatchObject({ short: "no_instance", status: 503, retryable: true });
    expect(mesh.record.candidates.map((each) => each.verdict)).toEqual([
      "failing",
      "leaving",
      "dead",
      "weight_zero",
    ]);
  });

  it("answers circuit_open once the only instance is gone, and tries it again later", () => {
    const mesh = new RouterFixture(meshView([instance("only", "n1")]));
    for (let failures = 0; failures < 5; failures += 1) {
      mesh.open(front({ method: "POST" }));
      mesh.backends.last.fail("link_reset");
    }
    expect(refusal(mesh)).toMatchObject({ short: "circuit_open", status: 503 });
    const [only] = mesh.view.services.get("default/web" as ServiceKey)?.instances ?? [];
    expect(only && mesh.router.breakerOf(only)).toBe("open");
    mesh.clock.advance(1_500);
    expect(only && mesh.router.breakerOf(only)).toBe("half-open");
    for (let probes = 0; probes < 2; probes += 1) {
      mesh.open(front());
      mesh.backends.last.answer();
    }
    expect(only && mesh.router.breakerOf(only)).toBe("closed");
  });

  it("tells an http client of a tcp service what to do instead", () => {
    const mesh = new RouterFixture(meshView([instance("db", "n1", { protocol: "tcp" })]));
    expect(refusal(mesh).message).toContain("--protocol http");
    mesh.open(front({ kind: "tcp", method: "", path: "" }));
    expect(mesh.backends.attempts).toHaveLength(1);
  });

  it("refuses destinations outside with --egress deny, and passes them through otherwise", () => {
    const mesh = new RouterFixture(meshView([]));
    const outside = front({}, { destination: { kind: "outside", host: "example.com", port: 443 } });
    const { observer } = mesh.open(outside);
    mesh.outside[0]?.answer();
    expect(observer.lines.at(-1)).toBe("end");
    expect(mesh.outside[0]?.request).toEqual(outside.head);
    expect(mesh.record).toMatchObject({ destination: "outside", service: "example.com" });
    mesh.egressPolicy = "deny";
    expect(refusal(mesh, outside)).toMatchObject({ short: "egress_denied", status: 403 });
  });

  it("never chooses an instance in conflict, and a named one only", () => {
    const mesh = new RouterFixture(
      meshView([instance("a", "n1"), instance("a", "n2", { conflict: true }), instance("b", "n3")]),
    );
    const named = front({}, { destination: { ...web, kind: "mesh", instance: "a" } });
    for (let round = 0; round < 10; round += 1) {
      mesh.open(named);
      mesh.backends.last.answer();
      expect(mesh.record.attempts[0]).toMatchObject({ agent: "n1" as NodeId, reason: "named" });
    }
  });
});
