/**
 * The binary logarithm in fixed point, made of whole numbers alone: every node must find the same
 * owner for a key, and Math.log may differ in its last digit between engines. The table is built by
 * repeated squaring, one bit of the result per squaring; between its entries the line is straight,
 * which is off by less than 2^-22.
 */

/** Bits behind the point in a result. */
export const LOG2_FRACTION_BITS = 24;
const TABLE_BITS = 10;
const REST_BITS = 31 - TABLE_BITS;
const MANTISSA_BITS = 25;

const TABLE: readonly number[] = Array.from({ length: (1 << TABLE_BITS) + 1 }, (_, at) =>
  log2OfMantissa(2 ** MANTISSA_BITS + at * 2 ** (MANTISSA_BITS - TABLE_BITS)),
);

/** The logarithm of mantissa / 2^25, which lies from 1 to 2, times 2^24. */
function log2OfMantissa(mantissa: number): number {
  const two = 2 ** (MANTISSA_BITS + 1);
  if (mantissa === two) return 2 ** LOG2_FRACTION_BITS;
  let result = 0;
  for (let bit = 0; bit < LOG2_FRACTION_BITS; bit += 1) {
    mantissa = Math.floor((mantissa * mantissa) / 2 ** MANTISSA_BITS);
    result *= 2;
    if (mantissa >= two) {
      mantissa = Math.floor(mantissa / 2);
      result += 1;
    }
  }
  return result;
}

/** log2(value) times 2^24, for whole numbers from 1 to 2^32. */
export function log2Fixed(value: number): number {
  if (value === 2 ** 32) return 32 * 2 ** LOG2_FRACTION_BITS;
  const leading = Math.clz32(value);
  const aligned = (value << leading) >>> 0;
  const index = (aligned >>> REST_BITS) & ((1 << TABLE_BITS) - 1);
  const rest = aligned & ((1 << REST_BITS) - 1);
  const low = TABLE[index] as number;
  const high = TABLE[index + 1] as number;
  const between = Math.floor(((high - low) * rest) / 2 ** REST_BITS);
  return (31 - leading) * 2 ** LOG2_FRACTION_BITS + low + between;
}
