/**
 * Non-cryptographic hashes on which all nodes must agree: MurmurHash3 (Appleby, public domain),
 * x86 32-bit over the UTF-8 bytes of a text. Pinned by test vectors; a change moves every key.
 */
const encoder = new TextEncoder();
/** Short texts are copied by hand, which costs less than a call of the encoder. */
const ASCII_LENGTH_MAX = 96;
const asciiBuffers = Array.from({ length: ASCII_LENGTH_MAX + 1 }, (_, length) => {
  return new Uint8Array(length);
});

/** MurmurHash3 x86_32 of the text's UTF-8 bytes: 0 to 2^32 - 1. */
export function hash32(text: string, seed = 0): number {
  const { length } = text;
  const bytes = length <= ASCII_LENGTH_MAX ? asciiBytes(text, length) : undefined;
  return hashBytes32(bytes ?? encoder.encode(text), seed);
}

/** The text's bytes in a buffer that the next call uses again; undefined if it is not all ASCII. */
function asciiBytes(text: string, length: number): Uint8Array | undefined {
  const bytes = asciiBuffers[length] as Uint8Array;
  for (let at = 0; at < length; at += 1) {
    const code = text.charCodeAt(at);
    if (code > 127) return undefined;
    bytes[at] = code;
  }
  return bytes;
}

export function hashBytes32(bytes: Uint8Array, seed = 0): number {
  const blocks = bytes.length & ~3;
  let hash = seed | 0;
  for (let at = 0; at < blocks; at += 4) {
    hash ^= scramble(
      (bytes[at] as number) |
        ((bytes[at + 1] as number) << 8) |
        ((bytes[at + 2] as number) << 16) |
        ((bytes[at + 3] as number) << 24),
    );
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let at = bytes.length - 1; at >= blocks; at -= 1) tail = (tail << 8) | (bytes[at] as number);
  if (bytes.length > blocks) hash ^= scramble(tail);
  hash ^= bytes.length;
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scramble(block: number): number {
  const mixed = Math.imul(block, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}
