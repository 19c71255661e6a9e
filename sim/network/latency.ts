/**
 * How the part of a delay that varies is spread around its mean, and what distance costs. Everything
 * is computed with the operations that give the same result on every machine: the lognormal curve is
 * a table of its quantiles, not a logarithm and a root.
 */
import { drawExponential, drawFloat } from "../engine/draws.ts";

export const LATENCY_MODELS = ["constant", "exponential", "lognormal"] as const;
export type LatencyModel = (typeof LATENCY_MODELS)[number];

/** Quantiles at i/32 of the lognormal curve with sigma 1 and mean 1; the ends stand for the tails. */
const LOGNORMAL = [
  0.02, 0.094, 0.131, 0.162, 0.192, 0.221, 0.25, 0.279, 0.309, 0.34, 0.372, 0.406, 0.441, 0.478,
  0.518, 0.561, 0.607, 0.656, 0.71, 0.769, 0.834, 0.907, 0.989, 1.082, 1.191, 1.318, 1.473, 1.665,
  1.916, 2.266, 2.813, 3.907, 25,
];
/** The curve rises steeply at its end: most of the last piece is passed at once. */
const TAIL_POWER = 6;

export function drawJitter(
  model: LatencyModel | undefined,
  key: number,
  counter: number,
  meanUs: number,
): number {
  if (model === "constant") return meanUs;
  if (model !== "lognormal") return drawExponential(key, counter, meanUs);
  const place = drawFloat(key, counter) * (LOGNORMAL.length - 1);
  const piece = Math.floor(place);
  const low = LOGNORMAL[piece] as number;
  const high = LOGNORMAL[piece + 1] as number;
  let part = place - piece;
  if (piece === LOGNORMAL.length - 2)
    for (let turn = 1; turn < TAIL_POWER; turn += 1) part *= place - piece;
  return Math.floor(meanUs * (low + (high - low) * part));
}

/** Regions of clouds, by where they lie on a map flattened to kilometres. */
export const REGIONS: readonly (readonly [name: string, eastKm: number, northKm: number])[] = [
  ["virginia", 0, 0],
  ["oregon", -3_700, 500],
  ["ireland", 5_500, 1_400],
  ["frankfurt", 6_700, 1_200],
  ["singapore", 15_600, -4_000],
  ["sydney", 15_900, -8_000],
  ["sao paulo", 1_200, -7_600],
];
/** Light in glass takes 5 us for a kilometre; cables are no straight lines. */
const US_PER_KM = 8;

/** One-way delays between the regions at these places in the list; each direction has its detour. */
export function delaysBetween(
  places: readonly number[],
  detour: (from: number, to: number) => number,
): number[][] {
  return places.map((one, from) =>
    places.map((other, to) => {
      const [, east, north] = REGIONS[one % REGIONS.length] as (typeof REGIONS)[0];
      const [, farEast, farNorth] = REGIONS[other % REGIONS.length] as (typeof REGIONS)[0];
      // Along streets, not as the crow flies: whole numbers without a root.
      const km = Math.max(Math.abs(east - farEast), Math.abs(north - farNorth)) + 50;
      return Math.floor(km * US_PER_KM * (1 + detour(from, to)));
    }),
  );
}
