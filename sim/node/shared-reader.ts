/**
 * Directory statements that are read once for all nodes of a run: they keep one copy of each, and
 * because it is the same object everywhere, trees that take it in can stay the same as well.
 */
import {
  freshReader,
  type ReadMessage,
  type StatementReader,
} from "../../membership/statement-reader.ts";

/** Messages remembered: more than ten thousand nodes hold at a time. */
const REMEMBERED_MAX = 100_000;

interface Known {
  readonly message: Uint8Array;
  readonly read: ReadMessage;
}

export class SharedReader implements StatementReader {
  readonly #known = new Map<number, Known>();

  read(message: Uint8Array): ReadMessage {
    const key = keyOf(message);
    const known = this.#known.get(key);
    if (known !== undefined && isEqual(known.message, message)) return known.read;
    const copy = new Uint8Array(message);
    const read = freshReader.read(copy);
    if (this.#known.size >= REMEMBERED_MAX) {
      const oldest = this.#known.keys().next().value;
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    this.#known.set(key, { message: copy, read });
    return read;
  }
}

/** 48 bits of the signature, which follows version and kind: as good as random. */
function keyOf(message: Uint8Array): number {
  let key = 0;
  for (let at = 2; at < 8; at += 1) key = key * 256 + (message[at] ?? 0);
  return key;
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) return false;
  for (let at = 0; at < one.length; at += 1) if (one[at] !== other[at]) return false;
  return true;
}
