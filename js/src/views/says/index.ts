// Samples: rows are prompts, columns are the merge as it is now, pinned merges and parents.

import "./says.css";
import { h, match, set, write } from "../../lib/dom.ts";
import { tellApart } from "../../lib/format.ts";
import { menuButton } from "../../lib/menu.ts";
import { defineView } from "../../lib/view.ts";
import type { Cell, Column, Content } from "./content.ts";
import { makeControls } from "./controls.ts";
import { makePrompts } from "./prompts.ts";

/** Least width of a column; below it, the models of a prompt stand below each other. */
const COLUMN = 112;
/** Of a letter of a heading, and of what stands beside its name. */
const [LETTER, BESIDE] = [8, 28];
const STATUS: Record<Cell["status"], string> = { waiting: "…", generating: "▌", done: "", stopped: "(stopped)" };
/** Of a model that ends at once. */
const EMPTY = "(no text)";

export default defineView<Content>((root, context) => {
  const { send } = context;
  let content: Content | null = null;
  let wasBusy = false;
  let drawnWidth = 0;
  let names: string[] = []; // of the columns, short enough for one line

  const controls = makeControls(context);
  const head = h("tr", { role: "row" });
  const body = h("tbody", { role: "rowgroup" });
  const table = h(
    "table",
    { class: "nbm-says-table", role: "table", "aria-label": "Samples" },
    h("thead", { role: "rowgroup" }, head),
    body,
  );
  const prompts = makePrompts(context, () => content);
  const add = h(
    "button",
    { type: "button", class: "nbm-button nbm-says-add", onclick: () => prompts.add() },
    "+ Prompt",
  );
  const note = h("p", { class: "nbm-says-note", role: "status" });
  const memory = h("div", { class: "nbm-says-memory" });
  root.append(controls.element, table, h("div", { class: "nbm-says-foot" }, add, note), memory);

  function showHead(columns: Column[], width: number) {
    const letters = Math.max(10, Math.floor((width / (columns.length + 1) - BESIDE) / LETTER));
    names = tellApart(
      columns.map((c) => c.title),
      letters,
    );
    const key = JSON.stringify([columns.map((c) => [c.name, c.kind, c.title, c.colour]), names]);
    if (head.dataset.key !== key) {
      head.dataset.key = key;
      head.replaceChildren(h("th", { role: "columnheader", scope: "col" }, "Prompt"), ...columns.map(makeHead));
    }
    columns.forEach((column, i) => {
      const cell = head.children[i + 1]!;
      const title = column.detail && `How it was run: ${column.detail}`;
      set(cell, { "data-stale": column.stale, "data-recipe": column.recipe, title: title || null });
      write(cell.querySelector("small")!, column.stale ? "earlier recipe" : column.detail.split(",")[0]!);
    });
  }

  function makeHead({ name, kind, title, colour }: Column, index: number) {
    const short = names[index] ?? title;
    const dot = h("i", { class: "nbm-says-dot", "data-kind": kind });
    dot.style.background = colour;
    const items = () => [
      { label: "Return to this recipe", choose: () => void send("restore", { name }) },
      { label: "Unpin", choose: () => void send("unpin", { name }) },
    ];
    const label =
      kind === "pin" ? menuButton(short, items, title) : h("span", { class: "nbm-says-title", title }, short);
    return h("th", { role: "columnheader", scope: "col", "data-kind": kind }, dot, label, h("small"));
  }

  function showRows({ rows, columns, busy }: Content, width: number) {
    if (width !== drawnWidth) for (const row of body.children) (row as HTMLElement).style.removeProperty("--held");
    else if (busy && !wasBusy) holdHeights();
    drawnWidth = width;
    wasBusy = busy;
    const all: (Cell | null)[][] = prompts.hasDraft ? [...rows, columns.map(() => null)] : rows;
    match(body, all, prompts.makeRow, (row, cells, index) => {
      prompts.show(row, index);
      const shown = [...row.children].slice(1);
      while (shown.length > cells.length) shown.pop()!.remove();
      while (shown.length < cells.length) {
        const cell = h("td", { role: "cell" }, h("p"), h("small"));
        row.append(cell);
        shown.push(cell);
      }
      shown.forEach((cell, i) => {
        showCell(cell, cells[i] ?? null, columns[i]!, names[i] ?? columns[i]!.title);
      });
    });
  }

  /** While texts grow, rows do not become lower than they were. */
  function holdHeights() {
    const heights = [...body.children].map((row) => (row as HTMLElement).offsetHeight);
    heights.forEach((height, i) => {
      (body.children[i] as HTMLElement).style.setProperty("--held", `${height}px`);
    });
  }

  function showCell(node: Element, cell: Cell | null, column: Column, name: string) {
    set(node, { "data-label": name, "data-kind": column.kind, "data-stale": column.stale });
    const key = cell ? JSON.stringify([cell.runs, cell.status]) : "";
    const [text, small] = [node.firstElementChild as HTMLElement, node.lastElementChild!];
    write(small, cell?.note ?? "");
    if (text.dataset.key === key) return;
    text.dataset.key = key;
    const runs = (cell?.runs ?? []).map(([run, isNew]) => (isNew ? h("mark", {}, run) : run));
    const end = cell && (STATUS[cell.status] || (runs.length === 0 ? EMPTY : ""));
    text.replaceChildren(...runs, ...(end ? [h("i", { "data-status": cell.status }, end)] : []));
    set(node, { "data-tokens": cell?.tokens ?? 0 });
  }

  function showMemory({ memory: { text, ways } }: Content) {
    const key = JSON.stringify([text, ways]);
    if (memory.dataset.key === key) return;
    memory.dataset.key = key;
    set(memory, {
      role: ways.length ? "alert" : null,
      class: ways.length ? "nbm-says-memory nbm-error" : "nbm-says-memory",
    });
    const list = ways.length ? [h("ul", {}, ...ways.map((way) => h("li", {}, way)))] : [];
    memory.replaceChildren(h("span", {}, text), ...list);
  }

  return (next, width) => {
    content = next;
    root.classList.toggle("nbm-says-stacked", width < COLUMN * (next.columns.length + 1));
    prompts.settle(next.answers);
    controls.show(next);
    showHead(next.columns, width);
    showRows(next, width);
    showMemory(next);
    write(note, next.busy ? "Generating …" : next.note);
  };
});
