// A range with some air around numbers, and round levels in it.

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
