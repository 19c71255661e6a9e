import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createMeshMetrics } from "../../../agent/telemetry/mesh-metrics.ts";
import { OVERFLOW_LABEL, Registry } from "../../../agent/telemetry/metrics.ts";
import { createProcessMetrics } from "../../../agent/telemetry/process-metrics.ts";
import { createRequestMetrics } from "../../../agent/telemetry/request-metrics.ts";
import { instanceView, memberView, meshView } from "../views.ts";
import { decisionRecord } from "./record.ts";

/** The samples of an exposition: name and labels, then the value. */
function samples(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(" ");
      return [line.slice(0, space), Number(line.slice(space + 1).replace("Inf", "Infinity"))];
    }),
  );
}

describe("Registry", () => {
  it("writes counters, gauges and histograms in the text format", () => {
    const registry = new Registry();
    const requests = registry.counter("a_requests_total", "Requests.", "service");
    requests.with("web").increment();
    requests.with("web").increment(2);
    registry.gauge("a_temperature", "Now.").with().set(-1.5);
    const time = registry.histogram("a_seconds", "Time.", [0.1, 1], "service").with("web");
    for (const seconds of [0.05, 0.1, 0.5, 7]) time.observe(seconds);
    expect(registry.expose()).toBe(
      [
        "# HELP a_requests_total Requests.",
        "# TYPE a_requests_total counter",
        'a_requests_total{service="web"} 3',
        "# HELP a_temperature Now.",
        "# TYPE a_temperature gauge",
        "a_temperature -1.5",
        "# HELP a_seconds Time.",
        "# TYPE a_seconds histogram",
        'a_seconds_bucket{service="web",le="0.1"} 2',
        'a_seconds_bucket{service="web",le="1"} 3',
        'a_seconds_bucket{service="web",le="+Inf"} 4',
        'a_seconds_sum{service="web"} 7.65',
        'a_seconds_count{service="web"} 4',
        "",
      ].join("\n"),
    );
  });

  it("keeps sums right when labels overflow", () => {
    const registry = new Registry({ seriesPerFamilyMax: 10 });
    const counter = registry.counter("a_total", "A.", "name", "code");
    for (let at = 0; at < 1_000; at += 1) counter.with(`n${at}`, "x").increment();
    const found = samples(registry.expose());
    expect(found.size).toBe(11);
    expect(found.get(`a_total{name="${OVERFLOW_LABEL}",code="${OVERFLOW_LABEL}"}`)).toBe(990);
    expect([...found.values()].reduce((sum, value) => sum + value)).toBe(1_000);
  });

  it("keeps handles valid while the table grows", () => {
    const registry = new Registry();
    const counter = registry.counter("a_total", "A.", "name");
    const first = counter.with("first");
    for (let at = 0; at < 100; at += 1) counter.with(`n${at}`).increment();
    first.increment(5);
    expect(samples(registry.expose()).get('a_total{name="first"}')).toBe(5);
  });

  it("puts every observation into exactly one bucket", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 20, noNaN: true })), (values) => {
        const registry = new Registry();
        const bounds = [0.5, 1, 2.5, 10];
        const histogram = registry.histogram("a_seconds", "A.", bounds).with();
        for (const value of values) histogram.observe(value);
        const found = samples(registry.expose());
        for (const bound of bounds) {
          const wanted = values.filter((value) => value <= bound).length;
          expect(found.get(`a_seconds_bucket{le="${bound}"}`)).toBe(wanted);
        }
        expect(found.get('a_seconds_bucket{le="+Inf"}')).toBe(values.length);
        expect(found.get("a_seconds_count")).toBe(values.length);
      }),
    );
  });

  it("stays readable whatever a label holds", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (label) => {
        const registry = new Registry();
        registry.counter("a_total", "A.", "name").with(label).increment();
        const lines = registry.expose().split("\n");
        expect(lines).toHaveLength(4);
        expect(lines[2]).toMatch(/^a_total\{name="(?:[^"\\]|\\["\\n])*"\} 1$/);
        const text = lines[2]?.slice('a_total{name="'.length, -'"} 1'.length) ?? "";
        const read = text.replace(/\\(.)/g, (_, char) => (char === "n" ? "\n" : char));
        expect(read).toBe(label.toWellFormed());
      }),
    );
  });

  it("refuses what Prometheus would refuse", () => {
    const registry = new Registry();
    expect(() => registry.counter("a_count", "A.")).toThrow("_total");
    expect(() => registry.gauge("a-b", "A.")).toThrow("not a metric name");
    expect(() => registry.histogram("a_seconds", "A.", [1, 1])).toThrow("ascend");
    registry.gauge("a_b", "A.");
    expect(() => registry.gauge("a_b", "A.")).toThrow("exists already");
    expect(() => registry.gauge("a_c", "A.", "x").with()).toThrow("other labels");
  });
});

