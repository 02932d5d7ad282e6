// Where the points of a curve are, which levels are written at its left, and what a point says.

import { number } from "../../lib/format.ts";
import type { Curve, Path } from "./content.ts";

export interface Scale {
  low: number;
  high: number;
  levels: number[];
}

/** A point of a path in one score. */
export interface Place {
  at: number;
  value: number | null;
  isEnd: boolean;
  isBest: boolean;
  /** Whether its recipe is on screen. */
  isNow: boolean;
}

/** The range of a curve with some air, and about three round numbers in it. */
export function scaleOf({ values }: Pick<Curve, "values">): Scale {
  const known = values.filter((value) => value !== null);
  const [least, most] = known.length ? [Math.min(...known), Math.max(...known)] : [0, 1];
  const span = most - least || Math.abs(most) * 0.1 || 1;
  const [low, high] = [least - 0.12 * span, most + 0.16 * span];
  const step = roundStep((high - low) / 3);
  const levels: number[] = [];
  for (let n = Math.ceil(low / step); n * step <= high; n += 1) levels.push(Number((n * step).toPrecision(12)));
  return { low, high, levels };
}

/** 1, 2 or 5 times a power of ten, at least so large. */
export function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((n) => n * power).find((step) => step >= least * (1 - 1e-9)) ?? 10 * power;
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
