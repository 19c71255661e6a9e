import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GrapevineError } from "../../../core/errors.ts";
import type { AttemptContext } from "../../../core/exchange/contract.ts";
import { Inbound } from "../../../core/exchange/inbound.ts";
import type { NodeId } from "../../../core/types.ts";
import type { InstanceView } from "../../../core/view.ts";
import { FakeAttempt, front, instance, NotingObserver, VirtualClock } from "./fakes.ts";

const self = "self" as NodeId;
const peer = "n2" as NodeId;
const context = (more: Partial<AttemptContext> = {}): AttemptContext => ({
  requestId: "1".repeat(16),
  service: "default/web",
  instance: "a",
  port: 80,
  attempt: 1,
  rank: -1,
  reason: "least_latency",
  deadlineLeftMs: undefined,
  traceparent: undefined,
  caller: undefined,
  ringVersion: 1,
  retryTokens: 0,
  ...more,
});

class Receiver {
  readonly clock = new VirtualClock();
  readonly attempts: FakeAttempt[] = [];
  readonly registered: InstanceView[];
  readonly inbound: Inbound<InstanceView>;
  idle = 0;

  constructor(registered: InstanceView[]) {
    this.registered = registered;
    this.inbound = new Inbound({
      self,
      clock: this.clock,
      find: (service, id) =>
        this.registered.find((each) => each.service === service && each.id === id),
      open: (found, given, request, observer) => {
        const attempt = new FakeAttempt(found, given, request, observer);
        this.attempts.push(attempt);
        return attempt;
      },
      onIdle: () => {
        this.idle += 1;
      },
      inFlightMax: 6,
      perInstanceMax: 4,
    });
  }

  accept(more: Partial<AttemptContext> = {}, head = front().head, from = peer) {
    const observer = new NotingObserver();
    observer.isForbidden = true;
    const exchange = this.inbound.accept(from, context(more), head, observer);
    observer.isForbidden = false;
    return { exchange, observer };
  }

  refusal(more: Partial<AttemptContext> = {}, head = front().head): GrapevineError {
    const before = this.attempts.length;
    const { observer } = this.accept(more, head);
    this.clock.advance(0);
    expect(this.attempts).toHaveLength(before);
    expect(observer.errors[0]?.executed).toBe("no");
    return observer.errors[0] as GrapevineError;
  }
}

const receiver = () =>
  new Receiver([
    instance("a", "n1"),
    instance("b", "n1"),
    instance("db", "n1", { protocol: "tcp" }),
  ]);

describe("the receiver of an attempt", () => {
  it("hands it to the instance and passes everything through", () => {
    const { inbound, attempts, accept } = bound(receiver());
    const { exchange, observer } = accept();
    expect(inbound.inFlight).toBe(1);
    exchange.writeBody(new TextEncoder().encode("hi"));
    exchange.endBody([]);
    exchange.pause();
    expect(attempts[0]).toMatchObject({ instance: "a", isBodyEnded: true, isPaused: true });
    attempts[0]?.answer();
    expect(observer.lines).toEqual(["head 200", "body 2", "end"]);
    exchange.cancel(new GrapevineError("canceled", "late"));
    expect(inbound.inFlight).toBe(0);
    expect(attempts[0]?.canceled).toBeUndefined();
  });

  it("refuses what is not here before anything runs", () => {
    const here = receiver();
    expect(here.refusal({ instance: "gone" }).short).toBe("not_owner");
    expect(here.refusal({ service: "shop/web" }).short).toBe("not_owner");
    expect(here.refusal({ service: "not a name" }).short).toBe("not_owner");
    expect(here.refusal({ port: 81 }).message).toContain("offers 80");
    expect(here.refusal({ instance: "db" }).short).toBe("unsupported");
    expect(here.refusal({ deadlineLeftMs: 0 }).short).toBe("deadline_exceeded");
    expect(here.inbound.inFlight).toBe(0);
  });

  it("sheds what is beyond its bounds, per instance and in all", () => {
    const here = receiver();
    for (let each = 0; each < 4; each += 1) here.accept();
    expect(here.refusal()).toMatchObject({ short: "overloaded", overloaded: true });
    for (let each = 0; each < 2; each += 1) here.accept({ instance: "b" });
    expect(here.refusal({ instance: "b" }).short).toBe("overloaded");
    here.attempts[5]?.fail("upstream_reset");
    here.accept({ instance: "b" });
    expect(here.inbound.inFlight).toBe(6);
  });

  it("drains: refuses what is new, ends what runs, and tells once", () => {
    const here = receiver();
    const running = here.accept();
    const other = here.accept();
    here.inbound.drain();
    here.inbound.drain();
    expect(here.refusal().short).toBe("draining");
    here.attempts[0]?.answer();
    expect(running.observer.lines.at(-1)).toBe("end");
    expect(here.idle).toBe(0);
    other.exchange.cancel(new GrapevineError("canceled", "gone"));
    expect(here.idle).toBe(1);
    here.clock.advance(1_000);
    expect(here.idle).toBe(1);
  });

  it("goes on to take its own node's attempts while it drains, and waits for none of them", () => {
    const here = receiver();
    const running = here.accept();
    here.inbound.drain();
    here.accept({}, front().head, self);
    expect(here.attempts).toHaveLength(2);
    here.attempts[0]?.answer();
    expect(running.observer.lines.at(-1)).toBe("end");
    expect([here.idle, here.inbound.inFlight]).toEqual([1, 1]);
  });

  it("tells at once that it is idle if nothing runs", () => {
    const here = receiver();
    here.inbound.drain();
    expect(here.idle).toBe(0);
    here.clock.advance(0);
    expect(here.idle).toBe(1);
  });

  it("counts right whatever the order of answers, failures and cancels", () => {
    const steps = fc.array(
      fc.record({ kind: fc.constantFrom("open", "answer", "fail", "cancel"), pick: fc.nat(9) }),
    );
    fc.assert(
      fc.property(steps, (given) => {
        const here = receiver();
        const opened: ReturnType<Receiver["accept"]>[] = [];
        for (const { kind, pick } of given) {
          const attempt = here.attempts[pick % Math.max(here.attempts.length, 1)];
          if (kind === "open") opened.push(here.accept({ instance: pick % 2 ? "a" : "b" }));
          else if (kind === "cancel") {
            opened[pick % Math.max(opened.length, 1)]?.exchange.cancel(
              new GrapevineError("canceled", "gone"),
            );
          } else if (attempt !== undefined && !attempt.canceled && !attempt.isBodyEnded) {
            attempt.isBodyEnded = true;
            if (kind === "answer") attempt.answer();
            else attempt.fail("upstream_reset");
          }
        }
        const open = here.attempts.filter((each) => !each.canceled && !each.isBodyEnded);
        expect(here.inbound.inFlight).toBe(open.length);
        for (const attempt of open) attempt.answer();
        here.inbound.drain();
        here.clock.advance(0);
        expect(here.idle).toBe(1);
      }),
    );
  });
});

function bound(here: Receiver) {
  const { inbound, attempts } = here;
  return { inbound, attempts, accept: () => here.accept() };
}
