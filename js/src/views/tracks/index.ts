// The Tracks panel: rows on one axis of layers. The layer under the pointer or the focus is marked through all of them and
// read out in one line. Which rows there are is in `rows/`.

import "./tracks.css";
import rowModules from "all:./rows";
import { h, match, set, write } from "../../lib/dom.ts";
import { svg } from "../../lib/svg.ts";
import { defineView } from "../../lib/view.ts";
import { type Axis, makeAxis, thinNames } from "./axis.ts";
import type { Content } from "./content.ts";
import { CurveModel } from "./curve_model.ts";
import { pointOf, type Row, type RowView, type Stage } from "./stage.ts";
import { makeToolbar } from "./toolbar.ts";

const BETWEEN = 10;
const NAMES = 22;
/** Width below which the line that reads out a layer takes more lines. */
const NARROW = 760;
const rows = (rowModules as Row[]).sort((a, b) => a.place - b.place);

export default defineView<Content>((root, { send, redraw, receive, signal }) => {
  const names = svg("g", { class: "nbm-names" });
  const mark = svg("rect", { class: "nbm-cursor", rx: 4 });
  const picture = svg("svg", { class: "nbm-picture", "aria-hidden": "true" });
  picture.append(mark, names);
  const overlay = h("div", { class: "nbm-overlays" });
  const words = h("div", { class: "nbm-readout-words" });
  const formulas = h(
    "button",
    { type: "button", class: "nbm-button", title: "Every tensor of this layer (F)" },
    "Tensors",
  );
  const readout = h("div", { class: "nbm-readout" }, words, formulas);
  const status = h("div", { class: "nbm-unseen", role: "status", "aria-live": "polite" });
  const reason = h("p", { class: "nbm-quiet" });
  const curve = new CurveModel(send);
  const stage: Stage = {
    send: (action, args) => {
      curve.flush();
      return send(action, args);
    },
    redraw,
    receive,
    signal,
    tools: h("span", { class: "nbm-row-tools" }),
    picture,
    overlay,
    curve,
    cursor: null,
    selection: null,
    open: null,
    tool: "points",
    dragging: false,
    announce: (text) => {
      status.textContent = text;
    },
  };
  const toolbar = makeToolbar(stage);
  const box = h("div", { class: "nbm-stage" }, picture, overlay);
  root.append(reason, toolbar.element, box, readout, status);

  const views: { row: Row; group: SVGGElement; view: RowView }[] = rows.map((row) => {
    const group = svg("g", { class: `nbm-row-${row.name}` });
    picture.append(group);
    return { row, group, view: row.create(stage, group) };
  });
  let axis: Axis | null = null;

  function point(event: PointerEvent) {
    if (!axis || stage.dragging || event.pointerType === "touch") return;
    const { x } = pointOf(stage, event);
    const column = x < axis.left - axis.step || x > axis.right + axis.step ? null : axis.columnAt(x);
    if (column === stage.cursor) return;
    stage.cursor = column;
    redraw();
  }
  picture.addEventListener("pointermove", point, { signal });
  /** Forgets the layer under the pointer, unless the pointer goes to what is read out of it. */
  function leave(event: PointerEvent) {
    const next = event.relatedTarget as Node | null;
    if (stage.dragging || overlay.contains(document.activeElement) || readout.contains(next) || box.contains(next))
      return;
    stage.cursor = null;
    redraw();
  }
  for (const left of [box, readout]) left.addEventListener("pointerleave", leave, { signal });
  formulas.addEventListener("click", () => stage.cursor !== null && stage.open?.(stage.cursor));

  function drawNames(content: Content, made: Axis, top: number) {
    const shown = thinNames(made, stage.cursor);
    match(
      names,
      [...shown],
      () => svg("text"),
      (node, column) => {
        set(node, { x: made.x(column), y: top + 15, class: column === stage.cursor ? "nbm-current" : "" });
        write(node, content.columns[column]?.name ?? "");
      },
    );
  }

  function drawCursor(made: Axis, height: number) {
    mark.style.display = stage.cursor === null ? "none" : "";
    if (stage.cursor === null) return;
    const wide = Math.max(made.wide(stage.cursor), 6);
    set(mark, { x: made.x(stage.cursor) - wide / 2, width: wide, y: 2, height: height - 4 });
  }

  function readOut(content: Content) {
    const column = stage.cursor;
    const where = column === null ? null : content.columns[column];
    formulas.hidden = !where || !stage.open;
    if (column === null || !where) {
      words.replaceChildren(h("span", { class: "nbm-quiet" }, "Point at a layer to read its numbers."));
      return;
    }
    const parts = views.flatMap(({ view }) => view.read?.(content, column) || []);
    const name = where.label.charAt(0).toUpperCase() + where.label.slice(1);
    words.replaceChildren(h("b", {}, name), ...parts.map((part) => h("span", {}, part)));
  }

  /** Lays the rows out below each other; returns where they end. */
  function drawRows(content: Content, made: Axis): number {
    let top = 0;
    for (const { group, view } of views) {
      const height = view.height(content, made);
      group.style.display = height > 0 ? "" : "none";
      set(group, { transform: `translate(0 ${top})` });
      view.draw(content, made, top);
      top += height > 0 ? height + BETWEEN : 0;
    }
    return top;
  }

  /** Forgets columns that there are no more. */
  function keepInside({ length }: readonly unknown[]) {
    const { cursor, selection } = stage;
    if (cursor !== null && cursor >= length) stage.cursor = null;
    if (selection && Math.max(selection.anchor, selection.head) >= length) stage.selection = null;
  }

  return (content, width) => {
    const drawable = content.columns.length > 0;
    // Without models, the place of the tracks stays: what is below does not jump up and down while others are chosen.
    if (drawable) root.style.minHeight = "";
    else if (root.dataset.drawn && !box.hidden) root.style.minHeight = `${root.offsetHeight}px`;
    write(reason, content.reason);
    box.hidden = readout.hidden = !drawable;
    root.classList.toggle("nbm-tracks-narrow", width < NARROW);
    reason.hidden = drawable || content.reason === "";
    box.inert = content.outdated;
    for (const part of [box, readout]) part.classList.toggle("nbm-stale", content.outdated);
    keepInside(content.columns);
    if (content.rows.curve) stage.curve.take(content.rows.curve, content.columns, content.answers);
    toolbar.show(content);
    if (!drawable) return;
    axis = makeAxis(content.columns, width);
    const end = drawRows(content, axis);
    drawNames(content, axis, end);
    set(picture, { width, height: end + NAMES, viewBox: `0 0 ${width} ${end + NAMES}` });
    drawCursor(axis, end + NAMES);
    readOut(content);
    root.dataset.drawn = String(Number(root.dataset.drawn ?? 0) + 1);
  };
});
