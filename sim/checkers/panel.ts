/** All checkers of a run: each event goes to those that asked for its kind. */
import type { TraceEvent, TraceKind } from "../trace.ts";
import type { CheckContext, Checker, CreateChecker, Report, Violation } from "./checker.ts";

/** Violations of one checker that are kept: the first tell the story. */
const VIOLATIONS_MAX = 10;

export class Panel {
  readonly violations: Violation[] = [];
  readonly #checkers: readonly Checker[];
  readonly #handlers = new Map<TraceKind, ((event: TraceEvent) => void)[]>();
  /** How often each had something to judge: a checker that never had proves nothing. */
  readonly judged = new Map<string, number>();
  readonly #counts = new Map<string, number>();
  #now = 0;

  constructor(context: CheckContext, create: readonly CreateChecker[]) {
    this.#checkers = create.map((each) => each(context));
    for (const checker of this.#checkers) {
      const report = this.#reporter(checker);
      this.judged.set(checker.name, 0);
      for (const [kind, handle] of Object.entries(checker.on)) {
        const handlers = this.#handlers.get(kind as TraceKind) ?? [];
        this.#handlers.set(kind as TraceKind, handlers);
        const run = handle as (event: TraceEvent, report: Report) => void;
        const isCase = run.length > 1 && checker.countsCases !== true;
        handlers.push((event) => {
          if (isCase) report.judged();
          run(event, report);
        });
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
    const report = (detail: string, nodes: readonly number[] = []) => {
      const count = (this.#counts.get(name) ?? 0) + 1;
      this.#counts.set(name, count);
      if (count > VIOLATIONS_MAX) return;
      this.violations.push({ checker: name, statement, atMs: this.#now / 1_000, detail, nodes });
    };
    const judged = () => {
      this.judged.set(name, (this.judged.get(name) ?? 0) + 1);
    };
    return Object.assign(report, { judged });
  }
}
