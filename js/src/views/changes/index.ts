// The statistics view: curves over the layers, one for each parent, and below them, in the same columns, the heat map
// against one parent. Numbers come from the kernel; a layer's numbers are read with the mouse or with the arrow keys.

import "./changes.css";
import { h, match, set, write } from "../../lib/dom.ts";
import { path, svg, ticks } from "../../lib/svg.ts";
import { type Answered, defineView } from "../../lib/view.ts";

interface Scale {
  same: number;
  factor: number;
  sign: string;
  decimals: number;
}

interface Heat extends Scale {
  title: string;
  limits: [number, number];
  towards: string;
  rising: boolean;
}

interface Parent {
  name: string;
  colour: string;
  marker: string;
  dash: number[];
}

interface Content extends Answered {
  depth: number;
  kinds: string[];
  parents: Parent[];
  curves: DataView;
  cells: DataView;
  range: [number, number];
  axis: Scale & { title: string; ticks: number };
  heat: Heat;
  summary: string;
  colours: DataView;
}

type X = (layer: number) => number;

const [LEFT, RIGHT, CHART, HEAD, BETWEEN, ROW, GAP, FOOT] = [70, 62, 190, 26, 42, 40, 3, 40];
const LETTER = 6.2; // mean width of a letter of 10 px
const WIDEST = 860;

const MARKS: Record<string, (x: number, y: number) => string> = {
  o: (x, y) => `M${x - 2.6} ${y}a2.6 2.6 0 1 0 5.2 0a2.6 2.6 0 1 0 -5.2 0`,
  s: (x, y) => `M${x - 2.4} ${y - 2.4}h4.8v4.8h-4.8z`,
  "^": (x, y) => `M${x} ${y - 3}l3 5.2h-6z`,
  D: (x, y) => `M${x} ${y - 3.2}l3.2 3.2l-3.2 3.2l-3.2 -3.2z`,
  v: (x, y) => `M${x} ${y + 3}l3 -5.2h-6z`,
  P: (x, y) => `M${x - 1} ${y - 3}h2v2h2v2h-2v2h-2v-2h-2v-2h2z`,
};

