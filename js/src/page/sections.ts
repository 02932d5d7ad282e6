// What stands below the tracks: the recipe, distances of the whole model, numbers as a table, problems, samples, scores.

import { type Child, h, write } from "../lib/dom.ts";
import { column } from "../lib/format.ts";
import type { MovedPart } from "../views/tracks/rows/moved.ts";
import type { Data } from "./data.ts";
import type { PageState } from "./state.ts";
import type { What } from "./sums.ts";
import { writeRecipe } from "./yaml.ts";

/** A part of the page that follows the state. */
export interface Section {
  element: HTMLElement;
  show?(): void;
}

const NUMBERS = "nbm-numbers"; // a kind of table
const RECORDED = "Recorded in the notebook; they do not follow the curves.";

function card(title: string, ...content: (Child | Child[])[]): HTMLElement {
  return h("section", { class: "nbm-card" }, h("h2", {}, title), ...content);
}

const row = (tag: "td" | "th", cells: readonly Child[]) => h("tr", {}, ...cells.map((cell) => h(tag, {}, cell)));

/** A table that scrolls by itself where it is too wide; the first cell of each row names it. */
function table(label: string, heads: readonly Child[], rows: readonly (readonly Child[])[], kind = ""): HTMLElement {
  const body = rows.map(([first, ...rest]) =>
    h("tr", {}, h("th", { scope: "row" }, first), ...rest.map((cell) => h("td", {}, cell))),
  );
  const head = row("th", heads);
  for (const cell of head.children) cell.setAttribute("scope", "col");
  return h(
    "div",
    { class: "nbm-scroll", role: "group", tabindex: 0, "aria-label": label },
    h("table", { class: kind }, h("thead", {}, head), h("tbody", {}, ...body)),
  );
}

const named = (name: string, colour: string): Child[] => {
  const swatch = h("i", { class: "nbm-swatch" });
  swatch.style.background = colour;
  return [colour ? swatch : null, name];
};

export function recipeSection(data: Data, state: PageState, announce: (text: string) => void): Section {
  const code = h("code");
  const box = h("pre", { class: "nbm-yaml", tabindex: 0, role: "group", "aria-label": "recipe as YAML" }, code);
  const copy = h("button", { type: "button", class: "nbm-button" }, "Copy");
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent ?? "");
      announce("The recipe was copied.");
    } catch {
      getSelection()?.selectAllChildren(code); // browsers may refuse in a file; Ctrl+C then does it
      announce("The recipe is selected. Press Ctrl+C to copy it.");
    }
  });
  const element = card("Recipe", box);
  element.firstElementChild!.append(copy);
  return { element, show: () => write(code, writeRecipe(data, state.settings)) };
}

export function wholeSection(data: Data, state: PageState): Section {
  const place = h("div");
  const note = h("p", { class: "nbm-quiet" });
  const layers = Array.from({ length: data.depth + 1 }, (_, i) => i);
  return {
    element: card("Whole model", note, place),
    show() {
      const { cube } = state;
      const kinds = data.kinds.map((_, kind) => kind);
      const read = (what: What, parent: number) => cube?.read(what, parent, layers, kinds) ?? null;
      const parents = cube?.parents ?? [];
      const shares = parents.map((_, i) => read("distance", i));
      const distances = column(
        shares.map((share) => share && 100 * share),
        3,
      );
      const cosines = column(
        parents.map((_, i) => read("cosine", i)),
        6,
      );
      const rows = parents.map((label, i) => {
        const colour = data.parents.find((parent) => parent.label === label)?.colour ?? "";
        return [h("span", {}, ...named(label, colour)), distances[i], cosines[i]];
      });
      const heads = ["model", "distance, %", "cosine"];
      place.replaceChildren(...(cube ? [table("distances of the whole model", heads, rows, NUMBERS)] : []));
      note.hidden = data.still === "";
      write(note, data.still);
    },
  };
}

/** The numbers of the picture, for those who read them or work on with them. */
export function numbersSection(data: Data, state: PageState): Section {
  const place = h("div");
  const details = h("details", {}, h("summary", {}, "Numbers as a table"), place);
  function show() {
    if (!details.open) return;
    const part = state.content.rows.moved as MovedPart;
    const parents = part.parents ?? [];
    const write = (value: number | null | undefined) => (value === null || value === undefined ? "–" : String(value));
    const heads = [
      part.what,
      ...parents.map(({ label }) => `${part.toward} ${label}`),
      ...part.cells.map(({ label }) => `${label} ${part.toward} ${part.against}`),
    ];
    const rows = data.columns.map(({ label }, i) => [
      label,
      ...part.lines.map((values) => write(values[i])),
      ...part.cells.map(({ values }) => write(values[i])),
    ]);
    place.replaceChildren(
      parents.length
        ? table("numbers of the picture", heads, rows, NUMBERS)
        : h("p", { class: "nbm-quiet" }, part.note),
    );
  }
  details.addEventListener("toggle", show);
  return { element: h("section", { class: "nbm-card" }, details), show };
}

export function problemsSection(data: Data): Section | null {
  if (data.problems.length === 0) return null;
  const items = data.problems.map(({ severity, text }) =>
    h("li", { class: `nbm-${severity}` }, h("b", {}, `${severity}: `), text),
  );
  return { element: card("Problems of the recipe as it was exported", h("ul", { class: "nbm-problems" }, ...items)) };
}

export function samplesSection(data: Data): Section | null {
  const { prompts, models } = data.samples;
  if (prompts.length === 0) return null;
  const heads = ["prompt", ...models.map(({ name, colour }) => h("span", {}, ...named(name, colour)))];
  const rows = prompts.map((prompt, i) => [
    h("span", { class: "nbm-sample" }, prompt),
    ...models.map(({ texts }) => h("span", { class: "nbm-sample" }, texts[i] ?? "–")),
  ]);
  const note = h("p", { class: "nbm-quiet" }, RECORDED);
  return { element: card("Samples", note, table("samples", heads, rows)) };
}

export function scoresSection(data: Data): Section | null {
  const { names, models } = data.scores;
  if (names.length === 0) return null;
  const columns = names.map((_, i) =>
    column(
      models.map(({ values }) => values[i]),
      4,
    ),
  );
  const rows = models.map(({ name }, i) => [name, ...columns.map((written) => written[i])]);
  const note = h("p", { class: "nbm-quiet" }, RECORDED);
  return { element: card("Scores", note, table("scores", ["recipe", ...names], rows, NUMBERS)) };
}
