// What can be done to a track: draw it by knots, give columns values, type values. Each returns new settings.

import type { Knot } from "../views/tracks/content.ts";
import {
  type Curve,
  type Entry,
  groupOf,
  isTied,
  type Line,
  readCurve,
  readEntries,
  readLine,
  tiedValue,
} from "./curve.ts";
import { type Data, type Parameter, Refusal, type RuleValue, type Setting } from "./data.ts";
import { type Cell, rewrite } from "./rewrite.ts";
import { roundValue, valueOfKnots, valueOnKnots } from "./values.ts";

/** A track with the part of the layers that is drawn; null is all of them. */
export interface Chosen {
  track: number;
  group: string | null;
}

/** The values that tensors are to have, by row. */
export type Wanted = Map<Entry, number>;

/** The track drawn by knots over all layers; `alone` are layers with values beside the curve. */
export function setKnots(
  data: Data,
  settings: readonly Setting[],
  chosen: Chosen,
  knots: readonly Knot[],
  alone: readonly Knot[],
): Setting[] {
  const entries = readEntries(data, settings, chosen.track);
  const line = readLine(data, settings, chosen.track, entries, chosen.group);
  const moved = findMoved(data, line, knots);
  if (moved) return setLayers(data, settings, chosen, moved);
  const values = new Map<number, number>();
  for (let layer = 0; layer < data.depth; layer += 1) values.set(layer, valueOnKnots(knots, layer));
  for (const { layer, value } of alone) values.set(layer, value);
  return write(data, settings, chosen.track, wantLayers(data, entries, chosen.group, values), knots);
}

/** The layers of other values, where knots are means over the tensors of each layer and no other knots were drawn. */
function findMoved(data: Data, line: Line, knots: readonly Knot[]): Map<number, number> | null {
  const apart = knots.some((knot, i) => i > 0 && knot.layer - knots[i - 1]!.layer > 1);
  if (line.exact || (apart && data.slices.length === 1)) return null;
  if (knots.length !== line.knots.length || knots.some((knot, i) => knot.layer !== line.knots[i]!.layer)) return null;
  const others = knots.filter((knot, i) => roundValue(knot.value) !== roundValue(line.knots[i]!.value));
  return new Map(others.map(({ layer, value }) => [layer, value]));
}

/** Other values for some layers. */
export function setLayers(
  data: Data,
  settings: readonly Setting[],
  { track, group }: Chosen,
  values: ReadonlyMap<number, number>,
): Setting[] {
  const entries = readEntries(data, settings, track);
  return write(data, settings, track, wantLayers(data, entries, group, values));
}

/** Other values for some columns, also outside the layers. */
export function setColumns(
  data: Data,
  settings: readonly Setting[],
  { track, group }: Chosen,
  values: ReadonlyMap<number, number>,
): Setting[] {
  const entries = readEntries(data, settings, track);
  const layers = new Map<number, number>();
  const ends = new Map<string, number>();
  for (const [column, value] of values) {
    const { layer, role } = data.columns[column]!;
    if (layer === null) ends.set(role, value);
    else layers.set(layer, value);
  }
  return write(data, settings, track, wantLayers(data, entries, group, layers, ends));
}

/** What tensors are to have for these values of layers. Ends that follow the nearest layer go on following it. */
export function wantLayers(
  data: Data,
  entries: readonly Entry[],
  group: string | null,
  values: ReadonlyMap<number, number>,
  ends: ReadonlyMap<string, number> = new Map(),
): Wanted {
  const wanted: Wanted = new Map();
  for (const entry of entries) {
    const { row, place } = entry;
    if (row.layer === null || !place.here || (group !== null && groupOf(data, row) !== group)) continue;
    const value = values.get(row.layer);
    if (value !== undefined) wanted.set(entry, value);
  }
  return followEnds(data, entries, wanted, ends);
}

