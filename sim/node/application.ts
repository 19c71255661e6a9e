/**
 * The application behind an instance: it reads a request whole and answers it after a while, and
 * when the plan says so badly, late, or never.
 */
import type {
  AttemptContext,
  Exchange,
  ExchangeObserver,
  RequestHead,
} from "../../core/exchange/contract.ts";
import type { Clock, Timer } from "../../core/seams.ts";
import type { Millis } from "../../core/types.ts";

export type ApplicationMode = "well" | "errors" | "slow" | "hangs";

const SERVICE_MS = 2;
const SLOW_MS = 3_000;
const BODY = new TextEncoder().encode("served\n");

export interface Application {
  mode: ApplicationMode;
  readonly clock: Clock;
  /** A request arrived whole and begins to take effect. */
  onExecute(context: AttemptContext): void;
}

/** Answers one request. */
export function serve(
  application: Application,
  context: AttemptContext,
  request: RequestHead,
  observer: ExchangeObserver,
): Exchange {
  return new Serving(application, context, request, observer);
}

class Serving implements Exchange {
  readonly #application: Application;
  readonly #context: AttemptContext;
  readonly #observer: ExchangeObserver;
  #timer: Timer | undefined;
  #isExecuted = false;
  #isOver = false;

  constructor(
    application: Application,
    context: AttemptContext,
    request: RequestHead,
    observer: ExchangeObserver,
  ) {
    this.#application = application;
    this.#context = context;
    this.#observer = observer;
    if (request.body === 0) this.endBody();
  }

  writeBody(): boolean {
    return true;
  }

  endBody(): void {
    if (this.#isOver || this.#isExecuted) return;
    this.#isExecuted = true;
    const { clock, mode } = this.#application;
    this.#application.onExecute(this.#context);
    if (mode === "hangs") return;
    const delayMs = mode === "slow" ? SLOW_MS : SERVICE_MS;
    this.#timer = clock.at((clock.now() + delayMs) as Millis, () => this.#answer());
  }

  cancel(): void {
    this.#isOver = true;
    this.#timer?.cancel();
  }

  pause(): void {}
  resume(): void {}

  #answer(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const isWell = this.#application.mode !== "errors";
    const length = String(BODY.length);
    this.#observer.onHead({
      status: isWell ? 200 : 503,
      reason: isWell ? "OK" : "Service Unavailable",
      headers: ["Content-Length", length],
      body: BODY.length,
    });
    this.#observer.onBody(new Uint8Array(BODY));
    this.#observer.onEnd([]);
  }
}
