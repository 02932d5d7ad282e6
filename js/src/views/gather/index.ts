// Texts for data-informed methods: the same for all models, or what each of them is good at; typed, or in a file.

import "./gather.css";
import { h, match, set, write } from "../../lib/dom.ts";
import { segmented } from "../../lib/segmented.ts";
import { type Answered, defineView } from "../../lib/view.ts";

interface Content extends Answered {
  models: { key: string; name: string }[];
  ready: boolean;
  /** Whether there is something to gather. */
  missing: boolean;
  progress: string;
  note: string;
  /** The prompts of the Studio. */
  suggested: string;
}

const HELP =
  "Each model reads texts of what it is good at, one per line; a few hundred are enough. What its layers see is kept on " +
  "disk, and the recipe names it.";

export default defineView<Content>((root, { send, redraw }) => {
  let own = true;
  let content: Content | null = null;
  const kinds = segmented("Texts", (key) => {
    own = key === "own";
    redraw();
  });
  const sources = h("div");
  const start = h("button", { type: "button", class: "nbm-button nbm-primary" }, "Gather statistics");
  start.addEventListener("click", gather);
  const stop = h("button", { type: "button", class: "nbm-button", onclick: () => send("stop") }, "Stop");
  const note = h("span", { class: "nbm-quiet", role: "status" });
  root.append(
    h("p", { class: "nbm-quiet" }, HELP),
    kinds.element,
    sources,
    h("div", { class: "nbm-gather-bar" }, start, stop, note),
  );

  const wanted = () => (own ? (content?.models ?? []) : [{ key: "", name: "All models" }]);

  function makeSource() {
    const typed = h("textarea", { class: "nbm-field", rows: 3 });
    const file = h("input", { class: "nbm-field", type: "text", placeholder: "texts.txt, .json or .jsonl" });
    for (const field of [typed, file]) field.addEventListener("keydown", (event) => event.stopPropagation());
    return h("fieldset", { class: "nbm-gather-source" }, h("legend"), typed, h("label", {}, "or from a file", file));
  }

  function gather() {
    const read = (node: Element, name: string) => (node.querySelector(name) as HTMLInputElement).value;
    send("gather", {
      sources: wanted().map(({ key }, i) => {
        const node = sources.children[i]!;
        return { model: key, typed: read(node, "textarea"), file: read(node, "input") };
      }),
    });
  }

  return (v) => {
    content = v;
    kinds.show(
      [
        { key: "own", label: "For each model" },
        { key: "all", label: "The same for all" },
      ],
      own ? "own" : "all",
    );
    match(sources, wanted(), makeSource, (node, { name, key }) => {
      write(node.firstElementChild!, name);
      const [typed, file] = [node.querySelector("textarea")!, node.querySelector("input")!];
      set(typed, { "aria-label": `Texts of ${name}, one per line` });
      set(file, { "aria-label": `File with texts of ${name}` });
      if (node.dataset.key !== key) typed.value = v.suggested;
      node.dataset.key = key;
    });
    start.hidden = v.progress !== "";
    set(start, { disabled: !v.ready });
    stop.hidden = v.progress === "";
    write(note, v.progress || v.note);
  };
});
