// Which sliders are shown: all of them where each has room for its number, else 16 around the pointer.

import type { Axis } from "./axis.ts";

/** Least pixels for a slider with its number. */
export const ROOM = 21;
/** Sliders around the pointer where not all fit. */
export const AROUND = 16;

export interface LensSlider {
  column: number;
  x: number;
}

/** The sliders with their places; without a lens each is in its column. */
export function placeSliders(axis: Axis, around: number | null): LensSlider[] {
  const count = axis.columns.length;
  if (!hasLens(axis)) return axis.columns.map((_, column) => ({ column, x: axis.x(column) }));
  const shown = Math.min(AROUND, count);
  const middle = around ?? Math.floor(count / 2);
  const first = Math.min(Math.max(middle - Math.floor(shown / 2), 0), count - shown);
  const room = axis.right - axis.left;
  const gap = Math.min(Math.max(axis.step, 34), room / shown);
  const wide = gap * (shown - 1);
  const aligned = axis.x(middle) - (middle - first) * gap; // the one in the middle is in its own column
  const start = Math.min(Math.max(aligned, axis.left + gap / 2), axis.right - gap / 2 - wide);
  return Array.from({ length: shown }, (_, i) => ({ column: first + i, x: start + i * gap }));
}

/** Whether only some of the sliders fit. */
export const hasLens = (axis: Axis): boolean => axis.step < ROOM;

/** The column whose slider is nearest to a place. */
export function sliderAt(sliders: readonly LensSlider[], x: number): number {
  let best = sliders[0]!;
  for (const slider of sliders) if (Math.abs(slider.x - x) < Math.abs(best.x - x)) best = slider;
  return best.column;
}
