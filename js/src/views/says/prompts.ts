// The prompts: one field per row, and one that is not a prompt yet after "+ Prompt".

import { h, OWN_KEYS, set } from "../../lib/dom.ts";
import { Echo } from "../../lib/echo.ts";
import type { Context } from "../../lib/view.ts";
import type { Content } from "./content.ts";

export interface Prompts {
  /** Whether there is a row without a prompt. */
  readonly hasDraft: boolean;
  makeRow(index: number): HTMLTableRowElement;
  show(row: HTMLTableRowElement, index: number): void;
  /** Opens a new row. */
  add(): void;
  /** Gives way to the kernel's prompts where they take all changes into account. */
  settle(answers: number): void;
}

/** Makes the fields; rows are found by their index, since they are used again. */
export function makePrompts({ send, redraw }: Context, content: () => Content | null): Prompts {
  const fields: HTMLTextAreaElement[] = [];
  const echo = new Echo<number, string>();
  let hasDraft = false;

  /** The prompts with what was written since the kernel sent them. */
  const current = () => (content()?.prompts ?? []).map((prompt, i) => echo.get(i, prompt));

  function commit(index: number) {
    const written = fields[index]!.value.replaceAll("\n", " ");
    const prompts = [...current()];
    if (index >= prompts.length) hasDraft = false;
    if ((prompts[index] ?? "") === written) return redraw();
    prompts[index] = written;
    echo.set(index, written, send("set_prompts", { prompts: prompts.filter((p) => p.trim()).join("\n") }));
  }

  function remove(index: number) {
    if (index >= current().length) hasDraft = false;
    else
      send("set_prompts", {
        prompts: current()
          .filter((_, i) => i !== index)
          .join("\n"),
      });
    redraw();
  }

  function onKey(event: KeyboardEvent, index: number) {
    if (event.key !== "Enter") return;
    event.preventDefault();
    commit(index);
    if (event.ctrlKey || event.metaKey) send("generate");
  }

  function makeRow(index: number) {
    const field = h("textarea", { ...OWN_KEYS, class: "nbm-field nbm-says-prompt", rows: 1 });
    field.addEventListener("change", () => commit(index));
    field.addEventListener("blur", () => index >= current().length && commit(index));
    field.addEventListener("keydown", (event) => onKey(event, index));
    fields[index] = field;
    const close = h("button", { type: "button", class: "nbm-says-remove", onclick: () => remove(index) }, "×");
    set(close, { "aria-label": `Remove prompt ${index + 1}`, title: "Remove this prompt" });
    set(field, { "aria-label": `Prompt ${index + 1}` });
    return h("tr", { role: "row" }, h("th", { role: "rowheader", scope: "row" }, h("div", {}, field, close)));
  }

  function show(_: HTMLTableRowElement, index: number) {
    const field = fields[index]!;
    const text = echo.get(index, current()[index] ?? "");
    if (document.activeElement !== field) set(field, { value: text, title: text });
    field.rows = Math.min(4, Math.max(1, Math.ceil(field.value.length / 22)));
  }

  function add() {
    hasDraft = true;
    redraw();
    requestAnimationFrame(() => fields[current().length]?.focus());
  }

  return {
    get hasDraft() {
      return hasDraft;
    },
    makeRow,
    show,
    add,
    settle: (answers) => echo.settle(answers),
  };
}
