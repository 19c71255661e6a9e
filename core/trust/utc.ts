/** Writes wall-clock moments for people, without the platform's Date, which pure code may not use. */
import type { WallMillis } from "../types.ts";

const DAY_MS = 86_400_000;

/** "2026-01-31T12:00:00Z". Days to civil date after Howard Hinnant, "chrono-compatible date algorithms". */
export function formatUtc(wall: WallMillis | number): string {
  const days = Math.floor(wall / DAY_MS);
  const seconds = Math.floor((wall - days * DAY_MS) / 1000);
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const date = `${padded(year, 4)}-${padded(month, 2)}-${padded(day, 2)}`;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return `${date}T${padded(hours, 2)}:${padded(minutes, 2)}:${padded(seconds % 60, 2)}Z`;
}

function padded(value: number, width: number): string {
  return String(value).padStart(width, "0");
}
