// What a mouse or a finger does in the curve: drag points, paint, select layers.

import type { Axis } from "./axis.ts";
import { addKnot, distanceTo, moveKnot, nearestKnot, snap, snapDragged } from "./knots.ts";
import { listSelected, stroke } from "./selection.ts";
import { drag, pointOf, type Stage } from "./stage.ts";

const REACH = 12; // pixels within which a press takes a knot
const LINE = 6; // pixels within which a press is at the chosen line
const MAGNET = 5; // pixels within which a dragged value goes to 0, 0.5 or 1

/** Where the curve is on screen; y of a value is counted from the row's top, the others from the picture's. */
export interface CurvePlace {
  axis(): Axis;
  y(value: number): number;
  valueAt(place: number): number;
  top(): number;
  focus(): void;
}

/** Handlers of a press and of a double press, and whether a press is at the chosen line: other lines may lie on it. */
export function curveGestures(stage: Stage, place: CurvePlace) {
  const model = stage.curve;
  const depth = () => place.axis().end - place.axis().first;
  const knotPlaces = () =>
    model.knots.map((knot): [number, number] => [place.axis().layerX(knot.layer), place.top() + place.y(knot.value)]);
  const valueUnder = (event: PointerEvent) => {
    const value = place.valueAt(pointOf(stage, event).y);
    const reach = Math.abs(place.valueAt(0) - place.valueAt(MAGNET));
    return snapDragged(value, model.part.step, model.part.limits, event.altKey ? 0 : reach);
  };

  function press(event: PointerEvent) {
    if (event.button !== 0) return;
    event.preventDefault();
    place.focus();
    model.begin();
    const axis = place.axis();
    const at = pointOf(stage, event);
    const column = axis.columnAt(at.x);
    const taken = nearestKnot(knotPlaces(), at.x, at.y, REACH);
    stage.cursor = column;
    if (stage.tool === "paint") paint(event, column);
    else if (listSelected(stage.selection).includes(column) && !event.shiftKey) dragSelection(event);
    else if (taken !== null) dragKnot(event, taken);
    else if (isNearAlone(column, at.y)) dragColumns(event, [column]);
    else if (axis.columns[column]?.layer === null) dragColumns(event, [column]);
    else select(event, column);
    stage.redraw();
  }

  function isOnLine(event: MouseEvent): boolean {
    const { first, end, x } = place.axis();
    const line = model.values.flatMap((value, i): [number, number][] =>
      value === null || i < first || i >= end ? [] : [[x(i), place.top() + place.y(value)]],
    );
    const at = pointOf(stage, event);
    return distanceTo(line, at.x, at.y) <= LINE;
  }

  /** Whether a layer has a value of its own beside the line, and the press is at it. */
  function isNearAlone(column: number, at: number): boolean {
    const value = model.values[column] ?? null;
    const layer = place.axis().columns[column]?.layer ?? -1;
    const near = value !== null && Math.abs(place.top() + place.y(value) - at) <= REACH;
    return near && model.part.alone.includes(layer);
  }

  function dragKnot(event: PointerEvent, index: number) {
    stage.selection = null;
    drag(stage, event, (next) => {
      const axis = place.axis();
      const layer = axis.layerAt(pointOf(stage, next).x);
      model.setKnots(moveKnot(model.knots, index, layer, valueUnder(next), depth()));
      stage.cursor = axis.first + Math.round(model.knots[index]?.layer ?? 0);
      stage.redraw();
    });
  }

  function dragColumns(event: PointerEvent, columns: number[]) {
    drag(stage, event, (next) => {
      const value = valueUnder(next);
      model.setValues(new Map(columns.map((column) => [column, value])));
      stage.redraw();
    });
  }

  function dragSelection(event: PointerEvent) {
    const columns = listSelected(stage.selection);
    const before = columns.map((column) => model.values[column] ?? null);
    const { step, limits } = model.part;
    const from = place.valueAt(pointOf(stage, event).y);
    let moved = false;
    drag(
      stage,
      event,
      (next) => {
        const by = place.valueAt(pointOf(stage, next).y) - from;
        const values = columns.flatMap((column, i): [number, number][] => {
          const old = before[i] ?? null;
          return old === null ? [] : [[column, snap(old + by, step, limits)]];
        });
        moved ||= Math.abs(by) >= step;
        if (moved) model.setValues(new Map(values));
        stage.redraw();
      },
      () => {
        if (!moved) stage.selection = null;
      },
    );
  }

  function select(event: PointerEvent, column: number) {
    const anchor = event.shiftKey ? (stage.selection?.anchor ?? stage.cursor ?? column) : column;
    stage.selection = event.shiftKey ? { anchor, head: column } : null;
    drag(stage, event, (next) => {
      const head = place.axis().columnAt(pointOf(stage, next).x);
      if (head !== column || stage.selection) stage.selection = { anchor, head };
      stage.redraw();
    });
  }

  function paint(event: PointerEvent, column: number) {
    let last: [number, number] = [column, valueUnder(event)];
    model.setValues(new Map([last]));
    drag(stage, event, (next) => {
      const at: [number, number] = [place.axis().columnAt(pointOf(stage, next).x), valueUnder(next)];
      const { step, limits } = model.part;
      const values = [...stroke(last, at)].map(([i, value]): [number, number] => [i, snap(value, step, limits)]);
      model.setValues(new Map(values));
      last = at;
      stage.cursor = at[0];
      stage.redraw();
    });
  }

  /** A double press adds a knot, or removes the one that is there. */
  function toggleKnot(event: MouseEvent) {
    if (stage.tool === "paint") return;
    const axis = place.axis();
    const at = pointOf(stage, event);
    const layer = axis.columns[axis.columnAt(at.x)]?.layer ?? null;
    if (layer === null) return;
    const taken = nearestKnot(knotPlaces(), at.x, at.y, REACH);
    stage.selection = null;
    if (taken === null) {
      const { step, limits } = model.part;
      const own = isOnLine(event) ? (model.values[axis.columnAt(at.x)] ?? null) : null; // the line stays as it is
      const value = own ?? snap(place.valueAt(at.y), step, limits);
      model.setKnots(addKnot(model.knots, layer, value, depth()));
      stage.announce(`Point added at layer ${layer}.`);
    } else if (model.knots.length > 1) {
      model.setKnots(model.knots.filter((_, i) => i !== taken));
      stage.announce("Point removed.");
    }
    stage.redraw();
  }

  return { press, toggleKnot, isOnLine };
}
