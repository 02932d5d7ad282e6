// A row of buttons of which one is pressed: one tab stop, arrows move, as radio buttons do.

import { h, match, OWN_KEYS, set, write } from "./dom.ts";
import { tellApart } from "./format.ts";

export interface Segment {
  key: string;
  label: string;
  hint?: string;
  colour?: string;
}

export interface Segmented {
  element: HTMLElement;
  /** Shows these buttons; fewer than two are hidden. */
  show(segments: readonly Segment[], chosen: string): void;
}

const LONGEST = 22;

/** Makes the row; `choose` is called with the key of the button that is pressed. */
export function segmented(label: string, choose: (key: string) => void): Segmented {
  const element = h("div", { ...OWN_KEYS, class: "nbm-segmented", role: "radiogroup", "aria-label": label });
  let shown: readonly Segment[] = [];
  element.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    const at = [...element.children].indexOf(document.activeElement as Element);
    if (!by || at < 0) return;
    event.preventDefault();
    event.stopPropagation();
    const goal = (at + by + shown.length) % shown.length;
    (element.children[goal] as HTMLElement).focus();
    choose(shown[goal]!.key);
  });

  function make(index: number) {
    const button = h("button", { type: "button", class: "nbm-button", role: "radio" });
    button.append(h("i", { class: "nbm-swatch" }), h("span"));
    button.addEventListener("click", () => choose(shown[index]!.key));
    return button;
  }
  function show(segments: readonly Segment[], chosen: string) {
    shown = segments;
    element.hidden = segments.length < 2;
    const names = tellApart(
      segments.map((segment) => segment.label),
      LONGEST,
    );
    match(element, segments, make, (button, segment, index) => {
      const pressed = segment.key === chosen;
      const title = segment.hint ?? (segment.label.length > LONGEST ? segment.label : null);
      set(button, { "aria-checked": pressed, tabindex: pressed ? 0 : -1, title, "aria-label": segment.label });
      const swatch = button.firstElementChild as HTMLElement;
      swatch.hidden = !segment.colour;
      swatch.style.background = segment.colour ?? "";
      write(button.lastElementChild!, names[index] ?? "");
    });
  }
  return { element, show };
}
