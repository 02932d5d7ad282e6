// Selected columns, and what can be done to their values at once.

import type { Column, Values } from "./content.ts";
import { round } from "./knots.ts";

/** Columns from one end to the other, both included; empty where there is none. */
export interface Selection {
  anchor: number;
  head: number;
}

export type Operation = "set" | "add" | "scale";

export function listSelected(selection: Selection | null): number[] {
  if (!selection) return [];
  const [low, high] = [Math.min(selection.anchor, selection.head), Math.max(selection.anchor, selection.head)];
  return Array.from({ length: high - low + 1 }, (_, i) => low + i);
}

/** The selection that Shift and an arrow lead to; it starts where the cursor is. */
export function extend(selection: Selection | null, cursor: number, by: number, count: number): Selection {
  const from = selection ?? { anchor: cursor, head: cursor };
  return { anchor: from.anchor, head: Math.min(Math.max(from.head + by, 0), count - 1) };
}

/** New values of columns; those without a value have none. */
export function change(
  values: Values,
  columns: readonly number[],
  operation: Operation,
  by: number,
): Map<number, number> {
  const changed = new Map<number, number>();
  for (const column of columns) {
    const old = values[column];
    if (old === null || old === undefined) continue;
    changed.set(column, round(operation === "set" ? by : operation === "add" ? old + by : old * by));
  }
  return changed;
}

/** Columns in words: "layers 8–15", "layer 3", "embeddings, layers 0–2". */
export function describe(columns: readonly Column[], selected: readonly number[]): string {
  const layers = selected.flatMap((i) => columns[i]?.layer ?? []);
  const others = selected.flatMap((i) => (columns[i]?.layer === null ? [columns[i].label] : []));
  const [first, last] = [layers[0], layers[layers.length - 1]];
  const inside = layers.length === 0 ? [] : [first === last ? `layer ${first}` : `layers ${first}–${last}`];
  const before = others.length > 0 && selected[0] === 0 ? others.splice(0, 1) : [];
  return [...before, ...inside, ...others].join(", ");
}

/** Values along a stroke of the brush: every column between two places of the pointer gets one. */
export function stroke(from: readonly [number, number], to: readonly [number, number]): Map<number, number> {
  const [[a, v], [b, w]] = [from, to];
  const painted = new Map<number, number>();
  const count = Math.abs(b - a);
  for (let i = 1; i <= count; i += 1) painted.set(a + Math.sign(b - a) * i, v + ((w - v) * i) / count);
  if (count === 0) painted.set(b, w);
  return painted;
}
