// The shortest way to write values over layers, as nbmerge/curves/forms.py finds it: a number, a list, or some layers.

import type { RuleValue } from "./data.ts";
import { evaluate, roundValue } from "./values.ts";

/** The value that each layer of a slice is to have; others may have any. */
export type Targets = ReadonlyMap<number, number>;

const TOLERANCE = 1e-6; // numbers are written with six digits
const STRAIGHT = 1e-9;
const MOST_EVEN = 9;

/** A layer's position in its slice; a single layer takes the last value. */
export const positionOf = (layer: number, depth: number): number => (depth > 1 ? layer / (depth - 1) : 1);

export const isClose = (value: number, wanted: number): boolean =>
  Math.abs(value - wanted) <= TOLERANCE * Math.max(1, Math.abs(wanted));

/** Whether a rule's value is what the layers are to have. */
export const gives = (value: RuleValue, targets: Targets, depth: number): boolean =>
  [...targets].every(([layer, wanted]) => isClose(evaluate(value, positionOf(layer, depth), depth), wanted));

/** How many numbers it takes to write a value. */
export function countNumbers(value: RuleValue): number {
  if (typeof value === "number") return 1;
  return "list" in value ? value.list.length : 2 * value.layers.length;
}

export const isSame = (one: RuleValue, other: RuleValue): boolean => JSON.stringify(one) === JSON.stringify(other);

/** The form with the fewest numbers. */
export function findForm(targets: Targets, depth: number, mappings: boolean): RuleValue {
  const values = [...targets.values()];
  if (values.every((value) => value === values[0])) return roundValue(values[0]!);
  const forms = listForms(targets, depth, mappings).filter((form) => gives(form, targets, depth));
  return forms.reduce((best, form) => (countNumbers(form) < countNumbers(best) ? form : best));
}

function listForms(targets: Targets, depth: number, mappings: boolean): RuleValue[] {
  const forms: RuleValue[] = [];
  for (let count = 2; count <= Math.min(MOST_EVEN, depth) && count < depth; count += 1) {
    if ((depth - 1) % (count - 1) !== 0) continue;
    const values = Array.from({ length: count }, (_, i) => targets.get((i * (depth - 1)) / (count - 1)));
    if (values.every((value) => value !== undefined)) forms.push({ list: values.map((value) => roundValue(value!)) });
  }
  const layers = [...targets.keys()].sort((a, b) => a - b);
  const nearest = (layer: number) =>
    layers.reduce((best, other) => (Math.abs(other - layer) < Math.abs(best - layer) ? other : best));
  forms.push({ list: Array.from({ length: depth }, (_, i) => roundValue(targets.get(nearest(i))!)) });
  if (mappings) forms.push({ layers: findCorners(targets, layers).map((i) => [i, roundValue(targets.get(i)!)]) });
  return forms;
}

/** The layers at which straight lines through all values turn; flat ends need no point. */
function findCorners(targets: Targets, layers: readonly number[]): number[] {
  const at = (layer: number | undefined) => targets.get(layer!)!;
  const corners = [layers[0]!];
  let start = 0;
  for (let end = 2; end <= layers.length; end += 1) {
    if (end < layers.length && isStraight(targets, layers.slice(start, end + 1))) continue;
    corners.push(layers[end - 1]!);
    start = end - 1;
  }
  while (corners.length > 1 && at(corners[corners.length - 1]) === at(corners[corners.length - 2])) corners.pop();
  while (corners.length > 1 && at(corners[0]) === at(corners[1])) corners.shift();
  return corners;
}

function isStraight(targets: Targets, layers: readonly number[]): boolean {
  const [first, last] = [layers[0]!, layers[layers.length - 1]!];
  const rise = (targets.get(last)! - targets.get(first)!) / (last - first);
  return layers
    .slice(1, -1)
    .every((i) => Math.abs(targets.get(first)! + rise * (i - first) - targets.get(i)!) < STRAIGHT);
}
