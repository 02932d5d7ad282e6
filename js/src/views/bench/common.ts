// What the parts of the workbench share.

import { type Attributes, type Child, h } from "../../lib/dom.ts";
import { middle } from "../../lib/format.ts";

/** A part of the screen: an element, and what draws its content. */
export interface Part<Content> {
  element: HTMLElement;
  draw(content: Content, width: number): void;
}

/** A button; `title` is its name for screen readers too where its text is only a sign. */
export function button(label: Child, onclick: () => void, attributes: Attributes = {}): HTMLButtonElement {
  return h("button", { type: "button", class: "nbm-button", onclick, ...attributes }, label);
}

/** A name with its middle left out where it is long, and the whole name on hover. */
export function nameTag(name: string, most: number, whole = name): HTMLElement {
  return h(
    "span",
    { class: "nbm-name", title: whole === name && name.length <= most ? null : whole },
    middle(name, most),
  );
}

/** A dot in a model's colour. */
export function dot(colour: string): HTMLElement {
  const node = h("i", { class: "nbm-colour", "aria-hidden": "true" });
  node.style.background = colour;
  return node;
}

let latest = 0;

/** An id for `for`, `aria-describedby` and the like. */
export function newId(): string {
  latest += 1;
  return `nbm-bench-${latest}`;
}

/** Draws into a box only where the data has changed: what has the focus, or is being typed, is left alone. */
export function redrawn<Data>(box: HTMLElement, make: (data: Data) => Node[]): (data: Data) => void {
  let drawn = "";
  return (data) => {
    const now = JSON.stringify(data);
    if (now === drawn) return;
    drawn = now;
    const active = document.activeElement as HTMLElement | null;
    const focused = active?.dataset.key;
    const inside = active !== box && box.contains(active); // a list of choices keeps the focus with other choices
    box.replaceChildren(...make(data));
    if (!inside) return;
    const again = focused ? box.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`) : null;
    // Where what had the focus is gone, as a button that was pressed may be, the popover keeps it: Escape closes it.
    (again ?? box.closest<HTMLElement>(".nbm-popover"))?.focus();
  };
}
