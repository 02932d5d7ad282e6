// Every tensor of the result with its formula; one of them with its inputs and their numbers.

import "./inspector.css";
import { h, match, set, write } from "../../lib/dom.ts";
import { plural } from "../../lib/format.ts";
import { drawFormula, type Formula } from "../../lib/mathml.ts";
import { type Answered, defineView } from "../../lib/view.ts";

interface Row {
  name: string;
  shape: string;
  dtype: string;
  formula: string;
}

interface Input {
  model: string;
  tensor: string;
  shape: string;
  dtype: string;
  values: string[];
}

interface Detail {
  name: string;
  facts: string[];
  formula: string;
  mathml: Formula | null;
  /** Names of the parameters that each input has; their values are with the inputs. */
  parameters: string[];
  inputs: Input[];
  shared: [string, string][];
  decided: [string, string][];
}

interface Content extends Answered {
  reason: string;
  filter: string;
  total: number;
  matching: number;
  rows: Row[];
  chosen: Detail | null;
}

/** Milliseconds of rest after which what was typed is sent. */
const REST = 200;

export default defineView<Content>((root, { send, signal }) => {
  let content: Content | null = null;
  let timer = 0;
  const filter = h("input", { type: "search", class: "nbm-field", placeholder: "mlp 12", oninput: onFilter });
  const count = h("span", { class: "nbm-inspector-count", role: "status" });
  const bar = h("div", { class: "nbm-inspector-bar" }, h("label", {}, "Filter by name ", filter), count);
  const names = ["Tensor", "Shape", "dtype", "Formula"];
  const head = h("thead", {}, h("tr", {}, ...names.map((name) => h("th", { scope: "col" }, name))));
  const body = h("tbody");
  const more = h("button", { type: "button", class: "nbm-button", onclick: () => send("show_more") }, "Show more");
  const list = h("div", { class: "nbm-inspector-list", tabindex: 0, role: "region", "aria-label": "Tensors" });
  const detail = h("section", { class: "nbm-inspector-detail", "aria-live": "polite" });
  list.append(h("table", {}, head, body), more);
  root.append(bar, detail, list);
  signal.addEventListener("abort", () => clearTimeout(timer));

  function onFilter() {
    clearTimeout(timer);
    timer = window.setTimeout(() => send("set_filter", { filter: filter.value }), REST);
  }

  function makeRow(index: number) {
    const choose = () => send("choose", { tensor: content?.rows[index]?.name ?? "" });
    const button = h("button", { type: "button", class: "nbm-inspector-name", onclick: choose });
    return h("tr", {}, h("th", { scope: "row" }, button), h("td"), h("td"), h("td"));
  }
  function showRow(node: Element, row: Row) {
    const [name, shape, dtype, formula] = [...node.children] as [Element, Element, Element, Element];
    write(name.firstElementChild!, row.name);
    set(name.firstElementChild!, { "aria-expanded": row.name === content?.chosen?.name });
    write(shape, row.shape);
    write(dtype, row.dtype);
    write(formula, row.formula);
  }

  function showDetail(chosen: Detail | null) {
    const key = JSON.stringify(chosen);
    if (detail.dataset.key === key) return;
    detail.dataset.key = key;
    detail.hidden = chosen === null;
    detail.replaceChildren(...(chosen ? describe(chosen) : []));
  }

  function describe(chosen: Detail): HTMLElement[] {
    const close = h("button", { type: "button", class: "nbm-inspector-close", "aria-label": "Close" }, "×");
    close.addEventListener("click", () => send("choose", { tensor: chosen.name }));
    const formula = h("div", { class: "nbm-inspector-formula", tabindex: 0, role: "region", "aria-label": "Formula" });
    formula.append(chosen.mathml ? drawFormula(chosen.mathml) : chosen.formula);
    const facts = [...chosen.facts, ...chosen.shared.map(([name, value]) => `${name} = ${value}`)];
    const decided = chosen.decided.map(([name, where]) => `${name} by ${where}`).join("; ");
    return [
      h("div", { class: "nbm-inspector-head" }, h("b", {}, chosen.name), close),
      h("p", {}, facts.join(" · ")),
      formula,
      describeInputs(chosen),
      h("p", {}, decided ? `Values are set by the recipe: ${decided}.` : "All values are the method's defaults."),
    ];
  }

  function describeInputs({ parameters, inputs }: Detail) {
    const titles = ["Input", "Tensor", "Shape", "dtype", ...parameters];
    const rows = inputs.map((input) => {
      const cells = [input.tensor, input.shape, input.dtype, ...input.values];
      return h("tr", {}, h("th", { scope: "row" }, input.model), ...cells.map((cell) => h("td", {}, cell)));
    });
    const columns = titles.map((title) => h("th", { scope: "col" }, title));
    return h("table", {}, h("thead", {}, h("tr", {}, ...columns)), h("tbody", {}, ...rows));
  }

  return (next) => {
    content = next;
    const { rows, matching, total } = next;
    if (document.activeElement !== filter) set(filter, { value: next.filter });
    write(
      count,
      next.reason || (matching < total ? `${matching} of ${plural(total, "tensor")}` : plural(total, "tensor")),
    );
    match(body, rows, makeRow, showRow);
    more.hidden = rows.length >= matching;
    showDetail(next.chosen);
  };
});
