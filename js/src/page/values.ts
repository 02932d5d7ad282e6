// What a rule gives at a place: the arithmetic of nbmerge/recipe/setting.py and layer_values.py, step for step.

import type { Knot } from "../views/tracks/content.ts";
import type { Data, Place, Rule, RuleValue, Setting } from "./data.ts";

type Point = readonly [number, number];

const CLOSE = 1e-9;

/** Six digits, as recipes are written. */
export const roundValue = (value: number): number => Number(Number(value.toPrecision(6)).toFixed(12)) || 0;

/** The value at position t of a slice, 0 at its first layer and 1 at its last. */
export function evaluate(value: RuleValue, t: number, depth: number): number {
  if (typeof value === "number") return value;
  if ("list" in value) return interpolate(value.list, t);
  return interpolatePoints(value.layers, Math.min(Math.max(t, 0), 1) * (depth - 1));
}

/** The value at position t of values spread evenly: linear between neighbours. */
export function interpolate(values: readonly number[], t: number): number {
  const x = Math.min(Math.max(t, 0), 1) * (values.length - 1);
  const near = roundHalfEven(x);
  if (Math.abs(x - near) < CLOSE) return values[near]!;
  const i = Math.floor(x);
  const [a, b] = [values[i]!, values[i + 1]!];
  if (a === b && values.every((value) => value === a)) return a;
  return (1 - (x - i)) * a + (x - i) * b;
}

/** The value at a layer: linear between points, constant outside. */
export function interpolatePoints(points: readonly Point[], at: number): number {
  const near = roundHalfEven(at);
  const layer = Math.abs(at - near) < CLOSE ? near : at;
  const after = points.findIndex(([x]) => x > layer);
  const below = after < 0 ? points.length - 1 : after - 1;
  if (below < 0) return points[0]![1];
  const [x, value] = points[below]!;
  if (x === layer || after < 0) return value;
  const [following, other] = points[after]!;
  if (value === other) return value;
  const share = (layer - x) / (following - x);
  return (1 - share) * value + share * other;
}

/** The nearest whole number; of two, the even one, as Python rounds. */
export const roundHalfEven = (x: number): number => {
  const whole = Math.round(x);
  return Math.abs(x - Math.trunc(x)) === 0.5 && whole % 2 !== 0 ? whole - 1 : whole;
};

/** The number of the rule that decides at a place; the last one has no filter. */
export function findRule(data: Data, rules: readonly Rule[], place: Place): number {
  return rules.findIndex(({ filter }) => filter === null || place.texts.some((text) => data.texts[text] === filter));
}

/** The value of a track at a place. */
export function valueAtPlace(data: Data, setting: Setting, place: Place): number {
  const rule = setting.rules[findRule(data, setting.rules, place)]!;
  return evaluate(rule.value, place.position, place.depth);
}

/** The knots of a rule's value: a list is spread evenly, a number is one knot in the middle. */
export function knotsOf(value: RuleValue, depth: number): Knot[] {
  if (typeof value === "object" && "layers" in value) return value.layers.map(([layer, v]) => ({ layer, value: v }));
  const values = typeof value === "number" ? [value] : value.list;
  return depth > 1 ? spreadKnots(values, depth) : [{ layer: 0, value: values[values.length - 1]! }];
}

export function spreadKnots(values: readonly number[], depth: number): Knot[] {
  if (values.length === 1) return [{ layer: (depth - 1) / 2, value: values[0]! }];
  return values.map((value, i) => ({ layer: whole((i * (depth - 1)) / (values.length - 1)), value }));
}

const whole = (layer: number): number => (Math.abs(layer - Math.round(layer)) < CLOSE ? Math.round(layer) : layer);

/** What a rule says for knots: a number, a list where they are evenly spaced, else layers. */
export function valueOfKnots(knots: readonly Knot[], depth: number): RuleValue {
  if (knots.length === 1) return roundValue(knots[0]!.value);
  const even = knots.every(({ layer }, i) => Math.abs(layer - (i * (depth - 1)) / (knots.length - 1)) < CLOSE);
  if (even) return { list: knots.map(({ value }) => roundValue(value)) };
  return { layers: knots.map(({ layer, value }): Point => [layer, roundValue(value)]) };
}

/** The value of knots at a layer. */
export const valueOnKnots = (knots: readonly Knot[], layer: number): number =>
  interpolatePoints(
    knots.map((knot): Point => [knot.layer, knot.value]),
    layer,
  );
