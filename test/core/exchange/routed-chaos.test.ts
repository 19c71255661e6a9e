import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GrapevineError } from "../../../core/errors.ts";
import type { Exchange } from "../../../core/exchange/contract.ts";
import type { MemberState } from "../../../core/types.ts";
import type { FakeAttempt, NotingObserver } from "./fakes.ts";
import { front, instance, member, meshView } from "./fakes.ts";
import { RouterFixture } from "./router-fixture.ts";

const METHODS = ["GET", "PUT", "POST"] as const;
const ERRORS = [
  "link_reset",
  "upstream_refused",
  "upstream_reset",
  "overloaded",
  "draining",
  "not_owner",
  "unreachable",
  "internal",
] as const;
const STATES: MemberState[] = ["alive", "alive", "alive", "suspect", "dead"];

/** One step of a run; `pick` chooses among what is open, `detail` what happens to it. */
const step = fc.record({
  kind: fc.constantFrom(
    "open",
    "open",
    "write",
    "write",
    "end",
    "fail",
    "fail",
    "head",
    "head",
    "body",
    "finish",
    "cancel",
    "drain",
    "time",
    "view",
    "pause",
  ),
  pick: fc.nat(1_000),
  detail: fc.nat(1_000),
});

interface Running {
  readonly exchange: Exchange;
  readonly observer: NotingObserver;
  readonly method: string;
  sent: number[];
  isEnded: boolean;
  isGivenUp: boolean;
}

class Run {
  readonly mesh = new RouterFixture(viewOf(0));
  readonly requests: Running[] = [];
  readonly over = new Set<FakeAttempt>();
  readonly heads = new Set<FakeAttempt>();

  step(kind: string, pick: number, detail: number): void {
    const open = this.requests.filter((each) => !each.observer.isOver && !each.isGivenUp);
    const request = open[pick % Math.max(open.length, 1)];
    const live = this.mesh.backends.attempts.filter(
      (each) => !this.over.has(each) && !each.canceled,
    );
    const attempt = live[pick % Math.max(live.length, 1)];
    if (kind === "open") this.#open(pick, detail);
    else if (kind === "time") this.mesh.clock.advance(detail);
    else if (kind === "view") this.mesh.view = viewOf(pick * 1_001 + detail);
    else if (request !== undefined && ["write", "end", "cancel", "pause"].includes(kind)) {
      this.#client(request, kind, detail);
    } else if (attempt !== undefined) this.#backend(attempt, kind, detail);
  }

  #open(pick: number, detail: number): void {
    const method = METHODS[detail % METHODS.length] as string;
    const key = pick % 3 === 0 ? `k${detail}` : undefined;
    const opened = this.mesh.open(front({ method, body: "chunked" }, { key }));
    this.requests.push({ ...opened, method, sent: [], isEnded: false, isGivenUp: false });
  }

  #client(request: Running, kind: string, detail: number): void {
    if (kind === "write" && !request.isEnded) {
      const chunk = Uint8Array.from({ length: 1 + (detail % 9) }, (_, at) => (detail + at) % 200);
      request.sent.push(...chunk);
      request.exchange.writeBody(chunk);
    } else if (kind === "end") {
      request.isEnded = true;
      request.exchange.endBody([]);
    } else if (kind === "pause") {
      if (detail % 2 === 0) request.exchange.pause();
      else request.exchange.resume();
    } else if (kind === "cancel") {
      request.isGivenUp = true;
      request.observer.isForbidden = true;
      request.exchange.cancel(new GrapevineError("canceled", "gone"));
    }
  }

  #backend(attempt: FakeAttempt, kind: string, detail: number): void {
    if (kind === "fail") {
      this.over.add(attempt);
      attempt.fail(ERRORS[detail % ERRORS.length] as "internal");
    } else if (kind === "drain") attempt.observer.onRequestDrain();
    else if (kind === "head" && !this.heads.has(attempt)) {
      this.heads.add(attempt);
      attempt.head([200, 200, 404, 503][detail % 4]);
    } else if (kind === "body" && this.heads.has(attempt)) {
      attempt.observer.onBody(new Uint8Array(detail % 5));
    } else if (kind === "finish" && this.heads.has(attempt)) {
      this.over.add(attempt);
      attempt.observer.onEnd([]);
    }
  }

  settle(): void {
    for (let round = 0; round < 5; round += 1) {
      for (const attempt of this.mesh.backends.attempts) {
        if (this.over.has(attempt) || attempt.canceled) continue;
        this.over.add(attempt);
        attempt.fail("internal");
      }
      this.mesh.clock.advance(1_000);
    }
  }

  check(): void {
    this.mesh.expectQuiet(this.requests.length);
    const byRequest = Map.groupBy(this.mesh.backends.attempts, (each) => each.context.requestId);
    this.mesh.records.forEach((record) => {
      const attempts = byRequest.get(record.id) ?? [];
      expect(record.attempts).toHaveLength(attempts.length);
      expect(attempts.length).toBeLessThanOrEqual(3);
      expect(record.attempts.every((row) => row.outcome !== "running")).toBe(true);
    });
    this.#checkRepeats(byRequest);
  }

  /** A method that must not run twice is repeated only after attempts that surely did not run. */
  #checkRepeats(byRequest: Map<string, FakeAttempt[]>): void {
    for (const record of this.mesh.records) {
      const before = record.attempts.slice(0, -1);
      for (const row of before) expect(row.outcome).toBe("failed");
      if (record.method === "POST") {
        for (const row of before) expect(row.executed).toBe("no");
      }
      const sent = (byRequest.get(record.id) ?? []).map((attempt) => attempt.body);
      const longest = sent.reduce((a, b) => (a.length >= b.length ? a : b), []);
      for (const body of sent) expect(longest.slice(0, body.length)).toEqual(body);
    }
  }
}

