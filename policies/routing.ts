/** The routing policies as an agent runs them: what the assembly hands to the router. */
import type { RoutingPolicies } from "../core/router/policy.ts";
import type { Random } from "../core/seams.ts";
import { BREAKER_DEFAULTS, type BreakerConfig, BreakerGroup } from "./breaker.ts";
import { judgeError, judgeHead } from "./evidence.ts";
import { LATENCY_DEFAULTS, type LatencyConfig, PeakEwma } from "./latency.ts";
import { RETRY_DEFAULTS, type RetryConfig, ServiceRetries } from "./retry.ts";
import { chooseOfTwo } from "./two-choices.ts";

export interface RoutingPolicyConfig {
  readonly breaker: BreakerConfig;
  readonly latency: LatencyConfig;
  readonly retry: RetryConfig;
}

const DEFAULTS: RoutingPolicyConfig = {
  breaker: BREAKER_DEFAULTS,
  latency: LATENCY_DEFAULTS,
  retry: RETRY_DEFAULTS,
};

export function createRoutingPolicies(
  random: Random,
  config: RoutingPolicyConfig = DEFAULTS,
): RoutingPolicies {
  return {
    createService: (service) => {
      const breakers = new BreakerGroup(config.breaker, random.fork(`breaker ${service}`));
      return {
        retries: new ServiceRetries(config.retry, random.fork(`retry ${service}`)),
        createBreaker: () => breakers.create(),
        createLatency: () => new PeakEwma(config.latency),
        resize: (instances) => breakers.resize(instances),
      };
    },
    choose: chooseOfTwo,
    judgeError,
    judgeHead,
  };
}
