/**
 * Noise transport messages on a byte stream: `u16 length | ciphertext | 16-byte tag`, sealed with
 * ChaCha20-Poly1305 under one key a direction and a nonce that counts the messages (64 bits, little-
 * endian, behind four zero bytes; Noise specification §5.1 and §12). The first byte inside says what
 * the message is; a batch longer than a message travels in several.
 */
import { AEAD_KEY_BYTES, AEAD_NONCE_BYTES, AEAD_TAG_BYTES, type Aead } from "../crypto/aead.ts";

export const MESSAGE = {
  /** A batch, or its last part. */
  batch: 0,
  /** A part of a batch of which more follows. */
  part: 1,
  /** The end, in order. UTF-8 reason. */
  close: 2,
  /** First message of each side: the handshake and the peer's certificate are fine. */
  accept: 3,
  /** Instead of accept: UTF-8 reason. */
  refuse: 4,
  /** A renewed certificate of the sender. */
  certificate: 5,
} as const;

const LENGTH_BYTES = 2;
const KIND_BYTES = 1;
const MESSAGE_BYTES_MAX = 65_535;
const MESSAGE_BYTES_MIN = KIND_BYTES + AEAD_TAG_BYTES;
const TOO_SHORT = "a message shorter than its seal";
export const PAYLOAD_BYTES_MAX = MESSAGE_BYTES_MAX - AEAD_TAG_BYTES - KIND_BYTES;
/** Far below the 2^64 that the nonce allows. */
const MESSAGES_MAX = 2 ** 48;

/** Counts messages in the bytes that the cipher reads. */
class Nonce {
  readonly bytes = Buffer.alloc(AEAD_NONCE_BYTES);
  #count = 0;

  get isSpent(): boolean {
    return this.#count >= MESSAGES_MAX;
  }

  next(): void {
    this.#count += 1;
    this.bytes.writeUInt32LE(this.#count >>> 0, 4);
    if (this.#count > 0xffff_ffff) {
      this.bytes.writeUInt32LE(Math.floor(this.#count / 0x1_0000_0000), 8);
    }
  }
}

export class Sealer {
  readonly #aead: Aead;
  readonly #key: Buffer;
  readonly #nonce = new Nonce();

  constructor(aead: Aead, key: Uint8Array) {
    this.#aead = aead;
    this.#key = Buffer.from(key.subarray(0, AEAD_KEY_BYTES));
  }

  get isSpent(): boolean {
    return this.#nonce.isSpent;
  }

  /** One sealed message with its length; `payload` has at most PAYLOAD_BYTES_MAX. */
  seal(kind: number, payload: Uint8Array): Buffer {
    const plainLength = KIND_BYTES + payload.length;
    const sealedLength = plainLength + AEAD_TAG_BYTES;
    const message = Buffer.allocUnsafe(LENGTH_BYTES + sealedLength);
    message[0] = sealedLength >>> 8;
    message[1] = sealedLength;
    message[LENGTH_BYTES] = kind;
    message.set(payload, LENGTH_BYTES + KIND_BYTES);
    this.#aead.seal(
      message.subarray(LENGTH_BYTES),
      message.subarray(LENGTH_BYTES, LENGTH_BYTES + plainLength),
      this.#nonce.bytes,
      this.#key,
    );
    this.#nonce.next();
    return message;
  }
}

/** Takes the bytes of a socket as they come and gives whole, opened messages. */
export class Opener {
  readonly #aead: Aead;
  readonly #key: Buffer;
  readonly #nonce = new Nonce();
  /** A message of which only the beginning has come; two bytes long until its length is known. */
  #partial: Buffer | undefined;
  #filled = 0;

  constructor(aead: Aead, key: Uint8Array) {
    this.#aead = aead;
    this.#key = Buffer.from(key.subarray(0, AEAD_KEY_BYTES));
  }

  /**
   * Opens what `chunk` completes, in place where a message lies whole in it. `onMessage` gets the
   * kind and the payload and says whether to go on. Returns what is wrong with the bytes, if
   * anything; the connection must end then.
   */
  read(chunk: Buffer, onMessage: (kind: number, payload: Buffer) => boolean): string | undefined {
    let at = 0;
    while (at < chunk.length) {
      if (this.#partial === undefined && chunk.length - at >= LENGTH_BYTES) {
        const length = chunk.readUInt16BE(at);
        if (length < MESSAGE_BYTES_MIN) return TOO_SHORT;
        const end = at + LENGTH_BYTES + length;
        if (end <= chunk.length) {
          const verdict = this.#open(chunk.subarray(at + LENGTH_BYTES, end), onMessage);
          if (verdict !== true) return verdict;
          at = end;
          continue;
        }
      }
      at = this.#collect(chunk, at);
      if (at < 0) return TOO_SHORT;
      const whole = this.#partial as Buffer | undefined;
      if (whole !== undefined && whole.length > LENGTH_BYTES && this.#filled === whole.length) {
        this.#partial = undefined;
        const verdict = this.#open(whole.subarray(LENGTH_BYTES), onMessage);
        if (verdict !== true) return verdict;
      }
    }
    return undefined;
  }

  /**
   * Copies into the message under way what belongs to it; returns where the rest begins, -1 if the
   * message is too short to be one.
   */
  #collect(chunk: Buffer, at: number): number {
    let partial = this.#partial;
    if (partial === undefined) {
      partial = Buffer.allocUnsafe(LENGTH_BYTES);
      this.#filled = 0;
    }
    const copied = chunk.copy(partial, this.#filled, at, at + partial.length - this.#filled);
    this.#filled += copied;
    if (partial.length === LENGTH_BYTES && this.#filled === LENGTH_BYTES) {
      const length = partial.readUInt16BE(0);
      if (length < MESSAGE_BYTES_MIN) return -1;
      const whole = Buffer.allocUnsafe(LENGTH_BYTES + length);
      partial.copy(whole);
      partial = whole;
    }
    this.#partial = partial;
    return at + copied;
  }

  /** True: go on. Undefined: stop in order. A text: what is wrong. */
  #open(
    sealed: Buffer,
    onMessage: (kind: number, payload: Buffer) => boolean,
  ): true | string | undefined {
    if (this.#nonce.isSpent) return "the key is used up";
    const plain = sealed.subarray(0, sealed.length - AEAD_TAG_BYTES);
    if (!this.#aead.open(plain, sealed, this.#nonce.bytes, this.#key)) {
      return "a message with a broken seal";
    }
    this.#nonce.next();
    return onMessage(plain[0] as number, plain.subarray(KIND_BYTES)) ? true : undefined;
  }
}
