// Comparisons: a blind test of two models, and a grid of samples over one or two parameters.

import "./compare.css";
import { h, match, set, write } from "../../lib/dom.ts";
import { type Answered, defineView, type Send } from "../../lib/view.ts";

interface Choice {
  key: string;
  title: string;
  /** The title with whole names. */
  whole?: string;
}

interface Blind {
  number: number;
  count: number;
  pair: { prompt: string; left: string; right: string } | null;
  score: string;
}

interface Grid {
  prompt: string;
  columns: string[];
  rows: string[];
  cells: (string | null)[][];
}

interface Content extends Answered {
  candidates: Choice[];
  parameters: Choice[];
  prompt: string;
  busy: boolean;
  note: string;
  blind: Blind | null;
  grid: Grid | null;
}

export default defineView<Content>((root, { send }) => {
  const note = h("span", { role: "status" });
  const stop = button("Stop", () => send("stop"));
  const blind = makeBlind(send);
  const grid = makeGrid(send);
  root.append(h("div", { class: "nbm-compare-bar" }, stop, note), blind.element, grid.element);
  return (content) => {
    set(stop, { disabled: !content.busy });
    write(note, content.note);
    blind.show(content);
    grid.show(content);
  };
});

function makeBlind(send: Send) {
  const first = select("First model");
  const second = select("Second model");
  const start = button("Start", () => send("start_blind", { first: first.value, second: second.value }));
  const where = h("p", { class: "nbm-compare-where" });
  const left = h("pre", { role: "region", "aria-label": "Left text" });
  const right = h("pre", { role: "region", "aria-label": "Right text" });
  const votes = (["left", "tie", "right"] as const).map((side) =>
    button({ left: "Left is better", tie: "Equal", right: "Right is better" }[side], () => send("vote", { side })),
  );
  const score = h("p");
  const result = h("details", {}, h("summary", {}, "Score so far"), score);
  const end = button("End this test", () => send("end_blind"));
  const texts = h("div", { class: "nbm-compare-pair" }, left, right);
  const bar = h("div", { class: "nbm-compare-bar" }, ...votes);
  const test = h("div", {}, where, texts, bar, result, end);
  const choose = h("div", { class: "nbm-compare-bar" }, first, second, start);
  const element = h("section", { "aria-label": "Blind test" }, h("h3", {}, "Blind test"), choose, test);

  function show(content: Content): void {
    const { blind } = content;
    fill(first, content.candidates, 0);
    fill(second, content.candidates, 1);
    set(start, { disabled: content.busy || content.candidates.length < 2 });
    test.hidden = blind === null;
    choose.hidden = blind !== null;
    if (blind === null) return;
    for (const node of [texts, bar]) node.hidden = blind.pair === null;
    const at = Math.min(blind.number + 1, blind.count);
    write(where, blind.pair ? `Pair ${at} of ${blind.count}: ${blind.pair.prompt}` : "All pairs have votes.");
    write(left, blind.pair?.left ?? "");
    write(right, blind.pair?.right ?? "");
    write(score, blind.score);
    if (blind.pair === null) result.open = true;
  }
  return { element, show };
}

function makeGrid(send: Send) {
  const [columns, rows] = [select("Parameter of the columns"), select("Parameter of the rows")];
  const across = field("Values of the columns", "0, 0.5, 1");
  const down = field("Values of the rows", "0, 0.5, 1");
  const prompt = field("Prompt", "");
  prompt.classList.add("nbm-compare-prompt");
  const start = button("Sample the grid", () =>
    send("start_grid", {
      columns: columns.value,
      column_values: across.value,
      rows: rows.value,
      row_values: down.value,
      prompt: prompt.value,
    }),
  );
  const head = h("tr");
  const body = h("tbody");
  const table = h("table", {}, h("thead", {}, head), body);
  const element = h(
    "section",
    { "aria-label": "Grid of samples" },
    h("h3", {}, "Grid of samples"),
    h("div", { class: "nbm-compare-bar" }, columns, across, rows, down),
    h("div", { class: "nbm-compare-bar" }, prompt, start),
    h("div", { class: "nbm-compare-scroll" }, table),
  );

  function show(content: Content): void {
    fill(columns, content.parameters, 0);
    fill(rows, [{ key: "", title: "no second parameter" }, ...content.parameters], 0);
    down.hidden = rows.value === "";
    if (prompt.value === "") prompt.value = content.prompt;
    set(start, { disabled: content.busy || content.parameters.length === 0 });
    table.hidden = content.grid === null;
    if (content.grid) showTable(content.grid);
  }
  rows.addEventListener("change", () => {
    down.hidden = rows.value === "";
  });

  function showTable(grid: Grid): void {
    const names = ["", ...grid.columns];
    match(
      head,
      names,
      () => h("th", { scope: "col" }),
      (cell, name) => write(cell, name),
    );
    match(
      body,
      grid.cells,
      () => h("tr"),
      (line, cells, row) => showLine(line, cells, grid.rows[row] ?? "", row),
    );
  }
  function showLine(line: HTMLElement, cells: (string | null)[], name: string, row: number): void {
    const texts = cells.map((text, column) =>
      h(
        "td",
        {},
        text === null
          ? "…"
          : h(
              "button",
              { type: "button", title: "Use this recipe", onclick: () => send("take", { column, row }) },
              text.trim() ? text : "(no text)",
            ),
      ),
    );
    line.replaceChildren(h("th", { scope: "row" }, name), ...texts);
  }
  return { element, show };
}

function button(label: string, onclick: () => void): HTMLButtonElement {
  return h("button", { type: "button", class: "nbm-button", onclick }, label);
}

function select(label: string): HTMLSelectElement {
  return h("select", { class: "nbm-field", "aria-label": label });
}

function field(label: string, value: string): HTMLInputElement {
  const input = h("input", { class: "nbm-field", "aria-label": label, value });
  input.addEventListener("keydown", (event) => event.stopPropagation()); // a notebook has shortcuts for letters
  return input;
}

/** Lists choices; what was chosen stays where it is still there. */
function fill(element: HTMLSelectElement, choices: readonly Choice[], preferred: number): void {
  const known = JSON.stringify(choices);
  if (element.dataset.choices === known) return;
  const chosen = element.value;
  element.dataset.choices = known;
  const options = choices.map(({ key, title, whole }) => set(new Option(title, key), { title: whole })); // an empty key, too
  element.replaceChildren(...options);
  const kept = choices.some(({ key }) => key === chosen) && chosen !== "";
  element.value = kept ? chosen : (choices[Math.min(preferred, choices.length - 1)]?.key ?? "");
}
