/**
 * Reading a directory statement: its hash, and what stands in it. Both follow from the bytes alone,
 * so that whoever receives the same message many times over, as the nodes of one simulation do, may
 * read it once and hand out the same statement again.
 */
import { messageHash, readStatement, type Statement } from "./document-codec.ts";

export interface ReadMessage {
  readonly hash: string;
  /** What is wrong with it, in words, where it is not a statement; nothing in it is proved yet. */
  readonly statement: Statement | string;
}

export interface StatementReader {
  read(message: Uint8Array): ReadMessage;
}

export const freshReader: StatementReader = {
  read(message) {
    const hash = messageHash(message);
    return { hash, statement: readStatement(message, hash) };
  },
};
