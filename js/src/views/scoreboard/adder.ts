// The form that adds a score, in a popover.

import { h, set, write } from "../../lib/dom.ts";
import { openPopover, type Popover } from "../../lib/popover.ts";
import type { Send } from "../../lib/view.ts";

const KINDS: Record<string, { label: string; help: string }> = {
  phrase: {
    label: "what follows a prompt",
    help: "Log odds of the wanted continuations over the unwanted ones; higher is better. Separate several by |.",
  },
  text: { label: "perplexity of a text", help: "Perplexity of the merge on a text; lower is better." },
  skill: {
    label: "a skill of the bundled family",
    help: "Share of 100 held-out words that are answered exactly; higher is better.",
  },
};

/** Makes the button that opens the form. */
export function makeAdder(send: Send): { button: HTMLButtonElement; show(skills: readonly string[]): void } {
  const field = (label: string, placeholder: string) => {
    const input = h("input", { type: "text", class: "nbm-field", placeholder });
    return { input, row: h("label", {}, h("span", {}, label), input) };
  };
  const prompt = field("Prompt", "reverse lion >");
  const wanted = field("Wanted", "noil");
  const unwanted = field("Unwanted", "LION | lion");
  const passage = field("Text", "a text it should find likely");
  const skill = h("select", { class: "nbm-field" });
  const skillRow = h("label", {}, h("span", {}, "Skill"), skill);
  const kind = h("select", { class: "nbm-field", onchange: showKind });
  const help = h("p", { class: "nbm-scores-help" });
  const own = h(
    "p",
    { class: "nbm-scores-help" },
    "Your own function: ",
    h("code", {}, "studio.scores.add('name', lambda model: …)"),
  );
  const form = h(
    "form",
    { class: "nbm-scores-form" },
    h("label", {}, h("span", {}, "Score"), kind),
    prompt.row,
    wanted.row,
    unwanted.row,
    passage.row,
    skillRow,
    help,
    own,
    h("button", { type: "submit", class: "nbm-button nbm-primary" }, "Add"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    add();
  });

  let open: Popover | null = null;
  const button = h("button", { type: "button", class: "nbm-button", title: "Add a score" }, "+ Score");
  set(button, { "aria-haspopup": "dialog", "aria-expanded": false });
  button.addEventListener("click", () => {
    if (open) open.close();
    else open = openPopover(button, "Add a score", [form], { onclose: () => (open = null) });
  });

  function add() {
    if (kind.value === "skill") send("add_skill", { name: skill.value });
    else if (kind.value === "text") send("add_text", { text: passage.input.value });
    else {
      send("add_phrase", { prompt: prompt.input.value, wanted: wanted.input.value, unwanted: unwanted.input.value });
    }
    open?.close();
  }

  function showKind() {
    write(help, KINDS[kind.value]?.help ?? "");
    for (const row of [prompt.row, wanted.row, unwanted.row]) row.hidden = kind.value !== "phrase";
    passage.row.hidden = kind.value !== "text";
    skillRow.hidden = kind.value !== "skill";
  }

  function show(skills: readonly string[]) {
    const key = JSON.stringify(skills);
    if (form.dataset.key === key) return;
    form.dataset.key = key;
    skill.replaceChildren(...skills.map((name) => new Option(name, name)));
    const kinds = Object.keys(KINDS).filter((name) => name !== "skill" || skills.length > 0);
    kind.replaceChildren(...kinds.map((name) => new Option(KINDS[name]!.label, name)));
    showKind();
  }
  return { button, show };
}
