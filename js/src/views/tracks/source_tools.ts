// What can be done to the chosen range of layers: other layers, another model, repeat, split, delete, insert.

import { h, set, write } from "../../lib/dom.ts";
import { middle } from "../../lib/format.ts";
import { type MenuItem, menuButton } from "../../lib/menu.ts";
import type { Axis } from "./axis.ts";
import type { Band } from "./bands.ts";
import type { Stage } from "./stage.ts";

export interface SourcePart {
  bands: Band[];
  outside: { column: number; labels: string[]; colours: string[] }[];
  models: { key: string; label: string; colour: string; depth: number }[];
  base: string;
  summary: string;
  /** Whether layers are stacked, not merged: then the tools are always there. */
  stacking: boolean;
}

export interface SourceTools {
  element: HTMLElement;
  show(part: SourcePart, chosen: number | null, axis: Axis, top: number): void;
}

/** Number of layers of a model, 0 for one that is not known. */
export const depthOf = (part: SourcePart | null, model: string): number =>
  part?.models.find(({ key }) => key === model)?.depth ?? 0;

export function sourceTools(stage: Stage): SourceTools {
  let part: SourcePart | null = null;
  let chosen: number | null = null;
  const band = () => (chosen === null ? null : (part?.bands[chosen] ?? null));

  function send(action: string, more: Record<string, unknown> = {}) {
    if (chosen !== null) stage.send(`source.${action}`, { index: chosen, ...more });
  }

  function listModels(choose: (model: string) => void): MenuItem[] {
    const now = band()?.sources[0]?.model;
    return (part?.models ?? []).map(({ key, label, depth }) => ({
      label: middle(label, 40),
      hint: `${depth} layers`,
      checked: key === now,
      choose: () => choose(key),
    }));
  }

  /** The same layers as those of the chosen range where the model has them, else all of its layers. */
  function insertLayers(model: string) {
    const index = chosen === null ? (part?.bands.length ?? 0) : chosen + 1;
    const near = band()?.sources[0];
    const depth = Math.max(depthOf(part, model), 1);
    const [first, end] = near && near.end <= depth ? [near.first, near.end] : [0, depth];
    stage.send("source.insert", { index, model, first, end });
  }

  function splitBand() {
    const now = band();
    if (now && now.depth > 1) stage.send("source.split", { layer: now.start + Math.floor(now.depth / 2) });
  }

  const field = (title: string) =>
    h("input", { type: "number", class: "nbm-field nbm-layer-field", min: 0, "aria-label": title, title });
  const from = field("first layer");
  const to = field("last layer");
  for (const input of [from, to]) {
    input.addEventListener("keydown", (event) => event.stopPropagation());
    input.addEventListener("change", () => {
      const [first, last] = [from.valueAsNumber, to.valueAsNumber];
      if (Number.isInteger(first) && Number.isInteger(last)) send("set_range", { first, end: last + 1 });
    });
  }
  const act = (text: string, title: string, run: () => void) =>
    h("button", { type: "button", class: "nbm-button", title, onclick: run }, text);
  const name = h("b");
  const choose = (model: string) => send("set_model", { model });
  const models = menuButton("model", () => listModels(choose), "Take these layers from");
  const repeat = act("Repeat", "Repeat these layers", () => send("repeat"));
  const split = act("Split", "Cut this range in its middle; press twice on a band to cut it there", splitBand);
  const remove = act("Delete", "Delete these layers", () => send("remove"));
  const insert = menuButton("Insert", () => listModels(insertLayers), "Insert layers after this range");
  const range = h("span", { class: "nbm-layer-range" }, from, "–", to);
  const group = { class: "nbm-source-editing", role: "group", "aria-label": "range" };
  const editing = h("span", group, name, models, range, repeat, split, remove, insert);
  const summary = h("span", { class: "nbm-quiet" });
  const element = h("div", { class: "nbm-source-tools" }, editing, summary);

  function show(now: SourcePart, index: number | null, axis: Axis, top: number) {
    [part, chosen] = [now, index];
    const style = { left: `${axis.left}px`, right: `${axis.width - axis.right}px`, top: `${top}px` };
    Object.assign(element.style, style);
    const shown = band();
    editing.hidden = shown === null;
    summary.hidden = shown !== null && axis.width < 900;
    write(summary, now.summary);
    if (!shown) return;
    const source = shown.sources[0]!;
    write(name, shown.sources.length > 1 ? `${shown.sources.length} models` : "");
    models.hidden = shown.sources.length > 1;
    write(models, middle(source.label, 18));
    if (document.activeElement !== from) set(from, { value: source.first });
    if (document.activeElement !== to) set(to, { value: source.end - 1 });
    remove.disabled = now.bands.length < 2;
    split.disabled = shown.depth < 2;
  }
  return { element, show };
}
