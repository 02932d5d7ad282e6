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

/** Round numbers from low to high, about `count` of them, with equally many decimals. */
export function ticks(low: number, high: number, count: number): { value: number; text: string }[] {
  const rough = (high - low) / Math.max(count, 1);
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 5, 10].find((n) => n * unit >= rough * 0.999)!;
  const first = Math.ceil(low / step - 1e-9);
  const end = Math.floor(high / step + 1e-9);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Array.from({ length: end - first + 1 }, (_, i) => {
    const value = (first + i) * step;
    return { value, text: value.toFixed(decimals) };
  });
}
