import { expect, it } from "vitest";
import { GrapevineError } from "../../core/errors.ts";
import { SeededRandom } from "../../core/random.ts";
import type { Millis, ServiceKey } from "../../core/types.ts";
import { createRoutingPolicies } from "../../policies/routing.ts";

const at = (ms: number) => ms as Millis;
const SHOP = "default/shop" as ServiceKey;

it("opens one instance's breaker without touching its neighbour's", () => {
  const policies = createRoutingPolicies(new SeededRandom(1)).createService(SHOP);
  policies.resize(2);
  const [bad, good] = [policies.createBreaker(), policies.createBreaker()];
  for (let failure = 0; failure < 5; failure += 1) {
    bad.fail(bad.start(at(failure)), "hard", at(failure));
  }
  expect(bad.state(at(10))).toBe("open");
  expect(good.state(at(10))).toBe("closed");
});

it("gives each service a budget of its own", () => {
  const policies = createRoutingPolicies(new SeededRandom(1));
  const [shop, orders] = [
    policies.createService(SHOP),
    policies.createService("default/orders" as ServiceKey),
  ];
  const question = {
    error: new GrapevineError("upstream_refused", "nothing listens"),
    ...{ attempts: 1, idempotent: true, bodyKept: true, headForwarded: false },
    deadlineLeftMs: undefined,
  };
  while (shop.retries.take(question, false, at(0)).repeat);
  expect(shop.retries.tokens(at(0))).toBeLessThan(1);
  expect(orders.retries.tokens(at(0))).toBeGreaterThan(1);
});
