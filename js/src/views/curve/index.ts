// The curve editor: the kernel says what the curves are, this draws them and lets points be moved.

import "./curve.css";
import { h, match, set, write } from "../../lib/dom.ts";
import { Echo } from "../../lib/echo.ts";
import { middle } from "../../lib/format.ts";
import { path, svg, ticks } from "../../lib/svg.ts";
import { type Answered, defineView } from "../../lib/view.ts";

interface Line {
  values: (number | null)[];
  colour: string;
  selected: boolean;
  label: string;
  dash: number[];
  spread: ([number, number] | null)[] | null;
}

interface Content extends Answered {
  lines: Line[];
  points: { value: number | null; label: string; inside: boolean }[];
  ends: [string, string];
  low: number;
  high: number;
  step: number;
  least: number;
}

const [LEFT, RIGHT, TOP, BOTTOM, HEIGHT] = [44, 14, 28, 26, 240]; // as the row of sliders below expects
const PAD = 0.05; // share of the range left free above and below, so that a point at 0 or 1 is a whole point

export default defineView<Content>((root, { send, redraw }) => {
  const grid = svg("g", { class: "nbm-grid", "aria-hidden": "true" });
  const spread = svg("path", { class: "nbm-spread" });
  const others = svg("g", { class: "nbm-others" });
  const line = svg("path", { class: "nbm-line" });
  const points = svg("g", { class: "nbm-points" });
  const picture = svg("svg", { class: "nbm-overlay", role: "group", "aria-label": "points of the curve" });
  picture.append(grid, spread, others, line, points);
  const stage = h("div", { class: "nbm-stage" }, picture);
  root.append(stage);

  const echo = new Echo<number, number>();
  let held: number | null = null; // slot under the pointer
  let shown: Content;
  let width = 0;

  const clamp = (v: number) => Math.min(Math.max(v, shown.low), shown.high);
  const snap = (v: number) => clamp(Number((Math.round(v / shown.step) * shown.step).toPrecision(6)));
  const valueAt = (slot: number) => echo.get(slot, shown.points[slot]!.value ?? 0);

  function scale() {
    const { low, high, points: all } = shown;
    const air = PAD * (high - low);
    const bottom = HEIGHT - BOTTOM;
    const unit = (bottom - TOP) / (high - low + 2 * air);
    const column = (width - LEFT - RIGHT) / Math.max(all.length, 1);
    return {
      x: (slot: number) => LEFT + (slot + 0.5) * column,
      y: (value: number) => bottom - (clamp(value) - low + air) * unit,
      value: (y: number) => low - air + (bottom - y) / unit,
    };
  }

  function move(slot: number, value: number) {
    const next = snap(value);
    if (next === valueAt(slot)) return;
    echo.set(slot, next, send("move", { slot, value: next }));
    drawPoints();
    drawLine();
  }

  function onKey(event: KeyboardEvent, slot: number) {
    const { step, low, high } = shown;
    const value = valueAt(slot);
    const by = event.shiftKey ? 10 * step : step;
    const goals: Record<string, number> = {
      ArrowUp: value + by,
      ArrowRight: value + by,
      PageUp: value + 10 * step,
      End: high,
      ArrowDown: value - by,
      ArrowLeft: value - by,
      PageDown: value - 10 * step,
      Home: low,
    };
    const goal = goals[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    move(slot, goal);
  }

  function makeDot(slot: number) {
    const node = svg("g", { class: "nbm-dot", tabindex: 0, role: "slider", "aria-orientation": "vertical" });
    // A circle for a layer, a diamond for what is outside the layers; the style sheet shows one of them.
    node.append(
      svg("circle", { class: "nbm-reach", r: 14 }),
      svg("circle", { class: "nbm-point nbm-circle", r: 6 }),
      svg("rect", { class: "nbm-point nbm-diamond", x: -5, y: -5, width: 10, height: 10, transform: "rotate(45)" }),
      svg("title"),
    );
    node.addEventListener("keydown", (event) => onKey(event, slot));
    node.addEventListener("pointerdown", (event) => {
      held = slot;
      node.setPointerCapture(event.pointerId);
      node.focus({ preventScroll: true });
      event.preventDefault();
    });
    node.addEventListener("pointermove", (event) => {
      if (held === slot) move(slot, scale().value(event.clientY - picture.getBoundingClientRect().top));
    });
    const release = () => {
      if (held === slot) held = null;
      redraw();
    };
    node.addEventListener("pointerup", release);
    node.addEventListener("pointercancel", release);
    return node;
  }

  function drawPoints() {
    const { x, y } = scale();
    const { colour } = shown.lines.find((l) => l.selected)!;
    match(points, shown.points, makeDot, (node, point, slot) => {
      const value = valueAt(slot);
      node.style.display = point.value === null ? "none" : "";
      node.style.color = colour;
      node.classList.toggle("nbm-outside", !point.inside);
      set(node, {
        transform: `translate(${x(slot).toFixed(1)} ${y(value).toFixed(2)})`,
        "aria-label": point.label,
        "aria-valuemin": shown.low,
        "aria-valuemax": shown.high,
        "aria-valuenow": value,
        "aria-valuetext": Number(value.toPrecision(4)),
      });
      write(node.lastChild!, `${point.label}: ${Number(value.toFixed(4))}`);
    });
  }

  function drawLine() {
    const { x, y } = scale();
    const inside = shown.points.flatMap((p, i) =>
      p.inside && p.value !== null ? [[x(i), y(valueAt(i))] as [number, number]] : [],
    );
    const chosen = shown.lines.find((l) => l.selected)!;
    set(line, {
      d: path(inside),
      stroke: chosen.colour,
      "stroke-dasharray": chosen.dash.map((n) => n * 2.2).join(" "),
    });
  }

  function drawOthers() {
    const { x, y } = scale();
    const all = shown.points;
    const make = () => svg("g", {}, svg("path", { class: "nbm-weak-line" }), svg("path", { class: "nbm-weak-points" }));
    match(
      others,
      shown.lines.filter((l) => !l.selected),
      make,
      (node, l) => {
        const at = l.values.map((v, i): [number, number] => [x(i), v === null ? Number.NaN : y(v)]);
        const inner = at.filter((_, i) => all[i]?.inside);
        const outer = at.filter((_, i) => !all[i]?.inside);
        const dash = l.dash.map((n) => n * 1.3).join(" ");
        set(node.children[0]!, { d: path(inner), stroke: l.colour, "stroke-dasharray": dash });
        const circle = ([a, b]: [number, number]) => `M${a - 1.6} ${b}a1.6 1.6 0 1 0 3.2 0a1.6 1.6 0 1 0 -3.2 0`;
        const diamond = ([a, b]: [number, number]) => `M${a} ${b - 2.4}l2.4 2.4l-2.4 2.4l-2.4 -2.4z`;
        const drawn = (p: [number, number]) => Number.isFinite(p[1]);
        const marks = [...inner.filter(drawn).map(circle), ...outer.filter(drawn).map(diamond)];
        set(node.children[1]!, { d: marks.join(""), fill: l.colour });
      },
    );
  }

  function drawSpread() {
    const { x, y } = scale();
    const chosen = shown.lines.find((l) => l.selected)!;
    const wide = (chosen.spread ?? []).flatMap((s, i) => (s ? [{ x: x(i), s }] : []));
    const varies = wide.some(({ s: [low, high] }) => low !== high);
    const edge = (side: 0 | 1) => wide.map(({ x: a, s }) => `${a.toFixed(1)} ${y(s[side]).toFixed(2)}`);
    set(spread, { d: varies ? `M${[...edge(0), ...edge(1).reverse()].join("L")}Z` : "", fill: chosen.colour });
  }

  function drawGrid() {
    const { low, high, ends, points: all } = shown;
    const { x, y } = scale();
    const right = width - RIGHT;
    const half = (x(1) - x(0)) / 2;
    const room = Math.floor((right - LEFT + 24) / 7);
    const words: [string, number][] = [
      [ends[1], TOP - 10],
      [ends[0], HEIGHT - BOTTOM + 18],
    ];
    const levels = ticks(low, high, 5).flatMap((t) => [
      svg("line", {
        x1: LEFT,
        x2: right,
        y1: y(t.value),
        y2: y(t.value),
        class: t.value === 0 || t.value === 1 ? "nbm-level nbm-mark" : "nbm-level",
      }),
      svg("text", { x: LEFT - 8, y: y(t.value), class: "nbm-number" }, t.text),
    ]);
    const borders = all.slice(1).flatMap((p, i) => (p.inside !== all[i]?.inside ? [x(i) + half] : []));
    grid.replaceChildren(
      ...levels,
      ...borders.map((at) => svg("line", { x1: at, x2: at, y1: TOP, y2: HEIGHT - BOTTOM, class: "nbm-border" })),
      ...words.map(([text, at]) => svg("text", { x: LEFT - 24, y: at, class: "nbm-words" }, middle(text, room))),
    );
  }

  return (content) => {
    shown = content;
    if (held === null) echo.settle(content.answers);
    stage.style.minWidth = `${content.least}px`;
    width = stage.clientWidth;
    set(picture, { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}` });
    drawPoints();
    drawGrid();
    drawOthers();
    drawSpread();
    drawLine();
  };
});