describe("the agent's metrics", () => {
  function agentRegistry() {
    const registry = new Registry();
    const requests = createRequestMetrics(registry);
    const view = meshView({
      members: [
        memberView("a", { self: true }),
        memberView("b", { state: "suspect", leaving: true }),
        memberView("c", { state: "dead" }),
      ],
      instances: [
        instanceView("web", "one", "a"),
        instanceView("web", "two", "b", { health: "failing", conflict: true }),
      ],
    });
    createMeshMetrics(
      registry,
      {
        view: () => view,
        inFlight: () => [{ service: "default/web", count: 3 }],
        breakers: () => [
          { service: "default/web", state: "closed" },
          { service: "default/web", state: "open" },
        ],
        links: () => 2,
        connections: () => 5,
      },
      { version: "0.1.0", nodeVersion: process.version },
    );
    const observed = createProcessMetrics(registry);
    return { registry, requests, close: () => observed.close() };
  }

  it("shows members, instances, breakers and links as they are at the scrape", () => {
    const { registry, close } = agentRegistry();
    registry.expose();
    const found = samples(registry.expose());
    close();
    expect(Object.fromEntries(found)).toMatchObject({
      'grapevine_members{state="alive"}': 1,
      'grapevine_members{state="suspect"}': 1,
      'grapevine_members{state="dead"}': 1,
      'grapevine_members{state="left"}': 0,
      grapevine_members_leaving: 1,
      grapevine_services: 1,
      'grapevine_instances{service="default/web",health="passing"}': 1,
      'grapevine_instances{service="default/web",health="failing"}': 1,
      grapevine_instance_conflicts: 1,
      'grapevine_requests_in_flight{service="default/web"}': 3,
      'grapevine_breakers{service="default/web",state="closed"}': 1,
      'grapevine_breakers{service="default/web",state="half-open"}': 0,
      'grapevine_breakers{service="default/web",state="open"}': 1,
      grapevine_links: 2,
      grapevine_control_connections: 5,
      [`grapevine_build_info{version="0.1.0",node_version="${process.version}"}`]: 1,
    });
    expect(found.get("process_resident_memory_bytes")).toBeGreaterThan(1e6);
    expect(found.get("process_cpu_seconds_total")).toBeGreaterThan(0);
    expect(found.get("nodejs_eventloop_lag_seconds")).toBeGreaterThanOrEqual(0);
  });

  it("takes the golden signals from decision records", () => {
    const { registry, requests, close } = agentRegistry();
    requests.onRecord(decisionRecord({ requestBytes: 10, responseBytes: 20, headMs: 4 }));
    const failed = {
      status: 503,
      outcome: "failed",
      error: "no_instance",
      durationMs: 300,
    } as const;
    requests.onRecord(decisionRecord({ ...failed, attempts: [] }));
    requests.onRecord(decisionRecord({ status: 0, outcome: "canceled" }));
    requests.onRecord(decisionRecord({ kind: "tcp", durationMs: 5_000 }));
    const found = Object.fromEntries(samples(registry.expose()));
    close();
    const total = 'grapevine_requests_total{service="default/web",code_class=';
    expect(found).toMatchObject({
      [`${total}"2xx",outcome="answered",error=""}`]: 2,
      [`${total}"5xx",outcome="failed",error="no_instance"}`]: 1,
      [`${total}"none",outcome="canceled",error=""}`]: 1,
      'grapevine_request_duration_seconds_count{service="default/web"}': 3,
      'grapevine_request_duration_seconds_bucket{service="default/web",le="0.25"}': 2,
      'grapevine_tcp_duration_seconds_count{service="default/web"}': 1,
      'grapevine_retries_total{service="default/web"}': 3,
      'grapevine_attempts_total{service="default/web",outcome="failed"}': 3,
      'grapevine_request_bytes_total{service="default/web"}': 10,
      'grapevine_response_bytes_total{service="default/web"}': 20,
    });
  });

  it("gives clients no way to make series: names from outside share one", () => {
    const { registry, requests, close } = agentRegistry();
    registry.expose();
    const before = samples(registry.expose()).size;
    for (let at = 0; at < 3_000; at += 1) {
      requests.onRecord(decisionRecord({ destination: "outside", service: `host${at}.example` }));
      const error = "unknown_service";
      requests.onRecord(decisionRecord({ service: `default/x${at}`, error, status: 404 }));
    }
    const after = samples(registry.expose());
    close();
    expect(after.size - before).toBeLessThan(100);
    expect(after.get('grapevine_retries_total{service="outside"}')).toBe(3_000);
  });

  const promtool = spawnSync("promtool", ["--version"]).error === undefined;
  it.runIf(promtool)("passes promtool's check", () => {
    const { registry, requests, close } = agentRegistry();
    requests.onRecord(decisionRecord({}));
    requests.onRecord(decisionRecord({ kind: "tcp" }));
    const checked = spawnSync("promtool", ["check", "metrics"], { input: registry.expose() });
    close();
    expect(`${checked.stdout}${checked.stderr}`).toBe("");
    expect(checked.status).toBe(0);
  });
});
