// How far the merge has moved: a line for each parent, cells by kind of tensor against one of them, each row of cells on a
// scale of its own.

import { h, match, set, write } from "../../../lib/dom.ts";
import { number, tellApart } from "../../../lib/format.ts";
import { menuButton } from "../../../lib/menu.ts";
import { levelsIn, linear } from "../../../lib/scale.ts";
import { path, svg } from "../../../lib/svg.ts";
import type { Axis } from "../axis.ts";
import type { Content, Values } from "../content.ts";
import { type Row, rowTitle, type Stage } from "../stage.ts";

export interface MovedPart {
  what: string;
  note: string;
  /** Label of the button that measures; empty where there is nothing to measure. */
  button: string;
  progress: { text: string } | null;
  /** Whether estimates follow the sliders; null where exact numbers can. */
  estimating: boolean | null;
  stale: boolean;
  parents?: { label: string; colour: string }[];
  against: string;
  lines: Values[];
  cells: { label: string; values: Values }[];
  range: [number, number];
  same: number;
  factor: number;
  toward: string;
  unit: string;
  rising: boolean;
  totals: (number | null)[];
}

const [HEAD, CHART, GAP, CELL, EMPTY] = [30, 74, 8, 18, 34];
/** Width of what stands beside the legend, and of a letter in it with its share of a dot. */
const [TOOLS, LETTER] = [180, 9];
/** Width of pictures in which the legend has two lines, beside the menu alone, and of that menu. */
const [NARROW, MENU] = [600, 92];
const INK = "0, 114, 178"; // RGB of the cells at their strongest

export default { name: "moved", place: 40, create } satisfies Row;

/** How strongly each cell of a row is coloured, 0 to 1, by the largest change in it; null where there is no number. */
export function strengths(values: Values, same: number): Values {
  const changes = values.map((value) => (value === null ? null : Math.abs(value - same)));
  const most = Math.max(...changes.map((change) => change ?? 0), 0);
  return changes.map((change) => (change === null || most === 0 ? change : change / most));
}

/** Decimals that tell two digits of a range. */
export function decimals(range: readonly [number, number], factor: number): number {
  const span = Math.abs(range[1] - range[0]) * factor;
  return span > 0 ? Math.min(Math.max(1 - Math.floor(Math.log10(span) + 1e-9), 0), 7) : 2;
}

