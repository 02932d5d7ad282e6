// Small pictures: the lines between steps, a step's curves, and two curves on top of each other.

import { path, svg } from "../../lib/svg.ts";
import type { Curve, Step } from "./content.ts";

export const ROW = 46;
export const LANE = 14;
const DOT = 5;
const [WIDTH, HEIGHT, EDGE] = [76, 30, 3];
/** Of a curve of the whole merge. */
const OTHER = "var(--jp-ui-font-color3, #9e9e9e)";

/** Where a step's dot is. */
export function place(lane: number, row: number): [number, number] {
  return [LANE * (lane + 0.7), ROW * (row + 0.5)];
}

/** The line from a step down to the one that it came from: straight within a lane, else around the corner. */
export function link(step: Pick<Step, "lane" | "parent">, row: number, parentLane: number): string {
  if (step.parent === null) return "";
  const [x, y] = place(step.lane, row);
  const [endX, endY] = place(parentLane, step.parent);
  if (x === endX) return `M${x} ${y}V${endY}`;
  const bend = endY - ROW * 0.5;
  return `M${x} ${y}V${bend}Q${x} ${endY} ${endX} ${endY}`;
}

/** The tree beside the list. */
export function drawTree(node: SVGSVGElement, steps: readonly Step[], lanes: number): void {
  const lines = steps.map((step, row) => {
    const parentLane = step.parent === null ? 0 : (steps[step.parent]?.lane ?? 0);
    return svg("path", { d: link(step, row, parentLane), class: step.path ? "nbm-history-path" : null });
  });
  const dots = steps.map((step, row) => {
    const [cx, cy] = place(step.lane, row);
    const kind = step.current ? "nbm-history-now" : step.path ? "nbm-history-path" : null;
    return svg("circle", { cx, cy, r: step.current ? DOT + 1 : DOT - 1, class: kind });
  });
  node.setAttribute("width", String(LANE * (lanes + 0.5)));
  node.setAttribute("height", String(ROW * steps.length));
  node.replaceChildren(...lines, ...dots);
}

/** From 0 to 1, and beyond where the numbers are. */
export function span(lines: readonly (readonly (number | null)[])[]): [number, number] {
  const known = lines.flat().filter((value): value is number => value !== null && Number.isFinite(value));
  return [Math.min(0, ...known), Math.max(1, ...known)];
}

/** Points of a line in a box; a single value is a level line. */
export function points(
  values: readonly (number | null)[],
  [low, high]: readonly [number, number],
  width: number,
  height: number,
): [number, number][] {
  const line = values.length === 1 ? [values[0] ?? null, values[0] ?? null] : values;
  const across = (width - 2 * EDGE) / Math.max(line.length - 1, 1);
  return line.map((value, i) => {
    const share = value === null ? Number.NaN : (value - low) / (high - low);
    return [EDGE + i * across, height - EDGE - share * (height - 2 * EDGE)];
  });
}

/** A step's curves, without numbers. */
export function drawThumbnail(node: SVGSVGElement, lines: Step["lines"]): void {
  const range = span(lines.map(({ values }) => values));
  node.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  node.replaceChildren(
    ...lines.map(({ values, colour }) =>
      svg("path", { d: path(points(values, range, WIDTH, HEIGHT)), stroke: colour ?? OTHER }),
    ),
  );
}

/** A curve before (dashed) and after. */
export function drawComparison(curve: Curve): SVGSVGElement {
  const [width, height] = [220, 72];
  const range = span([curve.before, curve.after]);
  return svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `${curve.title}, before and after` },
    svg("path", { d: path(points(curve.before, range, width, height)), class: "nbm-history-before" }),
    svg("path", { d: path(points(curve.after, range, width, height)), class: "nbm-history-after" }),
  );
}
