/** The verdicts of one observer on one subject, with its helpers played by the test. */
import { describe, expect, it } from "vitest";
import { SeededRandom } from "../../core/random.ts";
import type { Millis } from "../../core/types.ts";
import { Awareness } from "../../membership/awareness.ts";
import { LAN } from "../../membership/config.ts";
import { Members } from "../../membership/members.ts";
import type { MembershipOutput } from "../../membership/output.ts";
import type { MemberPacket } from "../../membership/packets.ts";
import { Peers } from "../../membership/peers.ts";
import { Prober } from "../../membership/probe.ts";
import { signStatement } from "../../membership/records.ts";
import { Registry } from "../../membership/registry.ts";
import type { Verdicts } from "../../membership/verdicts.ts";
import { nodeId, testSigner } from "./network.ts";

const SUBJECT = nodeId("subject");
const HELPERS = [nodeId("helper0"), nodeId("helper1"), nodeId("helper2")];
const OUT = {} as MembershipOutput;

type Probe = Extract<MemberPacket, { kind: "ping" | "ack" | "ping_req" | "answer" }>;

type Round = "answers" | "is heard" | "is silent";
type Helpers = "ack" | "nack" | "nothing";

/** An observer whose subject answers a round, is only heard in it, or is silent. */
class Observer {
  readonly accused: string[] = [];
  readonly awareness = new Awareness();
  readonly prober: Prober;
  readonly #peers = new Peers();
  readonly #sent: [to: string, packet: Probe][] = [];
  #now = 0 as Millis;
  #round: Round = "answers";
  #helpersSay: Helpers = "nack";

  constructor() {
    const members = new Members(new Registry(), this.#now);
    for (const id of [SUBJECT, ...HELPERS]) {
      const flags = { leaving: false, left: false, nonce: 1, bind: `${id}:1` };
      const content = { epoch: 1, incarnation: 0, ...flags };
      members.apply(signStatement(testSigner(id), content), this.#now);
      this.#peers.add(id, undefined, this.#now);
    }
    const verdicts = {
      suspect: (_slot: number, basis: string) => this.accused.push(basis),
      onEvidenceOfLife: () => {},
    } as unknown as Verdicts;
    this.prober = new Prober(
      {
        ...{ config: LAN, random: new SeededRandom(1), members, peers: this.#peers, verdicts },
        awareness: this.awareness,
        send: (to, packet) => this.#sent.push([to, packet]),
        connect: () => {},
      },
      this.#now,
    );
    this.prober.setSubjects([members.slotOf(SUBJECT) as number], this.#now);
  }

  /** One round from ping to verdict. */
  round(subject: Round, helpers: Helpers = "nack"): void {
    this.#round = subject;
    this.#helpersSay = helpers;
    const until = this.#now + LAN.probeIntervalMs * this.awareness.factor;
    for (;;) {
      const due = this.prober.nextDeadline();
      if (due > until) break;
      this.#now = Math.max(this.#now, due) as Millis;
      for (const id of HELPERS) this.#peers.onHeard(id, this.#now);
      this.prober.onDeadline(this.#now, OUT);
      this.#answer();
    }
    this.#now = until as Millis;
  }

  #answer(): void {
    for (const [to, packet] of this.#sent.splice(0)) {
      if (packet.kind === "ping" && this.#round !== "is silent") {
        this.#peers.onHeard(SUBJECT, this.#now);
        if (this.#round === "answers") this.prober.onAck(SUBJECT, packet.seq, this.#now, OUT);
      }
      const helper = HELPERS.find((id) => id === to);
      if (packet.kind !== "ping_req" || helper === undefined) continue;
      if (this.#helpersSay === "nothing") continue;
      this.prober.onAnswer(helper, packet.seq, this.#helpersSay === "ack", this.#now, OUT);
    }
  }
}

describe("an observer accuses", () => {
  it("of silence after two missed rounds in which no helper got an answer", () => {
    const observer = new Observer();
    observer.round("answers");
    observer.round("is silent");
    expect(observer.accused).toEqual([]);
    observer.round("is silent");
    expect(observer.accused).toContain("silence");
  });

  it("nobody whom a helper reaches", () => {
    const observer = new Observer();
    for (let round = 0; round < 20; round += 1) observer.round("is silent", "ack");
    expect(observer.accused).toEqual([]);
  });

  it("one that misses more than four of ten rounds, though never two in a row", () => {
    const observer = new Observer();
    for (let round = 0; round < 5; round += 1) {
      observer.round("answers");
      observer.round("is silent");
    }
    expect(observer.accused).toContain("window");
    expect(observer.accused).not.toContain("silence");
  });

  it("nobody for four misses of ten", () => {
    const observer = new Observer();
    for (let round = 0; round < 40; round += 1) {
      observer.round(round % 5 === 1 || round % 5 === 3 ? "is silent" : "answers");
    }
    expect(observer.accused).toEqual([]);
  });

  it("one that is heard but has answered no ping in ten rounds of being deaf", () => {
    const observer = new Observer();
    for (let round = 0; round < 9; round += 1) observer.round("is heard");
    expect(observer.accused).toEqual([]);
    for (let round = 0; round < 4; round += 1) observer.round("is heard");
    expect(new Set(observer.accused)).toEqual(new Set(["deaf"]));
  });
});

describe("local health of an observer", () => {
  it("does not suffer from a subject that its helpers cannot reach either", () => {
    const observer = new Observer();
    for (let round = 0; round < 6; round += 1) observer.round("is silent", "nack");
    expect(observer.awareness.score).toBe(0);
  });

  it("suffers when helpers answer nothing at all, and recovers with answers", () => {
    const observer = new Observer();
    for (let round = 0; round < 8; round += 1) observer.round("is silent", "nothing");
    expect(observer.awareness.isMuted).toBe(true);
    for (let round = 0; round < 12; round += 1) observer.round("answers");
    expect(observer.awareness.score).toBe(0);
  });
});

describe("the sound time of an observer", () => {
  it("grows while it is answered, and begins again with a round that is not", () => {
    const observer = new Observer();
    const start = observer.prober.soundSince;
    for (let round = 0; round < 10; round += 1) observer.round("answers");
    expect(observer.prober.soundSince).toBe(start);
    observer.round("is heard");
    observer.round("answers");
    expect(observer.prober.soundSince).toBeGreaterThan(10_000);
  });
});
