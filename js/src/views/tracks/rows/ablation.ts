// What each part of the merge does: a cell for each layer and kind of tensor. All cells are one tab stop, a button that is
// where the pointer or the arrow keys are; it takes that part from the parent.

import { h, match, OWN_KEYS, set, write } from "../../../lib/dom.ts";
import { middle } from "../../../lib/format.ts";
import { svg } from "../../../lib/svg.ts";
import type { Axis } from "../axis.ts";
import type { Content } from "../content.ts";
import { type Cell, colourOf, describeCell, type EffectPart, effectOf, nextCell, signed } from "../effects.ts";
import { pointOf, type Row, rowTitle, type Stage } from "../stage.ts";
import { type WorkPart, workBar } from "../work_bar.ts";

const [HEAD, CELL] = [32, 18];

interface AblationPart extends WorkPart, Partial<EffectPart> {
  sources: string[];
  source: string;
  scores: string[];
  score: string;
}

export default { name: "ablation", place: 50, create } satisfies Row;

function create(stage: Stage, group: SVGGElement) {
  const title = rowTitle(group);
  const cells = svg("g");
  const names = svg("g");
  const ground = svg("rect", { class: "nbm-ground nbm-cells" });
  group.append(cells, names, ground);
  const button = h("button", { ...OWN_KEYS, type: "button", class: "nbm-cell" });
  stage.overlay.append(button);

  let part: AblationPart | null = null;
  let axis: Axis;
  let top = 0;
  let at: Cell | null = null;

  const bar = workBar(
    stage,
    "ablation",
    "Replace each part",
    [
      { key: "score", title: "Score", words: "" },
      { key: "source", title: "Parts come from", words: "parts of " },
    ],
    (key) =>
      key === "score"
        ? { options: part?.scores ?? [], chosen: part?.score ?? "" }
        : { options: part?.sources ?? [], chosen: part?.source ?? "" },
  );

  const effects = (): EffectPart | null => (part?.cells ? (part as EffectPart) : null);

  function point(event: PointerEvent) {
    const shown = effects();
    if (!shown || stage.dragging) return;
    const { x, y } = pointOf(stage, event);
    const row = Math.min(Math.max(Math.floor((y - top - HEAD) / CELL), 0), shown.kinds.length - 1);
    at = { column: axis.columnAt(x), row };
    stage.cursor = at.column;
    stage.redraw();
  }

  function take() {
    const shown = effects();
    if (!shown || !at || effectOf(shown, at) === null) return;
    const role = shown.roles[at.column];
    const layer = axis.columns[at.column]?.layer ?? null;
    stage.send("ablation.take", { layer, kind: role || shown.kinds[at.row]!.key });
  }

  ground.addEventListener("pointermove", point, { signal: stage.signal });
  ground.addEventListener("click", (event) => {
    point(event as PointerEvent); // a tap, which does not move before
    take();
  });
  button.addEventListener("pointermove", point);
  button.addEventListener("click", take);
  button.addEventListener("focus", () => {
    at ??= { column: axis.first, row: 0 };
    stage.cursor = at.column;
    stage.redraw();
  });
  button.addEventListener("keydown", (event) => {
    const shown = effects();
    const goal = shown && at && nextCell(event.key, at, shown);
    if (!shown || !goal) return;
    event.preventDefault();
    event.stopPropagation();
    at = goal;
    stage.cursor = at.column;
    stage.announce(describeCell(shown, axis.columns, at));
    stage.redraw();
  });

  function drawCells(shown: EffectPart | null) {
    const make = () => svg("rect", { "shape-rendering": "crispEdges" });
    const rows = shown?.kinds ?? [];
    const boxes = axis.columns.flatMap((_, column) => {
      if (!shown) return [];
      if (shown.roles[column]) return [{ column, row: 0, high: rows.length * CELL - 2 }];
      return rows.map((_, row) => ({ column, row, high: CELL - 2 }));
    });
    match(cells, boxes, make, (node, { column, row, high }) => {
      const wide = Math.max(axis.wide(column) - (axis.step > 8 ? 1 : 0), 1);
      const fill = shown ? colourOf(shown, effectOf(shown, { column, row })) : "none";
      set(node, { x: axis.edge(column).toFixed(2), y: HEAD + row * CELL, width: wide.toFixed(2), height: high, fill });
    });
    match(
      names,
      rows,
      () => svg("text", { class: "nbm-number" }),
      (node, { label }, row) => {
        set(node, { x: axis.left - 8, y: HEAD + row * CELL + CELL / 2 - 1 });
        write(node, label);
      },
    );
    set(ground, { x: axis.left, y: HEAD, width: axis.right - axis.left, height: rows.length * CELL });
    cells.classList.toggle("nbm-stale", part?.stale ?? false);
  }

  /** Puts the button over the cell where the pointer or the arrow keys are. */
  function drawButton(shown: EffectPart | null) {
    button.hidden = !shown;
    if (!shown) return;
    if (at && (at.column >= shown.roles.length || at.row >= shown.kinds.length)) at = null;
    const cell = at ?? { column: axis.first, row: 0 };
    const role = shown.roles[cell.column];
    const [y, high] = role ? [0, shown.kinds.length * CELL] : [cell.row * CELL, CELL];
    Object.assign(button.style, {
      left: `${axis.edge(cell.column)}px`,
      width: `${Math.max(axis.wide(cell.column) - 1, 3)}px`,
      top: `${top + HEAD + y - 1}px`,
      height: `${high}px`,
    });
    button.classList.toggle("nbm-idle", at === null || stage.cursor !== cell.column);
    const text = describeCell(shown, axis.columns, cell);
    set(button, { "aria-label": text, title: text });
  }

  return {
    height(content: Content) {
      const now = (content.rows.ablation ?? null) as AblationPart | null;
      return now ? HEAD + (now.kinds?.length ?? 0) * CELL : 0;
    },
    draw(content: Content, made: Axis, place: number) {
      part = (content.rows.ablation ?? null) as AblationPart | null;
      axis = made;
      top = place;
      bar.show(part, axis, top);
      const shown = effects();
      if (part) title("effect", shown ? ["of each part"] : []);
      drawCells(shown);
      drawButton(shown);
    },
    read(_: Content, column: number) {
      const shown = effects();
      if (!shown) return "";
      const of = `${middle(shown.measured, 32)} with parts of ${middle(shown.of, 24)}`;
      const old = part?.stale ? " (out of date)" : "";
      if (shown.roles[column]) return `${of}: ${signed(shown.outside[column] ?? null)}${old}`;
      const kinds = shown.kinds.map(({ label }, row) => `${label} ${signed(shown.cells[row]?.[column] ?? null)}`);
      return `${of}: ${kinds.join(", ")}${old}`;
    },
  };
}
