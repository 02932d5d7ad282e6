// The course of a search in one score: all trials, the best so far, and the same on texts that were held out.

import { h, match, set, write } from "../../lib/dom.ts";
import { number } from "../../lib/format.ts";
import { scaleOf } from "../../lib/scale.ts";
import { svg } from "../../lib/svg.ts";
import type { Curve, Point } from "./content.ts";

const [LEFT, RIGHT, TOP, HEIGHT, BOTTOM] = [64, 16, 10, 130, 26];

export interface Course {
  element: HTMLElement;
  show(curve: Curve, trials: number, width: number): void;
}

/** Corners of a line that stays as it is until something better comes, up to the last trial. */
export function stairs(points: readonly Point[], last: number): [number, number][] {
  const known = points.filter((point): point is [number, number] => point[1] !== null);
  const corners = known.flatMap(([trial, value], i): [number, number][] =>
    i
      ? [
          [trial, known[i - 1]![1]],
          [trial, value],
        ]
      : [[trial, value]],
  );
  const end = known[known.length - 1];
  return end && end[0] < last ? [...corners, [last, end[1]]] : corners;
}

/** The best so far in words. */
export function describeCourse({ name, best, heldOut }: Curve): string {
  const [first, now] = [best[0]?.[1] ?? null, best[best.length - 1]?.[1] ?? null];
  const [start, end] = [heldOut[0]?.[1] ?? null, heldOut[heldOut.length - 1]?.[1] ?? null];
  const apart = heldOut.length ? `; held out, from ${number(start, 4)} to ${number(end, 4)}` : "";
  return `${name}: from ${number(first, 4)} to ${number(now, 4)}${apart}`;
}

export function makeCourse(): Course {
  const heading = h("h4", { class: "nbm-chart-title" });
  const grid = svg("g");
  const dots = svg("g", { class: "nbm-trial-dots" });
  const best = svg("path", { class: "nbm-trial-best" });
  const heldOut = svg("path", { class: "nbm-trial-held-out" });
  const axis = svg("g");
  const picture = svg("svg", { role: "img" });
  picture.append(grid, dots, heldOut, best, axis);
  const element = h("section", { class: "nbm-course" }, heading, picture);

  function show(curve: Curve, trials: number, width: number) {
    const last = Math.max(trials - 1, 1);
    const { low, high, levels } = scaleOf(
      [...curve.best, ...curve.heldOut, ...typical(curve)].map(([, value]) => value),
    );
    const right = width - RIGHT;
    const x = (trial: number) => LEFT + (trial / last) * (right - LEFT);
    const y = (value: number) => TOP + ((high - Math.min(Math.max(value, low), high)) / (high - low)) * (HEIGHT - TOP);
    const words = describeCourse(curve);
    write(heading, `${words} (${curve.lower ? "lower" : "higher"} is better)`);
    set(picture, { width, height: HEIGHT + BOTTOM, viewBox: `0 0 ${width} ${HEIGHT + BOTTOM}`, "aria-label": words });
    grid.replaceChildren(
      ...levels.map((level) => svg("line", { x1: LEFT, x2: right, y1: y(level), y2: y(level) })),
      ...levels.map((level) => svg("text", { x: LEFT - 8, y: y(level), class: "nbm-number" }, number(level, 6))),
    );
    match(
      dots,
      curve.points.filter((point): point is [number, number] => point[1] !== null),
      () => svg("circle", { r: 2 }),
      (dot, [trial, value]) => set(dot, { cx: x(trial), cy: y(value) }),
    );
    const draw = (points: Point[]) =>
      stairs(points, last)
        .map(([trial, value], i) => `${i ? "L" : "M"}${x(trial).toFixed(1)} ${y(value).toFixed(1)}`)
        .join("");
    set(best, { d: draw(curve.best) });
    set(heldOut, { d: draw(curve.heldOut) });
    axis.replaceChildren(
      svg("text", { x: LEFT, y: HEIGHT + 16 }, "trial 0"),
      svg("text", { x: right, y: HEIGHT + 16, class: "nbm-number" }, `trial ${last}`),
    );
  }
  return { element, show };
}

/** Trials without the worst quarter, which may be worse by orders of magnitude. */
function typical({ points, lower }: Curve): Point[] {
  const known = points.filter(([, value]) => value !== null).sort((a, b) => (lower ? a[1]! - b[1]! : b[1]! - a[1]!));
  return known.slice(0, Math.ceil(known.length * 0.75));
}
