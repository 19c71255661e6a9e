/**
 * A result that comes at a moment of virtual time. Actors' methods return promises; the simulator
 * runs one event at a time to its end, so a real promise would settle only after the run. Whoever
 * waits for this is called when it settles, at once and in order.
 */
export class Later<Value> implements PromiseLike<Value> {
  #waiting: ((value: Value) => unknown)[] = [];
  #settled: { readonly value: Value } | undefined;

  settle(value: Value): void {
    if (this.#settled !== undefined) return;
    this.#settled = { value };
    for (const each of this.#waiting) each(value);
    this.#waiting = [];
  }

  // biome-ignore lint/suspicious/noThenProperty: it is what makes this a result that can be awaited
  then<Mapped = Value, Refused = never>(
    onValue?: ((value: Value) => Mapped | PromiseLike<Mapped>) | null,
  ): PromiseLike<Mapped | Refused> {
    const mapped = new Later<Mapped>();
    const take = (value: Value) => {
      const result = onValue?.(value);
      if (result !== undefined) mapped.settle(result as Mapped);
    };
    if (this.#settled === undefined) this.#waiting.push(take);
    else take(this.#settled.value);
    return mapped;
  }
}
