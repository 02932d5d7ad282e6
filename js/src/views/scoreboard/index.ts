// Scores: value, change since the step before, and a history whose points lead back to their steps.

import "./scoreboard.css";
import { h, match, set, write } from "../../lib/dom.ts";
import { defineView } from "../../lib/view.ts";
import { makeAdder } from "./adder.ts";
import type { Content } from "./content.ts";
import { makeRow, showRow } from "./row.ts";

/** Width below which a score's name stands above its value. */
const NARROW = 380;

export default defineView<Content>((root, { send }) => {
  let content: Content | null = null;
  const compute = h(
    "button",
    { type: "button", class: "nbm-button nbm-primary", onclick: () => send("compute") },
    "Compute",
  );
  const stop = h("button", { type: "button", class: "nbm-button", onclick: () => send("stop") }, "Stop");
  const follow = h("input", { type: "checkbox", onchange: () => send("set_follow", { follow: follow.checked }) });
  const adder = makeAdder(send);
  const label = h("label", { title: "Compute again whenever the recipe changes" }, follow, "Follow the sliders");
  const head = h("div", { class: "nbm-scores-head" }, h("b", {}, "Scores"), adder.button, h("i"), compute, stop, label);
  const rows = h("div", { class: "nbm-scores-rows", role: "table", "aria-label": "Scores" });
  const note = h("p", { class: "nbm-scores-note", role: "status" });
  set(compute, { title: "Compute every score for the merge" });
  set(stop, { title: "Stop after the present score" });
  root.append(head, rows, note);

  return (next, width) => {
    content = next;
    rows.classList.toggle("nbm-scores-narrow", width < NARROW);
    set(compute, { disabled: !next.ready });
    set(stop, { disabled: !next.busy });
    follow.checked = next.follow;
    adder.show(next.skills);
    rows.hidden = next.scores.length === 0;
    match(rows, next.scores, (i) => makeRow(send, () => content?.scores[i]), showRow);
    write(note, next.note || (next.scores.length ? "" : "No scores yet: add one that tells how good a merge is."));
  };
});
