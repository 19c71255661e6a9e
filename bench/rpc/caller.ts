/**
 * What every subject of the rpc benchmark looks like to the load: a server that answers a call with
 * its payload, the last byte replaced by a mark, so that an answer is known to have been there; and
 * a caller. Each side is a process of its own.
 */
export const PAYLOAD_BYTES = 128;
export const MARK = 0x2a;

export interface Served {
  /** What a caller needs to find the server; sent to it as JSON. */
  readonly contact: Readonly<Record<string, string | number>>;
}

export interface Caller {
  /** Sends a call; `done` gets the reply or why there is none. */
  call(payload: Buffer, done: (error: unknown, reply: Uint8Array | undefined) => void): void;
}

export interface RpcPeer {
  serve(): Promise<Served>;
  connect(contact: Served["contact"]): Promise<Caller>;
}

export function marked(payload: Uint8Array): Buffer {
  const reply = Buffer.from(payload);
  reply[PAYLOAD_BYTES - 1] = MARK;
  return reply;
}
