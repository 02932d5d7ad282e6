// The layers of both models, a row for each, from which the stack takes layers. A row is one tab stop.

import { h, match, OWN_KEYS, set, write } from "../../lib/dom.ts";
import { type Layer, type Model, readKey } from "./edits.ts";

interface Listeners {
  click(layer: Layer): void;
  press(event: PointerEvent, layer: Layer): void;
}

export function makeSources({ click, press }: Listeners) {
  const element = h("div");

  function makeRow() {
    const tiles = h("div", { ...OWN_KEYS, class: "nbm-stack-layers", role: "group" });
    tiles.addEventListener("keydown", (event) => moveFocus(tiles, event));
    return h("div", { class: "nbm-stack-row" }, h("span", { class: "nbm-stack-name" }), tiles);
  }

  function showRow(row: HTMLElement, { label, colour, depth }: Model, model: number): void {
    const [name, tiles] = row.children as unknown as [HTMLElement, HTMLElement];
    set(name, { title: label });
    write(name, label);
    set(tiles, { "aria-label": `Layers of ${label}` });
    const makeTile = (layer: number) => {
      const tile = h("button", { type: "button", class: "nbm-stack-tile", tabindex: layer === 0 ? 0 : -1 });
      tile.addEventListener("click", () => click([model, layer]));
      tile.addEventListener("pointerdown", (event) => press(event, [model, layer]));
      return tile;
    };
    match(tiles, [...Array(depth).keys()], makeTile, (tile, layer) => {
      tile.style.setProperty("--model", colour);
      set(tile, { "aria-label": `Insert layer ${layer} of ${label}` });
      write(tile, `${layer}`);
    });
  }

  return { element, show: (models: readonly Model[]) => match(element, models, makeRow, showRow) };
}

/** Arrow keys go from layer to layer. */
function moveFocus(row: HTMLElement, event: KeyboardEvent): void {
  const tiles = [...row.children] as HTMLElement[];
  const at = tiles.indexOf(document.activeElement as HTMLElement);
  const command = readKey(event);
  if (at < 0 || (command !== "left" && command !== "right")) return;
  event.preventDefault();
  event.stopPropagation();
  const next = Math.min(Math.max(at + (command === "left" ? -1 : 1), 0), tiles.length - 1);
  tiles.forEach((tile, i) => {
    set(tile, { tabindex: i === next ? 0 : -1 });
  });
  tiles[next]?.focus();
}
