// The list of steps: one row each, with its curves, what changed, its name, scores and pins.

import { h, match, set, write } from "../../lib/dom.ts";
import { number } from "../../lib/format.ts";
import { openMenu } from "../../lib/menu.ts";
import { svg } from "../../lib/svg.ts";
import type { Send } from "../../lib/view.ts";
import type { Step } from "./content.ts";
import { drawThumbnail } from "./pictures.ts";

/** What the rows tell the view. */
export interface Owner {
  send: Send;
  /** The step that is compared with the next one chosen, if any. */
  chosen(): number | null;
  choose(id: number | null): void;
  redraw(): void;
}

interface Row {
  node: HTMLLIElement;
  show(step: Step): void;
}

const rows = new WeakMap<Element, Row>();

/** Shows the steps in a list; rows that are there stay, so that focus does. */
export function showRows(list: HTMLOListElement, steps: readonly Step[], owner: Owner): void {
  const focused = steps.find((step) => step.current)?.id ?? steps[0]?.id;
  match(
    list,
    steps,
    () => makeRow(owner).node,
    (node, step) => {
      rows.get(node)?.show(step);
      for (const button of node.querySelectorAll("button")) button.tabIndex = step.id === focused ? 0 : -1;
    },
  );
}

function makeRow(owner: Owner): Row {
  let step: Step | null = null;
  let drawn = "";
  const picture = svg("svg", { class: "nbm-history-picture", "aria-hidden": "true" });
  const name = h("b", { class: "nbm-history-name" });
  const words = h("span", { class: "nbm-history-words" });
  const notes = h("span", { class: "nbm-history-notes" });
  const main = h("button", { type: "button", class: "nbm-history-go" }, picture, h("span", {}, name, words, notes));
  const more = h("button", { type: "button", class: "nbm-button nbm-history-more", "aria-haspopup": "menu" }, "⋯");
  const node = h("li", {}, main, more);
  const act = (use: (step: Step) => void) => () => step && use(step);

  const rename = act((step) => editName(node, step, owner.send));
  main.addEventListener(
    "click",
    act((step) => {
      const first = owner.chosen();
      if (first === null) owner.send("go", { step: step.id });
      else if (first !== step.id) owner.send("compare", { before: first, after: step.id });
      owner.choose(null);
    }),
  );
  main.addEventListener("dblclick", rename);
  main.addEventListener("keydown", (event) => {
    if (event.key === "F2") rename();
  });
  more.addEventListener(
    "click",
    act((step) => {
      openMenu(more, "Step", [
        { label: "Return to this step", disabled: step.current, choose: () => owner.send("go", { step: step.id }) },
        { label: step.name ? "Rename …" : "Name …", hint: "F2", choose: rename },
        { label: "Compare with …", hint: "then choose another step", choose: () => owner.choose(step.id) },
      ]);
    }),
  );

  function show(next: Step): void {
    step = next;
    const lines = JSON.stringify(next.lines);
    if (lines !== drawn) drawThumbnail(picture, next.lines);
    drawn = lines;
    node.classList.toggle("nbm-history-current", next.current);
    node.classList.toggle("nbm-history-chosen", owner.chosen() === next.id);
    set(main, { "aria-current": next.current ? "step" : null, title: next.words });
    set(more, { "aria-label": `Menu of the step of ${next.time}` });
    write(name, next.name);
    write(words, next.short || "…");
    write(notes, describeNotes(next));
  }
  const row = { node, show };
  rows.set(node, row);
  return row;
}

/** Time, pins and scores in one line; a star where no other step is better in every score. */
export function describeNotes(step: Pick<Step, "time" | "pins" | "scores" | "best">): string {
  const pins = step.pins.map((pin) => `pinned ${pin}`);
  const scores = step.scores.map((score) => `${score.name} ${number(score.value, 3)}`);
  return [step.time, ...pins, ...scores, ...(step.best ? ["★ best"] : [])].join(" · ");
}

/** Replaces a row's button by a field until Enter, Escape, or the focus leaves. */
function editName(node: HTMLElement, step: Step, send: Send): void {
  const field = h("input", { class: "nbm-field nbm-history-field", "aria-label": "Name of the step", maxlength: 80 });
  field.value = step.name;
  let ended = false;
  const end = (keep: boolean) => {
    if (ended) return;
    ended = true;
    field.remove();
    if (keep && field.value !== step.name) send("rename", { step: step.id, name: field.value });
    node.querySelector<HTMLButtonElement>(".nbm-history-go")?.focus();
  };
  field.addEventListener("keydown", (event) => {
    event.stopPropagation(); // a notebook has shortcuts of its own for letters
    if (event.key === "Enter") end(true);
    if (event.key === "Escape") end(false);
  });
  field.addEventListener("blur", () => end(true));
  node.append(field);
  field.focus();
  field.select();
}
