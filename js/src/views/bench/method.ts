// The method: what it does, its formula, and its parameters as a form.

import { h, write } from "../../lib/dom.ts";
import { number, tellApart } from "../../lib/format.ts";
import { drawFormula, type Formula } from "../../lib/mathml.ts";
import type { Context } from "../../lib/view.ts";
import { newId, type Part, redrawn } from "./common.ts";

export interface Parameter {
  key: string;
  label: string;
  /** The label with shorter names. */
  shown?: string;
  help: string;
  range: string;
  kind: "number" | "flag" | "choice";
  /** null where it differs between layers. */
  value: number | boolean | string | null;
  slider: [number, number];
  step: number;
  options: string[];
}

export interface Method {
  name: string;
  options: { name: string; title: string; ready: boolean }[];
  words: string;
  formula: Formula | null;
  latex: string;
  reference: string;
  link: string;
  parameters: Parameter[];
  seed: number | null;
}

export function createMethod({ send }: Context): Part<Method> {
  const id = newId();
  const choice = h("select", { class: "nbm-field", id, "data-key": "method" });
  choice.addEventListener("change", () => send("choose_method", { name: choice.value }));
  const words = h("p", { class: "nbm-words" });
  const formula = h("div", { class: "nbm-math" });
  const reference = h("p", { class: "nbm-quiet" });
  const form = h("div", { class: "nbm-form" });
  const element = h(
    "div",
    { class: "nbm-method-form" },
    h("div", { class: "nbm-line" }, h("label", { for: id }, "Method"), choice),
    words,
    formula,
    form,
    reference,
  );
  const drawOptions = redrawn<Method["options"]>(choice, (options) =>
    options.map(({ name, title }) => h("option", { value: name }, title)),
  );
  const drawMath = redrawn<Formula | string>(formula, (tree) => [
    typeof tree === "string" ? h("code", {}, tree) : drawFormula(tree),
  ]);
  const drawReference = redrawn<[string, string]>(reference, ([text, link]) => [
    document.createTextNode(link ? `${text} ` : text),
    ...(link ? [h("a", { href: link, target: "_blank", rel: "noopener noreferrer" }, link)] : []),
  ]);
  const controls = new Map<string, Control>();
  let shape = "";
  return {
    element,
    draw(method) {
      drawOptions(method.options);
      choice.value = method.name;
      write(words, method.words);
      drawMath(method.formula ?? method.latex);
      drawReference([method.reference, method.link]);
      const now = JSON.stringify([method.parameters.map((p) => [p.key, p.kind]), method.seed === null]);
      if (now !== shape) {
        shape = now;
        controls.clear();
        for (const parameter of shorten(method.parameters)) {
          controls.set(
            parameter.key,
            makeControl(parameter, (value) => send("set_parameter", { key: parameter.key, value })),
          );
        }
        if (method.seed !== null)
          controls.set(
            "random_seed",
            makeSeed((value) => send("set_seed", { value })),
          );
        form.replaceChildren(...[...controls.values()].map((control) => control.element));
      }
      for (const parameter of method.parameters) controls.get(parameter.key)?.show(parameter.value);
      controls.get("random_seed")?.show(method.seed);
    },
  };
}

/** Parameters of models with names that tell the models apart: "weight of …-math". */
function shorten(parameters: readonly Parameter[]): Parameter[] {
  const nameOf = ({ label }: Parameter) => label.split(" of ").slice(1).join(" of ");
  const names = [...new Set(parameters.map(nameOf))].filter((name) => name !== "");
  const shown = tellApart(names, 22);
  return parameters.map((parameter) => {
    const at = names.indexOf(nameOf(parameter));
    return at < 0 ? parameter : { ...parameter, shown: `${parameter.label.split(" of ")[0]} of ${shown[at]}` };
  });
}

interface Control {
  element: HTMLElement;
  show(value: Parameter["value"]): void;
}

function makeControl(parameter: Parameter, change: (value: number | boolean | string) => void): Control {
  if (parameter.kind === "flag") return makeFlag(parameter, change);
  if (parameter.kind === "choice") return makeChoice(parameter, change);
  return makeNumber(parameter, change);
}

function wrap(parameter: Parameter, id: string, ...inputs: HTMLElement[]): HTMLElement {
  const help = parameter.help ? h("small", { id: `${id}-help` }, `${parameter.help} (${parameter.range})`) : null;
  return h(
    "div",
    { class: "nbm-parameter" },
    h("label", { for: id, title: parameter.label }, parameter.shown ?? parameter.label),
    h("span", { class: "nbm-inputs" }, ...inputs),
    help,
  );
}

function makeFlag(parameter: Parameter, change: (value: boolean) => void): Control {
  const id = newId();
  const box = h("input", { type: "checkbox", id, "aria-describedby": `${id}-help` });
  box.addEventListener("change", () => change(box.checked));
  return {
    element: wrap(parameter, id, box),
    show: (value) => {
      box.checked = value === true;
      box.indeterminate = value === null;
    },
  };
}

function makeChoice(parameter: Parameter, change: (value: string) => void): Control {
  const id = newId();
  const box = h("select", { class: "nbm-field", id, "aria-describedby": `${id}-help` });
  box.append(...parameter.options.map((option) => h("option", { value: option }, option)));
  box.addEventListener("change", () => change(box.value));
  return {
    element: wrap(parameter, id, box),
    show: (value) => {
      box.value = String(value);
    },
  };
}

function makeNumber(parameter: Parameter, change: (value: number) => void): Control {
  const id = newId();
  const [min, max] = parameter.slider;
  const slider = h("input", {
    type: "range",
    min,
    max,
    step: parameter.step,
    "aria-label": `${parameter.label}, slider`,
  });
  const box = h("input", { type: "number", class: "nbm-field", id, step: "any", "aria-describedby": `${id}-help` });
  const varies = h("small", {}, "differs between layers; set it here to make it the same in all");
  let held = false;
  slider.addEventListener("input", () => {
    held = true;
    box.value = slider.value;
    change(Number(slider.value));
  });
  slider.addEventListener("change", () => {
    held = false;
  });
  box.addEventListener("change", () => {
    if (box.value !== "" && Number.isFinite(Number(box.value))) change(Number(box.value));
  });
  return {
    element: wrap(parameter, id, slider, box, varies),
    show: (value) => {
      varies.hidden = value !== null;
      if (held || document.activeElement === box) return;
      box.value = value === null ? "" : number(value as number, 6).replace("−", "-");
      slider.value = String(value ?? min);
    },
  };
}

function makeSeed(change: (value: number) => void): Control {
  const id = newId();
  const box = h("input", { type: "number", class: "nbm-field", id, min: 0, step: 1, "aria-describedby": `${id}-help` });
  const next = h("button", { type: "button", class: "nbm-button" }, "Another");
  next.addEventListener("click", () => change(Number(box.value || 0) + 1));
  box.addEventListener("change", () => {
    if (/^\d{1,15}$/.test(box.value)) change(Number(box.value));
  });
  const parameter = { label: "seed of the masks", help: "Decides which changes are dropped.", range: "a whole number" };
  return {
    element: wrap(parameter as Parameter, id, box, next),
    show: (value) => {
      if (document.activeElement !== box) box.value = String(value ?? 0);
    },
  };
}
