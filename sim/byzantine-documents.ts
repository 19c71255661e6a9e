/**
 * Members that lie in the directory: they sign documents that nobody may take, or that strain whoever
 * takes them, and claim differences where there are none. All of it carries their own valid signature,
 * so only what the reader checks stands between it and the store.
 */
import { ENVELOPE_KINDS, sealEnvelope } from "../core/trust/envelope.ts";
import { decodePacket, encodePacket } from "../membership/anti-entropy-packets.ts";
import { topicOf } from "../membership/directory.ts";
import type { Agent } from "./node/agent.ts";
import type { Fleet } from "./node/fleet.ts";

/** First byte of a control packet that belongs to the directory. */
const DIRECTORY_PACKET = 2;
const PUBLISH_US = 2_000_000;
/** Far above what the honest process signs meanwhile, so that both can be told apart. */
const POISON_SEQ = 500_000;
const YEAR_MS = 365 * 86_400_000;

type Fields = Record<string, unknown>;

/** Each is signed by its owner and wrong in a way of its own. */
const POISONS: readonly ((fields: Fields) => Fields)[] = [
  (fields) => ({ ...fields, instances: 7 }),
  (fields) => ({ ...fields, instances: [null] }),
  (fields) => ({ ...fields, instances: [{ namespace: "default" }] }),
  (fields) => ({ ...fields, name: "x".repeat(100_000) }),
  (fields) => ({ ...fields, labels: [1, 2, 3] }),
  (fields) => ({ ...fields, bind: null, link: {} }),
  (fields) => ({ ...fields, certificate: new Uint8Array(64) }),
  (fields) => ({ ...fields, notAfter: -1 }),
  (fields) => ({ ...fields, nonce: Number.NaN }),
  (fields) => ({ ...fields, shards: [1, 2, 3] }),
  (fields) => ({ ...fields, part: 99 }),
  (fields) => ({ ...fields, v: 0 }),
  (fields) => ({ ...fields, name: "somebody-else" }),
];

/** Publishes one bad document after another; the result ends it. */
export function publishing(
  fleet: Fleet,
  agent: Agent,
  behaviour: "poison" | "huge" | "future",
): () => void {
  let isOver = false;
  let number = 0;
  const next = () => {
    if (isOver) return;
    number += 1;
    const fields = ownFields(agent);
    if (fields !== undefined) {
      if (behaviour === "poison") publishPoison(fleet, agent, fields, number);
      else publish(agent, behaviour === "huge" ? huge(fields, number) : future(fields, number));
    }
    fleet.world.plan(fleet.world.now + PUBLISH_US, agent.lane, "fault", next);
  };
  fleet.world.plan(fleet.world.now, agent.lane, "fault", next);
  return () => {
    isOver = true;
  };
}

/** The liar's document as its honest half last signed it. */
function ownFields(agent: Agent): Fields | undefined {
  const document = agent.node.directory.get(agent.id);
  if (document === undefined) return undefined;
  const instances = document.instances.map((entry) => ({ ...entry, failing: false }));
  return { ...document, v: 1, part: 0, instances, shards: [] };
}

function publish(agent: Agent, fields: Fields): void {
  const message = sealEnvelope(ENVELOPE_KINDS.owner, fields, agent.signer);
  agent.control.publish(topicOf(""), message);
}

function publishPoison(fleet: Fleet, agent: Agent, fields: Fields, number: number): void {
  const poison = POISONS[number % POISONS.length] as (typeof POISONS)[0];
  const seq = POISON_SEQ + number;
  const { index } = agent.host;
  fleet.emit({ kind: "poisoned", node: index, epoch: Number(fields["epoch"]), seq });
  publish(agent, poison({ ...fields, seq }));
}

/** In turn as large as a message may be, and larger. */
function huge(fields: Fields, number: number): Fields {
  const letters = number % 2 === 0 ? 200 : 2_000;
  const labels = Object.fromEntries(
    Array.from({ length: 64 }, (_, at) => [`label-${at}`, "x".repeat(letters)]),
  );
  return { ...fields, seq: Number(fields["seq"]) + number, labels };
}

/** From an epoch of years to come, and good for longer still. */
function future(fields: Fields, number: number): Fields {
  const epoch = Number(fields["epoch"]) + number * YEAR_MS;
  return { ...fields, epoch, seq: 1, notAfter: Number(fields["notAfter"]) + 100 * YEAR_MS };
}

/** What compares stores says that they differ; everything else passes. */
export function withFalseDigest(packet: Uint8Array, draw: (bound: number) => number): Uint8Array {
  if (packet[0] !== DIRECTORY_PACKET) return packet;
  const content = decodePacket(packet.subarray(1));
  if (content === undefined) return packet;
  const tampered = (bytes: Uint8Array) => bytes.map((byte) => (draw(4) === 0 ? byte ^ 1 : byte));
  let changed = content;
  if (content.kind === "root") {
    changed = { ...content, fingerprint: tampered(content.fingerprint) };
  } else if (content.kind === "nodes") {
    changed = { ...content, blocks: tampered(content.blocks) };
  } else if (content.kind === "items") {
    const items = content.items.map((item) =>
      draw(4) === 0 ? { ...item, seq: item.seq + 1 } : item,
    );
    changed = { ...content, items };
  }
  if (changed === content || changed.kind === "unknown") return packet;
  const encoded = encodePacket(changed);
  const whole = new Uint8Array(encoded.length + 1);
  whole[0] = DIRECTORY_PACKET;
  whole.set(encoded, 1);
  return whole;
}
