// A range with some air around numbers, round levels in it, and the line from numbers to places.

export interface Scale {
  low: number;
  high: number;
  levels: number[];
}

/** The range of numbers with some air, and about three round numbers in it. */
export function scaleOf(values: readonly (number | null)[]): Scale {
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

/** From numbers to places and back, along a straight line. */
export interface Linear {
  (value: number): number;
  invert(place: number): number;
}

/** The line on which the ends of a range of numbers are at these places. */
export function linear([low, high]: readonly [number, number], [start, end]: readonly [number, number]): Linear {
  const rise = (end - start) / (high - low || 1);
  const place = (value: number) => start + (value - low) * rise;
  return Object.assign(place, { invert: (at: number) => low + (at - start) / rise });
}

/** About so many round numbers within a range, as d3 chooses them: multiples of 1, 2 or 5 times a power of ten. */
export function levelsIn([low, high]: readonly [number, number], count: number): number[] {
  if (!(high > low)) return [low];
  const wanted = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const error = wanted / power;
  const step = power * (error >= Math.sqrt(50) ? 10 : error >= Math.sqrt(10) ? 5 : error >= Math.sqrt(2) ? 2 : 1);
  const [first, last] = [Math.ceil(low / step - 1e-9), Math.floor(high / step + 1e-9)];
  return Array.from({ length: Math.max(last - first + 1, 0) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** A level with as many decimals as all of them need: "0.0", "0.5", "1.0". */
export function writeLevel(level: number, levels: readonly number[]): string {
  const decimals = levels.map((each) => String(each).split(".")[1]?.length ?? 0);
  return level.toFixed(Math.max(...decimals)).replace("-", "−");
}
