// The buttons below the stack, for the layer that is chosen.

import { h, set } from "../../lib/dom.ts";
import type { Send } from "../../lib/view.ts";
import type { Command } from "./edits.ts";

export function makeTools(run: (command: Command) => void, send: Send) {
  const button = (label: string, onclick: () => void) =>
    h("button", { type: "button", class: "nbm-button", onclick }, label);
  const left = button("Move left", () => run("move left"));
  const right = button("Move right", () => run("move right"));
  const again = button("Repeat", () => run("repeat"));
  const other = button("Other model", () => run("change"));
  const less = button("Remove", () => run("remove"));
  const undo = button("Undo", () => send("undo"));
  const anew = button("Start over", () => send("start_over"));
  const buttons = [left, right, again, other, less, undo, anew];
  const element = h("div", { class: "nbm-stack-bar", role: "group", "aria-label": "The chosen layer" }, buttons);

  function show(depth: number, chosen: number, canUndo: boolean): void {
    set(left, { disabled: chosen === 0 });
    set(right, { disabled: chosen === depth - 1 });
    set(less, { disabled: depth === 1 });
    set(undo, { disabled: !canUndo });
  }
  return { element, show };
}
