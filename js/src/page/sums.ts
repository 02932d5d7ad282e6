// Distances and cosines from sums: what nbmerge/statistics/predicted_distances.py and distances.py compute, in float64.

import { findMethod, type Matrix, type Numbers } from "./coefficients.ts";
import { readEntries } from "./curve.ts";
import { type Data, decodeNumbers, type Row, type Setting } from "./data.ts";

/** ‖M‖², ⟨M, P⟩, ‖P‖², ‖M − P‖², and the number of tensors. */
type Sums = [number, number, number, number, number];
const PARTS = 5;
const EXACT = 1e-12; // the engine takes coefficients that sum to one within this as exact

export type What = "distance" | "cosine";

/** Sums by parent, layer (the last is outside) and kind. */
export class Cube {
  readonly #sums: Float64Array;

  constructor(
    readonly parents: readonly string[],
    readonly depth: number,
    readonly kinds: number,
    sums?: Float64Array,
  ) {
    this.#sums = sums ?? new Float64Array(parents.length * (depth + 1) * kinds * PARTS);
  }

  add(parent: number, layer: number | null, kind: number, sums: Sums): void {
    const at = this.#at(parent, layer ?? this.depth, kind);
    for (const [i, value] of sums.entries()) this.#sums[at + i]! += value;
  }

  /** A distance or cosine over some layers and kinds; null where there is no tensor, or no number. */
  read(what: What, parent: number, layers: readonly number[], kinds: readonly number[]): number | null {
    const total: Sums = [0, 0, 0, 0, 0];
    for (const layer of layers) {
      for (const kind of kinds) {
        const at = this.#at(parent, layer, kind);
        for (let i = 0; i < PARTS; i += 1) total[i]! += this.#sums[at + i]!;
      }
    }
    return ratio(total, what);
  }

  has(layers: readonly number[], kind: number): boolean {
    return this.parents.some((_, parent) => layers.some((layer) => this.#sums[this.#at(parent, layer, kind) + 4]! > 0));
  }

  #at(parent: number, layer: number, kind: number): number {
    return ((parent * (this.depth + 1) + layer) * this.kinds + kind) * PARTS;
  }
}

/** A distance or cosine from sums; null where nothing was counted, and where it is not a number. */
export function ratio([mm, mp, pp, dd, count]: Sums, what: What): number | null {
  if (count === 0) return null;
  let value: number;
  if (what === "distance") value = pp === 0 && dd === 0 ? 0 : Math.sqrt(dd / pp);
  else value = mm === 0 && pp === 0 ? 1 : Math.min(Math.max(mp / Math.sqrt(mm * pp), -1), 1);
  return Number.isFinite(value) ? value : null;
}

/** What was recorded with the page. */
export function recordedCube(data: Data): Cube | null {
  if (!data.recorded) return null;
  const { parents, depth, data: numbers } = data.recorded;
  return new Cube(parents, depth, data.kinds.length, decodeNumbers(numbers));
}

/** Follows settings: how far the merge is from each parent. */
export class Follower {
  readonly #data: Data;
  readonly #grams: Matrix[];

  constructor(data: Data) {
    this.#data = data;
    this.#grams = data.gram ? readGrams(data.gram) : [];
  }

  /** The sums of a merge; null where a tensor's weights cannot be normalised. */
  follow(settings: readonly Setting[]): Cube | null {
    const data = this.#data;
    const labels = data.parents.map(({ label }) => label);
    const cube = new Cube(labels, data.depth, data.kinds.length);
    const values = data.tracks.map((_, track) => {
      return new Map(readEntries(data, settings, track).map(({ row, value }) => [row, value]));
    });
    for (const row of data.rows) {
      if (row.gram < 0) continue;
      const found = this.#sumsOf(row, values);
      if (found === null) return null;
      for (const [i, sums] of found.entries()) cube.add(row.parents[i]!, row.layer, row.kind, sums);
    }
    return cube;
  }

  #sumsOf(row: Row, values: readonly ReadonlyMap<Row, number>[]): Sums[] | null {
    const gram = this.#grams[row.gram]!;
    const inputs = row.inputs.map((model) => inputVector(model, gram.length));
    const coefficients = this.#coefficientsOf(row, values, inputs, gram);
    if (coefficients === null) return null;
    const merged = gram.map((_, k) => coefficients.reduce((sum, c, i) => sum + c * inputs[i]![k]!, 0));
    const image = multiply(gram, merged);
    return inputs.map((input): Sums => {
      const apart = merged.map((value, k) => (Math.abs(value - input[k]!) < EXACT ? 0 : value - input[k]!));
      const pp = dot(multiply(gram, input), input);
      return [dot(image, merged), dot(image, input), pp, Math.max(dot(multiply(gram, apart), apart), 0), row.count];
    });
  }

  #coefficientsOf(
    row: Row,
    values: readonly ReadonlyMap<Row, number>[],
    inputs: readonly number[][],
    gram: Matrix,
  ): number[] | null {
    if (row.copied) return [1];
    const steps = inputs.map((input, i) => (i === 0 ? input : input.map((value, k) => value - inputs[0]![k]!)));
    const own = steps.map((one) => steps.map((other) => dot(multiply(gram, one), other)));
    return findMethod(this.#data.method.name)!(this.#numbersOf(row, values), own);
  }

  #numbersOf(row: Row, values: readonly ReadonlyMap<Row, number>[]): Numbers {
    const data = this.#data;
    const numbers: Numbers = {
      each: {},
      shared: { ...data.shared[row.shared] },
      position: row.position,
      based: row.based,
    };
    for (const [track] of row.places) {
      const { parameter, model, label } = data.tracks[track]!;
      const value = values[track]!.get(row)!;
      if (model === "") numbers.shared[parameter] = value;
      else {
        numbers.each[parameter] ??= row.parents.map(() => null);
        numbers.each[parameter][row.parents.findIndex((parent) => data.parents[parent]!.label === label)] = value;
      }
    }
    return numbers;
  }
}

/** An input as a vector over [base, δ₁ … δₙ]: a model is the base plus its own δ. */
const inputVector = (model: number, size: number): number[] =>
  Array.from({ length: size }, (_, k) => (k === 0 || k === model ? 1 : 0));

function readGrams({ size, data }: NonNullable<Data["gram"]>): Matrix[] {
  const numbers = decodeNumbers(data);
  const each = (size * (size + 1)) / 2;
  return Array.from({ length: numbers.length / each }, (_, n) => {
    const gram = Array.from({ length: size }, () => new Array<number>(size).fill(0));
    let at = n * each;
    for (let i = 0; i < size; i += 1) {
      for (let j = i; j < size; j += 1) {
        gram[i]![j] = gram[j]![i] = numbers[at]!;
        at += 1;
      }
    }
    return gram;
  });
}

const dot = (one: readonly number[], other: readonly number[]): number =>
  one.reduce((sum, value, i) => sum + value * other[i]!, 0);

const multiply = (matrix: Matrix, vector: readonly number[]): number[] => matrix.map((row) => dot(row, vector));