function create(stage: Stage, group: SVGGElement) {
  const title = rowTitle(group);
  const grid = svg("g");
  const lines = svg("g");
  const cells = svg("g");
  const names = svg("g");
  group.append(grid, lines, cells, names);
  let part: MovedPart | null = null;

  const said = h("span");
  const note = h("span", { class: "nbm-quiet" }, said);
  const measure = h("button", { type: "button", class: "nbm-button nbm-measure" });
  measure.addEventListener("click", () => stage.send("moved.measure"));
  const stop = h("button", { type: "button", class: "nbm-button" }, "Stop");
  stop.addEventListener("click", () => stage.send("moved.stop"));
  const estimating = h("input", { type: "checkbox" });
  estimating.addEventListener("change", () => stage.send("moved.estimate", { on: estimating.checked }));
  const estimate = h("label", { class: "nbm-quiet" }, estimating, "estimate while the sliders move");
  const show = (choice: { what?: string; against?: string }) =>
    stage.send("moved.show", { what: null, against: null, ...choice });
  const options = menuButton(
    "distance",
    () => [
      ...["distance", "cosine"].map((what) => ({
        label: what,
        checked: what === part?.what,
        choose: () => show({ what }),
      })),
      ...(part?.parents ?? []).map(({ label }) => ({
        label: `cells: ${part?.toward} ${label}`,
        checked: label === part?.against,
        choose: () => show({ against: label }),
      })),
    ],
    "What is drawn",
  );
  const bar = h("div", { class: "nbm-moved-tools" }, options, measure, stop, estimate, note);
  stage.overlay.append(bar);
  const legend = h("span", { class: "nbm-moved-legend" });
  bar.insertBefore(legend, measure);

  const shorten = (most: number) => tellApart(part?.parents?.map(({ label }) => label) ?? [], most);
  const written = (value: number | null | undefined, more = 0) => {
    if (!part || value === null || value === undefined) return "–";
    return `${number(value * part.factor, decimals(part.range, part.factor) + more)}${part.unit}`;
  };

  function drawTools(axis: Axis, top: number) {
    bar.hidden = !part;
    if (!part) return;
    Object.assign(bar.style, { top: `${top}px`, left: `${axis.left}px`, right: `${axis.width - axis.right}px` });
    options.hidden = !part.parents;
    write(options, part.what);
    legend.hidden = !part.parents;
    const make = () => h("span", {}, h("i", { class: "nbm-swatch" }), h("span"));
    const count = part.parents?.length ?? 1;
    const narrow = axis.width < NARROW && count > 2;
    const columns = narrow ? Math.ceil(count / 2) : count;
    legend.classList.toggle("nbm-two-lines", narrow);
    legend.style.gridTemplateColumns = narrow ? `repeat(${columns}, minmax(0, max-content))` : "";
    const room = axis.right - axis.left - (narrow ? MENU : TOOLS);
    const short = shorten(Math.min(Math.max(Math.floor(room / columns / LETTER), 5), 20));
    match(legend, part.parents ?? [], make, (node, { label, colour }, i) => {
      (node.firstElementChild as HTMLElement).style.background = colour;
      write(node.lastElementChild!, short[i] ?? label);
      set(node, { title: label });
    });
    measure.hidden = part.button === "" || part.progress !== null;
    write(measure, part.button);
    stop.hidden = part.progress === null;
    estimate.hidden = part.estimating === null;
    estimating.checked = part.estimating ?? false;
    write(said, part.progress?.text ?? part.note);
    set(note, { title: part.note });
  }

  function drawLines(axis: Axis) {
    const shown = part?.parents ? part : null;
    const [low, high] = shown?.range ?? [0, 1];
    const y = linear([low, high], [HEAD + CHART - 4, HEAD + 8]);
    const factor = shown?.factor ?? 1;
    const finest = shown && high - low < 1e-5; // below are the rounding errors of float32
    const ticks = finest ? [shown.same * factor] : shown ? levelsIn([low * factor, high * factor], 3) : [];
    const places = decimals([low, high], factor);
    grid.replaceChildren(
      ...ticks.map((tick) =>
        svg("line", { x1: axis.left, x2: axis.right, y1: y(tick / factor), y2: y(tick / factor), class: "nbm-level" }),
      ),
      ...ticks.map((tick) =>
        svg(
          "text",
          { x: axis.left - 8, y: y(tick / factor), class: "nbm-number" },
          `${number(tick, places)}${shown?.unit}`,
        ),
      ),
    );
    const draw = (values: readonly [number, number | null][]) =>
      path(values.map(([column, value]): [number, number] => [axis.x(column), value === null ? Number.NaN : y(value)]));
    match(
      lines,
      shown?.lines ?? [],
      () => svg("g", {}, svg("path", { class: "nbm-moved-line" }), svg("path")),
      (node, values, i) => {
        const all = values.map((value, column): [number, number | null] => [column, value]);
        const colour = shown?.parents?.[i]?.colour ?? "currentColor";
        set(node.children[0]!, { d: draw(all.slice(axis.first, axis.end)), stroke: colour });
        const outside = all.flatMap(([column, value]) =>
          value === null || (column >= axis.first && column < axis.end)
            ? []
            : [`M${axis.x(column)} ${y(value) - 3.4}l3.4 3.4l-3.4 3.4l-3.4 -3.4z`],
        );
        set(node.children[1]!, { d: outside.join(""), fill: colour });
      },
    );
    group.classList.toggle("nbm-stale", part?.stale ?? false);
  }

  function drawCells(axis: Axis) {
    const rows = part?.parents ? part.cells : [];
    const top = HEAD + CHART + GAP;
    match(
      cells,
      rows,
      () => svg("g"),
      (node, row, k) => {
        match(
          node,
          strengths(row.values, part?.same ?? 0),
          () => svg("rect", { height: CELL - 2, "shape-rendering": "crispEdges" }),
          (cell, strength, column) => {
            const fill = strength === null ? "none" : `rgba(${INK}, ${(0.06 + 0.94 * strength).toFixed(3)})`;
            const wide = Math.max(axis.wide(column) - (axis.step > 8 ? 1 : 0), 1);
            set(cell, { x: axis.edge(column).toFixed(2), y: top + k * CELL, width: wide.toFixed(2), fill });
          },
        );
      },
    );
    match(
      names,
      rows,
      () => svg("text", { class: "nbm-number" }),
      (node, row, k) => {
        set(node, { x: axis.left - 8, y: top + k * CELL + CELL / 2 - 1 });
        write(node, row.label);
      },
    );
  }

  return {
    height(content: Content) {
      const now = (content.rows.moved ?? null) as MovedPart | null;
      if (!now) return 0;
      return now.parents ? HEAD + CHART + GAP + now.cells.length * CELL : EMPTY;
    },
    draw(content: Content, axis: Axis, top: number) {
      part = (content.rows.moved ?? null) as MovedPart | null;
      drawTools(axis, top);
      if (!part) return;
      const noted = part.parents ? [part.what === "distance" ? "from parents" : "with parents"] : [];
      title("moved", noted);
      drawLines(axis);
      drawCells(axis);
    },
    read(_: Content, column: number) {
      const shown = part?.parents ? part : null;
      if (!shown) return "";
      const names = shorten(24);
      const each = shown.lines.map((values, i) => `${names[i]} ${written(values[column], 1)}`);
      const against = names[shown.parents?.findIndex(({ label }) => label === shown.against) ?? -1];
      const kinds =
        stage.curve.layerOf(column) === null
          ? []
          : shown.cells.map((row) => `${row.label} ${written(row.values[column], 1)}`);
      const detail = kinds.length ? `; ${shown.toward} ${against}: ${kinds.join(", ")}` : "";
      return `${shown.what} ${shown.toward} ${each.join(", ")}${detail}${shown.stale ? " (out of date)" : ""}`;
    },
  };
}
