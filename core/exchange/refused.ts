/** An exchange that fails as soon as its opener has returned, as the contract asks. */
import type { GrapevineError } from "../errors.ts";
import type { Clock } from "../seams.ts";
import type { Exchange, ExchangeObserver } from "./contract.ts";

export function refuse(clock: Clock, error: GrapevineError, observer: ExchangeObserver): Exchange {
  const timer = clock.at(clock.now(), () => observer.onError(error));
  return {
    writeBody: () => true,
    endBody() {},
    cancel: () => timer.cancel(),
    pause() {},
    resume() {},
  };
}
