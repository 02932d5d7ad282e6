// Making SVG nodes and the geometry that pictures share.

import { type Attributes, set } from "./dom.ts";

const SVG = "http://www.w3.org/2000/svg";

/** Makes an SVG node: `svg("circle", { r: 4 })`. */
export function svg<Name extends keyof SVGElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): SVGElementTagNameMap[Name] {
  const node = document.createElementNS(SVG, name);
  set(node, attributes);
  node.append(...children);
  return node;
}

/** A line through points; it is interrupted where a number is missing. */
export function path(points: Iterable<readonly [number, number]>): string {
  let drawing = false;
  let d = "";
  for (const [x, y] of points) {
    if (Number.isFinite(y)) d += `${drawing ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(2)}`;
    drawing = Number.isFinite(y);
  }
  return d;
}
