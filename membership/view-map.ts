/**
 * An immutable map that shares what did not change with the map it was made from: a snapshot of
 * ten thousand members must not be copied whole because one of them changed. A few changes lie
 * over a common base; once they are more than the square root of its size, a new base is made.
 */

const OVERLAY_MIN = 32;

export class LayeredMap<Key, Value> implements ReadonlyMap<Key, Value> {
  readonly #base: ReadonlyMap<Key, Value>;
  /** Undefined stands for a removed key. */
  readonly #overlay: ReadonlyMap<Key, Value | undefined>;
  readonly size: number;

  private constructor(
    base: ReadonlyMap<Key, Value>,
    overlay: ReadonlyMap<Key, Value | undefined>,
    size: number,
  ) {
    this.#base = base;
    this.#overlay = overlay;
    this.size = size;
  }

  static empty<Key, Value>(): LayeredMap<Key, Value> {
    return new LayeredMap<Key, Value>(new Map(), new Map(), 0);
  }

  /** This map with some entries replaced, added or, where undefined, removed. */
  with(changes: ReadonlyMap<Key, Value | undefined>): LayeredMap<Key, Value> {
    if (changes.size === 0) return this;
    const overlay = new Map(this.#overlay);
    let { size } = this;
    for (const [key, value] of changes) {
      size += Number(value !== undefined) - Number(this.has(key));
      if (value === undefined && !this.#base.has(key)) overlay.delete(key);
      else overlay.set(key, value);
    }
    if (overlay.size <= OVERLAY_MIN + Math.sqrt(this.#base.size)) {
      return new LayeredMap(this.#base, overlay, size);
    }
    const base = new Map(this.#base);
    for (const [key, value] of overlay) {
      if (value === undefined) base.delete(key);
      else base.set(key, value);
    }
    return new LayeredMap(base, new Map(), size);
  }

  get(key: Key): Value | undefined {
    return this.#overlay.has(key) ? this.#overlay.get(key) : this.#base.get(key);
  }

  has(key: Key): boolean {
    return this.get(key) !== undefined;
  }

  *entries(): MapIterator<[Key, Value]> {
    for (const [key, value] of this.#base) {
      if (!this.#overlay.has(key)) yield [key, value];
    }
    for (const [key, value] of this.#overlay) {
      if (value !== undefined) yield [key, value];
    }
  }

  *keys(): MapIterator<Key> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): MapIterator<Value> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): MapIterator<[Key, Value]> {
    return this.entries();
  }

  forEach(visit: (value: Value, key: Key, map: ReadonlyMap<Key, Value>) => void): void {
    for (const [key, value] of this.entries()) visit(value, key, this);
  }
}
