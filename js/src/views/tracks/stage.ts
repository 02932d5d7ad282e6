// What the rows of the Tracks panel share: the picture, the axis, the layer under the pointer or the focus, the selection.

import { svg } from "../../lib/svg.ts";
import type { Context, Send } from "../../lib/view.ts";
import type { Axis } from "./axis.ts";
import type { Content } from "./content.ts";
import type { CurveModel } from "./curve_model.ts";
import type { Selection } from "./selection.ts";

/** What a press in the curve does. */
export type Tool = "points" | "paint";

export interface Stage {
  send: Send;
  redraw(): void;
  signal: AbortSignal;
  picture: SVGSVGElement;
  curve: CurveModel;
  /** Column under the pointer or the focus. */
  cursor: number | null;
  selection: Selection | null;
  tool: Tool;
  /** While something is dragged, the column under the pointer stays what it is for all others. */
  dragging: boolean;
  /** Says something to screen readers, once. */
  announce(text: string): void;
  /** Calls back for what the kernel sends besides content. */
  receive: Context["receive"];
  /** The place in the toolbar for what rows bring. */
  tools: HTMLElement;
  /** Opens the list of a column's tensors; null where there is none. */
  open: ((column: number) => void) | null;
  /** HTML over the picture, for what must be a real button. */
  overlay: HTMLElement;
}

/** A row while it is on screen. Its group is moved to its place; y starts at 0. */
export interface RowView {
  /** Pixels; 0 where there is nothing to show. Depends on the number of columns and lines, never on values. */
  height(content: Content, axis: Axis): number;
  draw(content: Content, axis: Axis, top: number): void;
  /** Its part of the line that reads out a column. */
  read?(content: Content, column: number): string;
}

/**
 * A row of the panel. A module in `rows/` whose default export is one is in the panel; its part of the content comes from
 * the module of the same name in `nbmerge/widgets/panels/tracks/rows/`.
 */
export interface Row {
  name: string;
  /** Rows are ordered by it, from the top. */
  place: number;
  create(stage: Stage, group: SVGGElement): RowView;
}

/** Place of the pointer in the picture. */
export function pointOf(stage: Stage, event: MouseEvent): { x: number; y: number } {
  const box = stage.picture.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

/** The title of a row, in the left margin, with smaller lines below it. */
export function rowTitle(group: SVGGElement): (title: string, lines?: readonly string[]) => void {
  const heading = svg("text", { class: "nbm-row-title", x: 2, y: 14 });
  const notes = svg("text", { class: "nbm-row-note" });
  group.append(heading, notes);
  return (title, lines = []) => {
    if (heading.textContent !== title) heading.textContent = title;
    const text = lines.join("\n");
    if (notes.dataset.text === text) return;
    notes.dataset.text = text;
    notes.replaceChildren(...lines.map((line, i) => svg("tspan", { x: 2, y: 28 + 12 * i }, line)));
  };
}

/** Follows a press until it ends, wherever the pointer goes; touch does not scroll meanwhile. */
export function drag(
  stage: Stage,
  event: PointerEvent,
  move: (event: PointerEvent) => void,
  end: (event: PointerEvent) => void = () => {},
): void {
  const { pointerId } = event;
  (event.currentTarget as Element).setPointerCapture(pointerId); // also outside of the window, where browsers allow it
  stage.dragging = true;
  const over = new AbortController();
  const of = (listener: (event: PointerEvent) => void) => (other: PointerEvent) => {
    if (other.pointerId === pointerId) listener(other);
  };
  const finish = of((last) => {
    over.abort();
    stage.dragging = false;
    stage.curve.flush();
    end(last);
    stage.redraw();
  });
  const { signal } = over;
  window.addEventListener("pointermove", of(move), { signal });
  window.addEventListener("pointerup", finish, { signal });
  window.addEventListener("pointercancel", finish, { signal });
  stage.signal.addEventListener("abort", () => over.abort(), { signal });
}
