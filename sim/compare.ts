/**
 * Where two runs that should be the same part ways. The hashes kept along the way agree up to some
 * block and differ from there on, so the first differing block is found by bisection; both runs are
 * then repeated with that block written down, event by event.
 */

/** The number of the first block whose hashes differ; undefined if none does. */
export function firstDifferingBlock(
  one: readonly string[],
  other: readonly string[],
): number | undefined {
  let low = 0;
  let high = Math.min(one.length, other.length);
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (one[middle] === other[middle]) low = middle + 1;
    else high = middle;
  }
  return low < Math.max(one.length, other.length) ? low : undefined;
}

/** The first line in which two blocks differ, as each has it. */
export function firstDifference(
  one: readonly string[],
  other: readonly string[],
): { readonly one: string; readonly other: string } | undefined {
  const length = Math.max(one.length, other.length);
  for (let at = 0; at < length; at += 1) {
    if (one[at] === other[at]) continue;
    return { one: one[at] ?? "nothing", other: other[at] ?? "nothing" };
  }
  return undefined;
}
