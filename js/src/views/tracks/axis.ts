// The axis of layers that all rows share: where each column is, whatever the number of layers.

import type { Column } from "./content.ts";

export const LEFT = 112;
export const RIGHT = 20;
/** Between the layers and the parts outside of them. */
const GAP = 10;
/** Least width of a column outside the layers: its name fits. */
const OUTSIDE = 38;

export interface Axis {
  columns: readonly Column[];
  /** Of the whole picture. */
  width: number;
  /** Width of a layer's column. */
  step: number;
  left: number;
  right: number;
  /** Left edge of a column; its width. */
  edge(column: number): number;
  wide(column: number): number;
  /** Centre of a column. */
  x(column: number): number;
  /** Centre of a layer, which may lie between two. */
  layerX(layer: number): number;
  /** The column at a place, the nearest one outside of the picture. */
  columnAt(x: number): number;
  /** Layer at a place, with fractions. */
  layerAt(x: number): number;
  /** Columns of the first layer and after the last one. */
  first: number;
  end: number;
}

export function makeAxis(columns: readonly Column[], width: number): Axis {
  const inside = columns.map((column) => column.layer !== null);
  const first = Math.max(inside.indexOf(true), 0);
  const end = inside.lastIndexOf(true) + 1;
  const gaps = Number(first > 0) + Number(end < columns.length);
  const left = width < 600 ? 84 : LEFT;
  const right = width - RIGHT;
  const depth = end - first;
  const outside = columns.length - depth;
  const room = right - left - gaps * GAP;
  const even = room / Math.max(columns.length, 1);
  const step = even >= OUTSIDE ? even : Math.max(1, (room - outside * OUTSIDE) / Math.max(depth, 1));
  const wide = (column: number) => (column >= first && column < end ? step : Math.max(step, OUTSIDE));
  const before = first * Math.max(step, OUTSIDE) + (first > 0 ? GAP : 0);
  const edge = (column: number) => {
    if (column < first) return left + column * wide(0);
    const inside = left + before + (Math.min(column, end) - first) * step;
    return column < end ? inside : inside + (column - end) * Math.max(step, OUTSIDE) + GAP;
  };
  const x = (column: number) => edge(column) + wide(column) / 2;
  const columnAt = (place: number) => {
    const near = columns.map((_, i) => Math.abs(x(i) - place));
    return near.indexOf(Math.min(...near));
  };
  return {
    columns,
    width,
    step,
    left,
    right,
    edge,
    wide,
    x,
    layerX: (layer) => left + before + (layer + 0.5) * step,
    columnAt,
    layerAt: (place) => (place - left - before) / step - 0.5,
    first,
    end,
  };
}

/** Which columns have their name written below the picture, so that names do not touch. */
export function thinNames(axis: Axis, current: number | null): Set<number> {
  const [letter, between] = [6.6, 8];
  const depth = axis.end - axis.first;
  const wide = String(Math.max(depth - 1, 0)).length * letter + between;
  const every = [1, 2, 4, 5, 8, 10, 16, 20, 50].find((n) => n * axis.step >= wide) ?? 100;
  const shown = new Set<number>();
  const spans: [number, number][] = [];
  const add = (column: number) => {
    const isLayer = column >= axis.first && column < axis.end;
    const half = ((axis.columns[column]?.name.length ?? 0) * letter + (isLayer ? between : 6)) / 2;
    const span: [number, number] = [axis.x(column) - half, axis.x(column) + half];
    if (spans.some(([a, b]) => span[0] < b && a < span[1])) return;
    shown.add(column);
    spans.push(span);
  };
  if (current !== null) add(current);
  for (let i = 0; i < axis.columns.length; i += 1) if (i < axis.first || i >= axis.end) add(i);
  if (depth > 0) add(axis.end - 1);
  for (let i = axis.first; i < axis.end; i += 1) if ((i - axis.first) % every === 0) add(i);
  return shown;
}
