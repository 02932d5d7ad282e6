// A slider for each layer, in its column; with many layers, for those around the pointer.

import { match, set, write } from "../../../lib/dom.ts";
import { short } from "../../../lib/format.ts";
import { svg } from "../../../lib/svg.ts";
import type { Axis } from "../axis.ts";
import type { Content } from "../content.ts";
import { snapDragged } from "../knots.ts";
import { hasLens, type LensSlider, placeSliders, sliderAt } from "../lens.ts";
import { drag, pointOf, type Row, rowTitle, type Stage } from "../stage.ts";

const [TRACK, HEAD, NUMBERS, OVERVIEW] = [54, 8, 20, 22];
const MAGNET = 3;
const LETTERS = 32; // a name such as "embed" needs as much

export default { name: "sliders", place: 20, create } satisfies Row;

function create(stage: Stage, group: SVGGElement) {
  const title = rowTitle(group);
  const overview = svg("path", { class: "nbm-overview" });
  const frame = svg("path", { class: "nbm-lens" });
  const tracks = svg("g");
  const ground = svg("rect", { class: "nbm-ground nbm-touch" });
  const above = svg("rect", { class: "nbm-ground nbm-touch" });
  group.append(overview, frame, tracks, ground, above);
  const model = stage.curve;

  let axis: Axis;
  let top = 0;
  let sliders: LensSlider[] = [];
  let middle: number | null = null; // of the lens; it stays while the pointer is among the sliders
  let inside = false;
  let span: [number, number] = [0, 1];

  const begin = () => (hasLens(axis) ? OVERVIEW : 0) + HEAD;
  const share = (value: number) => Math.min(Math.max((value - span[0]) / (span[1] - span[0]), 0), 1);
  const y = (value: number) => begin() + TRACK * (1 - share(value));
  const valueUnder = (event: PointerEvent) => {
    const above = begin() + TRACK - (pointOf(stage, event).y - top);
    const value = span[0] + (above / TRACK) * (span[1] - span[0]);
    const reach = (MAGNET / TRACK) * (span[1] - span[0]);
    return snapDragged(value, model.part.step, model.part.limits, event.altKey ? 0 : reach);
  };

  function press(event: PointerEvent) {
    if (event.button !== 0) return;
    event.preventDefault();
    model.begin();
    const column = sliderAt(sliders, pointOf(stage, event).x);
    if (model.values[column] === null) return;
    const move = (next: PointerEvent) => {
      stage.cursor = column;
      model.setValues(new Map([[column, valueUnder(next)]]));
      stage.redraw();
    };
    drag(stage, event, move);
    move(event);
  }

  const { signal } = stage;
  ground.addEventListener("pointerdown", press, { signal });
  ground.addEventListener("pointerenter", () => (inside = true), { signal });
  ground.addEventListener("pointerleave", () => (inside = false), { signal });
  ground.addEventListener(
    "pointermove",
    (event) => {
      if (stage.dragging) return;
      stage.cursor = sliderAt(sliders, pointOf(stage, event).x);
      event.stopPropagation(); // the picture would take the column under the pointer, which a lens moves
      stage.redraw();
    },
    { signal },
  );

  /** How far apart the sliders are. */
  const apart = () => (sliders.length > 1 ? sliders[1]!.x - sliders[0]!.x : axis.step);

  /** All values as thin bars, each in its column, and which of them the sliders below are. */
  function drawOverview(colour: string) {
    const shown = hasLens(axis);
    for (const node of [overview, frame, above]) node.style.display = shown ? "" : "none";
    if (!shown) return;
    const bars = model.values.flatMap((value, i) =>
      value === null
        ? []
        : [`M${axis.x(i).toFixed(1)} ${OVERVIEW - 4}v${(-1 - share(value) * (OVERVIEW - 7)).toFixed(1)}`],
    );
    set(overview, { d: bars.join(""), stroke: colour, "stroke-width": Math.max(1, axis.step * 0.5) });
    const [first, last] = [sliders[0]!, sliders[sliders.length - 1]!];
    const gap = apart();
    const [a, b] = [axis.edge(first.column), axis.edge(last.column) + axis.wide(last.column)];
    const [c, d] = [first.x - gap / 2, last.x + gap / 2];
    const floor = begin() + TRACK + 2 * NUMBERS - 8;
    set(frame, {
      d: `M${a} 0H${b}V${OVERVIEW - 3}L${d} ${OVERVIEW + 2}V${floor}H${c}V${OVERVIEW + 2}L${a} ${OVERVIEW - 3}Z`,
    });
    set(above, { x: axis.left, y: 0, width: axis.right - axis.left, height: OVERVIEW });
  }

  function drawSlider(node: SVGGElement, { column, x }: LensSlider) {
    const value = model.values[column] ?? null;
    const [rail, bar, handle, label, name] = [...node.children] as [Element, SVGElement, SVGElement, Element, Element];
    const floor = begin() + TRACK;
    const current = column === stage.cursor;
    const zero = y(Math.min(Math.max(0, span[0]), span[1]));
    const at = y(value ?? span[0]);
    set(node, { transform: `translate(${x.toFixed(1)} 0)`, class: current ? "nbm-slider nbm-current" : "nbm-slider" });
    node.style.color = model.part.chosen.colour;
    set(rail, { y1: begin(), y2: floor });
    set(bar, { y1: zero, y2: at });
    set(handle, { cy: at });
    bar.style.display = handle.style.display = value === null ? "none" : "";
    set(label, { y: floor + 15 });
    write(label, short(value));
    set(name, { y: floor + NUMBERS + 8 });
    write(name, hasLens(axis) ? (axis.columns[column]?.name ?? "") : "");
    name.classList.toggle("nbm-narrow", apart() < LETTERS && axis.columns[column]?.layer === null);
  }

  return {
    height: (content: Content, made: Axis) =>
      content.rows.curve ? (hasLens(made) ? OVERVIEW + NUMBERS - 8 : 0) + HEAD + TRACK + NUMBERS + 4 : 0,
    draw(content: Content, made: Axis, place: number) {
      const part = content.rows.curve;
      if (!part) return;
      axis = made;
      top = place;
      if (!stage.dragging) span = part.span;
      if (!inside && !stage.dragging && stage.cursor !== null) middle = stage.cursor;
      sliders = placeSliders(axis, middle);
      title("sliders");
      set(ground, { x: axis.left, y: begin() - HEAD, width: axis.right - axis.left, height: TRACK + HEAD + NUMBERS });
      drawOverview(part.chosen.colour);
      const make = () =>
        svg(
          "g",
          {},
          svg("line", { class: "nbm-rail" }),
          svg("line", { class: "nbm-bar" }),
          svg("circle", { class: "nbm-handle", r: 6 }),
          svg("text", { class: "nbm-slider-value" }),
          svg("text", { class: "nbm-slider-name" }),
        );
      match(tracks, sliders, make, drawSlider);
    },
  };
}
