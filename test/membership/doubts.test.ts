import { describe, expect, it } from "vitest";
import { encodePacket } from "../../membership/packets.ts";
import { signAccusation, signStatement, type Verdict } from "../../membership/records.ts";
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

function accusation(network: Network, accuser: number, verdict: Verdict): Uint8Array {
  return signAccusation(testSigner(network.at(accuser).id), {
    ...{ subject: GHOST, epoch: 1, incarnation: 0, verdict },
    basis: verdict === "dead" ? "agreed" : "silence",
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
