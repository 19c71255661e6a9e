/**
 * The agent's log: JSON lines on standard error, or one readable line each on a terminal; the
 * newest lines in memory, and subscribers (`grapevine monitor`) that may ask for more detail than
 * standard error shows. Writing never blocks the agent: what a stuck reader does not take is
 * dropped.
 */

import type { DestinationStream, Level, Logger } from "pino";
import pino from "pino";
import { readableLine } from "./log-line.ts";
import type { LogSink } from "./log-sink.ts";
import { createLogSink } from "./log-sink.ts";

export type LogLevel = Level | "silent";
export const LOG_LEVELS: readonly LogLevel[] = [
  "trace",
  "debug",
  "info",
  "warn",
  "error",
  "fatal",
  "silent",
];

const STANDARD_ERROR = 2;
/** Lines kept for late readers; the second bound is for long ones. */
const RING_LINES_MAX = 2_000;
const RING_CHARS_MAX = 1024 * 1024;
export interface LogOptions {
  readonly level: LogLevel;
  /** Default: standard error. */
  readonly sink?: LogSink;
  /** Default: whether standard error is a terminal. */
  readonly readable?: boolean;
}

interface Subscriber {
  readonly level: number;
  readonly onLine: (line: string) => void;
}

export class Log {
  /** For what belongs to no component. */
  readonly root: Logger;
  readonly #components = new Map<string, Logger>();
  readonly #subscribers = new Set<Subscriber>();
  readonly #ring: { level: number; line: string }[] = [];
  readonly #sink: LogSink;
  readonly #readable: boolean;
  #ringChars = 0;
  #level: LogLevel;

  constructor(options: LogOptions) {
    this.#level = options.level;
    this.#sink = options.sink ?? createLogSink(STANDARD_ERROR);
    this.#readable = options.readable ?? process.stderr.isTTY === true;
    const stream: DestinationStream & { lastLevel: number } = {
      // With this mark pino tells the level of each line before it writes it.
      [Symbol.for("pino.metadata")]: true,
      lastLevel: 0,
      write: (line: string) => this.#onLine(line, stream.lastLevel),
    } as DestinationStream & { lastLevel: number };
    const settings = {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label: string) => ({ level: label }) },
    };
    this.root = pino(settings, stream);
  }

  /**
   * The logger of a component; always the same one for a name. Its children keep their own level.
   */
  component(name: string): Logger {
    let logger = this.#components.get(name);
    if (logger === undefined) {
      logger = this.root.child({ component: name });
      this.#components.set(name, logger);
    }
    return logger;
  }

  get level(): LogLevel {
    return this.#level;
  }

  /** What standard error shows from now on. */
  setLevel(level: LogLevel): void {
    this.#level = level;
    this.#adjust();
  }

  /** Calls back with each JSON line of at least `level`, until the returned function is called. */
  subscribe(level: LogLevel, onLine: (line: string) => void): () => void {
    const subscriber = { level: levelNumber(level), onLine };
    this.#subscribers.add(subscriber);
    this.#adjust();
    return () => {
      this.#subscribers.delete(subscriber);
      this.#adjust();
    };
  }

  /** The newest `last` JSON lines of at least `level`, oldest first. */
  recent(level: LogLevel, last: number): readonly string[] {
    const least = levelNumber(level);
    const lines = this.#ring.filter((entry) => entry.level >= least).map((entry) => entry.line);
    return last <= 0 ? [] : lines.slice(-last);
  }

  /** Before the process exits: resolves when all lines are out, or soon in any case. */
  flush(): Promise<void> {
    return this.#sink.flush();
  }

  /** Loggers produce what anybody wants to see, and nothing below that. */
  #adjust(): void {
    let least = levelNumber(this.#level);
    for (const subscriber of this.#subscribers) least = Math.min(least, subscriber.level);
    const level = LOG_LEVELS.find((name) => levelNumber(name) >= least) ?? "silent";
    for (const logger of [this.root, ...this.#components.values()]) logger.level = level;
  }

  #onLine(text: string, level: number): void {
    const line = text.endsWith("\n") ? text.slice(0, -1) : text;
    this.#ring.push({ level, line });
    this.#ringChars += line.length;
    while (this.#ring.length > RING_LINES_MAX || this.#ringChars > RING_CHARS_MAX) {
      this.#ringChars -= this.#ring.shift()?.line.length ?? 0;
    }
    if (level >= levelNumber(this.#level)) {
      this.#sink.write(this.#readable ? readableLine(line) : `${line}\n`);
    }
    for (const subscriber of this.#subscribers) {
      if (level >= subscriber.level) subscriber.onLine(line);
    }
  }
}

function levelNumber(level: LogLevel): number {
  return level === "silent" ? Number.POSITIVE_INFINITY : (pino.levels.values[level] ?? 0);
}
