// Writing the merged model: where to, what it costs, and what became of it.

import { h, set, write } from "../../lib/dom.ts";
import type { Context } from "../../lib/view.ts";
import { button, newId, type Part, redrawn } from "./common.ts";

export interface Merge {
  out: string;
  overwrite: boolean;
  /** A model is there already. */
  exists: boolean;
  /** Where that is so, a name that is free. */
  proposed: string;
  cost: [string, string][];
  why: string;
  blocked: boolean;
  /** What the button says. */
  label: string;
  kept: string;
  running: boolean;
  result: { title: string; path: string; facts: string; load: string; notes: string[] } | null;
}

export function createMerge({ send }: Context): Part<Merge> {
  const id = newId();
  const out = h("input", { type: "text", class: "nbm-field", id, spellcheck: "false", autocomplete: "off" });
  out.addEventListener("change", () => send("set_out", { path: out.value }));
  const propose = button("", () => send("propose_out"), { class: "nbm-button nbm-propose" });
  const overwrite = h("input", { type: "checkbox" });
  overwrite.addEventListener("change", () => send("set_overwrite", { value: overwrite.checked }));
  const replace = h("label", { class: "nbm-check" }, overwrite, " replace the model that is there");
  const cost = h("dl", { class: "nbm-cost" });
  const why = h("p", { class: "nbm-problem-text", role: "status" });
  const start = button("Merge", () => send("merge"), { class: "nbm-button nbm-primary" });
  const discard = button("Discard", () => send("discard"), {
    class: "nbm-button nbm-discard", // away from Stop, whose place it must not take under the pointer
    title: "Remove the finished tensors of the stopped merge",
  });
  const kept = h("p", { class: "nbm-quiet", role: "status" });
  const stop = button("Stop", () => send("stop_merge"), { title: "What is finished is kept" });
  const result = h("div", { class: "nbm-result" });
  const element = h(
    "div",
    { class: "nbm-merge-form" },
    h("div", { class: "nbm-line" }, h("label", { for: id }, "Output folder"), out),
    h("div", { class: "nbm-line" }, propose, replace),
    cost,
    why,
    kept,
    h("div", { class: "nbm-line" }, start, stop, discard),
    result,
  );
  for (const part of [propose, replace, why, kept, stop, discard]) part.hidden = true; // until it is known whether they serve
  const drawCost = redrawn<[string, string][]>(cost, (pairs) =>
    pairs.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
  );
  const drawResult = redrawn<Merge["result"]>(result, (done) => (done ? [makeResult(done)] : []));
  return {
    element,
    draw(content) {
      if (document.activeElement !== out) out.value = content.out;
      write(propose, `Name it ${content.proposed}`);
      propose.hidden = !content.exists || !content.proposed || content.overwrite;
      overwrite.checked = content.overwrite;
      replace.hidden = !content.exists && !content.overwrite;
      drawCost(content.cost);
      write(why, content.why);
      why.hidden = !content.why;
      write(start, content.label);
      set(start, { disabled: content.blocked });
      stop.hidden = !content.running;
      write(kept, `Stopped: the finished tensors, ${content.kept}, are kept. Resume goes on from there.`);
      write(discard, `Discard ${content.kept}`);
      for (const part of [kept, discard]) part.hidden = !content.kept || content.running;
      drawResult(content.result);
    },
  };
}

function makeResult(done: NonNullable<Merge["result"]>): HTMLElement {
  const copy = button("Copy", () => void navigator.clipboard?.writeText(done.load), {
    "aria-label": "Copy the line of Python",
  });
  return h(
    "div",
    { class: "nbm-done" },
    h("b", {}, done.title),
    " ",
    h("code", {}, done.path),
    ` (${done.facts})`,
    h("div", { class: "nbm-line" }, h("code", {}, done.load), copy),
    ...done.notes.map((note) => h("div", {}, note)),
  );
}
