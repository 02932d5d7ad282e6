// What a page contains: made by nbmerge/pages/contents.py.

import type { Values } from "../views/tracks/content.ts";

/** A number, numbers spread evenly over the layers, or numbers at some layers. */
export type RuleValue = number | { list: readonly number[] } | { layers: readonly (readonly [number, number])[] };

/** A value for the tensors whose names contain a text; null is every tensor. */
export interface Rule {
  filter: string | null;
  value: RuleValue;
}

/** The rules of a track in a slice, and where in the recipe they are written. */
export interface Setting {
  track: number;
  slice: number;
  rules: Rule[];
  paths: (string | number)[][];
}

/** Where tensors are, as far as rules can tell. */
export interface Place {
  slice: number;
  position: number;
  depth: number;
  /** Numbers of the texts that their names contain. */
  texts: number[];
  /** Whether a value is meant for them, and whether they are in the layers that are drawn. */
  bound: boolean;
  here: boolean;
}

/** Tensors that cannot differ in what they are made of. */
export interface Row {
  layer: number | null;
  kind: number;
  count: number;
  /** Copied from their only input, whatever the parameters. */
  copied: boolean;
  /** For each input the number of the parent, and of the measured model. */
  parents: number[];
  inputs: number[];
  /** Pairs of a track and its place. */
  places: [number, number][];
  shared: number;
  /** Whether the first input is a base that the others are compared to. */
  based: boolean;
  position: number;
  /** Number of the Gram matrix, −1 for none. */
  gram: number;
}

export interface Track {
  parameter: string;
  model: string;
  title: string;
  label: string;
  colour: string;
  marks: { value: number; text: string }[];
}

export interface Parameter {
  name: string;
  help: string;
  low: number | null;
  high: number | null;
  slider: [number, number];
}

/** Plain data with mappings as lists of pairs, in their order. */
export type Plain = string | number | boolean | null | Plain[] | { map: [string, Plain][] };

export interface Data {
  title: string;
  version: string;
  method: { name: string; title: string };
  /** Why distances do not follow the curves, and why curves cannot be changed; empty where they do and can. */
  still: string;
  locked: string;
  columns: { name: string; label: string; layer: number | null; role: string }[];
  depth: number;
  parents: { label: string; colour: string }[];
  kinds: { key: string; label: string }[];
  /** Groups in layers that texts can select, beside the rest. */
  groups: string[];
  /** Texts of filters, and the numbers of those that do not name single layers. */
  stable: number[];
  texts: string[];
  slices: { start: number; depth: number }[];
  /** Whether a value may name layers. */
  mappings: boolean;
  parameters: Parameter[];
  tracks: Track[];
  settings: Setting[];
  places: Place[];
  rows: Row[];
  shared: Record<string, unknown>[];
  /** Upper triangles of the Gram matrices over [base, δ₁ … δₙ], float64. */
  gram: { size: number; data: string } | null;
  /** Sums by parent, layer and kind of the recipe as it was exported. */
  recorded: { parents: string[]; depth: number; data: string } | null;
  shapes: { name: string; hint: string; points: [number, number][] }[];
  /** As it was written, the documents before it, and its plain data. */
  recipe: { text: string; before: string; plain: Plain };
  problems: { severity: string; text: string }[];
  pins: { name: string; lines: (Values | null)[] }[];
  samples: { prompts: string[]; models: { name: string; colour: string; texts: (string | null)[] }[] };
  scores: { names: string[]; models: { name: string; values: (number | null)[] }[] };
}

/** Something that a user asked for and that cannot be done; its message is shown. */
export class Refusal extends Error {}

/** Numbers of float64 in base64. */
export function decodeNumbers(text: string): Float64Array {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float64Array.from({ length: bytes.length / 8 }, (_, i) => view.getFloat64(8 * i, true));
}
