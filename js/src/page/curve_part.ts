// What the Tracks view draws of the curves, from settings: the counterpart of nbmerge/widgets/panels/tracks/rows/curve.py.

import type { CurvePart, Line as DrawnLine } from "../views/tracks/content.ts";
import { isTied, type Line, readColumns, readCurve, readEntries, readLine } from "./curve.ts";
import type { Data, Parameter, Setting } from "./data.ts";
import { findParameter } from "./edits.ts";
import { placeShape } from "./shapes.ts";
import { roundValue, valueOnKnots } from "./values.ts";
import { formatLine } from "./write_typed.ts";

export const ALL = "all";
const OVERLAY = [6, 3];
const SAMPLES = 13; // points of the little picture of a shape

/** What is chosen to be drawn. */
export interface Choice {
  track: number;
  group: string | null;
  overlaid: ReadonlySet<string>;
}

/** Ends of the axis by parameter: they grow and never shrink. */
export type Spans = Map<string, [number, number]>;

export function describeCurve(data: Data, settings: readonly Setting[], choice: Choice, spans: Spans): CurvePart {
  const { track, group } = choice;
  const now = data.tracks[track]!;
  const parameter = findParameter(data, track);
  const entries = readEntries(data, settings, track);
  const columns = readColumns(data, entries, group);
  const line = readLine(data, settings, track, entries, group);
  const curve = readCurve(data, entries);
  const beside = data.tracks.flatMap((other, i) => (other.parameter === now.parameter && i !== track ? [i] : []));
  const others = [
    ...beside.map((i) => drawLine(data, settings, i, null)),
    ...listOverlays(data, choice).map((i) => {
      return { ...drawLine(data, settings, i, group), dash: OVERLAY, label: data.tracks[i]!.title };
    }),
  ];
  const given = [...columns.dots.flat(), ...others.flatMap(({ values }) => values.filter((value) => value !== null))];
  const span = widen(spans, parameter, given);
  return {
    ...listChoices(data, choice),
    title: group === null ? now.title : `${now.title}, ${nameOf(data, group)}`,
    help: parameter.help,
    span,
    step: stepOf(span),
    limits: [parameter.low, parameter.high],
    marks: now.marks,
    chosen: { ...drawLine(data, settings, track, group), values: columns.means },
    others,
    pins: listPins(data, track),
    tied: data.columns.map(({ layer, role }) => layer === null && curve.ends.has(role) && isTied(curve, role)),
    dots: columns.dots.map((values) => (values.length > 1 ? values : [])),
    knots: line.knots.map(({ layer, value }) => ({ layer, value: roundValue(value) })),
    alone: line.alone.map(({ layer }) => layer),
    text: formatCurve(data, settings, choice, line),
    shapes: data.shapes.map(({ name, hint, points }) => ({ name, hint, points: samplePoints(points) })),
    own_shapes: null,
  };
}

function drawLine(data: Data, settings: readonly Setting[], track: number, group: string | null): DrawnLine {
  const { parameter, model, label, colour } = data.tracks[track]!;
  const values = readColumns(data, readEntries(data, settings, track), group).means;
  return { key: `${parameter} ${model}`, label, colour, values, dash: [], parameter, model };
}

const nameOf = (data: Data, kind: string): string => data.kinds.find(({ key }) => key === kind)?.label ?? kind;

/** Parts of the layers that can have a curve of their own. */
export function listGroups(data: Data): string[] {
  const separable = ["attention", "mlp"].every((group) => data.groups.includes(group));
  const present = new Set(data.rows.filter(({ layer }) => layer !== null).map(({ kind }) => data.kinds[kind]!.key));
  return separable ? [...present].sort((a, b) => orderOf(data, a) - orderOf(data, b)) : [];
}

const orderOf = (data: Data, kind: string): number => data.kinds.findIndex(({ key }) => key === kind);

function listChoices(data: Data, { track, group, overlaid }: Choice) {
  const now = data.tracks[track]!;
  const groups = listGroups(data).map((key) => ({ key, label: nameOf(data, key) }));
  return {
    parameters: data.parameters.map(({ name, help }) => ({ key: name, label: name, hint: help })),
    models: data.tracks
      .filter(({ parameter, model }) => parameter === now.parameter && model !== "")
      .map(({ model, label, colour }) => ({ key: model, label, colour })),
    parts: groups.length ? [{ key: ALL, label: ALL }, ...groups] : [],
    overlaid: [...overlaid].filter((name) => name !== now.parameter),
    parameter: now.parameter,
    model: now.model,
    part: group ?? ALL,
  };
}

/** Other parameters of the same model that are to be seen with the chosen one. */
function listOverlays(data: Data, { track, overlaid }: Choice): number[] {
  const now = data.tracks[track]!;
  return data.tracks.flatMap(({ parameter, model }, i) =>
    parameter !== now.parameter && overlaid.has(parameter) && (model === now.model || model === "") ? [i] : [],
  );
}

const listPins = (data: Data, track: number): DrawnLine[] =>
  data.pins.flatMap(({ name, lines }) => {
    const { parameter, model, colour } = data.tracks[track]!;
    const values = lines[track];
    return values ? [{ key: `pin ${name}`, label: `pinned ${name}`, colour, values, dash: [], parameter, model }] : [];
  });

/** One step of a slider: 0.01 from 0 to 1, and as fine in proportion elsewhere. */
export const stepOf = (span: readonly [number, number]): number =>
  10 ** Math.floor(Math.log10(Math.max(span[1] - span[0], 1e-9) / 50));

function widen(spans: Spans, { name, slider }: Parameter, values: readonly number[]): [number, number] {
  const before = spans.get(name) ?? slider;
  const unit = 10 * stepOf(before);
  const low = Math.min(before[0], ...values.map((value) => Math.floor(value / unit + 1e-9) * unit));
  const high = Math.max(before[1], ...values.map((value) => Math.ceil(value / unit - 1e-9) * unit));
  const span: [number, number] = [roundValue(low), roundValue(high)];
  spans.set(name, span);
  return span;
}

/** The shortest text that gives the curve again, such as `0.3; mlp: 0, 1`. */
function formatCurve(data: Data, settings: readonly Setting[], { track, group }: Choice, line: Line): string {
  if (line.exact || group !== null) return formatLine(line, data.depth);
  const entries = readEntries(data, settings, track);
  const groups = listGroups(data).map((name) => ({ name, own: readLine(data, settings, track, entries, name) }));
  if (groups.length === 0 || !groups.every(({ own }) => own.exact && own.alone.length === 0)) {
    return formatLine(line, data.depth);
  }
  const texts = groups.map(({ name, own }) => ({ name, text: formatLine(own, data.depth) }));
  const countOf = (wanted: string) => texts.filter(({ text }) => text === wanted).length;
  const common = texts.reduce((best, other) => (countOf(other.text) > countOf(best.text) ? other : best)).text;
  return [common, ...texts.filter(({ text }) => text !== common).map(({ name, text }) => `${name}: ${text}`)].join(
    "; ",
  );
}

function samplePoints(points: Data["shapes"][number]["points"]): number[] {
  const knots = placeShape(points, SAMPLES);
  return Array.from({ length: SAMPLES }, (_, i) => valueOnKnots(knots, i));
}
