/** Checks of what cannot happen; they stay on in production. Remote input never reaches them. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}