function viewOf(seed: number) {
  const agents = ["n1", "n2", "n3"].map((name, at) =>
    member(name, { state: STATES[(seed >> (2 * at)) % STATES.length] as MemberState }),
  );
  const health = (at: number) => ((seed >> at) % 7 === 3 ? "failing" : "passing") as "passing";
  return meshView(
    [
      instance("a", "n1", { health: health(1) }),
      instance("b", "n2", { health: health(2), weight: 3 }),
      instance("c", "n3"),
      instance("d", "n1"),
    ],
    agents,
  );
}

describe("any order of events", () => {
  it("ends each request once, with one record, nothing left and no forbidden repeat", () => {
    const marks = new Map<string, number>();
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
        const run = new Run();
        for (const { kind, pick, detail } of steps) run.step(kind, pick, detail);
        run.settle();
        run.check();
        for (const { outcome, attempts } of run.mesh.records) {
          const mark = `${outcome} after ${attempts.length}`;
          marks.set(mark, (marks.get(mark) ?? 0) + 1);
        }
      }),
      { numRuns: 400 },
    );
    for (const outcome of ["answered", "failed", "canceled"]) {
      for (const attempts of [1, 2, 3]) {
        expect(marks.get(`${outcome} after ${attempts}`) ?? 0).toBeGreaterThan(0);
      }
    }
  });

  it("never sends an attempt to a member that the view calls dead", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const run = new Run();
        run.mesh.backends.onOpen = (attempt) => {
          const { service, instance: id } = attempt.context;
          const known = [...run.mesh.view.services.values()].find((each) => each.key === service);
          const agent = known?.instances.find((each) => each.id === id)?.agent;
          expect(agent && run.mesh.view.members.get(agent)?.state).not.toBe("dead");
        };
        for (const { kind, pick, detail } of steps) run.step(kind, pick, detail);
      }),
      { numRuns: 200 },
    );
  });

  it("delivers the whole body to the attempt that answers, whenever the others failed", () => {
    const chunks = fc.array(fc.uint8Array({ minLength: 0, maxLength: 40 }), { maxLength: 12 });
    fc.assert(
      fc.property(chunks, fc.nat(12), fc.nat(12), (body, firstFailure, secondFailure) => {
        const mesh = new RouterFixture(meshView(["a", "b", "c"].map((id) => instance(id, id))));
        const { exchange } = mesh.open(front({ method: "PUT", body: "chunked" }));
        body.forEach((chunk, at) => {
          exchange.writeBody(chunk.slice());
          if (at === firstFailure || at === secondFailure) mesh.backends.last.fail("link_reset");
        });
        exchange.endBody([]);
        expect(mesh.backends.last.body).toEqual(body.flatMap((chunk) => [...chunk]));
        expect(mesh.backends.last.isBodyEnded).toBe(true);
      }),
    );
  });

  it("repeats stay within a fifth of the requests and a floor, in any ten seconds", () => {
    const mesh = new RouterFixture(
      meshView(Array.from({ length: 30 }, (_, at) => instance(`i${at}`, `n${at}`))),
    );
    const requests: number[] = [];
    const repeats: number[] = [];
    mesh.backends.onOpen = (attempt) => {
      (attempt.context.attempt === 1 ? requests : repeats).push(mesh.clock.time);
    };
    for (let tick = 0; tick < 3_000; tick += 1) {
      mesh.clock.advance(11);
      for (let each = 0; each < 1 + (tick % 3); each += 1) {
        const { observer } = mesh.open(front());
        while (!observer.isOver && mesh.router.inFlight > 0) {
          const before = mesh.backends.attempts.length;
          mesh.backends.last.fail(tick % 2 === 0 ? "link_reset" : "upstream_reset");
          if (mesh.backends.attempts.length === before) break;
        }
      }
    }
    expect(repeats.length).toBeGreaterThan(100);
    for (let at = 0; at < repeats.length; at += 7) {
      const until = repeats[at] as number;
      const inWindow = (times: number[]) =>
        times.filter((time) => time > until - 10_000 && time <= until).length;
      expect(inWindow(repeats)).toBeLessThanOrEqual(0.2 * inWindow(requests) + 100);
    }
  });
});
