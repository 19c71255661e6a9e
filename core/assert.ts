/** Checks of what cannot happen; they stay on in production. Remote input never reaches them. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** For the end of a switch that names every case. */
export function unreachable(value: never): never {
  throw new Error(`assertion failed: no case for ${String(value)}`);
}
