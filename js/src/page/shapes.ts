// Shapes to start a curve from, as knots over any number of layers: the counterpart of nbmerge/curves/presets.py.

import type { Knot } from "../views/tracks/content.ts";
import { roundHalfEven, spreadKnots } from "./values.ts";

type Points = readonly (readonly [number, number])[];

/** Points from 0 to 1 at the layers of a model: between layers where they are evenly spaced and not too many. */
export function placeShape(points: Points, depth: number): Knot[] {
  const last = points.length - 1;
  const values = points.map(([, value]) => value);
  const even = points.every(([x], i) => Math.abs(x - (last ? i / last : x)) < 1e-9);
  if (last === 0 || (even && points.length <= depth)) return spreadKnots(values, depth);
  const layers = new Map<number, number>();
  for (const [x, value] of points) {
    const layer = roundHalfEven(x * (depth - 1));
    if (!layers.has(layer)) layers.set(layer, value);
  }
  return [...layers].map(([layer, value]) => ({ layer, value }));
}
