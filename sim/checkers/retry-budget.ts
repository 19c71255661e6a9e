/**
 * S-T1. Records come when requests are over, so a moment is judged when all requests that had begun
 * by then have ended. Only moments at which the caller repeats are judged: afterwards the requests that
 * paid for its repeats leave the window, and the repeats stay in it for some seconds more. A refusal by an agent that drains or does not have the instance is a
 * redirection: its repeat costs the service nothing and is not counted.
 */
import type { CreateChecker, Report } from "./checker.ts";

/** The budget of policies/retry.ts: a share of the requests of the window, and a floor. */
const SHARE = 0.2;
const FLOOR_PER_SECOND = 10;
const WINDOW_US = 10_000_000;
/** Buckets of a second at both ends. */
const SLACK_US = 2_000_000;
/** The deadline of requests, and some time to notice it. */
const OVER_US = 13_000_000;
const REDIRECTIONS = ["draining", "not_owner"];

interface Moment {
  readonly at: number;
  readonly isRepeat: boolean;
}

/** What one caller sent to one service, and up to when that was judged. */
interface Sent {
  moments: Moment[];
  judgedUntil: number;
}

export const retryBudget: CreateChecker = () => {
  const all = new Map<string, Sent>();
  const judge = (key: string, sent: Sent, until: number, report: Report) => {
    sent.moments.sort(
      (one, other) => one.at - other.at || Number(one.isRepeat) - Number(other.isRepeat),
    );
    const floor = (FLOOR_PER_SECOND * (WINDOW_US + SLACK_US)) / 1_000_000;
    let [first, requests, repeats] = [0, 0, 0];
    for (const { at, isRepeat } of sent.moments) {
      if (at > until) break;
      if (isRepeat) repeats += 1;
      else requests += 1;
      for (let old = sent.moments[first] as Moment; at - old.at > WINDOW_US; ) {
        if (old.isRepeat) repeats -= 1;
        else requests -= 1;
        first += 1;
        old = sent.moments[first] as Moment;
      }
      if (!isRepeat || at <= sent.judgedUntil) continue;
      if (repeats <= SHARE * requests + floor) continue;
      const [node = "", service = ""] = key.split(" ");
      report(`n${node} repeated ${repeats} of ${requests} requests to ${service}`, [Number(node)]);
      break;
    }
    sent.judgedUntil = until;
    sent.moments = sent.moments.filter(({ at }) => at > until - WINDOW_US);
  };
  return {
    name: "S-T1",
    statement:
      "a caller that repeats stays within its share of the window's requests and the floor",
    isFitForReal: true,
    on: {
      record: ({ at, node, service, attempts }, report) => {
        const key = `${node} ${service}`;
        const sent = all.get(key) ?? { moments: [], judgedUntil: 0 };
        all.set(key, sent);
        sent.moments.push({ at: attempts[0]?.at ?? at, isRepeat: false });
        for (const [index, attempt] of attempts.entries()) {
          const former = attempts[index - 1];
          if (former === undefined || REDIRECTIONS.includes(former.error)) continue;
          sent.moments.push({ at: attempt.at, isRepeat: true });
        }
        if (at - OVER_US > sent.judgedUntil + 1_000_000) judge(key, sent, at - OVER_US, report);
      },
    },
    atEnd: (now, report) => {
      for (const [key, sent] of all) judge(key, sent, now, report);
    },
  };
};
