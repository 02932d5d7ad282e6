// One score: its name, its value, how it changed, and its history.

import { h, match, OWN_KEYS, set, write } from "../../lib/dom.ts";
import { openMenu } from "../../lib/menu.ts";
import { path, svg } from "../../lib/svg.ts";
import type { Send } from "../../lib/view.ts";
import type { Point, Score } from "./content.ts";
import { nearestSpot, placeValues, SIZE, type Spot } from "./spark.ts";

/** Makes a row; `score` gives what it shows now. */
export function makeRow(send: Send, score: () => Score | undefined): HTMLElement {
  const name = h("span", { class: "nbm-score-name", role: "rowheader" });
  const value = h("strong", { role: "cell" });
  const change = h("span", { class: "nbm-score-change", role: "cell" });
  const picture = h(
    "span",
    { role: "cell" },
    makePicture(send, () => score()?.points ?? []),
  );
  const more = h("button", { type: "button", class: "nbm-score-more", title: "Best value, remove" }, "⋯");
  set(more, { "aria-haspopup": "menu", "aria-expanded": false });
  more.addEventListener("click", () => {
    const shown = score();
    if (!shown) return;
    openMenu(more, shown.name, [
      {
        label: "Return to the best",
        hint: shown.best,
        disabled: !shown.best,
        choose: () => send("restore_best", { name: shown.name }),
      },
      { label: "Remove this score", choose: () => send("remove", { name: shown.name }) },
    ]);
  });
  return h("div", { class: "nbm-score", role: "row" }, name, value, change, picture, h("span", { role: "cell" }, more));
}

/** Shows a score in its row. */
export function showRow(row: Element, score: Score): void {
  const [name, value, change, picture, more] = [...row.children] as [
    HTMLElement,
    HTMLElement,
    HTMLElement,
    HTMLElement,
    HTMLElement,
  ];
  const { state, better } = score;
  set(row, { "data-state": state });
  write(name, score.name);
  set(name, { title: `${score.name} (${score.lower ? "lower" : "higher"} is better)` });
  write(value, score.value);
  const words = { current: score.change, stale: "earlier recipe", none: "not computed yet", failed: score.fault }[
    state
  ];
  const rating = better === null ? "" : better ? " better" : " worse";
  write(change, `${words}${state === "current" ? rating : ""}`);
  set(change, { "data-better": better, title: state === "failed" ? words : null });
  set(more.firstElementChild!, { "aria-label": `More about ${score.name}` });
  showPicture(picture.firstElementChild as SVGSVGElement, score);
}

/** The history; one tab stop, arrows move over its points, Enter or a press returns to their steps. */
function makePicture(send: Send, points: () => readonly Point[]): SVGSVGElement {
  const { width, height } = SIZE;
  const picture = svg("svg", { ...OWN_KEYS, width, height, viewBox: `0 0 ${width} ${height}`, class: "nbm-spark" });
  picture.append(svg("path"), svg("g"));
  const spots = () => placeValues(points().map((p) => p.value));
  const go = (index: number) => {
    const step = points()[index]?.step;
    if (step !== null && step !== undefined) send("go", { step });
  };
  picture.addEventListener("click", (event) => {
    go(nearestSpot(spots(), event.clientX - picture.getBoundingClientRect().left));
  });
  picture.addEventListener("keydown", (event) => {
    const dots = [...picture.lastElementChild!.children] as SVGElement[];
    const at = dots.indexOf(document.activeElement as unknown as SVGElement);
    const goal = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: dots.length - 1 }[event.key];
    if (goal !== undefined) dots[Math.min(Math.max(goal, 0), dots.length - 1)]?.focus();
    else if (event.key === "Enter" || event.key === " ") go(at);
    else return;
    event.preventDefault();
  });
  return picture;
}

function showPicture(picture: SVGSVGElement, { name, points }: Score): void {
  const spots = placeValues(points.map((p) => p.value));
  const [line, dots] = [...picture.children] as [SVGElement, SVGElement];
  const last = points.at(-1);
  set(picture, {
    role: "group",
    "aria-label": last ? `${name}: ${points.length} values, the last ${last.text}` : name,
  });
  set(line, { d: path(spots.map((spot) => [spot.x, spot.y ?? Number.NaN])) });
  const shown = points.findIndex((p) => p.shown);
  const stop = shown < 0 ? points.length - 1 : shown;
  const make = () => svg("circle", { role: "button" }, svg("title"));
  match(dots, points, make, (dot, point, i) => {
    showDot(dot, point, spots[i]!);
    set(dot, { tabindex: i === stop ? 0 : -1 });
  });
}

function showDot(dot: SVGElement, { text, step, best, shown }: Point, { x, y }: Spot): void {
  const goal = step === null ? "its step is gone" : `return to step ${step}`;
  const label = `${text}${best ? ", the best" : ""}: ${goal}`;
  const kind = [shown && "nbm-shown", best && "nbm-best"].filter(Boolean).join(" ");
  set(dot, { cx: x, cy: y ?? 0, r: shown ? 4 : 3, class: kind, "aria-label": label, "data-step": step });
  set(dot, { visibility: y === null ? "hidden" : null });
  write(dot.firstChild!, label);
}
