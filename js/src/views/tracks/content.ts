// What the kernel sends to the Tracks panel.

import type { Answered } from "../../lib/view.ts";

/** One column: a layer, or a part outside the layers. */
export interface Column {
  /** Below the picture: "embed", "12". */
  name: string;
  /** In words: "embeddings", "layer 12". */
  label: string;
  /** Number of the layer; null outside the layers. */
  layer: number | null;
}

/** A point that the curve is drawn by. Knots of a gradient list may lie between two layers. */
export interface Knot {
  layer: number;
  value: number;
}

/** A number for each column; null where a model has no part in the layer. */
export type Values = (number | null)[];

/** A curve that can be chosen, or one that is only shown. */
export interface Line {
  key: string;
  label: string;
  colour: string;
  values: Values;
  /** Lengths of dashes and gaps; empty for a solid line. */
  dash: number[];
  /** What can be chosen: a parameter's name and a model's key. */
  parameter: string;
  model: string;
}

export interface Choice {
  key: string;
  label: string;
  hint?: string;
  colour?: string;
}

export interface CurvePart {
  parameters: Choice[];
  models: Choice[];
  parts: Choice[];
  parameter: string;
  model: string;
  part: string;
  /** Other parameters that are shown with the chosen one. */
  overlaid: string[];
  title: string;
  help: string;
  /** Ends of the axis, what a value may be, and one step of a slider. */
  span: [number, number];
  limits: [number | null, number | null];
  step: number;
  /** Words at their values: "all of math" at 1. */
  marks: { value: number; text: string }[];
  /** The chosen line and the others. */
  chosen: Line;
  others: Line[];
  pins: Line[];
  /** Which columns outside the layers follow the nearest layer. */
  tied: boolean[];
  /** Different values of the tensors in each column of the chosen line. */
  dots: number[][];
  knots: Knot[];
  /** Layers that have a value of their own beside the line. */
  alone: number[];
  text: string;
  shapes: { name: string; hint: string; points: number[] }[];
  /** The user's own shapes as text; empty where there are none, null where none can be kept. */
  own_shapes: string | null;
}

export interface Content extends Answered {
  columns: Column[];
  /** Why there is nothing to draw, or nothing to change; else empty. */
  reason: string;
  /** Whether the recipe has errors, and what is drawn is of the last one without. */
  outdated: boolean;
  rows: { curve?: CurvePart } & Record<string, unknown>;
}
