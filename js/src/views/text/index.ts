// A text token by token: coloured by how likely it is, by the closest parent, or by how far the merge is apart from all. The
// numbers of a token are read out where the pointer or the arrow keys are; all of them are in a table.

import "./text.css";
import { h, match, OWN_KEYS, set, write } from "../../lib/dom.ts";
import { number } from "../../lib/format.ts";
import { segmented } from "../../lib/segmented.ts";
import { type Answered, defineView } from "../../lib/view.ts";
import { apart, colourOf, describeToken, LOOKS, type Look, type Result, visible } from "./tokens.ts";

interface Content extends Answered {
  suggested: string;
  ready: boolean;
  progress: string;
  stale: boolean;
  note: string;
  result: Result | null;
}

export default defineView<Content>((root, { send, redraw }) => {
  let [look, model, current]: [Look, number, number | null] = ["likely", 0, null];
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
    model = Number(key);
    redraw();
  });
  const legend = h("span", { class: "nbm-text-legend" });
  const tools = h("div", { class: "nbm-text-bar" }, looks.element, models.element, legend);
  const tokens = h("p", { ...OWN_KEYS, class: "nbm-passage", role: "group", tabindex: 0 });
  const start = h("span", { class: "nbm-start" });
  const readout = h("div", { class: "nbm-readout", role: "status" });
  const more = h("p", { class: "nbm-quiet" });
  const head = h("tr");
  const body = h("tbody");
  const table = h("details", {}, h("summary", {}, "Table"), h("table", {}, h("thead", {}, head), body));
  const remarks = h("ul", { class: "nbm-remarks" });
  const shown = h("div", {}, tools, tokens, more, readout, table, remarks);
  root.append(h("div", { class: "nbm-text-bar" }, text, compare, stop, note), shown);
  table.addEventListener("toggle", redraw);

  tokens.addEventListener("pointermove", (event) => {
    const at = [...tokens.children].indexOf(event.target as Element) - 1;
    if (at >= 0 && at !== current) point(at);
  });
  tokens.addEventListener("keydown", (event) => {
    const last = (result?.tokens.length ?? 0) - 1;
    const now = current ?? -1;
    const goal = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last }[event.key];
    if (goal === undefined || last < 0) return;
    event.preventDefault();
    event.stopPropagation();
    point(Math.min(Math.max(goal, 0), last));
  });

  function point(at: number) {
    current = at;
    redraw();
  }

  function drawTokens(now: Result) {
    const pieces = [now.start, ...now.tokens];
    match(
      tokens,
      pieces,
      (index) => (index === 0 ? start : h("span")),
      (node, piece, index) => {
        write(node, piece);
        if (index === 0) return;
        node.style.background = colourOf(now, look, model, index - 1);
        set(node, { class: current === index - 1 ? "nbm-token nbm-current" : "nbm-token" });
      },
    );
    set(tokens, { "aria-label": "The text, token by token. Left and right arrows read the numbers of a token." });
    write(
      readout,
      current === null
        ? "Point at a token to read its numbers."
        : describeToken(now, Math.min(current, now.tokens.length - 1)),
    );
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
    if (model >= result.models.length) model = 0;
    looks.show([...LOOKS], look);
    const named = result.models.map(({ label, colour }, i) => ({
      key: String(i),
      label,
      hint: `perplexity ${number(result?.perplexity[i] ?? null, 3)}`,
      ...(colour && { colour }),
    }));
    models.show(named, String(model));
    models.element.hidden ||= look !== "likely";
    drawLegend(result);
    shown.classList.toggle("nbm-stale", content.stale);
    drawTokens(result);
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
