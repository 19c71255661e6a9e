import { describe, expect, it } from "vitest";
import { encodePacket } from "../../membership/packets.ts";
import {
  type Basis,
  signAccusation,
  signStatement,
  type Verdict,
} from "../../membership/records.ts";
import { type Host, Network, nodeId, testSigner } from "./network.ts";

const GHOST = nodeId("ghost");
const NONE = new Uint8Array();

/** Three members, and one that only has been heard of: nothing listens at its address. */
function meshWithGhost() {
  const network = new Network({ seed: 5 });
  network.addCluster(3);
  network.run(5_000);
  const receiver = network.at(0);
  const statement = signStatement(testSigner(GHOST), {
    ...{ epoch: 1, incarnation: 0, leaving: false, left: false, nonce: 7, bind: "nowhere:1" },
  });
  tell(network, receiver, "push", [statement.bytes]);
  return { network, receiver };
}

function tell(
  network: Network,
  receiver: Host,
  kind: "push" | "page",
  records: readonly Uint8Array[],
): void {
  const packet =
    kind === "push"
      ? encodePacket({ kind, records, doubts: [] })
      : encodePacket({ kind, covered: NONE, remaining: NONE, records });
  network.input(receiver, (now, out) => {
    receiver.membership?.onPacket(network.at(1).id, packet, now, out);
  });
}

function accusation(
  network: Network,
  accuser: number,
  verdict: Verdict,
  basis: Basis = verdict === "dead" ? "agreed" : "silence",
): Uint8Array {
  return signAccusation(testSigner(network.at(accuser).id), {
    ...{ subject: GHOST, epoch: 1, incarnation: 0, verdict },
    basis,
  }).bytes;
}

describe("a death that a sync tells of because its rumour missed this member", () => {
  it("is believed at once after a whole suspicion that nobody refuted", () => {
    const { network, receiver } = meshWithGhost();
    tell(network, receiver, "push", [accusation(network, 1, "suspect")]);
    network.run(4_500);
    expect(receiver.membership?.state(GHOST)).toBe("suspect");
    tell(network, receiver, "page", [accusation(network, 1, "dead")]);
    expect(receiver.membership?.state(GHOST)).toBe("dead");
  });

  it("is doubted while the suspicion is young", () => {
    const { network, receiver } = meshWithGhost();
    tell(network, receiver, "push", [accusation(network, 1, "suspect")]);
    network.run(2_000);
    tell(network, receiver, "page", [accusation(network, 1, "dead")]);
    expect(receiver.membership?.state(GHOST)).toBe("suspect");
  });

  it("is doubted without any suspicion", () => {
    const { network, receiver } = meshWithGhost();
    network.run(2_000);
    tell(network, receiver, "page", [accusation(network, 1, "dead")]);
    expect(receiver.membership?.state(GHOST)).toBe("suspect");
  });
});

describe("the verdict of one member that somebody is deaf", () => {
  it("is doubted by whoever was told of no suspicion: its author may be the deaf one", () => {
    const { network, receiver } = meshWithGhost();
    network.run(2_000);
    tell(network, receiver, "push", [accusation(network, 1, "dead", "deaf")]);
    expect(receiver.membership?.state(GHOST)).toBe("suspect");
  });

  it("is believed at once after seconds of suspicion", () => {
    const { network, receiver } = meshWithGhost();
    tell(network, receiver, "push", [accusation(network, 1, "suspect", "deaf")]);
    network.run(2_000);
    tell(network, receiver, "push", [accusation(network, 1, "dead", "deaf")]);
    expect(receiver.membership?.state(GHOST)).toBe("dead");
  });
});
