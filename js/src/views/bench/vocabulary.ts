// Whose tokens the result has, and how the models' vocabularies differ.

import { h } from "../../lib/dom.ts";
import type { Context } from "../../lib/view.ts";
import { newId, type Part, redrawn } from "./common.ts";

export interface Vocabulary {
  value: string;
  options: { value: string; label: string }[];
  facts: string[];
  rows: string[][];
  dtype: string;
  dtypes: { value: string; label: string }[];
}

const COLUMNS = ["model", "tokens", "only here", "missing", "other id"];

export function createVocabulary({ send }: Context): Part<Vocabulary> {
  const vocabulary = choice("Vocabulary of the result", (value) => send("choose_vocabulary", { value }));
  const dtype = choice("dtype of the result", (value) => send("set_dtype", { value }));
  const table = h("div", { class: "nbm-models-table" });
  const facts = h("div");
  const drawTable = redrawn<string[][]>(table, (rows) => (rows.length ? [makeTable(rows)] : []));
  const drawFacts = redrawn<string[]>(facts, (texts) => texts.map((text) => h("p", { class: "nbm-quiet" }, text)));
  return {
    element: h("div", { class: "nbm-vocabulary-form" }, dtype.element, vocabulary.element, table, facts),
    draw(content) {
      vocabulary.show(content.options, content.value);
      dtype.show(content.dtypes, content.dtype);
      drawTable(content.rows);
      drawFacts(content.facts);
    },
  };
}

function choice(label: string, change: (value: string) => void) {
  const id = newId();
  const box = h("select", { class: "nbm-field", id, "data-key": label });
  box.addEventListener("change", () => change(box.value));
  const draw = redrawn<{ value: string; label: string }[]>(box, (options) =>
    options.map((option) => h("option", { value: option.value }, option.label)),
  );
  return {
    element: h("div", { class: "nbm-line" }, h("label", { for: id }, label), box),
    show(options: { value: string; label: string }[], value: string) {
      draw(options);
      box.value = value;
    },
  };
}

function makeTable(rows: string[][]): HTMLElement {
  const head = h("tr", {}, ...COLUMNS.map((name) => h("th", { scope: "col" }, name)));
  const body = rows.map(([name, ...cells]) =>
    h("tr", {}, h("th", { scope: "row" }, name), ...cells.map((cell) => h("td", {}, cell))),
  );
  return h("table", {}, h("thead", {}, head), h("tbody", {}, ...body));
}
