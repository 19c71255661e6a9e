import { describe, expect, it } from "vitest";
import type {
  AttemptContext,
  ExchangeObserver,
  RequestHead,
} from "../../core/exchange/contract.ts";
import type { Clock } from "../../core/seams.ts";
import { type ApplicationMode, serve } from "../../sim/node/application.ts";

const context = { requestId: "r" } as AttemptContext;
const observer = {} as ExchangeObserver;
const clock = { now: () => 0, at: () => ({ cancel: () => {} }) } as unknown as Clock;
const head = (body: number) => ({ kind: "http", method: "GET", body }) as RequestHead;

describe("an application of the simulation", () => {
  it.each(["well", "slow", "errors", "hangs"] as const)(
    "executes a request once, with a body and without, when it is %s",
    (mode: ApplicationMode) => {
      for (const body of [0, 16]) {
        let executed = 0;
        const application = { mode, clock, onExecute: () => (executed += 1) };
        serve(application, context, head(body), observer).endBody([]);
        expect(executed).toBe(1);
      }
    },
  );
});
