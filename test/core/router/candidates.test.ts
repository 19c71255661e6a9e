import { describe, expect, it } from "vitest";
import { LINK_DEFAULTS } from "../../../core/link/config.ts";
import { SeededRandom } from "../../../core/random.ts";
import type { CandidateRecord } from "../../../core/record.ts";
import { type CandidateQuestion, CandidateSearch } from "../../../core/router/candidates.ts";
import { Services } from "../../../core/router/services.ts";
import type { Millis, NodeId, ServiceKey } from "../../../core/types.ts";
import type { InstanceView, MemberView } from "../../../core/view.ts";
import { createRoutingPolicies } from "../../../policies/routing.ts";
import { instance, member, meshView } from "../exchange/fakes.ts";

const now = 0 as Millis;
const key = "default/web" as ServiceKey;

function searcher(instances: InstanceView[], members: MemberView[] = [], seed = 1) {
  const random = new SeededRandom(seed);
  const policies = createRoutingPolicies(random);
  const view = meshView(instances, members);
  const state = new Services(policies).find(key, view);
  if (state === undefined) throw new Error("the service is in the view");
  const look = (more: Partial<CandidateQuestion> = {}, when = now) => {
    const notes: CandidateRecord[] = [];
    const question: CandidateQuestion = {
      key: undefined,
      named: undefined,
      port: 80,
      attempt: 1,
      tried: [],
      repeatable: true,
      ...more,
    };
    const search = new CandidateSearch(state, view, question, notes, when);
    return { choice: search.run(random, policies), notes, search };
  };
  const shares = (draws: number) => {
    const counts = new Map<string, number>();
    for (let draw = 0; draw < draws; draw += 1) {
      const id = look().choice?.target.id as string;
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    return counts;
  };
  return { look, shares, state };
}

const many = (count: number, more: (at: number) => Partial<InstanceView> = () => ({})) =>
  Array.from({ length: count }, (_, at) => instance(`i${at}`, `n${at}`, more(at)));

describe("without a key", () => {
  it("spreads over equals evenly, few or many", () => {
    for (const count of [2, 7, 100]) {
      const counts = searcher(many(count)).shares(count * 100);
      expect(counts.size).toBe(count);
      expect(Math.min(...counts.values())).toBeGreaterThan(50);
      expect(Math.max(...counts.values())).toBeLessThan(150);
    }
  });

  it("spreads in proportion to the weights", () => {
    for (const count of [4, 50]) {
      const mesh = searcher(many(count, (at) => ({ weight: at === 0 ? count - 1 : 1 })));
      const share = (mesh.shares(2_000).get("i0") ?? 0) / 2_000;
      expect(share).toBeGreaterThan(0.4);
      expect(share).toBeLessThan(0.6);
    }
  });

  it("finds the one healthy instance of a hundred", () => {
    const mesh = searcher(many(100, (at) => ({ health: at === 57 ? "passing" : "failing" })));
    for (let round = 0; round < 20; round += 1) {
      expect(mesh.look().choice?.target.id).toBe("i57");
    }
  });

  it("prefers in this order: alive, suspect, unreachable a moment ago, failed this request", () => {
    const suspect = [member("n1", { state: "suspect" })];
    const mesh = searcher([instance("a", "n0"), instance("b", "n1")], suspect);
    const tried = (id: string, agent: string, peerFailed = false) => ({
      instance: id,
      agent: agent as NodeId,
      peerFailed,
    });
    const chosen = (...list: ReturnType<typeof tried>[]) =>
      mesh.look({ tried: list, attempt: 2 }).choice;
    for (let round = 0; round < 10; round += 1) {
      expect(mesh.look().choice?.target.id).toBe("a");
      expect(chosen(tried("x", "n0", true))?.target.id).toBe("b");
      expect(chosen(tried("x", "n0", false))?.target.id).toBe("a");
      expect(chosen(tried("a", "n0"))).toMatchObject({ target: { id: "b" }, again: false });
      expect(chosen(tried("a", "n0"), tried("x", "n1", true))?.target.id).toBe("b");
      expect(chosen(tried("a", "n0"), tried("b", "n1"))?.again).toBe(true);
    }
  });

  it("of an agent that leaves are used by itself alone, and only where nobody else is there", () => {
    const leaving = [member("self", { leaving: true }), member("n1", { leaving: true })];
    const own = instance("own", "self");
    const other = instance("other", "n1");
    expect(searcher([own, other], leaving).look().choice?.target.id).toBe("own");
    expect(searcher([other], leaving).look().choice).toBeUndefined();
    const third = searcher([own, other, instance("third", "n2")], leaving);
    expect(third.shares(20)).toEqual(new Map([["third", 20]]));
  });

  it("does not probe a half-open instance with a request that cannot be repeated", () => {
    const mesh = searcher(many(2));
    const breaker = mesh.state.targets[0]?.breaker;
    for (let each = 0; each < 5; each += 1) breaker?.fail(breaker.start(now), "hard", now);
    const later = 5_000 as Millis;
    expect(breaker?.state(later)).toBe("half-open");
    for (let round = 0; round < 10; round += 1) {
      expect(mesh.look({ repeatable: true }, later).choice?.target.id).toBe("i0");
      expect(mesh.look({ repeatable: false }, later).choice?.target.id).toBe("i1");
    }
  });

  it("writes down at most 32 candidates, and the chosen one among them", () => {
    const mesh = searcher(many(200, (at) => ({ health: at < 10 ? "passing" : "failing" })));
    const { notes } = mesh.look();
    expect(notes.length).toBeLessThanOrEqual(32);
    const few = searcher(many(5)).look();
    expect(few.notes.filter((note) => note.verdict === "chosen")).toHaveLength(1);
    expect(few.notes).toHaveLength(5);
  });
});

describe("with a key", () => {
  it("walks to the next in the list that may be used, and leaves the list as it is", () => {
    const healthy = searcher(many(20));
    const list = healthy.state.ring.preferenceList("k", 20).map((target) => target.id);
    for (const failing of [0, 1, 5, 12, 19]) {
      const mesh = searcher(
        many(20, (at) => ({
          health: list.indexOf(`i${at}`) < failing ? "failing" : "passing",
        })),
      );
      const { choice, search } = mesh.look({ key: "k" });
      expect(choice).toMatchObject({
        rank: failing,
        target: { id: list[failing] },
        reason: failing === 0 ? "owner" : "fallback",
      });
      expect(search.preference).toEqual(list.slice(0, 8));
    }
  });

  it("two nodes whose breakers differ agree on every key but those of the ejected instance", () => {
    const [here, there] = [searcher(many(6)), searcher(many(6), [], 99)];
    const breaker = here.state.targets[2]?.breaker;
    for (let each = 0; each < 5; each += 1) breaker?.fail(breaker.start(now), "hard", now);
    for (let each = 0; each < 300; each += 1) {
      const [mine, theirs] = [here, there].map((mesh) => mesh.look({ key: `k${each}` }).choice);
      if (theirs?.target.id === "i2") expect(mine?.rank).toBe(1);
      else expect(mine?.target.id).toBe(theirs?.target.id);
    }
  });

  it("goes to a suspect owner only if nobody else is there", () => {
    const doubt = (names: string[]) => names.map((name) => member(name, { state: "suspect" }));
    const all = searcher(many(3), doubt(["n0", "n1", "n2"]));
    expect(all.look({ key: "k" }).choice?.rank).toBe(0);
    const owner = all.look({ key: "k" }).choice?.target.instance.agent as string;
    expect(searcher(many(3), doubt([owner])).look({ key: "k" }).choice?.rank).toBe(1);
  });
});

describe("an instance that does not answer", () => {
  it("takes at most three quarters of a link's streams, and more on this agent", () => {
    const takes = (agent: string) => {
      const { look, state } = searcher([instance("i", agent)]);
      for (let count = 0; ; count += 1) {
        if (look().choice === undefined) return count;
        state.targets[0]?.latency.start();
      }
    };
    expect(takes("other")).toBe((3 / 4) * LINK_DEFAULTS.streamsMax);
    expect(takes("self")).toBe(4_000);
  });
});
