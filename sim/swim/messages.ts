/**
 * What members of the SWIM peer say to each other, and how many bytes memberlist's encoding
 * (msgpack maps with field names, net.go) takes for it. Members are numbers here; their names,
 * addresses and metadata only count in bytes.
 */

export interface Rumour {
  readonly kind: "alive" | "suspect" | "dead";
  readonly node: number;
  readonly incarnation: number;
  /** Who says so. */
  readonly from: number;
}

export type Message =
  | Rumour
  | { readonly kind: "ping"; readonly seq: number; readonly target: number }
  | {
      readonly kind: "indirect";
      readonly seq: number;
      readonly target: number;
      readonly wantsNack: boolean;
    }
  | { readonly kind: "ack" | "nack"; readonly seq: number };

export interface Packet {
  readonly from: number;
  readonly messages: readonly Message[];
  /** Without the headers of the network. */
  readonly bytes: number;
}

export type MemberMode = "alive" | "suspect" | "dead";

/** A row of the table that push/pull exchanges. */
export interface StateRow {
  readonly node: number;
  readonly incarnation: number;
  readonly mode: MemberMode;
}

/** A name like "node-017.dc1", an IPv4 address, and the tags that Serf or Consul attach. */
const NAME = 13;
const ADDRESS = 5;
const META = 100;
const NUMBER = 5;
const PORT = 3;
const VERSIONS = 8;

/** A msgpack map: one byte, and each field with its name. */
function mapBytes(fields: Readonly<Record<string, number>>): number {
  let bytes = 1;
  for (const [name, value] of Object.entries(fields)) bytes += 1 + name.length + value;
  return bytes;
}

const SOURCE = { SourceAddr: ADDRESS, SourcePort: PORT, SourceNode: NAME };
const CLAIM = { Incarnation: NUMBER, Node: NAME, From: NAME };
const DESCRIPTION = { Addr: ADDRESS, Port: PORT, Meta: META, Vsn: VERSIONS };

/** With the byte that tells the type. */
const BYTES: Readonly<Record<Message["kind"], number>> = {
  ping: 1 + mapBytes({ SeqNo: NUMBER, Node: NAME, ...SOURCE }),
  indirect:
    1 + mapBytes({ SeqNo: NUMBER, Target: ADDRESS, Port: PORT, Node: NAME, Nack: 1, ...SOURCE }),
  ack: 1 + mapBytes({ SeqNo: NUMBER, Payload: 1 }),
  nack: 1 + mapBytes({ SeqNo: NUMBER }),
  alive: 1 + mapBytes({ Incarnation: NUMBER, Node: NAME, ...DESCRIPTION }),
  suspect: 1 + mapBytes(CLAIM),
  dead: 1 + mapBytes(CLAIM),
};

export const COMPOUND_BYTES = 2;
/** In a compound message, before each part. */
export const PART_BYTES = 2;
const ROW_BYTES = mapBytes({ Name: NAME, Incarnation: NUMBER, State: 1, ...DESCRIPTION });
const TABLE_BYTES = 1 + mapBytes({ Nodes: 3, UserStateLen: 3, Join: 1 });

export function messageBytes(message: Message): number {
  return BYTES[message.kind];
}

export function packetOf(from: number, messages: readonly Message[]): Packet {
  let bytes = messages.length > 1 ? COMPOUND_BYTES : 0;
  for (const message of messages) {
    bytes += messageBytes(message) + (messages.length > 1 ? PART_BYTES : 0);
  }
  return { from, messages, bytes };
}

export function tableBytes(rows: number): number {
  return TABLE_BYTES + rows * ROW_BYTES;
}
