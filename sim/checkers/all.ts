/** Every checker, in the order of docs/simulator.md. */
import { accuracy } from "./accuracy.ts";
import { acknowledged, noUndead } from "./acknowledged.ts";
import { amplification } from "./amplification.ts";
import { answered } from "./answered.ts";
import { atMostOnce } from "./at-most-once.ts";
import { backoff } from "./backoff.ts";
import { boundedState } from "./bounded-state.ts";
import { breakerStates } from "./breaker-states.ts";
import { callAnswered } from "./call-answered.ts";
import { callOnce } from "./call-once.ts";
import type { CreateChecker } from "./checker.ts";
import { completeness } from "./completeness.ts";
import { cutOffAccuser } from "./cut-off-accuser.ts";
import { deadTarget } from "./dead-target.ts";
import { documentProvenance } from "./document-provenance.ts";
import { ejectedShare } from "./ejected-share.ts";
import { flapping } from "./flapping.ts";
import { forwardedWhole } from "./forwarded-whole.ts";
import { freshEpoch } from "./fresh-epoch.ts";
import { futileRepeat } from "./futile-repeat.ts";
import { goneTarget } from "./gone-target.ts";
import { halfOpenProbes } from "./half-open-probes.ts";
import { idleSync } from "./idle-sync.ts";
import { lease } from "./lease.ts";
import { lookedUp } from "./looked-up.ts";
import { mirror } from "./mirror.ts";
import { monotoneLife } from "./monotone-life.ts";
import { monotoneStore } from "./monotone-store.ts";
import { noLoneVerdict } from "./no-lone-verdict.ts";
import { noticedClone } from "./noticed-clone.ts";
import { offeredTarget } from "./offered-target.ts";
import { oneActivation } from "./one-activation.ts";
import { oneOutcome } from "./one-outcome.ts";
import { oneTurn } from "./one-turn.ts";
import { openBreaker } from "./open-breaker.ts";
import { ownerOnly } from "./owner-only.ts";
import { poison } from "./poison.ts";
import { publishRate } from "./publish-rate.ts";
import { rejoined } from "./rejoined.ts";
import { retryBudget } from "./retry-budget.ts";
import { sameRoot } from "./same-root.ts";
import { stalledAccuser } from "./stalled-accuser.ts";
import { stuckBreaker } from "./stuck-breaker.ts";
import { toldLeave } from "./told-leave.ts";

export const CHECKERS: readonly CreateChecker[] = [
  monotoneLife,
  ownerOnly,
  freshEpoch,
  noLoneVerdict,
  accuracy,
  completeness,
  rejoined,
  boundedState,
  stalledAccuser,
  cutOffAccuser,
  mirror,
  flapping,
  noticedClone,
  toldLeave,
  sameRoot,
  monotoneStore,
  documentProvenance,
  acknowledged,
  noUndead,
  lease,
  publishRate,
  idleSync,
  poison,
  forwardedWhole,
  lookedUp,
  deadTarget,
  goneTarget,
  offeredTarget,
  answered,
  oneOutcome,
  atMostOnce,
  breakerStates,
  halfOpenProbes,
  openBreaker,
  ejectedShare,
  stuckBreaker,
  retryBudget,
  amplification,
  futileRepeat,
  backoff,
  oneActivation,
  oneTurn,
  callOnce,
  callAnswered,
];
