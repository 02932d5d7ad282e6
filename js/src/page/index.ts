// A page that works without a kernel: the Studio's Tracks view with a state in the page instead of one in Python.
//
// The file has this script, and as text the view's own script, which becomes a module here: it is the same as in notebooks.

import "./page.css";
import { h, write } from "../lib/dom.ts";
import { percent } from "../lib/format.ts";
import type { Model } from "../lib/view.ts";
import { type Data, Refusal } from "./data.ts";
import {
  numbersSection,
  problemsSection,
  recipeSection,
  type Section,
  samplesSection,
  scoresSection,
  wholeSection,
} from "./sections.ts";
import { PageState } from "./state.ts";

const REST = 700; // milliseconds without a change after which it is read out

interface View {
  render(context: { model: Model; el: HTMLElement }): () => void;
}

interface Message {
  action: string;
  args: Record<string, unknown>;
  count: number;
}

function readJson<Content>(id: string): Content {
  return JSON.parse(document.getElementById(id)!.textContent!) as Content;
}

async function importView(source: string): Promise<View> {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  try {
    return ((await import(url)) as { default: View }).default;
  } finally {
    URL.revokeObjectURL(url);
  }
}

async function start(): Promise<void> {
  const data = readJson<Data>("data");
  const state = new PageState(data);
  const view = await importView(readJson<string>("tracks"));
  const main = document.getElementById("page")!;
  const status = h("div", { class: "nbm-unseen", role: "status" });
  const refusal = h("p", { class: "nbm-error", role: "alert", hidden: true });
  const tracks = h("div", { class: "nbm-tracks" });
  const listeners = new Set<() => void>();
  const announce = (text: string) => write(status, text);
  const history = historyButtons(state, () => changed());
  const recipe = recipeSection(data, state, announce);
  const whole = wholeSection(data, state);
  const numbers = numbersSection(data, state);
  const others = [problemsSection(data), scoresSection(data)].filter((section) => section !== null);
  const samples = samplesSection(data);
  const sections: Section[] = [recipe, whole, numbers, ...others];
  let content = state.content;
  let timer = 0;

  function changed() {
    content = state.content;
    for (const listener of listeners) listener();
    history.show();
    for (const section of sections) section.show?.();
    clearTimeout(timer);
    timer = window.setTimeout(() => announce(describeWhole(data, state)), REST);
  }
  const model: Model = {
    get: (name) => (name === "content" ? content : undefined),
    on: (event, listener) => {
      if (event === "change:content") listeners.add(listener as () => void);
    },
    off: (_, listener) => void listeners.delete(listener as () => void),
    send(message) {
      const { action, args, count } = message as Message;
      refusal.hidden = true;
      try {
        state.act(action, args, count);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        refusal.hidden = false;
        write(refusal, error.message);
      }
      changed();
    },
  };
  main.append(
    h("section", { class: "nbm-card", "aria-label": "curves" }, history.element, refusal, tracks),
    h("div", { class: "nbm-columns" }, recipe.element, h("div", {}, whole.element, ...others.map((s) => s.element))),
    ...(samples ? [samples.element] : []),
    numbers.element,
    h(
      "footer",
      { class: "nbm-quiet" },
      `Made with nbmerge ${data.version}. This page loads nothing and sends nothing.`,
    ),
    status,
  );
  view.render({ model, el: tracks });
  history.show();
  for (const section of sections) section.show?.();
}

function historyButtons(state: PageState, changed: () => void) {
  const make = (label: string, title: string, act: () => void) => {
    const button = h("button", { type: "button", class: "nbm-button", title }, label);
    button.addEventListener("click", () => {
      act();
      changed();
    });
    return button;
  };
  const undo = make("Undo", "Undo the last change (Ctrl+Z)", () => state.undo());
  const redo = make("Redo", "Do it again (Ctrl+Shift+Z)", () => state.redo());
  const reset = make("Reset", "Back to the recipe as it was exported", () => state.reset());
  document.addEventListener("keydown", (event) => {
    const typing = (event.target as Element | null)?.closest("input, textarea");
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || typing) return;
    event.preventDefault();
    (event.shiftKey ? redo : undo).click();
  });
  return {
    element: h("div", { class: "nbm-history-buttons", role: "group", "aria-label": "history" }, undo, redo, reset),
    show() {
      undo.disabled = !state.canUndo;
      redo.disabled = !state.canRedo;
      reset.disabled = !state.isChanged;
    },
  };
}

/** The distances of the whole model, to be read out after a change. */
function describeWhole(data: Data, state: PageState): string {
  const { cube } = state;
  if (!cube || data.still) return "";
  const layers = Array.from({ length: data.depth + 1 }, (_, i) => i);
  const kinds = data.kinds.map((_, kind) => kind);
  const distances = cube.parents.map(
    (label, i) => `${percent(cube.read("distance", i, layers, kinds), 1)} from ${label}`,
  );
  return `Distance of the whole model: ${distances.join(", ")}.`;
}

start().catch((error: unknown) => {
  document.getElementById("page")!.append(h("p", { role: "alert" }, `This page cannot be shown here: ${error}`));
  throw error;
});
