// What stands above the tracks: which curve is drawn, shapes, the brush, typed values, and what can be done to a selection.

import { h, set, write } from "../../lib/dom.ts";
import { type MenuItem, menuButton } from "../../lib/menu.ts";
import { type Segmented, segmented } from "../../lib/segmented.ts";
import type { Choice, Content, CurvePart } from "./content.ts";
import { snap } from "./knots.ts";
import { change, describe, listSelected, type Operation } from "./selection.ts";
import { shapesMenu } from "./shapes.ts";
import type { Stage } from "./stage.ts";

const HINT = "Drag a point, or press twice to add or remove one. Drag across layers to select them.";
const PAINT_HINT =
  "Draw across the layers: each takes the value under the pointer. ← and → take a layer's value along.";
const MOST_BUTTONS = 5;

export interface Toolbar {
  element: HTMLElement;
  show(content: Content): void;
}

export function makeToolbar(stage: Stage): Toolbar {
  let part: CurvePart | null = null;
  const choose = (choice: Partial<Record<"parameter" | "model" | "part", string>>) =>
    stage.send("curve.choose", { parameter: null, model: null, part: null, ...choice });
  const parameters = segmented("parameter", (parameter) => choose({ parameter }));
  const models = chooser("model", (model) => choose({ model }));
  const parts = segmented("part of each layer", (key) => choose({ part: key }));
  const shapes = shapesMenu(stage, () => part);
  const overlays = menuButton(
    "Overlay",
    () => (part ? listOverlays(part, stage) : []),
    "Other parameters to show with this one",
  );
  const brush = h("button", { type: "button", class: "nbm-button", "aria-pressed": false }, "✎ Paint");
  brush.addEventListener("click", () => {
    stage.tool = stage.tool === "paint" ? "points" : "paint";
    stage.redraw();
  });
  const typed = typedValues(stage);
  const selection = selectionTools(stage);
  const hint = h("span", { class: "nbm-quiet" });
  const second = h("div", { class: "nbm-tools nbm-tools-line" }, hint, selection.element);
  const first = h(
    "div",
    { class: "nbm-tools" },
    parameters.element,
    models.element,
    parts.element,
    overlays,
    shapes,
    brush,
    typed.element,
    stage.tools,
  );

  function show(content: Content) {
    part = content.rows.curve ?? null;
    first.hidden = second.hidden = part === null;
    if (!part) return;
    parameters.show(part.parameters.map(asSegment), part.parameter);
    models.show(part.models.map(asSegment), part.model);
    parts.show(part.parts.map(asSegment), part.part);
    overlays.hidden = part.parameters.length < 2;
    set(brush, { "aria-pressed": stage.tool === "paint" });
    typed.show(part, content.answers);
    selection.show(content);
    if (content.outdated) selection.element.hidden = true;
    first.inert = content.outdated;
    first.classList.toggle("nbm-stale", content.outdated);
    hint.hidden = listSelected(stage.selection).length > 0 && !content.outdated;
    write(hint, content.outdated ? content.reason : stage.tool === "paint" ? PAINT_HINT : HINT);
  }
  return { element: h("div", { class: "nbm-toolbar" }, first, second), show };
}

const asSegment = ({ key, label, hint, colour }: Choice) => ({
  key,
  label,
  ...(hint && { hint }),
  ...(colour && { colour }),
});

/** Buttons for a few choices, a menu for many. */
function chooser(label: string, choose: (key: string) => void): Segmented {
  const buttons = segmented(label, choose);
  let all: readonly Choice[] = [];
  let now = "";
  const items = (): MenuItem[] =>
    all.map((choice) => ({ label: choice.label, checked: choice.key === now, choose: () => choose(choice.key) }));
  const menu = menuButton(label, items, `Choose the ${label}`);
  const element = h("span", { class: "nbm-chooser" }, buttons.element, menu);
  return {
    element,
    show(choices, chosen) {
      [all, now] = [choices, chosen];
      menu.hidden = choices.length <= MOST_BUTTONS;
      write(menu, choices.find(({ key }) => key === chosen)?.label ?? label);
      buttons.show(menu.hidden ? choices : [], chosen);
    },
  };
}

