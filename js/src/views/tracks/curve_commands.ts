// Carries out what the keyboard asks of the curve.

import { number } from "../../lib/format.ts";
import type { Axis } from "./axis.ts";
import type { Command } from "./keys.ts";
import { addKnot, knotAt, moveKnot, nextKnot, snap } from "./knots.ts";
import { describe, extend, listSelected } from "./selection.ts";
import type { Stage } from "./stage.ts";

export function runCommand(command: Command, stage: Stage, axis: Axis): void {
  const cursor = stage.cursor ?? axis.first;
  const count = axis.columns.length;
  switch (command.kind) {
    case "go":
      stage.selection = null;
      stage.cursor = Math.min(Math.max(cursor + command.by, 0), count - 1);
      if (stage.tool === "paint") paint(cursor, stage.cursor, stage);
      break;
    case "edge":
      stage.selection = null;
      stage.cursor = command.to === "first" ? 0 : count - 1;
      break;
    case "knot":
      goToKnot(command.by, cursor, stage, axis);
      break;
    case "extend":
      stage.selection = extend(stage.selection, cursor, command.by, count);
      stage.cursor = stage.selection.head;
      stage.announce(`${describe(axis.columns, listSelected(stage.selection))} selected.`);
      break;
    case "all":
      stage.selection = { anchor: axis.first, head: axis.end - 1 };
      stage.announce("All layers selected.");
      break;
    case "clear":
      stage.selection = null;
      break;
    case "nudge":
      nudge(command.steps, cursor, stage, axis);
      break;
    case "add":
      add(cursor, stage, axis);
      break;
    case "remove":
      remove(cursor, stage, axis);
      break;
    case "type":
      stage.picture.dispatchEvent(new CustomEvent("nbm-type"));
      break;
    case "open":
      stage.open?.(cursor);
  }
}

/** The brush takes the value along to the next column. */
function paint(from: number, to: number, { curve, announce }: Stage): void {
  const value = curve.values[from];
  if (to === from || typeof value !== "number" || typeof curve.values[to] !== "number") return;
  curve.setValues(new Map([[to, value]]));
  announce(`${number(value, 4)} painted.`);
}

function goToKnot(by: 1 | -1, cursor: number, stage: Stage, axis: Axis): void {
  const knot = nextKnot(stage.curve.knots, cursor - axis.first, by);
  stage.selection = null;
  if (knot) stage.cursor = axis.first + Math.round(knot.layer);
}

/** The point under the cursor, else the value of each selected column, moves by steps of the slider. */
function nudge(steps: number, cursor: number, stage: Stage, axis: Axis): void {
  const { curve } = stage;
  const { step, limits } = curve.part;
  const moved = (value: number) => snap(value + steps * step, step, limits);
  const columns = stage.selection ? listSelected(stage.selection) : [cursor];
  const knot = stage.selection ? null : knotAt(curve.knots, axis.columns[cursor]?.layer ?? null);
  if (knot !== null) {
    const { layer, value } = curve.knots[knot]!;
    curve.setKnots(moveKnot(curve.knots, knot, layer, moved(value), axis.end - axis.first));
    return;
  }
  const given = columns.flatMap((column): [number, number][] => {
    const value = curve.values[column];
    return value === null || value === undefined ? [] : [[column, moved(value)]];
  });
  curve.setValues(new Map(given));
}

function add(cursor: number, stage: Stage, axis: Axis): void {
  const layer = axis.columns[cursor]?.layer ?? null;
  const value = stage.curve.values[cursor];
  if (layer === null || value === null || value === undefined) return;
  stage.curve.setKnots(addKnot(stage.curve.knots, layer, value, axis.end - axis.first));
  stage.announce(`Point added at layer ${layer}.`);
}

/** Removes the selected points, else the one under the cursor; the last one stays. */
function remove(cursor: number, stage: Stage, axis: Axis): void {
  const { knots } = stage.curve;
  const layers = listSelected(stage.selection ?? { anchor: cursor, head: cursor }).map((column) => column - axis.first);
  const gone = new Set(layers.flatMap((layer) => knotAt(knots, layer) ?? []));
  const kept = knots.filter((_, i) => !gone.has(i));
  if (gone.size === 0 || kept.length === 0) {
    stage.announce(gone.size ? "The last point stays." : "There is no point here.");
    return;
  }
  stage.curve.setKnots(kept);
  stage.announce(gone.size === 1 ? "Point removed." : `${gone.size} points removed.`);
}
