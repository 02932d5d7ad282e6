// The curve: knots to drag, a dot for what each tensor gets, diamonds for the parts outside the layers.

import { h, match, OWN_KEYS, set, write } from "../../../lib/dom.ts";
import { middle, number, tellApart } from "../../../lib/format.ts";
import { type Linear, levelsIn, linear, writeLevel } from "../../../lib/scale.ts";
import { path, svg } from "../../../lib/svg.ts";
import type { Axis } from "../axis.ts";
import type { Content, CurvePart, Line } from "../content.ts";
import { runCommand } from "../curve_commands.ts";
import { curveGestures } from "../curve_gestures.ts";
import { drawHalos, type SensitivityPart } from "../halos.ts";
import { readKey } from "../keys.ts";
import { knotAt } from "../knots.ts";
import { drawPins } from "../pins.ts";
import type { Box } from "../place_name.ts";
import { describe, listSelected } from "../selection.ts";
import { type Row, rowTitle, type Stage } from "../stage.ts";

const [HEIGHT, TOP, BOTTOM] = [212, 24, 22];
const LETTER = 5.4; // pixels that a letter of a mark takes
const PAD = 0.06; // share of the range left free at both ends

export default { name: "curve", place: 10, create } satisfies Row;

function create(stage: Stage, group: SVGGElement) {
  const title = rowTitle(group);
  const grid = svg("g", { class: "nbm-grid" });
  const selected = svg("rect", { class: "nbm-selection" });
  const pins = svg("g");
  const others = svg("g", { class: "nbm-others" });
  const dots = svg("path", { class: "nbm-dots" });
  const chosen = svg("path", { class: "nbm-chosen" });
  const ground = svg("rect", { class: "nbm-ground" });
  const halos = svg("g", { class: "nbm-halos" });
  const ends = svg("g");
  const knots = svg("g");
  const bubble = svg("text", { class: "nbm-bubble" });
  group.append(grid, selected, pins, dots, chosen, ground, others, halos, ends, knots, bubble);
  const focus = h("div", {
    ...OWN_KEYS,
    class: "nbm-curve-focus",
    role: "slider",
    tabindex: 0,
    "aria-orientation": "vertical",
    "aria-keyshortcuts": "ArrowLeft ArrowRight ArrowUp ArrowDown Shift+ArrowRight Control+ArrowRight K Delete Enter F",
  });
  stage.overlay.append(focus);

  let axis: Axis;
  let top = 0;
  let span: [number, number] = [0, 1]; // kept while something is dragged, so that the scale does not run away
  const model = stage.curve;

  /** A model's name in so many letters, so that it differs from the others' names. */
  const shorten = (label: string, letters: number) => {
    const labels = model.part.models.map((choice) => choice.label);
    return tellApart(labels, letters)[labels.indexOf(label)] ?? middle(label, letters);
  };

  const range = (): [number, number] => {
    const air = PAD * (span[1] - span[0]);
    return [span[0] - air, span[1] + air];
  };
  const scale = (): Linear => linear(range(), [HEIGHT - BOTTOM, TOP]);
  const y = (value: number) => Math.min(Math.max(scale()(value), 4), HEIGHT - 4);
  const gestures = curveGestures(stage, {
    axis: () => axis,
    y,
    valueAt: (place) => scale().invert(place - top),
    top: () => top,
    focus: () => focus.focus({ preventScroll: true }),
  });

  const { signal } = stage;
  for (const target of [ground, ends, knots]) {
    target.addEventListener("pointerdown", gestures.press, { signal });
    target.addEventListener("dblclick", gestures.toggleKnot, { signal });
  }
  focus.addEventListener(
    "keydown",
    (event) => {
      const command = readKey(event);
      if (!command) return;
      event.preventDefault();
      event.stopPropagation();
      if (!event.repeat) model.begin();
      runCommand(command, stage, axis);
      stage.redraw();
    },
    { signal },
  );
  focus.addEventListener(
    "focus",
    () => {
      stage.cursor ??= axis.first;
      stage.redraw();
    },
    { signal },
  );

  function drawGrid(part: CurvePart) {
    const key = JSON.stringify([span, axis.left, axis.right, part.marks, part.chosen.label, part.models.length]);
    if (grid.dataset.key === key) return;
    grid.dataset.key = key;
    const levels = levelsIn(range(), 3);
    grid.replaceChildren(
      ...levels.map((level) => {
        const kind = part.marks.some(({ value }) => value === level) ? "nbm-level nbm-strong-level" : "nbm-level";
        return svg("line", { x1: axis.left, x2: axis.right, y1: y(level), y2: y(level), class: kind });
      }),
      ...levels.map((level) =>
        svg("text", { x: axis.left - 8, y: y(level), class: "nbm-number" }, writeLevel(level, levels)),
      ),
      ...listMarks(part).map(({ right, bottom, text }) =>
        svg("text", { x: right, y: bottom, class: "nbm-mark" }, text),
      ),
    );
  }

  /** The words at some values, at the right end of their lines. */
  const listMarks = ({ marks, chosen: { label } }: CurvePart): (Box & { text: string })[] =>
    marks
      .filter(({ value, text }) => text && value >= span[0] && value <= span[1])
      .map(({ value, text: long }) => {
        const text = long.replace(label, shorten(label, 24));
        const bottom = y(value) + (value > 0 ? -10 : 17);
        return { left: axis.right - text.length * LETTER, right: axis.right, top: bottom - 10, bottom, text };
      });

  const ofLayers = (values: readonly (number | null)[]) =>
    path(
      values
        .map((value, column): [number, number] => [axis.x(column), value === null ? Number.NaN : y(value)])
        .slice(axis.first, axis.end),
    );

  function drawOther(node: Element, line: Line) {
    const d = ofLayers(line.values);
    const [seen, reach] = [node.children[0]!, node.children[1]!];
    set(seen, { d, stroke: line.colour, "stroke-dasharray": line.dash.join(" ") });
    set(reach, { d });
    const outside = line.values.flatMap((value, i) =>
      value === null || (i >= axis.first && i < axis.end)
        ? []
        : [`M${axis.x(i) - 2.4} ${y(value)}a2.4 2.4 0 1 0 4.8 0a2.4 2.4 0 1 0 -4.8 0`],
    );
    set(node.children[2]!, { d: outside.join(""), fill: line.colour });
    write(node.lastElementChild!, line.label);
  }

  function drawOthers(part: CurvePart) {
    const make = (index: number) => {
      const reach = svg("path", { class: "nbm-reach" });
      reach.addEventListener("pointerdown", (event) => {
        const line = stage.curve.part.others[index];
        if (!line || event.button !== 0 || stage.tool === "paint" || gestures.isOnLine(event))
          return gestures.press(event);
        event.preventDefault();
        stage.send("curve.choose", { parameter: line.parameter, model: line.model, part: null });
      });
      reach.addEventListener("dblclick", (event) => gestures.isOnLine(event) && gestures.toggleKnot(event));
      return svg("g", {}, svg("path", { class: "nbm-other" }), reach, svg("path"), svg("title"));
    };
    match(others, part.others, make, drawOther);
    const curves = [model.values, ...part.others.map(({ values }) => values)];
    const [ceiling, floor] = [TOP - 16, HEIGHT - BOTTOM + 8];
    drawPins(pins, part.pins, { axis, y, curves, marks: listMarks(part), top: ceiling, bottom: floor }, stage.dragging);
  }

  function drawDots(part: CurvePart) {
    const small = axis.step > 14 ? 2.2 : 1.5;
    const marks = axis.columns.flatMap((column, i) => {
      const own = model.values[i];
      if (own === null || own === undefined || column.layer === null) return [];
      const r = part.alone.includes(column.layer) ? 4 : small;
      const tensors = model.dots(i);
      return (tensors.length ? tensors : [own]).map(
        (value) => `M${axis.x(i) - r} ${y(value).toFixed(1)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`,
      );
    });
    set(dots, { d: marks.join(""), fill: part.chosen.colour });
  }

  function drawKnots(part: CurvePart) {
    const r = Math.max(3, Math.min(6, axis.step * 0.45));
    const shown = model.knots.filter((knot) => model.values[axis.first + Math.round(knot.layer)] !== null);
    const makeKnot = () =>
      svg(
        "g",
        { class: "nbm-knot" },
        svg("circle", { class: "nbm-hit", r: 14 }),
        svg("circle", { class: "nbm-point" }),
      );
    match(knots, shown, makeKnot, (node, knot) => {
      set(node, { transform: `translate(${axis.layerX(knot.layer).toFixed(1)} ${y(knot.value).toFixed(1)})` });
      set(node.children[1]!, { r, stroke: part.chosen.colour });
    });
    const outside = axis.columns.flatMap((column, i) => (column.layer === null && model.values[i] !== null ? [i] : []));
    const side = Math.max(5, Math.min(10, axis.step * 0.7));
    const makeEnd = () =>
      svg(
        "g",
        { class: "nbm-knot" },
        svg("circle", { class: "nbm-hit", r: 14 }),
        svg("rect", { class: "nbm-point" }),
        svg("title"),
      );
    match(ends, outside, makeEnd, (node, column) => {
      set(node, { transform: `translate(${axis.x(column).toFixed(1)} ${y(model.values[column] ?? 0).toFixed(1)})` });
      const square = { x: -side / 2, y: -side / 2, width: side, height: side, transform: "rotate(45)" };
      set(node.children[1]!, { ...square, stroke: part.chosen.colour });
      write(
        node.lastElementChild!,
        `${axis.columns[column]?.label}${part.tied[column] ? ", follows the nearest layer" : ""}`,
      );
    });
  }

  function drawSelection() {
    const columns = listSelected(stage.selection);
    const [low, high] = [columns[0], columns[columns.length - 1]];
    selected.style.display = low === undefined ? "none" : "";
    if (low !== undefined && high !== undefined) {
      const [from, to] = [axis.edge(low), axis.edge(high) + axis.wide(high)];
      set(selected, { x: from, width: to - from, y: TOP - 8, height: HEIGHT - TOP - BOTTOM + 16 });
    }
  }

  /** The value of what is moved, next to it. */
  function drawBubble(part: CurvePart) {
    const column = stage.cursor;
    const value = column === null ? null : (model.values[column] ?? null);
    const visible = column !== null && value !== null && (stage.dragging || document.activeElement === focus);
    bubble.style.display = visible ? "" : "none";
    if (!visible) return;
    const knot = knotAt(model.knots, axis.columns[column]?.layer ?? null);
    const shown = knot !== null && stage.dragging ? model.knots[knot]!.value : value;
    set(bubble, { x: axis.x(column), y: Math.max(11, y(shown) - 12), fill: part.chosen.colour });
    write(bubble, number(shown, 4));
  }

  function drawFocus(part: CurvePart) {
    Object.assign(focus.style, {
      top: `${top}px`,
      left: `${axis.left}px`,
      height: `${HEIGHT}px`,
      right: `${axis.width - axis.right}px`,
    });
    const column = stage.cursor ?? axis.first;
    const value = model.values[column] ?? null;
    const columns = listSelected(stage.selection);
    const where = columns.length > 1 ? describe(axis.columns, columns) : (axis.columns[column]?.label ?? "");
    const knot = knotAt(model.knots, axis.columns[column]?.layer ?? null) !== null ? ", a point of the curve" : "";
    set(focus, {
      "aria-label": part.title,
      "aria-valuemin": Math.min(span[0], value ?? span[0]),
      "aria-valuemax": Math.max(span[1], value ?? span[1]),
      "aria-valuenow": value ?? span[0],
      "aria-valuetext": value === null ? `${where}: no part of this model` : `${where}: ${number(value, 4)}${knot}`,
    });
  }

  return {
    height: (content: Content) => (content.rows.curve ? HEIGHT : 0),
    draw(content: Content, made: Axis, place: number) {
      const part = content.rows.curve;
      focus.hidden = !part;
      if (!part) return;
      axis = made;
      top = place;
      if (!stage.dragging) span = part.span;
      const letters = axis.left < 100 ? 9 : 16; // beside the axis' numbers
      title(
        part.parameter,
        part.chosen.label === part.parameter ? [] : wrap(shorten(part.chosen.label, letters), letters),
      );
      set(ground, { x: axis.left, y: 0, width: axis.right - axis.left, height: HEIGHT });
      ground.classList.toggle("nbm-painting", stage.tool === "paint");
      drawGrid(part);
      drawOthers(part);
      drawDots(part);
      set(chosen, { d: ofLayers(model.values), stroke: part.chosen.colour });
      drawHalos(halos, content.rows.sensitivity as SensitivityPart | undefined, axis, model.values, y);
      drawKnots(part);
      drawSelection();
      drawBubble(part);
      drawFocus(part);
    },
    read(content: Content, column: number) {
      const part = content.rows.curve;
      if (!part) return "";
      const own = { label: part.chosen.label, value: model.values[column] ?? null };
      const all = [own, ...part.others.map((line) => ({ label: line.label, value: line.values[column] ?? null }))];
      const given = all.filter(({ value }) => value !== null);
      return given.map(({ label, value }) => `${shorten(label, 24)} ${number(value, 4)}`).join(" · ");
    },
  };
}

/** A text in lines of about so many letters, at most three; a long word is shortened in its middle. */
export function wrap(text: string, letters: number): string[] {
  const lines: string[] = [];
  for (const long of text.split(" ")) {
    const word = middle(long, letters);
    const last = lines[lines.length - 1];
    if (last !== undefined && last.length + word.length < letters) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.length > 3 ? [...lines.slice(0, 2), `${lines[2]} …`] : lines;
}