function listOverlays(part: CurvePart, stage: Stage): MenuItem[] {
  const others = part.parameters.filter(({ key }) => key !== part.parameter);
  return others.map(({ key, label }) => ({
    label,
    checked: part.overlaid.includes(key),
    many: true,
    choose: () => stage.send("curve.overlay", { parameter: key }),
  }));
}

/** The field that shows the curve's values and takes typed ones. */
function typedValues(stage: Stage) {
  const input = h("input", {
    type: "text",
    class: "nbm-field nbm-typed",
    spellcheck: "false",
    "aria-label": "values",
    title: "0.2, 0.4 for all layers; 8-15: 0.3 for some; 8-15 mlp.down_proj: 0.3 for some of their tensors",
    placeholder: "0.2, 0.4 or 8-15: 0.3",
  });
  let shown = "";
  let draft = false; // typed and not accepted: it stays, also where it was refused
  let sent: number | null = null; // number of the action that applies the draft, until it is answered
  let tried = false;
  const apply = () => {
    if (!draft || !input.value.trim()) return;
    tried = true;
    sent = stage.send("curve.type_values", { text: input.value });
  };
  const discard = () => {
    draft = false;
    input.value = shown;
  };
  input.addEventListener("input", () => {
    draft = true;
    tried = false;
  });
  input.addEventListener("keydown", (event) => {
    event.stopPropagation(); // a notebook has shortcuts of its own for most keys
    if (event.key === "Enter") apply();
    if (event.key === "Escape") discard();
  });
  input.addEventListener("change", () => tried || apply());
  stage.picture.addEventListener("nbm-type", () => {
    const columns = listSelected(
      stage.selection ?? (stage.cursor === null ? null : { anchor: stage.cursor, head: stage.cursor }),
    );
    const layers = columns.flatMap((column) => stage.curve.layerOf(column) ?? []);
    const [first, last] = [layers[0], layers[layers.length - 1]];
    input.focus();
    if (first === undefined) return;
    draft = true;
    tried = false;
    input.value = first === last ? `${first}: ` : `${first}-${last}: `;
  });
  return {
    element: input,
    show(part: CurvePart, answers: number) {
      const answered = sent !== null && answers >= sent;
      if (answered) sent = null;
      const left = input.value === "" && document.activeElement !== input;
      if ((answered && part.text !== shown) || input.value === part.text || left) draft = false;
      shown = part.text;
      if (!draft) set(input, { value: shown });
    },
  };
}

/** Set, add or scale the values of the selected layers. */
function selectionTools(stage: Stage) {
  const name = h("b");
  const number = h("input", {
    type: "number",
    class: "nbm-field nbm-number-field",
    step: "any",
    value: "0.1",
    "aria-label": "by",
  });
  let content: Content | null = null;
  const apply = (operation: Operation) => {
    const by = number.valueAsNumber;
    if (!Number.isFinite(by) || !content?.rows.curve) return;
    const { step, limits } = content.rows.curve;
    stage.curve.begin();
    const changed = change(stage.curve.values, listSelected(stage.selection), operation, by);
    const inside = [...changed].map(([column, value]): [number, number] => [
      column,
      operation === "set" ? snap(value, step / 1000, limits) : snap(value, step / 100, limits),
    ]);
    stage.curve.setValues(new Map(inside));
    stage.announce(`${describe(content.columns, listSelected(stage.selection))} changed.`);
    stage.redraw();
  };
  const act = (label: string, title: string, operation: Operation) =>
    h("button", { type: "button", class: "nbm-button", title, onclick: () => apply(operation) }, label);
  const clear = h("button", { type: "button", class: "nbm-button" }, "Clear");
  clear.addEventListener("click", () => {
    stage.selection = null;
    stage.redraw();
  });
  number.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") apply("set");
  });
  const element = h(
    "span",
    { class: "nbm-selection-tools", role: "group", "aria-label": "selected layers" },
    name,
    number,
    act("Set", "Give all selected layers this value", "set"),
    act("Add", "Add this number to each selected layer", "add"),
    act("Scale", "Multiply each selected layer by this number", "scale"),
    clear,
  );
  return {
    element,
    show(now: Content) {
      content = now;
      const columns = listSelected(stage.selection);
      element.hidden = columns.length === 0;
      write(name, describe(now.columns, columns));
    },
  };
}
