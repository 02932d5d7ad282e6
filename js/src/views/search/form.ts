// The form of a search. What is typed stays while the recipe changes: parameters are known by their titles, scores by their names.

import { h, set, write } from "../../lib/dom.ts";
import type { Content, Form, Offered, Range } from "./content.ts";

const SAMPLERS = {
  tpe: "TPE",
  cmaes: "CMA-ES (many numbers, hundreds of trials)",
  random: "random",
  grid: "grid",
};
const GOALS = { pareto: "all scores at once", weakest: "the weakest score", mean: "their mean" };
const NONE = "";
const TEXTS = "\u0000texts";

type Select = HTMLSelectElement;

export interface SearchForm {
  element: HTMLElement;
  show(content: Content): void;
  read(): Form;
}

export function makeForm(): SearchForm {
  const ranges = h("tbody");
  const scores = h("div", { class: "nbm-search-scores" });
  const trials = number("Trials", 50, { min: 1 });
  const seconds = number("or seconds", "", { min: 1, placeholder: "no limit" });
  const seed = number("Seed", 0, { min: 0 });
  const sampler = choice("Sampler", SAMPLERS);
  const goal = choice("Goal", GOALS);
  const storage = field(h("input", { class: "nbm-field", type: "text", value: "search.db", placeholder: "in memory" }));
  let [knownRanges, knownScores, filled] = ["", "", false];

  const heads = ["Vary", "Parameter", "from", "to", "knots"].map((text) => h("th", { scope: "col" }, text));
  const table = h("table", { class: "nbm-search-ranges" }, h("thead", {}, h("tr", {}, ...heads)), ranges);
  const element = h(
    "div",
    { class: "nbm-search-form" },
    h("section", { "aria-label": "Parameters" }, table),
    h("section", { "aria-label": "Scores" }, scores, label("Goal", goal)),
    h(
      "section",
      { class: "nbm-search-bar", "aria-label": "Budget" },
      ...[label("Trials", trials), label("or seconds", seconds), label("Seed", seed), label("Sampler", sampler)],
      label("Storage file", storage),
    ),
  );
  scores.addEventListener("change", showGoal);

  function showGoal() {
    (goal.parentElement as HTMLElement).hidden = chosenScores().length < 2;
  }

  function makeRange(range: Range & { chosen?: boolean }, short: string) {
    const { title } = range;
    const check = h("input", { type: "checkbox", "aria-label": `Vary ${title}` });
    check.checked = range.chosen ?? true;
    const cells = (["low", "high", "knots"] as const).map((name) =>
      number(`${title}: ${name}`, range[name], name === "knots" ? { min: 1, max: 100 } : { step: "any" }),
    );
    const row = h("tr", { "data-title": title }, h("td", {}, check), h("td", { title }, short));
    row.append(...cells.map((cell) => h("td", {}, cell)));
    return row;
  }

  function readRange(row: Element): Range & { chosen: boolean } {
    const [check, low, high, knots] = [...row.querySelectorAll("input")] as HTMLInputElement[];
    const title = (row as HTMLElement).dataset.title!;
    return { title, chosen: check!.checked, low: +low!.value, high: +high!.value, knots: Math.round(+knots!.value) };
  }

  function makeScore(name: string, others: string[], isChosen: boolean, form: Form | null) {
    const check = h("input", { type: "checkbox" });
    check.checked = isChosen;
    const held = choice(`Held out for ${name}`, {
      [NONE]: "nothing",
      [TEXTS]: "texts …",
      ...Object.fromEntries(others.map((other) => [other, other])),
    });
    const typed = field(h("textarea", { class: "nbm-field", rows: 2, placeholder: "One text per line" }));
    set(typed, { "aria-label": `Texts held out for ${name}` });
    typed.value = form?.held_out_texts[name] ?? "";
    held.value = typed.value ? TEXTS : (form?.held_out[name] ?? NONE);
    const showTyped = () => {
      typed.hidden = held.value !== TEXTS;
    };
    held.addEventListener("change", showTyped);
    showTyped();
    const row = h("div", { "data-score": name, class: "nbm-search-score" });
    row.append(h("label", {}, check, h("span", {}, name)), label("held out:", held), typed);
    return row;
  }

  const rows = () => [...scores.children] as HTMLElement[];
  const chosenScores = () =>
    rows()
      .filter((row) => row.querySelector("input")!.checked)
      .map((row) => row.dataset.score!);

  function read(): Form {
    const chosen = rows().filter((row) => row.querySelector("input")!.checked);
    const held = (row: HTMLElement) => (row.querySelector("select") as Select).value;
    const pairs = (own: HTMLElement[], of: (row: HTMLElement) => string) =>
      Object.fromEntries(own.map((row) => [row.dataset.score!, of(row)]));
    return {
      ranges: [...ranges.children].map(readRange),
      scores: chosenScores(),
      held_out: pairs(
        chosen.filter((row) => ![NONE, TEXTS].includes(held(row))),
        held,
      ),
      held_out_texts: pairs(
        chosen.filter((row) => held(row) === TEXTS),
        (row) => row.querySelector("textarea")!.value,
      ),
      trials: trials.value === "" ? null : Math.round(+trials.value),
      seconds: seconds.value === "" ? null : +seconds.value,
      seed: Math.round(+seed.value),
      goal: goal.value,
      sampler: sampler.value,
      storage: storage.value,
    };
  }

  /** The fields of the search that was last started, when the panel is opened again. */
  function fill(form: Form) {
    const { trials: count, seconds: limit, seed: first } = form;
    Object.assign(trials, { value: count ?? "" });
    Object.assign(seconds, { value: limit ?? "" });
    Object.assign(seed, { value: first });
    for (const [node, value] of [
      [sampler, form.sampler],
      [goal, form.goal],
      [storage, form.storage],
    ] as const)
      node.value = value;
  }

  function showRanges(shown: Offered[], before: Form | null) {
    const known = new Map(before?.ranges.map((range) => [range.title, range]));
    ranges.replaceChildren(...shown.map((range) => makeRange(known.get(range.title) ?? range, range.short)));
  }

  function showScores({ scores: names, suggested }: Content, before: Form | null) {
    const chosen = before?.scores.length ? before.scores : [suggested];
    const make = (name: string) => {
      const others = names.filter((other) => other !== name);
      return makeScore(name, others, chosen.includes(name), before);
    };
    scores.replaceChildren(...names.map(make));
    if (!names.length) write(scores, "Add a score in Scores, or a prompt in Samples.");
    showGoal();
  }

  function show(content: Content) {
    if (!filled && content.form) fill(content.form);
    const before = filled ? read() : content.form;
    filled = true;
    const [newRanges, newScores] = [JSON.stringify(content.ranges), JSON.stringify(content.scores)];
    if (newRanges !== knownRanges) showRanges(content.ranges, before);
    if (newScores !== knownScores) showScores(content, before);
    [knownRanges, knownScores] = [newRanges, newScores];
  }

  return { element, show, read };
}

/** A notebook has shortcuts for letters and digits. */
function field<Field extends HTMLElement>(node: Field): Field {
  node.addEventListener("keydown", (event) => event.stopPropagation());
  return node;
}

function number(name: string, value: number | string, more: Record<string, unknown>): HTMLInputElement {
  return field(h("input", { class: "nbm-field nbm-count", type: "number", "aria-label": name, value, ...more }));
}

function choice(name: string, options: Record<string, string>): HTMLSelectElement {
  const select = h("select", { class: "nbm-field", "aria-label": name });
  select.append(...Object.entries(options).map(([value, text]) => new Option(text, value)));
  return select;
}

function label(text: string, control: HTMLElement): HTMLLabelElement {
  return h("label", {}, h("span", {}, text), control);
}
