// Vocabularies side by side: what differs between them, which one the result has, and how each cuts a text into tokens.

import "./vocabularies.css";
import { type Child, h, OWN_KEYS, set, write } from "../../lib/dom.ts";
import { type Answered, defineView } from "../../lib/view.ts";

/** A short name of a model, and the whole. */
interface Name {
  name: string;
  whole: string;
}

/** A text, a token with a quieter text beside it, or a model. */
type Cell = string | { token: string; note: string } | Name;

interface Table {
  head: string[];
  rows: Cell[][];
}

interface List {
  title: string;
  tokens: string[];
  /** How many are not listed. */
  more: number;
}

interface Cut {
  model: Name;
  count: number;
  tokens: [string, number][];
}

interface Content extends Answered {
  options: { value: string; label: string }[];
  value: string;
  disabled: boolean;
  facts: string[];
  tables: Table[];
  lists: List[];
  sample: string;
  cuts: Cut[];
}

export default defineView<Content>((root, { send }) => {
  const choice = h("select", { class: "nbm-field" });
  choice.addEventListener("change", () => send("choose", { value: choice.value }));
  const sample = h("input", { ...OWN_KEYS, type: "text", class: "nbm-field", spellcheck: "false" });
  const cut = () => void send("set_sample", { text: sample.value });
  sample.addEventListener("change", cut);
  sample.addEventListener("keydown", (event) => event.key === "Enter" && cut());
  const facts = h("div", { class: "nbm-vocabularies-facts" });
  const tables = h("div");
  const lists = h("div");
  const cuts = h("div", { class: "nbm-vocabularies-cuts" });
  const compared = h(
    "div",
    {},
    facts,
    tables,
    lists,
    h("label", { class: "nbm-vocabularies-line" }, h("span", {}, "Text"), sample),
    cuts,
  );
  root.append(h("label", { class: "nbm-vocabularies-line" }, h("span", {}, "Vocabulary"), choice), compared);
  const drawOptions = ifNew<Content["options"]>((options) =>
    choice.replaceChildren(...options.map(({ value, label }) => new Option(label, value))),
  );
  const drawFacts = ifNew<string[]>((texts) => facts.replaceChildren(...texts.map((text) => h("p", {}, text))));
  const drawTables = ifNew<Table[]>((all) => tables.replaceChildren(...all.map(makeTable)));
  const drawLists = ifNew<List[]>((all) => lists.replaceChildren(...all.map(makeList)));
  const drawCuts = ifNew<Cut[]>((all) => cuts.replaceChildren(...(all.length ? [makeTable(tableOfCuts(all))] : [])));
  return (content) => {
    drawOptions(content.options);
    set(choice, { value: content.value, disabled: content.disabled });
    drawFacts(content.facts);
    drawTables(content.tables);
    drawLists(content.lists);
    if (document.activeElement !== sample) set(sample, { value: content.sample });
    drawCuts(content.cuts);
    compared.hidden = content.cuts.length === 0 && content.facts.length === 0;
  };
});

/** Draws only what has changed: lists that were opened stay open. */
function ifNew<Data>(draw: (data: Data) => void): (data: Data) => void {
  let drawn = "";
  return (data) => {
    const now = JSON.stringify(data);
    if (now !== drawn) draw(data);
    drawn = now;
  };
}

interface ShownTable {
  head: string[];
  rows: Child[][][];
}

const tableOfCuts = (cuts: Cut[]): ShownTable => ({
  head: ["model", "tokens", "the text in tokens"],
  rows: cuts.map(({ model, count, tokens }) => [
    showCell(model),
    [String(count)],
    tokens.map(([text, id]) => h("code", { title: `token ${id}` }, text)),
  ]),
});

function showCell(cell: Cell | Child[]): Child[] {
  if (Array.isArray(cell)) return cell;
  if (typeof cell === "string") return [cell];
  if ("name" in cell) return [h("span", { title: cell.whole }, cell.name)];
  return [h("code", {}, cell.token), cell.note && ` ${cell.note}`];
}

function makeTable({ head, rows }: Table | ShownTable): HTMLElement {
  const body = rows.map((cells: (Cell | Child[])[]) => {
    const [name, ...others] = cells.map(showCell);
    return h("tr", {}, h("th", { scope: "row" }, ...(name ?? [])), ...others.map((cell) => h("td", {}, ...cell)));
  });
  const columns = head.map((name) => h("th", { scope: "col" }, name));
  return h(
    "div",
    { class: "nbm-vocabularies-table" },
    h("table", {}, h("thead", {}, h("tr", {}, ...columns)), h("tbody", {}, ...body)),
  );
}

function makeList({ title, tokens, more }: List): HTMLElement {
  const end = h("span");
  write(end, more > 0 ? `and ${more.toLocaleString("en")} more` : "");
  return h("details", {}, h("summary", {}, title), ...tokens.flatMap((token) => [h("code", {}, token), " "]), end);
}
