/**
 * What the agents of one cluster hold of each other, as they say it themselves, with the moment of
 * each change. Nothing is asked while a fault lasts: agents that are asked all the time would be
 * kept busy by the measurement.
 */

export interface Change {
  /** Milliseconds of performance.now(). */
  readonly at: number;
  readonly observer: string;
  readonly member: string;
  readonly state: string;
}

const LOOK_MS = 5;

export class Views {
  readonly #byObserver = new Map<string, Map<string, string>>();
  readonly #changes: Change[] = [];

  /** An observer that is not noted counts for nothing. */
  add(observer: string): void {
    this.#byObserver.set(observer, new Map());
  }

  remove(observer: string): void {
    this.#byObserver.delete(observer);
  }

  note(observer: string, member: string, state: string): void {
    const view = this.#byObserver.get(observer);
    if (view === undefined || view.get(member) === state) return;
    view.set(member, state);
    this.#changes.push({ at: performance.now(), observer, member, state });
  }

  state(observer: string, member: string): string | undefined {
    return this.#byObserver.get(observer)?.get(member);
  }

  changes(from: number, to: number): Change[] {
    return this.#changes.filter(({ at }) => at >= from && at < to);
  }

  /**
   * For each observer but the member itself, the milliseconds from `since` to the moment from which
   * it holds the member in this state.
   */
  async until(
    member: string,
    state: string,
    since: number,
    timeoutMs: number,
  ): Promise<readonly number[]> {
    for (;;) {
      const observers = [...this.#byObserver.keys()].filter((name) => name !== member);
      const lagging = observers.filter((name) => this.state(name, member) !== state);
      if (lagging.length === 0) return observers.map((name) => this.#since(name, member) - since);
      if (performance.now() - since > timeoutMs) {
        throw new Error(`${member} ${state} at ${lagging.join()}: not within ${timeoutMs} ms`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  #since(observer: string, member: string): number {
    const last = this.#changes.findLast(
      (change) => change.observer === observer && change.member === member,
    );
    return last?.at ?? Number.NaN;
  }
}
