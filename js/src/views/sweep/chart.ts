// One score along a path: its curve, the recipes at both ends, the barrier, and a button on each point.

import { h, match, OWN_KEYS, set, write } from "../../lib/dom.ts";
import { middle, number } from "../../lib/format.ts";
import { scaleOf } from "../../lib/scale.ts";
import { path as line, svg } from "../../lib/svg.ts";
import type { Curve, Path } from "./content.ts";
import { barrierOf, describePlace, type Place, placesOf } from "./scale.ts";

const [LEFT, RIGHT, TOP, HEIGHT, BOTTOM] = [64, 24, 10, 132, 24];
const REACH = 11; // half of a point's button
const LETTER = 7;

export interface Chart {
  element: HTMLElement;
  show(path: Path, curve: Curve, width: number): void;
}

export function makeChart(go: (point: number) => void): Chart {
  const heading = h("h4", { class: "nbm-chart-title" });
  const grid = svg("g");
  const straight = svg("line", { class: "nbm-straight" });
  const drawn = svg("path", { class: "nbm-curve" });
  const barrier = svg("line", { class: "nbm-barrier" });
  const marks = svg("g");
  const ends = svg("g");
  const words = svg("text", { class: "nbm-barrier-words" });
  const picture = svg("svg", { class: "nbm-picture", "aria-hidden": "true" });
  picture.append(grid, straight, drawn, barrier, marks, ends, words);
  const points = h("div", { ...OWN_KEYS, class: "nbm-points", role: "group" });
  const element = h("section", { class: "nbm-chart" }, heading, h("div", { class: "nbm-chart-box" }, picture, points));
  let focused = 0;

  points.addEventListener("keydown", (event) => {
    const last = points.children.length - 1;
    const goal = { ArrowLeft: focused - 1, ArrowRight: focused + 1, Home: 0, End: last }[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    focused = Math.min(Math.max(goal, 0), last);
    [...points.children].forEach((point, i) => {
      set(point, { tabindex: i === focused ? 0 : -1 });
    });
    (points.children[focused] as HTMLElement).focus();
  });

  function makePoint(index: number) {
    const button = h("button", { type: "button", class: "nbm-path-point" });
    button.addEventListener("click", () => go(index));
    button.addEventListener("focus", () => (focused = index));
    return button;
  }

  function show(path: Path, curve: Curve, width: number) {
    const { low, high, levels } = scaleOf(curve.values);
    const right = width - RIGHT;
    const x = (t: number) => LEFT + t * (right - LEFT);
    const y = (value: number) => TOP + ((high - value) / (high - low)) * (HEIGHT - TOP);
    const places = placesOf(path, curve);
    write(heading, `${curve.name} (${curve.lower ? "lower" : "higher"} is better)`);
    set(picture, { width, height: HEIGHT + BOTTOM, viewBox: `0 0 ${width} ${HEIGHT + BOTTOM}` });
    grid.replaceChildren(
      ...levels.map((level) => svg("line", { x1: LEFT, x2: right, y1: y(level), y2: y(level), class: "nbm-level" })),
      ...levels.map((level) => svg("text", { x: LEFT - 8, y: y(level), class: "nbm-number" }, number(level, 6))),
    );
    set(drawn, { d: line(places.map(({ at, value }) => [x(at), value === null ? Number.NaN : y(value)])) });
    match(
      marks,
      places.filter(({ value }) => value !== null),
      () => svg("path"),
      (node, place) => set(node, { d: markOf(place, x(place.at), y(place.value ?? 0)), class: classOf(place) }),
    );
    drawEnds(path, curve, x, y);
    drawBarrier(path, curve, x, y);
    set(points, { "aria-label": `${curve.name} along the path` });
    if (focused >= places.length) focused = 0;
    match(points, places, makePoint, (button, place, i) => {
      const top = (place.value === null ? HEIGHT : y(place.value)) - REACH;
      Object.assign(button.style, { left: `${x(place.at) - REACH}px`, top: `${top}px` });
      const text = describePlace(place, path.ends);
      set(button, { "aria-label": `${text}. Go to this recipe`, title: text, tabindex: i === focused ? 0 : -1 });
    });
  }

  /** The names of the ends and the straight line between them. */
  function drawEnds(path: Path, { values }: Curve, x: (t: number) => number, y: (value: number) => number) {
    const letters = Math.max(8, Math.floor((x(1) - LEFT) / 2 / LETTER));
    ends.replaceChildren(
      svg("text", { x: LEFT, y: HEIGHT + 16 }, middle(path.ends[0], letters)),
      svg("text", { x: x(1), y: HEIGHT + 16, class: "nbm-last" }, middle(path.ends[1], letters)),
    );
    const [first, last] = [values[0] ?? null, values[values.length - 1] ?? null];
    straight.style.display = first === null || last === null ? "none" : "";
    set(straight, { x1: x(0), y1: y(first ?? 0), x2: x(1), y2: y(last ?? 0) });
  }

  function drawBarrier(path: Path, curve: Curve, x: (t: number) => number, y: (value: number) => number) {
    const found = barrierOf(path, curve);
    barrier.style.display = words.style.display = found ? "" : "none";
    if (!found) return;
    const [place, from, to] = [x(found.at), y(found.line), y(found.value)];
    set(barrier, { x1: place, x2: place, y1: from, y2: to });
    const atRight = place > x(1) - 110;
    set(words, { x: place + (atRight ? -8 : 8), y: (from + to) / 2 + 4, "text-anchor": atRight ? "end" : "start" });
    write(words, `barrier ${number(curve.barrier?.height ?? 0, 4)}`);
  }

  return { element, show };
}

/** A diamond for the recipes that the path is between, else a dot. */
function markOf({ isEnd, isNow }: Place, x: number, y: number): string {
  if (isEnd) return `M${x} ${y - 5.5}l5.5 5.5l-5.5 5.5l-5.5 -5.5z`;
  const r = isNow ? 5 : 3.2;
  return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;
}

function classOf({ isEnd, isBest, isNow }: Place): string {
  return [isEnd && "nbm-end", isBest && "nbm-best", isNow && "nbm-now"].filter(Boolean).join(" ");
}