export default defineView<Content>((root, { signal }) => {
  const legend = h("div", { class: "nbm-key" });
  const stage = h("div", { class: "nbm-changes-stage" });
  const readout = h("div", { class: "nbm-readout", "aria-live": "polite" });
  const grid = svg("g", { class: "nbm-grid" });
  const curves = svg("g");
  const cells = svg("g");
  const texts = svg("g", { class: "nbm-cells" });
  const frame = svg("g", { class: "nbm-grid" });
  const cursor = svg("rect", { class: "nbm-cursor" });
  const picture = svg("svg", { class: "nbm-overlay", role: "img", tabindex: 0 });
  const id = `nbm-shade-${Math.random().toString(36).slice(2)}`;
  const shade = svg("linearGradient", { id, x1: 0, x2: 0, y1: 1, y2: 0 });
  const bar = svg("rect", { fill: `url(#${id})` });
  picture.append(svg("defs", {}, shade), grid, cursor, curves, cells, texts, frame, bar);
  stage.append(picture);
  root.append(legend, stage, readout);

  let view: Content | null = null;
  let width = 0;
  let at: number | null = null;
  let drawn = 0;
  let colours: number[][] = [];

  const numbers = (bytes: DataView) =>
    new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer);

  function say(number: number, { same, factor, decimals }: Omit<Scale, "sign">) {
    if (Number.isNaN(number)) return "";
    if (number === same) return String(same);
    return Number.isFinite(number) ? (number * factor).toFixed(decimals) : "∞";
  }

  function readColours(bytes: DataView) {
    if (colours.length) return;
    colours = Array.from({ length: 256 }, (_, i) => [0, 1, 2].map((k) => bytes.getUint8(3 * i + k)));
    const stops = Array.from({ length: 17 }, (_, i) => Math.min(255, i * 16));
    shade.append(...stops.map((c, i) => svg("stop", { offset: i / 16, "stop-color": `rgb(${colours[c]})` })));
  }

  // Position on the colour scale, 0 to 255.
  function shadeOf(number: number, { limits: [low, high], rising }: Heat) {
    const share = Math.min(Math.max((number - low) / (high - low), 0), 1);
    return Math.round(255 * (rising ? share : 1 - share));
  }

  // Black or white, whichever stands out more (WCAG relative luminance).
  function inkOn(colour: number[]) {
    const linear = colour.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    const [r, g, b] = linear as [number, number, number];
    return 0.2126 * r + 0.7152 * g + 0.0722 * b < 0.179 ? "#fff" : "#000";
  }

  const dashes = (parent: Parent) => parent.dash.map((n) => n * 1.6).join(" ");

  function drawCurves(v: Content, x: X, y: (n: number) => number) {
    const table = numbers(v.curves);
    const make = () => svg("g", {}, svg("path", { class: "nbm-curve-line" }), svg("path"));
    match(curves, v.parents, make, (node, parent, p) => {
      const places = Array.from({ length: v.depth }, (_, i): [number, number] => [x(i), y(table[p * v.depth + i]!)]);
      set(node.children[0]!, { d: path(places), stroke: parent.colour, "stroke-dasharray": dashes(parent) });
      const marked = v.depth > 40 ? [] : places.filter((a) => Number.isFinite(a[1]));
      const mark = MARKS[parent.marker]!;
      set(node.children[1]!, {
        d: marked.map(([a, b]) => mark(+a.toFixed(1), +b.toFixed(2))).join(""),
        fill: parent.colour,
      });
    });
  }

  function drawCells(v: Content, x: X, column: number, top: number) {
    const table = numbers(v.cells);
    const all = Array.from({ length: v.depth * v.kinds.length }, (_, i) => {
      const number = table[i]!;
      const layer = i % v.depth;
      const colour = Number.isFinite(number) ? colours[shadeOf(number, v.heat)]! : null;
      const y = top + Math.floor(i / v.depth) * ROW;
      return { text: say(number, v.heat), colour, x: LEFT + layer * column, y, middle: x(layer) };
    });
    match(
      cells,
      all,
      () => svg("rect", { height: ROW - GAP, "shape-rendering": "crispEdges" }),
      (node, c) => {
        const fill = c.colour ? `rgb(${c.colour})` : "none";
        set(node, { x: c.x.toFixed(2), y: c.y, width: (column + 0.4).toFixed(2), fill });
      },
    );
    const long = Math.max(0, ...all.map((c) => c.text.length)) * LETTER + 3;
    const upright = long > column && column >= 12 && long <= ROW - GAP;
    match(
      texts,
      long <= column || upright ? all : [],
      () => svg("text"),
      (node, c) => {
        const [a, b] = [c.middle.toFixed(1), c.y + (ROW - GAP) / 2];
        set(node, { x: a, y: b, transform: upright ? `rotate(-90 ${a} ${b})` : "" });
        node.style.fill = c.colour ? inkOn(c.colour) : "currentColor";
        write(node, c.text);
      },
    );
  }

  function drawGrid(v: Content, y: (n: number) => number, right: number) {
    const [low, high] = v.range;
    const { factor, ticks: count } = v.axis;
    const levels = ticks(low * factor, high * factor, count).map((t) => ({ y: y(t.value / factor), text: t.text }));
    grid.replaceChildren(
      ...levels.map((l) => svg("line", { x1: LEFT, x2: right, y1: l.y, y2: l.y, class: "nbm-level" })),
      ...levels.map((l) => svg("text", { x: LEFT - 8, y: l.y, class: "nbm-number" }, l.text)),
      svg("text", { x: 0, y: 13, class: "nbm-words nbm-title" }, v.axis.title),
    );
  }

  function drawFrame(v: Content, x: X, right: number, top: number, bottom: number, column: number) {
    const every = [1, 2, 4, 5, 8, 10, 20, 50].find((n) => n * column >= 8 * String(v.depth).length + 8) ?? 100;
    const layers = Array.from({ length: v.depth }, (_, i) => i).filter((i) => i % every === 0);
    const [low, high] = v.heat.limits;
    const edge = right + 12;
    const tall = bottom - top - GAP;
    const level = (s: number) => (v.heat.rising ? low + s * (high - low) : high - s * (high - low));
    const middle = (k: number) => top + k * ROW + (ROW - GAP) / 2;
    frame.replaceChildren(
      svg("text", { x: 0, y: top - 9, class: "nbm-words nbm-title" }, v.heat.title),
      ...v.kinds.map((kind, k) => svg("text", { x: LEFT - 8, y: middle(k), class: "nbm-number" }, kind)),
      ...layers.map((i) => svg("text", { x: x(i), y: bottom + 13, class: "nbm-middle" }, String(i))),
      svg("text", { x: (LEFT + right) / 2, y: bottom + 31, class: "nbm-middle" }, "layer"),
      ...[0, 0.5, 1].map((s) =>
        svg("text", { x: edge + 16, y: top + tall * (1 - s), class: "nbm-scale" }, say(level(s), v.heat)),
      ),
    );
    set(bar, { x: edge, y: top, width: 11, height: Math.max(tall, 0) });
  }

  function drawKey(v: Content) {
    const key = JSON.stringify(v.parents);
    if (legend.dataset.key === key) return;
    legend.dataset.key = key;
    legend.replaceChildren(
      ...v.parents.map((p) => {
        const line = svg("path", {
          d: "M1 7H29",
          stroke: p.colour,
          "stroke-width": 1.6,
          "stroke-dasharray": dashes(p),
        });
        const mark = svg("path", { d: MARKS[p.marker]!(15, 7), fill: p.colour });
        return h("span", {}, svg("svg", { width: 30, height: 14, "aria-hidden": "true" }, line, mark), p.name);
      }),
    );
  }

  function drawCursor() {
    const v = view;
    if (!v?.depth) return;
    const column = (width - LEFT - RIGHT) / v.depth;
    if (at !== null && at >= v.depth) at = v.depth - 1;
    cursor.style.display = at === null ? "none" : "";
    if (at === null) {
      write(readout, "Point at a layer to read its numbers, or focus the picture and press ← →.");
      return;
    }
    const height = CHART + BETWEEN + ROW * v.kinds.length - GAP;
    set(cursor, { x: LEFT + at * column, y: HEAD, width: column, height });
    const table = numbers(v.curves);
    const map = numbers(v.cells);
    const layer = at;
    const of = (number: number, scale: Scale) =>
      Number.isNaN(number) ? "–" : `${say(number, { ...scale, decimals: scale.decimals + 1 })}${scale.sign}`;
    const each = v.parents.map((p, i) => `${p.name} ${of(table[i * v.depth + layer]!, v.axis)}`);
    const kinds = v.kinds.map((k, i) => `${k} ${of(map[i * v.depth + layer]!, v.heat)}`);
    write(readout, `Layer ${at}: ${each.join(", ")}; ${v.heat.towards}: ${kinds.join(", ")}.`);
  }

  function onMove(event: PointerEvent) {
    if (!view?.depth) return;
    const column = (width - LEFT - RIGHT) / view.depth;
    const layer = Math.floor((event.clientX - picture.getBoundingClientRect().left - LEFT) / column);
    const next = layer >= 0 && layer < view.depth ? layer : null;
    if (next === at) return;
    at = next;
    drawCursor();
  }

  function onKey(event: KeyboardEvent) {
    const end = (view?.depth ?? 1) - 1;
    const goals: Record<string, number> = {
      ArrowLeft: (at ?? end + 1) - 1,
      ArrowRight: (at ?? -1) + 1,
      Home: 0,
      End: end,
    };
    const goal = goals[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    at = Math.min(Math.max(goal, 0), end);
    drawCursor();
  }

  function leave() {
    at = null;
    drawCursor();
  }

  picture.addEventListener("pointermove", onMove, { signal });
  picture.addEventListener("pointerleave", leave, { signal });
  picture.addEventListener("keydown", onKey, { signal });
  picture.addEventListener("blur", leave, { signal });

  return (v) => {
    if (!v.depth) return;
    view = v;
    readColours(v.colours);
    width = Math.min(stage.clientWidth, WIDEST);
    const column = (width - LEFT - RIGHT) / v.depth;
    const right = width - RIGHT;
    const top = HEAD + CHART + BETWEEN;
    const bottom = top + ROW * v.kinds.length;
    const height = bottom + FOOT;
    const x: X = (layer) => LEFT + (layer + 0.5) * column;
    const [low, high] = v.range;
    const y = (n: number) => HEAD + CHART - ((n - low) / (high - low)) * CHART;
    set(picture, { width, height, viewBox: `0 0 ${width} ${height}`, "aria-label": v.summary });
    drawCurves(v, x, y);
    drawCells(v, x, column, top);
    drawGrid(v, y, right);
    drawFrame(v, x, right, top, bottom, column);
    drawKey(v);
    drawCursor();
    drawn += 1;
    root.dataset.drawn = String(drawn);
  };
});
