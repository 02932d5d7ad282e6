// The arithmetic of knots, as the kernel has it: a curve follows the pointer before the kernel has answered.

import type { Knot } from "./content.ts";

/** Six digits, free of binary noise such as 0.6000000000000001. */
export const round = (value: number): number => Number(value.toPrecision(6)) || 0;

/** The value at a layer: linear between knots, flat outside of them. */
export function valueAt(knots: readonly Knot[], layer: number): number {
  const after = knots.findIndex((knot) => knot.layer > layer);
  const last = knots[knots.length - 1];
  if (!last) return 0;
  if (after < 0) return last.value;
  const next = knots[after]!;
  const before = knots[after - 1];
  if (!before) return next.value;
  const share = (layer - before.layer) / (next.layer - before.layer);
  return (1 - share) * before.value + share * next.value;
}

/** Moves a knot: to whole layers unless it stays near its own, and never past its neighbours. */
export function moveKnot(knots: readonly Knot[], index: number, layer: number, value: number, depth: number): Knot[] {
  const old = knots[index]!;
  const moved = knots.length === 1 ? old.layer : placeOf(knots, index, layer, depth);
  return knots.map((knot, i) => (i === index ? { layer: moved, value: round(value) } : knot));
}

function placeOf(knots: readonly Knot[], index: number, layer: number, depth: number): number {
  const old = knots[index]!.layer;
  if (Math.abs(layer - old) < 0.5) return old;
  const low = index > 0 ? Math.ceil(knots[index - 1]!.layer + 1) : 0;
  const high = index + 1 < knots.length ? Math.floor(knots[index + 1]!.layer - 1) : depth - 1;
  return low <= high ? Math.min(Math.max(Math.round(layer), low), high) : old;
}

/** Adds a knot at a whole layer, or moves the one that is there. A flat curve gets knots at both of its ends as well. */
export function addKnot(knots: readonly Knot[], layer: number, value: number, depth: number): Knot[] {
  const added = { layer: Math.min(Math.max(Math.round(layer), 0), depth - 1), value: round(value) };
  const ends = [...new Set([0, depth - 1])].map((end) => ({ layer: end, value: knots[0]?.value ?? value }));
  const former = knots.length === 1 ? ends : knots;
  return [...former.filter((knot) => knot.layer !== added.layer), added].sort((a, b) => a.layer - b.layer);
}

/** The knot that belongs to a layer: at it, or nearer than half a layer. */
export function knotAt(knots: readonly Knot[], layer: number | null): number | null {
  if (layer === null) return null;
  const index = knots.findIndex((knot) => Math.abs(knot.layer - layer) <= 0.5);
  return index < 0 ? null : index;
}

/** The nearest knot within reach of the pointer, in pixels. */
export function nearestKnot(places: readonly [number, number][], x: number, y: number, reach: number): number | null {
  let best: number | null = null;
  let least = reach;
  places.forEach(([a, b], i) => {
    const distance = Math.hypot(a - x, b - y);
    if (distance <= least) [best, least] = [i, distance];
  });
  return best;
}

/** Pixels from a line to the pointer. */
export function distanceTo(line: readonly [number, number][], x: number, y: number): number {
  const distances = line.map(([a, b], i) => {
    const [c, d] = line[i + 1] ?? [a, b];
    const length = (c - a) ** 2 + (d - b) ** 2;
    const share = length ? Math.min(Math.max(((x - a) * (c - a) + (y - b) * (d - b)) / length, 0), 1) : 0;
    return Math.hypot(a + share * (c - a) - x, b + share * (d - b) - y);
  });
  return Math.min(...distances);
}

/** The knot that Ctrl and an arrow lead to from a layer. */
export function nextKnot(knots: readonly Knot[], layer: number, by: 1 | -1): Knot | null {
  const ahead = knots.filter((knot) => (by > 0 ? knot.layer > layer + 0.01 : knot.layer < layer - 0.01));
  return (by > 0 ? ahead[0] : ahead[ahead.length - 1]) ?? null;
}

/** A value on the grid of the slider's step, within the parameter's limits. */
export function snap(value: number, step: number, limits: readonly [number | null, number | null]): number {
  const nearest = round(Math.round(value / step) * step);
  return Math.min(Math.max(nearest, limits[0] ?? nearest), limits[1] ?? nearest);
}

/** A value that is dragged: on the grid, and exactly 0, 0.5 or 1 where one of these is within reach. */
export function snapDragged(
  value: number,
  step: number,
  limits: readonly [number | null, number | null],
  reach: number,
): number {
  const magnet = [0, 0.5, 1].find((mark) => Math.abs(value - mark) <= reach);
  return snap(magnet ?? value, step, limits);
}
