// Σ cᵢWᵢ: the coefficients of methods that are weighted sums, as their modules in nbmerge/methods compute them. The Gram
// matrix is over [W₀, W₁−W₀, …].

export type Matrix = readonly (readonly number[])[];

/** The numbers of one tensor's merge. */
export interface Numbers {
  /** For each input; null for a base. */
  each: Record<string, (number | null)[]>;
  shared: Record<string, unknown>;
  position: number;
  based: boolean;
}

/** Null where the numbers cannot be combined: weights that are normalised and sum to 0. */
type Combine = (numbers: Numbers, gram: Matrix) => number[] | null;

const METHODS: Record<string, Combine> = {
  linear,
  task_arithmetic,
  lines,
  passthrough,
  slerp,
  nuslerp,
  multislerp,
};

export const findMethod = (name: string): Combine | null => METHODS[name] ?? null;

const LEAST = 1e-8; // of a sum of weights that are normalised
const sum = (numbers: readonly number[]): number => numbers.reduce((total, value) => total + value, 0);
const weightsOf = ({ each }: Numbers): number[] => (each.weight ?? []).map((weight) => weight ?? 0);

function linear(numbers: Numbers): number[] | null {
  const weights = weightsOf(numbers);
  const total = numbers.shared.normalize ? sum(weights) : 1;
  return numbers.shared.normalize && Math.abs(total) < LEAST ? null : weights.map((weight) => weight / total);
}

/** A base and what is added of each difference from it. */
function added(numbers: Numbers, factor: number): number[] {
  const weights = weightsOf(numbers).slice(1);
  const total = sum(weights);
  const scale = factor / (numbers.shared.normalize && Math.abs(total) > LEAST ? total : 1);
  const tuned = weights.map((weight) => weight * scale);
  return [1 - sum(tuned), ...tuned];
}

function task_arithmetic(numbers: Numbers): number[] {
  return added(numbers, numbers.shared.lambda as number);
}

function lines(numbers: Numbers): number[] {
  const { alpha, beta } = numbers.shared as Record<string, number>;
  return added(numbers, alpha! + beta! * numbers.position);
}

function passthrough({ each }: Numbers): number[] {
  return [each.scale?.[0] ?? 1];
}

const PARALLEL = 0.9995; // |cosine| above which the arc is a line
const ZERO = 1e-8; // norm at or below which a tensor has no direction

function slerp({ shared }: Numbers, gram: Matrix): number[] {
  const t = shared.t as number;
  if (t === 0 || t === 1) return [1 - t, t];
  const [aa, ad, dd] = [gram[0]![0]!, gram[0]![1]!, gram[1]![1]!];
  const [a, b] = [Math.sqrt(Math.max(aa, 0)), Math.sqrt(Math.max(aa + 2 * ad + dd, 0))];
  const isZero = Math.min(a, b) <= ZERO;
  if (isZero && Math.max(a, b) > ZERO && shared.zero_tensors === "keep_other") return b <= ZERO ? [1, 0] : [0, 1];
  const cosine = isZero ? 0 : Math.max(-1, Math.min(1, (aa + ad) / (a * b)));
  if (Math.abs(cosine) > PARALLEL) return [1 - t, t];
  const angle = Math.acos(cosine);
  return [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)];
}

const NOISE = 1e-12; // coefficients this near to 0 or 1 are meant to be that
const STRAIGHT = 1e-12; // 1 − cosine below which an arc and a line are the same
const OPPOSITE = 0.9995;

function nuslerp(numbers: Numbers, gram: Matrix): number[] | null {
  const [first, second] = weightsOf(numbers).slice(-2) as [number, number];
  if (Math.abs(first + second) < LEAST) return null;
  const t = second / (first + second);
  if (t === 0 || t === 1) return placed([1 - t, t], numbers.based);
  const [[aa, ab], [, bb]] = products(gram, numbers.based) as [[number, number], [number, number]];
  return placed(arc(aa, ab, bb, t), numbers.based);
}

function arc(aa: number, ab: number, bb: number, t: number): number[] {
  const norms = Math.sqrt(Math.max(aa * bb, 0));
  const cosine = Math.max(-1, Math.min(1, norms > 0 ? ab / norms : 0));
  if (1 - cosine < STRAIGHT || cosine < -OPPOSITE) return [1 - t, t];
  const angle = Math.acos(cosine);
  return [Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle)];
}

/** Gram matrix of what is merged: the differences from the base where there is one, else the weights themselves. */
function products(gram: Matrix, based: boolean): Matrix {
  if (based) return gram.slice(1).map((row) => row.slice(1));
  const [first, ...others] = gram[0]!;
  const shifts = [0, ...others]; // ⟨W₀, Wᵢ − W₀⟩
  return gram.map((row, i) => row.map((value, j) => first! + shifts[i]! + shifts[j]! + (i > 0 && j > 0 ? value : 0)));
}

const CANCELLED = 1e-3; // length of a mean of unit vectors below which its direction is mostly rounding error

function multislerp(numbers: Numbers, gram: Matrix): number[] | null {
  const given = (numbers.each.weight ?? []).filter((weight) => weight !== null);
  const total = sum(given);
  if (numbers.shared.normalize_weights && Math.abs(total) < LEAST) return null;
  const weights = numbers.shared.normalize_weights ? given.map((weight) => weight / total) : given;
  const g = products(gram, numbers.based);
  const norms = g.map((row, i) => Math.sqrt(Math.max(row[i]!, 0)));
  const cosine = (i: number, j: number) =>
    norms[i]! > 0 && norms[j]! > 0 ? Math.max(-1, Math.min(1, g[i]![j]! / (norms[i]! * norms[j]!))) : 0;
  const square = sum(weights.flatMap((one, i) => weights.map((other, j) => one * cosine(i, j) * other)));
  const length = Math.sqrt(Math.max(square, 0));
  const whole = sum(weights.map((weight, i) => (norms[i]! > 0 ? Math.abs(weight) : 0)));
  if (length <= CANCELLED * whole || weights.filter((weight) => weight !== 0).length === 1) {
    return placed(weights, numbers.based);
  }
  const mean = sum(weights.map((weight, i) => weight * norms[i]!));
  return placed(
    weights.map((weight, i) => (norms[i]! > 0 ? (weight / (norms[i]! * length)) * mean : 0)),
    numbers.based,
  );
}

/** Coefficients of the inputs from those of what is merged; the base takes what is missing to one. */
function placed(coefficients: readonly number[], based: boolean): number[] {
  const own = coefficients.map((value) => {
    const end = Math.max(-1, Math.min(1, Math.round(value)));
    return Math.abs(value - end) < NOISE ? end : value;
  });
  if (!based) return own;
  const rest = 1 - sum(own);
  return [Math.abs(rest) < NOISE ? 0 : rest, ...own];
}
