// A track's values as its rules give them: by group and layer, outside the layers, by column, and as knots. What
// nbmerge/curves/tracks.py and read_back.py read from a plan.

import type { Knot, Values } from "../views/tracks/content.ts";
import type { Data, Place, Row, Setting } from "./data.ts";
import { findRule, knotsOf, roundValue, valueAtPlace, valueOnKnots } from "./values.ts";

/** Tensors with the value that a track has for them. */
export interface Entry {
  row: Row;
  place: Place;
  value: number;
}

/** Values of layers by group, and of roles outside the layers. */
export interface Curve {
  /** For each group its values in each layer: the mean, and whether all are equal. */
  layers: Map<string, { mean: number; same: boolean }[]>;
  ends: Map<string, number>;
}

/** A curve as its rules say it. */
export interface Line {
  knots: Knot[];
  alone: Knot[];
  /** Whether that is what every tensor gets; otherwise knots are means. */
  exact: boolean;
}

const CLOSE = 1e-9;
const GROUPS = ["attention", "mlp", "rest"];

/** The value that a track has for each row. */
export function readEntries(data: Data, settings: readonly Setting[], track: number): Entry[] {
  const own = new Map(settings.filter((setting) => setting.track === track).map((s) => [s.slice, s]));
  return data.rows.flatMap((row) => {
    const found = row.places.find(([number]) => number === track);
    if (!found) return [];
    const place = data.places[found[1]]!;
    return [{ row, place, value: valueAtPlace(data, own.get(place.slice)!, place) }];
  });
}

export const groupOf = (data: Data, row: Row): string => data.kinds[row.kind]!.key;

export function readCurve(data: Data, entries: readonly Entry[]): Curve {
  const inside = entries.filter(({ row, place }) => row.layer !== null && place.here);
  const layers = new Map<string, { mean: number; same: boolean }[]>();
  const inLayers = (some: readonly Entry[]) => {
    const by: Entry[][] = Array.from({ length: data.depth }, () => []);
    for (const entry of some) by[entry.row.layer!]!.push(entry);
    return by;
  };
  const all = inLayers(inside);
  for (const group of GROUPS) {
    const own = inside.filter(({ row }) => groupOf(data, row) === group);
    if (own.length === 0) continue;
    const values = inLayers(own).map((some, i) => summarise(some.length ? some : all[i]!));
    layers.set(group, values);
  }
  const ends = new Map<string, number>();
  for (const { row, value } of entries) {
    const role = groupOf(data, row);
    if (row.layer === null && role !== "other" && !ends.has(role)) ends.set(role, value);
  }
  return { layers, ends };
}

function summarise(entries: readonly Entry[]): { mean: number; same: boolean } {
  return { mean: meanOf(entries) ?? 0, same: new Set(entries.map(({ value }) => value)).size < 2 };
}

/** The mean over all tensors; of equal values that value. */
export function meanOf(entries: readonly Entry[]): number | null {
  const first = entries[0];
  if (!first) return null;
  if (entries.every(({ value }) => value === first.value)) return first.value;
  const count = entries.reduce((sum, { row }) => sum + row.count, 0);
  return entries.reduce((sum, { row, value }) => sum + row.count * value, 0) / count;
}

/** The value of a role that is not set: that of the nearest layer. */
export function tiedValue({ layers }: Curve, role: string): number {
  const rest = layers.get("rest") ?? [...layers.values()][0] ?? [];
  return (role === "embedding" ? rest[0] : rest[rest.length - 1])?.mean ?? 0;
}

export const isTied = (curve: Curve, role: string): boolean =>
  roundValue(curve.ends.get(role) ?? Number.NaN) === roundValue(tiedValue(curve, role));

/** The different values in each column, ascending, and their mean. */
export function readColumns(
  data: Data,
  entries: readonly Entry[],
  group: string | null,
): { means: Values; dots: number[][] } {
  const inColumns = data.columns.map(({ layer, role }) =>
    entries
      .filter(({ row, place }) =>
        layer === null
          ? row.layer === null && groupOf(data, row) === role
          : row.layer === layer && place.here && (group === null || groupOf(data, row) === group),
      )
      .map((entry) => ({ ...entry, value: roundValue(entry.value) })),
  );
  return {
    means: inColumns.map((some) => {
      const mean = meanOf(some);
      return mean === null ? null : roundValue(mean);
    }),
    dots: inColumns.map((some) => [...new Set(some.map(({ value }) => value))].sort((a, b) => a - b)),
  };
}

/** The knots of a track. */
export function readLine(
  data: Data,
  settings: readonly Setting[],
  track: number,
  entries: readonly Entry[],
  group: string | null,
): Line {
  const line: Line = { knots: [], alone: [], exact: true };
  const meant = entries.filter(
    ({ row, place }) => row.layer !== null && place.here && (group === null || groupOf(data, row) === group),
  );
  for (const setting of settings.filter((own) => own.track === track)) {
    const { start, depth } = data.slices[setting.slice]!;
    const part = meant.filter(({ place }) => place.slice === setting.slice);
    if (part.length === 0) continue;
    const own = readPart(data, setting, part, start, depth);
    line.knots.push(...own.knots);
    line.alone.push(...own.alone);
    line.exact &&= own.exact;
  }
  return line;
}

function readPart(data: Data, setting: Setting, part: readonly Entry[], start: number, depth: number): Line {
  const layers = new Map<number, Entry[]>();
  for (const entry of part) layers.set(entry.row.layer!, [...(layers.get(entry.row.layer!) ?? []), entry]);
  const given = [...layers].sort(([a], [b]) => a - b);
  if (given.some(([, some]) => some.some(({ value }) => value !== some[0]!.value))) {
    return { knots: given.map(([layer, some]) => ({ layer, value: meanOf(some)! })), alone: [], exact: false };
  }
  const knots = mainKnots(data, setting, part, depth).map(({ layer, value }) => ({ layer: layer + start, value }));
  const alone = given
    .map(([layer, some]) => ({ layer, value: some[0]!.value }))
    .filter(({ layer, value }) => Math.abs(value - valueOnKnots(knots, layer)) > CLOSE);
  return alone.length < given.length ? { knots, alone, exact: true } : { knots: alone, alone: [], exact: true };
}

/** The knots of the rule that decides most tensors; a flat one of several slices has a knot at both of its ends. */
function mainKnots(data: Data, setting: Setting, part: readonly Entry[], depth: number): Knot[] {
  const owners = new Map<number, number>();
  for (const { row, place } of part) {
    const owner = findRule(data, setting.rules, place);
    owners.set(owner, (owners.get(owner) ?? 0) + row.count);
  }
  const [main] = [...owners].reduce((best, other) => (other[1] > best[1] ? other : best));
  const knots = knotsOf(setting.rules[main]!.value, depth);
  if (data.slices.length === 1 || knots.length > 1) return knots;
  return [...new Set([0, depth - 1])].map((layer) => ({ layer, value: knots[0]!.value }));
}
