// The history: a tree of steps to return to, and what differs between two of them.
//
// Arrow keys move through the list with one tab stop, Enter returns to a step, F2 names it. Ctrl+Z and Ctrl+Y undo and redo.

import "./history.css";
import { h, match, set, write } from "../../lib/dom.ts";
import { plural } from "../../lib/format.ts";
import { insertCell } from "../../lib/notebook.ts";
import { svg } from "../../lib/svg.ts";
import { defineView } from "../../lib/view.ts";
import type { Comparison, Content } from "./content.ts";
import { drawComparison, drawTree } from "./pictures.ts";
import { type Owner, showRows } from "./rows.ts";

export default defineView<Content>((root, { send, redraw }) => {
  let chosen: number | null = null;
  let code = "";
  const owner: Owner = {
    send,
    chosen: () => chosen,
    choose(id) {
      chosen = id;
      redraw();
    },
    redraw,
  };
  const undo = h("button", { type: "button", class: "nbm-button", onclick: () => send("undo") }, "Undo");
  const redo = h("button", { type: "button", class: "nbm-button", onclick: () => send("redo") }, "Redo");
  const insert = h("button", { type: "button", class: "nbm-button" }, "Write as a cell");
  const note = h("span", { class: "nbm-history-note", role: "status" });
  const tree = svg("svg", { class: "nbm-history-tree", "aria-hidden": "true" });
  const list = h("ol", { class: "nbm-history-list", "aria-label": "Steps, newest first" });
  const comparison = h("section", { class: "nbm-history-comparison", "aria-label": "Comparison" });
  root.append(
    h("div", { class: "nbm-history-bar" }, undo, redo, insert, note),
    comparison,
    h("div", { class: "nbm-history-scroll" }, tree, list),
  );
  insert.addEventListener("click", () => {
    insertCell(root, code).then(
      (done) => write(note, done),
      () => write(note, "The browser did not allow copying. The Python panel shows the code."),
    );
  });
  root.addEventListener("keydown", (event) => onKey(event, list, send));

  return (content) => {
    code = content.code;
    set(undo, { disabled: !content.can_undo });
    set(redo, { disabled: !content.can_redo });
    set(insert, { disabled: code === "" });
    const hidden = content.hidden ? `${plural(content.hidden, "older step")} not shown.` : "";
    if (chosen !== null) write(note, "Choose the step to compare with.");
    else if (hidden || note.textContent?.startsWith("Choose")) write(note, hidden);
    drawTree(tree, content.steps, content.lanes);
    showRows(list, content.steps, owner);
    showComparison(comparison, content.comparison, () => send("close_comparison"));
  };
});

function showComparison(section: HTMLElement, shown: Comparison | null, close: () => void): void {
  section.hidden = shown === null;
  if (shown === null) return;
  const head = h("b", {}, `From ${shown.names[0]} to ${shown.names[1]}`);
  const end = h("button", { type: "button", class: "nbm-button", "aria-label": "Close the comparison" }, "×");
  end.addEventListener("click", close);
  const words = h("ul");
  match(
    words,
    shown.words,
    () => h("li"),
    (item, text) => write(item, text),
  );
  const figures = shown.curves.map((curve) => h("figure", {}, drawComparison(curve), h("figcaption", {}, curve.title)));
  section.replaceChildren(h("div", { class: "nbm-history-bar" }, head, end), words, h("div", {}, ...figures));
}

function onKey(event: KeyboardEvent, list: HTMLElement, send: (action: string) => number): void {
  const letter = event.ctrlKey || event.metaKey ? event.key.toLowerCase() : "";
  if (letter === "z" || letter === "y") {
    event.preventDefault();
    event.stopPropagation();
    send(letter === "y" || event.shiftKey ? "redo" : "undo");
    return;
  }
  const buttons = [...list.querySelectorAll<HTMLButtonElement>(".nbm-history-go")];
  const goal = nextRow(event.key, buttons.indexOf(document.activeElement as HTMLButtonElement), buttons.length);
  if (goal === null) return;
  event.preventDefault();
  event.stopPropagation();
  buttons[goal]?.focus();
}

/** Row that a key leads to, null where it is none of the list's or the focus is elsewhere. */
export function nextRow(key: string, at: number, count: number): number | null {
  if (at < 0) return null;
  if (key === "ArrowDown") return Math.min(at + 1, count - 1);
  if (key === "ArrowUp") return Math.max(at - 1, 0);
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  return null;
}
