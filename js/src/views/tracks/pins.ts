// The curves of pinned merges, dashed, each with its name where no other curve crosses it.

import { match, set, write } from "../../lib/dom.ts";
import { middle } from "../../lib/format.ts";
import { path, svg } from "../../lib/svg.ts";
import type { Axis } from "./axis.ts";
import type { Line, Values } from "./content.ts";
import { type Box, type Place, type Point, placeAnywhere, placeName } from "./place_name.ts";

const [LETTER, HEIGHT] = [5.4, 12]; // of a name, in pixels
const SAMPLE = 24; // of a line before a name that stands elsewhere
const SHORT = 16; // letters of a name for which there is no free place

/** What is around the names. */
export interface Around {
  axis: Axis;
  y: (value: number) => number;
  /** Heights between which names may stand. */
  top: number;
  bottom: number;
  /** Values of the other curves. */
  curves: readonly Values[];
  /** Marks, which names leave room for. */
  marks: readonly Box[];
}

/** Draws pins into a group. Names keep their places while something is dragged. */
export function drawPins(group: SVGGElement, pins: readonly Line[], around: Around, dragging: boolean): void {
  const drawn = pins.map(({ values }) => pointsOf(values, around));
  const make = () => svg("g", {}, svg("path", { class: "nbm-pin" }), svg("text", { class: "nbm-pin-name" }));
  const labels = pins.map(({ label }) => label);
  const curves = around.curves.flatMap((values) => [pointsOf(values, around), ...pointsOutside(values, around)]);
  const key = JSON.stringify([labels, drawn, curves, around.marks, around.axis.left, around.axis.right]);
  if (group.dataset.key === key) return;
  if (!dragging) group.dataset.key = key;
  const taken = [...around.marks];
  match(group, pins, make, (node, { label }, i) => {
    const others = [...curves, ...drawn.filter((_, j) => j !== i)];
    if (!dragging) names.set(node, chooseName(label, drawn[i]!, others, taken, around));
    const name = names.get(node) ?? null;
    if (name) taken.push(name.place);
    const sample = name?.apart ? samplePath(name.place) : "";
    set(node.children[0]!, { d: path(drawn[i]!) + sample });
    writeName(node.children[1] as SVGTextElement, name);
  });
}

/** Where the name of a pin stands, by its group. */
const names = new WeakMap<Element, Name | null>();

interface Name {
  text: string;
  place: Place;
  /** Whether it stands away from its curve, after a sample of the line. */
  apart: boolean;
}

/** The name beside its curve; where that is crossed, elsewhere; at last a short form of it. */
function chooseName(
  label: string,
  own: readonly Point[],
  curves: readonly (readonly Point[])[],
  taken: readonly Box[],
  { axis, top, bottom }: Around,
): Name | null {
  const room = { left: axis.left, right: axis.right, top, bottom };
  const known = own.filter(([, y]) => Number.isFinite(y));
  if (known.length === 0) return null;
  const around = { room, curves, taken };
  const sizeOf = (text: string) => ({ width: text.length * LETTER, height: HEIGHT });
  const beside = placeName(known, sizeOf(label), around);
  if (beside?.free) return { text: label, place: beside, apart: false };
  const { width, height } = sizeOf(label);
  const elsewhere = placeAnywhere({ width: width + SAMPLE, height }, { ...around, curves: [...curves, known] });
  if (elsewhere?.free) return { text: label, place: elsewhere, apart: true };
  const text = middle(label, SHORT);
  const place = placeName(known, sizeOf(text), around);
  return place && { text, place, apart: false };
}

const samplePath = ({ left, top }: Box): string => `M${left} ${top + HEIGHT / 2 + 0.5}h${SAMPLE - 8}`;

function writeName(node: SVGTextElement, name: Name | null): void {
  node.style.display = name ? "" : "none";
  if (!name) return;
  const { left, right, top } = name.place;
  set(node, { x: ((name.apart ? left + SAMPLE : left) + right) / 2, y: top + HEIGHT - 3 });
  write(node, name.text);
}

const pointsOf = (values: Values, { axis, y }: Around): Point[] =>
  values
    .map((value, column): Point => [axis.x(column), value === null ? Number.NaN : y(value)])
    .slice(axis.first, axis.end);

/** The values outside of the layers, which are points. */
const pointsOutside = (values: Values, { axis, y }: Around): Point[][] =>
  values.flatMap((value, column) =>
    value === null || (column >= axis.first && column < axis.end) ? [] : [[[axis.x(column), y(value)] as Point]],
  );
