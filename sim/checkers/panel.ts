/** All checkers of a run: each event goes to those that asked for its kind. */
import type { TraceEvent, TraceKind } from "../trace.ts";
import type { CheckContext, Checker, CreateChecker, Report, Violation } from "./checker.ts";

/** Violations of one checker that are kept: the first tell the story. */
const VIOLATIONS_MAX = 10;

export class Panel {
  readonly violations: Violation[] = [];
  readonly #checkers: readonly Checker[];
  readonly #handlers = new Map<TraceKind, ((event: TraceEvent) => void)[]>();
  readonly #counts = new Map<string, number>();
  #now = 0;

  constructor(context: CheckContext, create: readonly CreateChecker[]) {
    this.#checkers = create.map((each) => each(context));
    for (const checker of this.#checkers) {
      const report = this.#reporter(checker);
      for (const [kind, handle] of Object.entries(checker.on)) {
        const handlers = this.#handlers.get(kind as TraceKind) ?? [];
        this.#handlers.set(kind as TraceKind, handlers);
        const run = handle as (event: TraceEvent, report: Report) => void;
        handlers.push((event) => run(event, report));
      }
    }
  }

  onEvent(event: TraceEvent): void {
    this.#now = event.at;
    const handlers = this.#handlers.get(event.kind);
    if (handlers === undefined) return;
    for (const handle of handlers) handle(event);
  }

  atEnd(now: number): void {
    this.#now = now;
    for (const checker of this.#checkers) checker.atEnd?.(now, this.#reporter(checker));
  }

  #reporter(checker: Checker): Report {
    const { name, statement } = checker;
    return (detail, nodes = []) => {
      const count = (this.#counts.get(name) ?? 0) + 1;
      this.#counts.set(name, count);
      if (count > VIOLATIONS_MAX) return;
      this.violations.push({ checker: name, statement, atMs: this.#now / 1_000, detail, nodes });
    };
  }
}
