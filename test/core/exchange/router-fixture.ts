/** A router over fake backends, virtual time and a view that the test replaces. */

import type { Exchange } from "../../../core/exchange/contract.ts";
import type { FrontRequest } from "../../../core/exchange/front.ts";
import { Router } from "../../../core/exchange/routed.ts";
import { SeededRandom } from "../../../core/random.ts";
import type { DecisionRecord } from "../../../core/record.ts";
import type { MeshView } from "../../../core/view.ts";
import { createRoutingPolicies } from "../../../policies/routing.ts";
import { FakeAttempt, FakeBackends, NotingObserver, VirtualClock } from "./fakes.ts";

export class RouterFixture {
  readonly clock = new VirtualClock();
  readonly backends = new FakeBackends();
  readonly outside: FakeAttempt[] = [];
  readonly records: DecisionRecord[] = [];
  readonly router: Router;
  view: MeshView;
  egressPolicy: "allow" | "deny" = "allow";

  constructor(view: MeshView, seed = 1) {
    this.view = view;
    const random = new SeededRandom(seed);
    const fixture = this;
    this.router = new Router({
      clock: this.clock,
      random,
      view: () => this.view,
      attempts: this.backends,
      egress: {
        get policy() {
          return fixture.egressPolicy;
        },
        open: (_host, _port, request, observer) => {
          const attempt = new FakeAttempt(undefined, {} as never, request, observer);
          this.outside.push(attempt);
          return attempt;
        },
      },
      policies: createRoutingPolicies(random),
      onRecord: (record) => this.records.push(record),
    });
  }

  open(request: FrontRequest): { exchange: Exchange; requestId: string; observer: NotingObserver } {
    const observer = new NotingObserver();
    observer.isForbidden = true;
    const opened = this.router.open(request, observer);
    observer.isForbidden = false;
    return { ...opened, observer };
  }

  get record(): DecisionRecord {
    const last = this.records.at(-1);
    if (last === undefined) throw new Error("no record was made");
    return last;
  }

  /** Throws unless every request is over and accounted for. */
  expectQuiet(requests: number): void {
    const { inFlight, targets } = this.router.snapshot();
    if (inFlight !== 0) throw new Error(`${inFlight} requests still in flight`);
    const busy = targets.filter((target) => target.inFlight !== 0);
    if (busy.length > 0) throw new Error(`attempts still counted: ${JSON.stringify(busy)}`);
    if (this.records.length !== requests) {
      throw new Error(`${this.records.length} records for ${requests} requests`);
    }
    const ids = new Set(this.records.map((record) => record.id));
    if (ids.size !== requests) throw new Error("two records have one id");
  }
}
