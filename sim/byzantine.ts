/**
 * Members that lie. They hold a valid key and certificate, so everything they send is authenticated;
 * what must hold is that they cannot make others break a promise about a third.
 */
import type { NodeId } from "../core/types.ts";
import { topicOf } from "../membership/directory.ts";
import { HEAD_PART, signOwnerPart } from "../membership/document-codec.ts";
import { encodePacket } from "../membership/packets.ts";
import { type SignedRecord, signAccusation, signStatement } from "../membership/records.ts";
import { publishing, withFalseDigest } from "./byzantine-documents.ts";
import { drawBelow, streamKey } from "./engine/draws.ts";
import type { Agent } from "./node/agent.ts";
import type { Fleet } from "./node/fleet.ts";
import type { ByzantineBehaviour } from "./plan-event.ts";

/** First byte of a control packet that belongs to the failure detector. */
const MEMBERSHIP_PACKET = 1;
const REPLAYED_MAX = 64;
const FLOOD = 20;
const ACCUSE_MS = 500;
const SIGNATURE_BYTES = 64;

/** Makes the process lie from now on; the result makes it honest again. */
export function corrupt(fleet: Fleet, agent: Agent, behaviour: ByzantineBehaviour): () => void {
  const key = streamKey(fleet.plan.seed, agent.lane.id, 0xb12a);
  let counter = 0;
  const draw = (bound: number) => {
    counter += 1;
    return drawBelow(key, counter, bound);
  };
  const end = () => {
    agent.control.tamper = undefined;
  };
  switch (behaviour) {
    case "withhold":
      agent.control.tamper = () => [];
      return end;
    case "garbage":
      agent.control.tamper = (packet) => [packet, damaged(packet, draw)];
      return end;
    case "flood":
      agent.control.tamper = (packet) => new Array<Uint8Array>(FLOOD).fill(packet);
      return end;
    case "replay":
      agent.control.tamper = replaying(draw);
      return end;
    case "suppress":
      agent.control.isSuppressing = true;
      return () => {
        agent.control.isSuppressing = false;
      };
    case "digest":
      agent.control.tamper = (packet) => [withFalseDigest(packet, draw)];
      return end;
    case "poison":
    case "huge":
    case "future":
      return publishing(fleet, agent, behaviour);
    case "accuse":
    case "forge":
    case "equivocate":
      return lying(fleet, agent, behaviour, draw);
  }
}

function damaged(packet: Uint8Array, draw: (bound: number) => number): Uint8Array {
  const copy = new Uint8Array(packet);
  for (let bits = 1 + draw(4); bits > 0; bits -= 1) {
    const at = draw(copy.length);
    copy[at] = (copy[at] as number) ^ (1 << draw(8));
  }
  return draw(4) === 0 ? copy.subarray(0, draw(copy.length) + 1) : copy;
}

function replaying(draw: (bound: number) => number) {
  const kept: Uint8Array[] = [];
  return (packet: Uint8Array): readonly Uint8Array[] => {
    const copy = new Uint8Array(packet);
    if (kept.length < REPLAYED_MAX) kept.push(copy);
    else if (draw(8) === 0) kept[draw(REPLAYED_MAX)] = copy;
    return [copy, kept[draw(kept.length)] as Uint8Array];
  };
}

/** Every half second a signed lie about a random member goes to every neighbour. */
function lying(
  fleet: Fleet,
  agent: Agent,
  behaviour: "accuse" | "forge" | "equivocate",
  draw: (bound: number) => number,
): () => void {
  let isOver = false;
  const tell = () => {
    if (isOver) return;
    const members = [...agent.node.view().members.values()].filter((member) => !member.self);
    const victim = members[draw(Math.max(1, members.length))];
    const record = victim === undefined ? undefined : lie(agent, behaviour, victim, draw);
    if (record !== undefined) {
      const packet = encodePacket({ kind: "push", records: [record.bytes], doubts: [] });
      const tagged = new Uint8Array(packet.length + 1);
      tagged[0] = MEMBERSHIP_PACKET;
      tagged.set(packet, 1);
      for (const peer of agent.control.neighbours()) agent.control.send(peer, tagged);
    }
    if (behaviour === "forge" && victim !== undefined) forgeDocument(agent, victim.id);
    fleet.world.plan(fleet.world.now + ACCUSE_MS * 1_000, agent.lane, "fault", tell);
  };
  tell();
  return () => {
    isOver = true;
  };
}

/** Publishes that the victim offers nothing any more, under a signature that is none. */
function forgeDocument(agent: Agent, victim: NodeId): void {
  const document = agent.node.directory.get(victim);
  if (document === undefined) return;
  const { epoch, seq, nonce, notAfter, region } = document;
  const order = { owner: victim, epoch, seq: seq + 1, nonce, notAfter };
  const forger = { id: victim, sign: () => new Uint8Array(SIGNATURE_BYTES).fill(1) };
  const empty = { ...document, instances: [] };
  const message = signOwnerPart(HEAD_PART, order, empty, [], new Set(), forger);
  agent.control.publish(topicOf(region), message);
}

function lie(
  agent: Agent,
  behaviour: "accuse" | "forge" | "equivocate",
  victim: { readonly id: NodeId; readonly epoch: number; readonly incarnation: number },
  draw: (bound: number) => number,
): SignedRecord {
  const { id, epoch, incarnation } = victim;
  if (behaviour === "equivocate") {
    const bind = `10.99.0.${draw(200)}:7946`;
    const own = { epoch: agent.epoch, incarnation: draw(3), leaving: false, left: false };
    return signStatement(agent.signer, { ...own, nonce: draw(1_000), bind });
  }
  const content = {
    subject: id,
    epoch,
    incarnation,
    verdict: "suspect",
    basis: "silence",
  } as const;
  if (behaviour === "accuse") return signAccusation(agent.signer, content);
  // Signed by the liar in the victim's name: no receiver may take it.
  const forger = { id, sign: (bytes: Uint8Array) => agent.signer.sign(bytes) };
  const next = { epoch, incarnation: incarnation + 1, leaving: true, left: true };
  return signStatement(forger, { ...next, nonce: draw(1_000), bind: "10.99.0.1:7946" });
}
