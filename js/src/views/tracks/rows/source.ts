// The source: which model and layer each layer of the result comes from. Bands are cut, dragged, repeated, removed and
// inserted; each is a button, and all of them are one tab stop.

import { h, match, OWN_KEYS, set, write } from "../../../lib/dom.ts";
import { middle, tellApart } from "../../../lib/format.ts";
import { svg } from "../../../lib/svg.ts";
import type { Axis } from "../axis.ts";
import { type Band, dragEdge, dropAt, type Edge, joinNames, nameBand, readBandKey } from "../bands.ts";
import type { Content } from "../content.ts";
import { depthOf, type SourcePart, sourceTools } from "../source_tools.ts";
import { drag, pointOf, type Row, rowTitle, type Stage } from "../stage.ts";

const [BAND, TOOLS] = [22, 34];
const GRIP = 7; // pixels at both ends of a band that move its edge
const LETTER = 6.2;

export default { name: "source", place: 30, create } satisfies Row;

function create(stage: Stage, group: SVGGElement) {
  const title = rowTitle(group);
  const ends = svg("g");
  const marker = svg("line", { class: "nbm-drop" });
  group.append(ends, marker);
  const list = h("div", { ...OWN_KEYS, class: "nbm-bands", role: "group", "aria-label": "where the layers come from" });
  const ghost = h("div", { class: "nbm-band-label", hidden: true });
  const tools = sourceTools(stage);
  stage.overlay.append(list, ghost, tools.element);

  let part: SourcePart | null = null;
  let axis: Axis;
  let top = 0;
  let chosen: number | null = null;
  let label = ""; // beside what is dragged
  let drop: number | null = null; // x of the place that a band would go to

  const band = (index: number | null) => (index === null ? null : (part?.bands[index] ?? null));

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
    const [first, end] = dragEdge(now, edge, Math.round(by / axis.step), (model) => depthOf(part, model));
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
    if (command.kind === "remove") stage.send("source.remove", { index });
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
    const text = describeBand(now);
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
    write(
      button.lastElementChild!,
      letters >= 4 ? middle(text.length > letters ? describeBand(now, true) : text, letters) : "",
    );
  }

  /** What a band is, in words; with short names where there is little room. */
  function describeBand(now: Band, isShort = false): string {
    const labels = [...now.sources.map((source) => source.label), ...(part?.base ? [part.base] : [])];
    const names = isShort ? tellApart(labels, 24) : labels;
    const sources = now.sources.map((source, i) => ({ ...source, label: names[i] ?? source.label }));
    return nameBand({ ...now, sources }) + (part?.base && sources.length > 0 ? `, on ${names[names.length - 1]}` : "");
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
      list.hidden = tools.element.hidden = !part;
      if (!part) return;
      axis = made;
      top = place;
      if (chosen !== null && chosen >= part.bands.length) chosen = null;
      if (chosen === null && part.stacking) chosen = 0;
      title("source", part.bands.length > 1 ? [`${part.bands.length} ranges`] : []);
      match(list, part.bands, makeBand, drawBand);
      drawEnds(part);
      tools.show(part, chosen, axis, top + BAND + 4);
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
