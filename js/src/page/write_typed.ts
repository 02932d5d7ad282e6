// Typed values applied to a track, and a curve as the text that gives it: the counterpart of nbmerge/curves/write_typed.py.

import type { Knot } from "../views/tracks/content.ts";
import { type Entry, groupOf, type Line, readEntries, readLine } from "./curve.ts";
import { type Data, Refusal, type Setting } from "./data.ts";
import { type Chosen, followEnds, setKnots, setLayers, type Wanted, write } from "./edits.ts";
import { type Assignment, type How, PARTS, parseTyped } from "./typed.ts";
import { roundValue, spreadKnots, valueOfKnots, valueOnKnots } from "./values.ts";

/** The settings with one track set as a text says. */
export function setTyped(data: Data, settings: readonly Setting[], chosen: Chosen, text: string): Setting[] {
  const { parameter } = data.tracks[chosen.track]!;
  const parsed = parseTyped(text, data.depth).map((a) => (a.part === parameter ? { ...a, part: "" } : a));
  const [first, ...rest] = parsed as [Assignment, ...Assignment[]];
  const single = rest.every(({ layers, how, part }) => layers !== null && how === "set" && part === "");
  if (isWhole(first) && single && !(rest.length && first.part)) {
    const made = setWhole(data, settings, { ...chosen, group: first.part || chosen.group }, first, rest);
    if (made) return made;
  }
  return assignAll(data, settings, chosen, parsed);
}

const isWhole = ({ layers, end, part }: Assignment): boolean =>
  layers === null && !end && (part === "" || part in PARTS);

/** A curve as it was typed, or the present one with other values, then single layers; null where it is no curve. */
function setWhole(
  data: Data,
  settings: readonly Setting[],
  chosen: Chosen,
  first: Assignment,
  single: readonly Assignment[],
): Setting[] | null {
  let line: Line = { knots: first.knots ?? spreadKnots(first.values, data.depth), alone: [], exact: true };
  if (!first.knots && first.how !== "set") {
    const now = readLine(data, settings, chosen.track, readEntries(data, settings, chosen.track), chosen.group);
    if (!now.exact || first.values.length > 1) return null;
    const moved = (knot: Knot): Knot => ({ layer: knot.layer, value: change(knot.value, first.how, first.values[0]!) });
    line = { knots: now.knots.map(moved), alone: now.alone.map(moved), exact: true };
  }
  const own = new Map(line.alone.map(({ layer, value }) => [layer, value]));
  for (const { layers, values } of single) {
    const given = spreadKnots(values, layers!.length);
    for (const [i, layer] of layers!.entries()) own.set(layer, valueOnKnots(given, i));
  }
  if (first.how === "set" && first.values.length === data.depth && data.depth > 1 && own.size === 0) {
    return setLayers(data, settings, chosen, new Map(first.values.entries()));
  }
  return setKnots(
    data,
    settings,
    chosen,
    line.knots,
    [...own].map(([layer, value]) => ({ layer, value })),
  );
}

function assignAll(data: Data, settings: readonly Setting[], chosen: Chosen, parsed: readonly Assignment[]): Setting[] {
  const entries = readEntries(data, settings, chosen.track);
  const wanted: Wanted = new Map();
  const ends = new Map<string, number>();
  for (const assignment of parsed) {
    const meant = entries.filter((entry) => isMeant(data, entry, assignment, chosen.group));
    if (meant.length === 0) {
      throw new Refusal(`There is no part “${(assignment.end || assignment.part).slice(0, 60)}” here.`);
    }
    const numberAt = numbersOf(assignment, data.depth);
    for (const entry of meant) {
      const number = numberAt(entry.row.layer);
      if (number === null) continue;
      const value = change(wanted.get(entry) ?? entry.value, assignment.how, number);
      if (assignment.end) ends.set(assignment.end, value);
      else wanted.set(entry, value);
    }
  }
  return write(data, settings, chosen.track, followEnds(data, entries, wanted, ends));
}

/** What an assignment says for a layer, or outside the layers; null where it says nothing. */
function numbersOf({ layers, values, knots }: Assignment, depth: number): (layer: number | null) => number | null {
  const meant = layers ?? Array.from({ length: depth }, (_, i) => i);
  const given = knots ?? spreadKnots(values, meant.length);
  return (layer) => {
    if (layer === null) return values[0]!;
    const at = knots ? layer : meant.indexOf(layer);
    return at < 0 ? null : valueOnKnots(given, at);
  };
}

function isMeant(data: Data, { row, place }: Entry, { end, part: own }: Assignment, group: string | null): boolean {
  if (end) return row.layer === null && groupOf(data, row) === end;
  if (row.layer === null || !place.here) return false;
  const part = own || group;
  return part === null || part === groupOf(data, row) || place.texts.some((text) => data.texts[text] === part);
}

const change = (old: number, how: How, number: number): number =>
  how === "set" ? number : roundValue(how === "add" ? old + number : old * number);

/** The shortest text that gives a line again. */
export function formatLine({ knots, alone }: Line, depth: number): string {
  const value = valueOfKnots(knots, depth);
  const say = (number: number) => String(roundValue(number));
  let text: string;
  if (typeof value === "number") text = say(value);
  else if ("list" in value) text = value.list.map(say).join(", ");
  else text = `{${value.layers.map(([layer, v]) => `${layer}: ${say(v)}`).join(", ")}}`;
  return [text, ...alone.map(({ layer, value: v }) => `${layer}: ${say(v)}`)].join("; ");
}
