/** Kinds of values that a plan holds. */

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isAmount(value: unknown): boolean {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

export function isShare(value: unknown): boolean {
  return isAmount(value) && (value as number) <= 1;
}

export function isWhole(value: unknown): boolean {
  return Number.isSafeInteger(value);
}

export function isCount(value: unknown): boolean {
  return isWhole(value) && (value as number) >= 0;
}
