// The source: which model and layer each layer of the result comes from. Bands are cut, dragged, repeated, removed and
// inserted; each is a button, and all of them are one tab stop.

import { h, match, set, write } from "../../../lib/dom.ts";
import { middle } from "../../../lib/format.ts";
import { type MenuItem, menuButton } from "../../../lib/menu.ts";
import { svg } from "../../../lib/svg.ts";
import type { Axis } from "../axis.ts";
import { type Band, dragEdge, dropAt, type Edge, joinNames, nameBand, readBandKey } from "../bands.ts";
import type { Content } from "../content.ts";
import { drag, pointOf, type Row, rowTitle, type Stage } from "../stage.ts";

interface SourcePart {
  bands: Band[];
  outside: { column: number; labels: string[]; colours: string[] }[];
  models: { key: string; label: string; colour: string; depth: number }[];
  base: string;
  summary: string;
  /** Whether layers are stacked, not merged: then the tools are always there. */
  stacking: boolean;
}

const [BAND, TOOLS] = [22, 34];
const GRIP = 7; // pixels at both ends of a band that move its edge
const LETTER = 6.2;

export default { name: "source", place: 30, create } satisfies Row;

function create(stage: Stage, group: SVGGElement) {
  const title = rowTitle(group);
  const ends = svg("g");
  const marker = svg("line", { class: "nbm-drop" });
  group.append(ends, marker);
  const list = h("div", { class: "nbm-bands", role: "group", "aria-label": "where the layers come from" });
  const ghost = h("div", { class: "nbm-band-label" });
  const tools = h("div", { class: "nbm-source-tools" });
  stage.overlay.append(list, ghost, tools);

  let part: SourcePart | null = null;
  let axis: Axis;
  let top = 0;
  let chosen: number | null = null;
  let label = ""; // beside what is dragged
  let drop: number | null = null; // x of the place that a band would go to

  const depthOf = (model: string) => part?.models.find(({ key }) => key === model)?.depth ?? 0;
  const band = (index: number | null) => (index === null ? null : (part?.bands[index] ?? null));

  // --- tools ---

  const summary = h("span", { class: "nbm-quiet" });
  const name = h("b");
  const field = (title: string) =>
    h("input", { type: "number", class: "nbm-field nbm-layer-field", min: 0, "aria-label": title, title });
  const from = field("first layer");
  const to = field("last layer");
  const applyRange = () => {
    const [first, last] = [from.valueAsNumber, to.valueAsNumber];
    if (chosen !== null && Number.isInteger(first) && Number.isInteger(last))
      send("set_range", { first, end: last + 1 });
  };
  for (const input of [from, to]) {
    input.addEventListener("keydown", (event) => event.stopPropagation());
    input.addEventListener("change", applyRange);
  }
  const act = (text: string, title: string, run: () => void) =>
    h("button", { type: "button", class: "nbm-button", title, onclick: run }, text);
  const models = menuButton(
    "model",
    () => listModels((model) => send("set_model", { model })),
    "Take these layers from",
  );
  const insert = menuButton("Insert", () => listModels(insertLayers), "Insert layers after this range");
  const cut = act("Split", "Cut this range in its middle; press twice on a band to cut it there", () => {
    const now = band(chosen);
    if (now && now.depth > 1) stage.send("source.split", { layer: now.start + Math.floor(now.depth / 2) });
  });
  const repeat = act("Repeat", "Repeat these layers", () => send("repeat"));
  const remove = act("Delete", "Delete these layers", () => send("remove"));
  const range = h("span", { class: "nbm-layer-range" }, from, "–", to);
  const editing = h(
    "span",
    { class: "nbm-source-editing", role: "group", "aria-label": "range" },
    name,
    models,
    range,
    repeat,
    cut,
    remove,
    insert,
  );
  tools.append(editing, summary);

  function send(action: string, more: Record<string, unknown> = {}) {
    if (chosen !== null) stage.send(`source.${action}`, { index: chosen, ...more });
  }
  function listModels(choose: (model: string) => void): MenuItem[] {
    const now = band(chosen)?.sources[0]?.model;
    return (part?.models ?? []).map(({ key, label, depth }) => ({
      label: middle(label, 40),
      hint: `${depth} layers`,
      checked: key === now,
      choose: () => choose(key),
    }));
  }
  function insertLayers(model: string) {
    const at = chosen === null ? (part?.bands.length ?? 0) : chosen + 1;
    const near = band(chosen)?.sources[0];
    const depth = Math.max(depthOf(model), 1);
    const [first, end] = near && near.end <= depth ? [near.first, near.end] : [0, depth];
    stage.send("source.insert", { index: at, model, first, end });
  }

  // --- bands ---

  function makeBand(index: number) {
    const button = h(
      "button",
      { type: "button", class: "nbm-band" },
      h("span", { class: "nbm-band-stripes" }),
      h("span"),
    );
    button.addEventListener("focus", () => {
      if (chosen === index) return;
      chosen = index;
      stage.redraw();
    });
    button.addEventListener("pointerdown", (event) => press(event, index));
    button.addEventListener("pointermove", (event) => {
      if (stage.dragging) return;
      button.style.cursor = edgeAt(event, index) ? "ew-resize" : "grab";
      stage.cursor = axis.columnAt(pointOf(stage, event).x);
      stage.redraw();
    });
    button.addEventListener("dblclick", (event) => {
      stage.send("source.split", { layer: Math.round(axis.layerAt(pointOf(stage, event).x) + 0.5) });
    });
    button.addEventListener("keydown", (event) => onKey(event, index));
    return button;
  }

  function edgeAt(event: MouseEvent, index: number): Edge | null {
    const now = band(index);
    if (!now) return null;
    const { x } = pointOf(stage, event);
    const left = axis.layerX(now.start) - axis.step / 2;
    const right = left + now.depth * axis.step;
    const grip = Math.min(GRIP, (right - left) / 4);
    return x - left < grip ? "first" : right - x < grip ? "end" : null;
  }

  function press(event: PointerEvent, index: number) {
    const now = band(index);
    if (event.button !== 0 || !now) return;
    chosen = index;
    const began = pointOf(stage, event).x;
    const edge = edgeAt(event, index);
    let result: (() => void) | null = null;
    drag(
      stage,
      event,
      (next) => {
        const { x } = pointOf(stage, next);
        result = Math.abs(x - began) < 4 ? null : edge ? resize(now, index, edge, x - began) : reorder(index, x);
        stage.redraw();
      },
      () => {
        result?.();
        label = "";
        drop = null;
      },
    );
    stage.redraw();
  }

  function resize(now: Band, index: number, edge: Edge, by: number) {
    const [first, end] = dragEdge(now, edge, Math.round(by / axis.step), depthOf);
    const source = now.sources[0]!;
    label = `${middle(source.label, 24)} ${first}–${end - 1}: ${end - first} layers`;
    drop =
      edge === "end"
        ? axis.layerX(now.start + end - source.first - 0.5)
        : axis.layerX(now.start + first - source.first - 0.5);
    if (first === source.first && end === source.end) return null;
    return () => stage.send("source.set_range", { index, first, end });
  }

  function reorder(index: number, x: number) {
    const bands = part?.bands ?? [];
    const goal = dropAt(bands, index, axis.layerAt(x) + 0.5);
    const others = bands.filter((_, i) => i !== index);
    const before = others[goal];
    const last = others[goal - 1];
    const layer = before ? before.start : last ? last.start + last.depth : 0;
    label = goal === index ? "" : "move here";
    drop = goal === index ? null : axis.layerX(layer - 0.5);
    return goal === index ? null : () => stage.send("source.move", { index, to: goal });
  }

  function onKey(event: KeyboardEvent, index: number) {
    const command = readBandKey(event);
    if (!command) return;
    event.preventDefault();
    event.stopPropagation();
    const goal = Math.min(Math.max(index + command.by, 0), (part?.bands.length ?? 1) - 1);
    const now = band(index)?.sources[0];
    if (command.kind === "remove") send("remove");
    else if (command.kind === "resize" && now) {
      const end = Math.max(now.end + command.by, now.first + 1);
      stage.send("source.set_range", { index, first: now.first, end });
    } else {
      if (command.kind === "move") stage.send("source.move", { index, to: goal });
      focusBand(goal);
    }
  }

  function focusBand(index: number) {
    chosen = index;
    (list.children[index] as HTMLElement | undefined)?.focus();
    stage.redraw();
  }

  function drawBand(button: HTMLElement, now: Band, index: number) {
    const left = axis.layerX(now.start) - axis.step / 2;
    const wide = Math.max(now.depth * axis.step - 1, 2);
    Object.assign(button.style, { left: `${left}px`, width: `${wide}px`, top: `${top}px`, height: `${BAND}px` });
    const text = nameBand(now) + (part?.base && now.sources.length > 0 ? `, on ${part.base}` : "");
    set(button, {
      "aria-pressed": chosen === index,
      "aria-label": text,
      title: text,
      tabindex: index === (chosen ?? 0) ? 0 : -1,
    });
    const stripes = now.sources.map(
      ({ colour }, i, all) => `${colour} ${(100 * i) / all.length}% ${(100 * (i + 1)) / all.length}%`,
    );
    (button.firstElementChild as HTMLElement).style.background = `linear-gradient(${stripes.join(", ")})`;
    const letters = Math.floor((wide - 8) / LETTER);
    write(button.lastElementChild!, letters >= 4 ? middle(text, letters) : "");
  }

  function drawEnds(now: SourcePart) {
    const height = 5;
    match(
      ends,
      now.outside,
      () => svg("g", {}, svg("g"), svg("title")),
      (node, { column, labels, colours }) => {
        const [x, wide] = [axis.edge(column), axis.wide(column)];
        match(
          node.firstElementChild!,
          colours,
          () => svg("rect"),
          (stripe, colour, i) => {
            const each = BAND / colours.length;
            set(stripe, {
              x: x + 1,
              width: Math.max(wide - 2, 1),
              y: i * each,
              height: Math.max(each, height / 5),
              fill: colour,
              opacity: 0.45,
            });
          },
        );
        write(node.lastElementChild!, `${axis.columns[column]?.label}: ${joinNames(labels)}`);
      },
    );
  }

  function drawTools(now: SourcePart) {
    Object.assign(tools.style, {
      left: `${axis.left}px`,
      right: `${axis.width - axis.right}px`,
      top: `${top + BAND + 4}px`,
    });
    const at = band(chosen);
    editing.hidden = at === null;
    summary.hidden = at !== null && axis.width < 900;
    write(summary, now.summary);
    if (!at) return;
    const source = at.sources[0]!;
    write(name, at.sources.length > 1 ? `${at.sources.length} models` : "");
    models.hidden = at.sources.length > 1;
    write(models, middle(source.label, 18));
    set(from, { value: source.first });
    set(to, { value: source.end - 1 });
    remove.disabled = now.bands.length < 2;
    cut.disabled = at.depth < 2;
  }

  function drawDrag() {
    marker.style.display = drop === null ? "none" : "";
    ghost.hidden = label === "";
    if (drop === null) return;
    set(marker, { x1: drop, x2: drop, y1: -5, y2: BAND + 5 });
    Object.assign(ghost.style, { left: `${Math.min(drop + 6, axis.right - 150)}px`, top: `${top + BAND + 6}px` });
    write(ghost, label);
  }

  return {
    height: (content: Content) => (content.rows.source ? BAND + TOOLS : 0),
    draw(content: Content, made: Axis, place: number) {
      part = (content.rows.source ?? null) as SourcePart | null;
      list.hidden = tools.hidden = !part;
      if (!part) return;
      axis = made;
      top = place;
      if (chosen !== null && chosen >= part.bands.length) chosen = null;
      if (chosen === null && part.stacking) chosen = 0;
      title("source", part.bands.length > 1 ? [`${part.bands.length} ranges`] : []);
      match(list, part.bands, makeBand, drawBand);
      drawEnds(part);
      drawTools(part);
      drawDrag();
    },
    read(_: Content, column: number) {
      if (!part) return "";
      const layer = stage.curve.layerOf(column) ?? axis.columns[column]?.layer ?? null;
      const now =
        layer === null ? null : part.bands.find(({ start, depth }) => layer >= start && layer < start + depth);
      if (!now || layer === null || (part.bands.length === 1 && now.sources.every(({ first }) => first === 0)))
        return "";
      return `from ${joinNames(now.sources.map((source) => `${middle(source.label, 24)} ${source.first + layer - now.start}`))}`;
    },
  };
}
