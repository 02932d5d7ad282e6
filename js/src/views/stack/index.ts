// A stack of layers of two models. Layers are inserted from the rows of both models, and dragged, repeated and removed.

import "./stack.css";
import { h, match, OWN_KEYS, set, write } from "../../lib/dom.ts";
import { Echo } from "../../lib/echo.ts";
import { type Answered, defineView } from "../../lib/view.ts";
import { followDrag } from "./drag.ts";
import { type Edited, edit, insert, type Layer, type Layers, type Model, move, readKey } from "./edits.ts";
import { makeSources } from "./sources.ts";
import { makeTools } from "./tools.ts";

interface Content extends Answered {
  models: Model[];
  layers: Layers;
  summary: string;
  recipe: string;
  can_undo: boolean;
}

const HELP =
  "Click a layer of a model to insert it after the chosen one, or drag it. In the stack: arrows choose, Ctrl+arrows move, " +
  "R repeats, M takes the other model's layer, Delete removes.";

export default defineView<Content>((root, { send, redraw, signal }) => {
  let models: readonly Model[] = [];
  let layers: Layers = [];
  let chosen = 0;
  const echo = new Echo<"layers", Layers>();
  const ghost = h("div", { class: "nbm-stack-ghost", hidden: true });
  const marker = h("div", { class: "nbm-stack-drop", hidden: true });
  const sources = makeSources({
    click: (layer) => apply(insert(layers, chosen + 1, layer)),
    press: (event, layer) => press(event, layer, null),
  });
  const row = h("div", { ...OWN_KEYS, class: "nbm-stack-layers", role: "group", "aria-label": "Layers of the stack" });
  const tools = makeTools((command) => apply(edit(command, layers, chosen, models)), send);
  const summary = h("span", { class: "nbm-quiet" });
  const recipe = h("pre", { class: "nbm-stack-recipe", tabindex: 0, role: "region", "aria-label": "Recipe" });
  const parts = h(
    "div",
    { class: "nbm-stack-parts" },
    sources.element,
    h("div", { class: "nbm-stack-row nbm-stack-whole" }, h("span", { class: "nbm-stack-name" }, "stack"), row),
    h("div", { class: "nbm-stack-bar" }, tools.element, summary),
    h("p", { class: "nbm-quiet" }, HELP),
  );
  root.append(parts, recipe, marker, ghost);

  function apply(edited: Edited): void {
    chosen = edited.chosen;
    if (edited.layers !== layers) echo.set("layers", edited.layers, send("arrange", { layers: edited.layers }));
    layers = edited.layers;
    redraw();
  }

  /** Follows a press on a layer of a model, or of the stack at a place, until it is dropped. */
  function press(event: PointerEvent, layer: Layer, from: number | null): void {
    const colour = models[layer[0]]?.colour ?? "";
    followDrag(event, { root, ghost, marker, row, text: `${layer[1]}`, colour, signal }, (to) => {
      if (to === null) return;
      apply(from === null ? insert(layers, to, layer) : move(layers, from, to > from ? to - 1 : to));
    });
  }

  function makeTile(place: number) {
    const tile = h("button", { type: "button", class: "nbm-stack-tile" });
    const choose = () => apply({ layers, chosen: place });
    tile.addEventListener("focus", () => chosen !== place && choose());
    tile.addEventListener("pointerdown", (event) => press(event, layers[place]!, place));
    tile.addEventListener("click", () => {
      choose();
      tile.focus(); // Safari does not focus a button that is clicked
    });
    return tile;
  }

  function showTile(tile: HTMLElement, [model, layer]: Layer, place: number): void {
    const { label, colour } = models[model]!;
    tile.style.setProperty("--model", colour);
    set(tile, {
      "aria-label": `Layer ${place} of the stack: layer ${layer} of ${label}`,
      "aria-current": place === chosen,
      tabindex: place === chosen ? 0 : -1,
      title: `layer ${layer} of ${label}`,
    });
    write(tile, `${layer}`);
  }

  row.addEventListener("keydown", (event) => {
    const command = readKey(event);
    if (!command) return;
    event.preventDefault();
    event.stopPropagation();
    apply(edit(command, layers, chosen, models));
  });

  return (content) => {
    echo.settle(content.answers);
    models = content.models;
    layers = echo.get("layers", content.layers);
    chosen = Math.min(chosen, layers.length - 1);
    const focused = row.contains(document.activeElement);
    sources.show(models);
    match(row, layers, makeTile, showTile);
    if (focused) (row.children[chosen] as HTMLElement).focus();
    tools.show(layers.length, chosen, content.can_undo);
    write(summary, content.summary);
    write(recipe, content.recipe);
  };
});