/** Adds the ends: those that were set, and those that had their neighbouring layer's value. */
export function followEnds(
  data: Data,
  entries: readonly Entry[],
  wanted: Wanted,
  ends: ReadonlyMap<string, number>,
): Wanted {
  const before = readCurve(data, entries);
  const after = readCurve(
    data,
    entries.map((entry) => ({ ...entry, value: wanted.get(entry) ?? entry.value })),
  );
  for (const entry of entries) {
    const role = groupOf(data, entry.row);
    if (entry.row.layer !== null || role === "other") continue;
    const value = ends.get(role) ?? followed(before, after, role);
    if (value !== null && value !== before.ends.get(role)) wanted.set(entry, value);
  }
  return wanted;
}

const followed = (before: Curve, after: Curve, role: string): number | null =>
  isTied(before, role) ? tiedValue(after, role) : null;

/** The settings of a track with other values, written slice by slice. */
export function write(
  data: Data,
  settings: readonly Setting[],
  track: number,
  wanted: Wanted,
  knots: readonly Knot[] | null = null,
): Setting[] {
  if (data.locked) throw new Refusal(data.locked);
  const entries = [...new Set([...wanted.keys()])];
  refuse(findParameter(data, track), wanted.values());
  const byRow = new Map(entries.map((entry) => [entry.row, wanted.get(entry)!]));
  const every = readEntries(data, settings, track);
  return settings.map((setting) => {
    if (setting.track !== track) return setting;
    const { start, depth } = data.slices[setting.slice]!;
    const cells = every
      .filter(({ place }) => place.slice === setting.slice)
      .map((entry) => asCell(entry, byRow.get(entry.row), start));
    if (!cells.some(({ asked }) => asked)) return setting;
    const hint = knots === null ? null : cutKnots(knots, start, depth);
    const allowed = hint === null || data.mappings || typeof hint === "number" || "list" in hint;
    const span = { depth, mappings: data.mappings, hint: allowed ? hint : null };
    const rules = rewrite(data, setting.rules, cells, span);
    if (rules === null) {
      throw new Refusal("Filters cannot tell these tensors apart. Set all tensors of a layer together.");
    }
    return { ...setting, rules };
  });
}

function asCell({ row, place, value }: Entry, wanted: number | undefined, start: number): Cell {
  const layer = row.layer === null || !place.here ? null : row.layer - start;
  const asked = wanted !== undefined && place.bound;
  return { place, layer, kind: row.kind, value: asked ? wanted : value, asked };
}

/** The knots of one slice as a rule's value. */
function cutKnots(knots: readonly Knot[], start: number, depth: number): RuleValue | null {
  if (depth === 0) return null;
  const end = start + depth - 1;
  let inside = knots
    .filter(({ layer }) => layer >= start && layer <= end)
    .map(({ layer, value }) => ({ layer: layer - start, value }));
  if (knots.length > 1 && inside.length < knots.length) {
    const have = new Set(inside.map(({ layer }) => layer));
    const edges = [...new Set([0, depth - 1])].filter((layer) => !have.has(layer));
    inside = [...inside, ...edges.map((layer) => ({ layer, value: valueOnKnots(knots, start + layer) }))];
    inside.sort((a, b) => a.layer - b.layer);
  }
  return valueOfKnots(inside.length ? inside : [{ layer: 0, value: valueOnKnots(knots, start) }], depth);
}

export const findParameter = (data: Data, track: number): Parameter =>
  data.parameters.find(({ name }) => name === data.tracks[track]!.parameter)!;

/** Refuses values that the method does not accept. */
function refuse({ name, low, high }: Parameter, values: Iterable<number>): void {
  for (const value of values) {
    const outside = (low !== null && value < low) || (high !== null && value > high);
    if (!outside && Number.isFinite(value)) continue;
    const range = low !== null && high !== null ? `${low} to ${high}` : low !== null ? `${low} or more` : "any number";
    throw new Refusal(`${name} = ${value} is out of range: ${range}.`);
  }
}
