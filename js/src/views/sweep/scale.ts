// Where the points of a curve are, and what a point says.

import { number } from "../../lib/format.ts";
import type { Curve, Path } from "./content.ts";

/** A point of a path in one score. */
export interface Place {
  at: number;
  value: number | null;
  isEnd: boolean;
  isBest: boolean;
  /** Whether its recipe is on screen. */
  isNow: boolean;
}

/** The points of a curve, in their order. */
export function placesOf(path: Path, curve: Curve): Place[] {
  return path.at.map((at, i) => ({
    at,
    value: curve.values[i] ?? null,
    isEnd: i === 0 || i === path.at.length - 1,
    isBest: i === curve.best,
    isNow: i === path.current,
  }));
}

/** Where a point is on the path, and its score. */
export function describePlace({ at, value, isEnd, isBest, isNow }: Place, ends: Path["ends"]): string {
  const where = isEnd ? ends[at === 0 ? 0 : 1] : `${number(at * 100, 1)} % of the way`;
  const notes = [isBest ? "best" : "", isNow ? "on screen" : ""].filter(Boolean).join(", ");
  return `${where}: ${value === null ? "no score" : number(value, 5)}${notes && ` (${notes})`}`;
}

/** The worst point and the straight line below it; null where no point is worse than the line. */
export function barrierOf(
  { at }: Path,
  { values, barrier }: Curve,
): { at: number; value: number; line: number } | null {
  const [first, last] = [values[0] ?? null, values[values.length - 1] ?? null];
  const value = barrier ? (values[at.indexOf(barrier.at)] ?? null) : null;
  if (!barrier || barrier.height <= 0 || first === null || last === null || value === null) return null;
  return { at: barrier.at, value, line: (1 - barrier.at) * first + barrier.at * last };
}
