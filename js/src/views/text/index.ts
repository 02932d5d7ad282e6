// A text token by token: coloured by how likely it is, by the closest parent, or by how far the merge is apart from all. The
// numbers of a token are read out where the pointer or the arrow keys are; all of them are in a table.

import "./text.css";
import { h, match, set, write } from "../../lib/dom.ts";
import { number } from "../../lib/format.ts";
import { segmented } from "../../lib/segmented.ts";
import { type Answered, defineView } from "../../lib/view.ts";
import { makePassage, type Passage } from "./passage.ts";
import { apart, describeToken, LOOKS, type Look, type Result, visible } from "./tokens.ts";

interface Content extends Answered {
  suggested: string;
  ready: boolean;
  progress: string;
  stale: boolean;
  note: string;
  result: Result | null;
}

/** Instead of a model: all of them. */
const ALL = "all";

export default defineView<Content>((root, { send, redraw }) => {
  let [look, chosen, current]: [Look, string, number | null] = ["likely", ALL, null];
  const made: Passage[] = [];
  let result: Result | null = null;
  let filled = "";

  const text = h("textarea", { class: "nbm-field", rows: 2, "aria-label": "Text" });
  text.addEventListener("keydown", (event) => event.stopPropagation()); // a notebook has shortcuts for letters
  const compare = h("button", { type: "button", class: "nbm-button nbm-primary" }, "Compare tokens");
  compare.addEventListener("click", () => send("compare", { text: text.value }));
  const stop = h("button", { type: "button", class: "nbm-button", onclick: () => send("stop") }, "Stop");
  const note = h("span", { class: "nbm-quiet", role: "status" });
  const looks = segmented("What colours mean", (key) => {
    look = key as Look;
    redraw();
  });
  const models = segmented("Model", (key) => {
    chosen = key;
    redraw();
  });
  const legend = h("span", { class: "nbm-text-legend" });
  const tools = h("div", { class: "nbm-text-bar" }, looks.element, models.element, legend);
  const passages = h("div");
  const readout = h("div", { class: "nbm-readout", role: "status" });
  const more = h("p", { class: "nbm-quiet" });
  const head = h("tr");
  const body = h("tbody");
  const table = h("details", {}, h("summary", {}, "Table"), h("table", {}, h("thead", {}, head), body));
  const remarks = h("ul", { class: "nbm-remarks" });
  const shown = h("div", {}, tools, passages, more, readout, table, remarks);
  root.append(h("div", { class: "nbm-text-bar" }, text, compare, stop, note), shown);
  table.addEventListener("toggle", redraw);

  function point(at: number) {
    current = at;
    redraw();
  }

  /** One passage, or with one for each model all of them below each other. */
  function drawPassages(now: Result) {
    const all = now.models.map((_, i) => i);
    const wanted = look !== "likely" ? [0] : chosen === ALL ? all : [Number(chosen)];
    while (made.length < wanted.length) {
      const passage = makePassage(point);
      made.push(passage);
      passages.append(passage.element);
    }
    made.forEach((passage, i) => {
      const model = wanted[i];
      passage.element.hidden = model === undefined;
      if (model !== undefined) passage.show(now, look, model, current, wanted.length > 1);
    });
    const at = current === null ? null : Math.min(current, now.tokens.length - 1);
    write(readout, at === null ? "Point at a token to read its numbers." : describeToken(now, at));
    more.hidden = now.hidden === 0;
    write(more, `${now.hidden} more tokens are not shown.`);
  }

  /** Whose colour is whose, where colours are those of parents. */
  function drawLegend(now: Result) {
    legend.hidden = look !== "closest";
    const make = () => h("span", {}, h("i", { class: "nbm-swatch" }), h("span"));
    match(legend, now.models.slice(1), make, (node, { label, colour }) => {
      (node.firstElementChild as HTMLElement).style.background = colour;
      write(node.lastElementChild!, label);
    });
  }

  function drawTable(now: Result) {
    if (!table.open) return;
    const names = ["token", ...now.models.map(({ label }) => label), "closest", "apart"];
    match(
      head,
      names,
      () => h("th", { scope: "col" }),
      (cell, name) => write(cell, name),
    );
    match(
      body,
      now.tokens,
      () => h("tr"),
      (row, token, i) => {
        const logs = now.logs.map((of) => number(of[i] ?? null, 3));
        const cells = [visible(token), ...logs, now.models[now.closest[i] ?? 0]?.label ?? "", apart(now, i)];
        match(
          row,
          cells,
          () => h("td"),
          (cell, words) => write(cell, words),
        );
      },
    );
  }

  return (content) => {
    if (content.suggested !== filled && (text.value === "" || text.value === filled)) {
      text.value = filled = content.suggested;
    }
    result = content.result;
    compare.hidden = content.progress !== "";
    set(compare, { disabled: !content.ready });
    stop.hidden = content.progress === "";
    write(note, content.progress || content.note);
    shown.hidden = !result;
    if (!result) return;
    if (chosen !== ALL && Number(chosen) >= result.models.length) chosen = ALL;
    looks.show([...LOOKS], look);
    const named = result.models.map(({ label, colour }, i) => ({
      key: String(i),
      label,
      hint: `perplexity ${number(result?.perplexity[i] ?? null, 3)}`,
      ...(colour && { colour }),
    }));
    models.show([{ key: ALL, label: "side by side", hint: "The text once for each model" }, ...named], chosen);
    models.element.hidden ||= look !== "likely";
    drawLegend(result);
    shown.classList.toggle("nbm-stale", content.stale);
    drawPassages(result);
    drawTable(result);
    remarks.hidden = result.remarks.length === 0;
    match(
      remarks,
      result.remarks,
      () => h("li"),
      (node, words) => write(node, words),
    );
  };
});
