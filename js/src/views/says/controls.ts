// The line above the samples: generate, stop, pin, and the settings in a popover.

import { h, set } from "../../lib/dom.ts";
import { openPopover, type Popover } from "../../lib/popover.ts";
import type { Context, Send } from "../../lib/view.ts";
import type { Content, Settings } from "./content.ts";

export interface Controls {
  element: HTMLElement;
  show(content: Content): void;
}

/** Makes the line. */
export function makeControls({ send }: Context): Controls {
  const push = (label: string, action: string, title: string, kind = "") =>
    h("button", { type: "button", class: `nbm-button ${kind}`, title, onclick: () => send(action) }, label);
  const generate = push("Generate", "generate", "Sample the merge, then pinned merges and parents", "nbm-primary");
  const stop = push("Stop", "stop", "Stop within one tensor or token");
  const pin = push("Pin", "pin", "Keep this merge in memory to compare it with later ones");
  const follow = checkbox("Follow the sliders", "Sample again whenever the recipe changes", (on) =>
    send("set_follow", { follow: on }),
  );
  const parents = checkbox("Parents", "Sample the parents, too", (on) => send("set_parents", { parents: on }));
  const settings = makeSettings(send);
  const element = h(
    "div",
    { class: "nbm-says-controls" },
    h("b", {}, "Samples"),
    generate,
    stop,
    pin,
    follow.element,
    parents.element,
    settings.button,
  );

  function show({ busy, ready, settings: values }: Content) {
    set(generate, { disabled: !ready });
    set(pin, { disabled: !ready });
    set(stop, { disabled: !busy });
    follow.input.checked = values.follow;
    parents.input.checked = values.parents;
    settings.show(values);
  }
  return { element, show };
}

function checkbox(label: string, title: string, choose: (on: boolean) => void) {
  const input = h("input", { type: "checkbox", onchange: () => choose(input.checked) });
  return { input, element: h("label", { class: "nbm-says-check", title }, input, label) };
}

function makeSettings(send: Send) {
  const number = (name: string, label: string, hint: string, limits: Record<string, number>) => {
    const change = () => send("set_number", { name, value: Number(input.value) });
    const input = h("input", { type: "number", class: "nbm-field", ...limits, onchange: change });
    return { input, row: h("label", { title: hint }, h("span", {}, label), input) };
  };
  const choice = (label: string, hint: string, choose: (value: string) => void) => {
    const select = h("select", { class: "nbm-field", onchange: () => choose(select.value) });
    return { select, row: h("label", { title: hint }, h("span", {}, label), select) };
  };
  const length = number("length", "New tokens", "Tokens of each text", { min: 1, max: 4096, step: 1 });
  const warmth = number("temperature", "Temperature", "0 always takes the likeliest token", {
    min: 0,
    max: 5,
    step: 0.1,
  });
  const seed = number("seed", "Seed", "Seed of the draws, where the temperature is above 0", { min: 0, step: 1 });
  const runAs = choice(
    "Run the merge as",
    "A live merge has its own weights in memory; a virtual merge is evaluated from its parents' files",
    (backend) => send("set_backend", { backend }),
  );
  const compare = choice("Mark changes from", "Tokens that differ are underlined", (value) =>
    send("set_compare", { compare: value }),
  );
  const form = h("div", { class: "nbm-says-settings" }, length.row, warmth.row, seed.row, runAs.row, compare.row);

  let open: Popover | null = null;
  const button = h(
    "button",
    { type: "button", class: "nbm-button nbm-menu-button", "aria-expanded": false },
    "Settings",
  );
  set(button, { "aria-haspopup": "dialog" });
  button.addEventListener("click", () => {
    if (open) open.close();
    else open = openPopover(button, "Settings of samples", [form], { onclose: () => (open = null) });
  });

  function show(values: Settings) {
    set(length.input, { value: values.length });
    set(warmth.input, { value: values.temperature });
    set(seed.input, { value: values.seed });
    fill(runAs.select, values.backends, values.backend);
    const comparisons = values.comparisons.map((value) => ({ value, label: value }));
    fill(compare.select, comparisons, values.compare);
  }
  return { button, show };
}

function fill(select: HTMLSelectElement, options: { value: string; label: string }[], chosen: string): void {
  const key = JSON.stringify(options);
  if (select.dataset.key !== key) {
    select.dataset.key = key;
    select.replaceChildren(...options.map((o) => new Option(o.label, o.value)));
  }
  set(select, { value: chosen });
}
