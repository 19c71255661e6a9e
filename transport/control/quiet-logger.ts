/** libp2p's log lines are dropped: what operators must know is reported as events, in our words. */
import type { ComponentLogger, Logger } from "@libp2p/interface";

const nothing = () => {};

const quiet: Logger = Object.assign(nothing, {
  enabled: false,
  error: nothing,
  trace: nothing,
  newScope: () => quiet,
});

export const quietLogger: ComponentLogger = { forComponent: () => quiet };
