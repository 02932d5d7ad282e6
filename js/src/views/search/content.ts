// What the kernel sends to the Search panel, and what it is asked for.

import type { Drawing } from "../../lib/picture.ts";
import type { Table } from "../../lib/table.ts";
import type { Answered } from "../../lib/view.ts";

/** Between which values, and in how many knots, a parameter is searched. */
export interface Range {
  title: string;
  low: number;
  high: number;
  knots: number;
}

/** A parameter that can be searched, with suggested bounds. */
export interface Offered extends Range {
  /** The title with long names of models short. */
  short: string;
}

/** The fields of `SearchForm` in Python. */
export interface Form {
  ranges: (Range & { chosen: boolean })[];
  scores: string[];
  held_out: Record<string, string>;
  held_out_texts: Record<string, string>;
  trials: number | null;
  seconds: number | null;
  seed: number;
  goal: string;
  sampler: string;
  storage: string;
}

/** A number of a trial, and a score; null where it has none. */
export type Point = [number, number | null];

export interface Curve {
  name: string;
  /** Whether lower is better. */
  lower: boolean;
  points: Point[];
  /** Trials that were better than all before them. */
  best: Point[];
  /** The same on texts that were held out. */
  heldOut: Point[];
}

export interface Best {
  trial: number;
  text: string;
  front: boolean;
  /** Whether its recipe is on screen. */
  current: boolean;
}

export interface Found {
  trials: number;
  failed: number;
  curves: Curve[];
  best: Best[];
  notes: string[];
  table: Table;
}

export interface Content extends Answered, Drawing {
  ranges: Offered[];
  scores: string[];
  /** The score that is chosen at first. */
  suggested: string;
  /** What was last started. */
  form: Form | null;
  /** Whether that can go on. */
  isStored: boolean;
  ready: boolean;
  progress: string;
  plot: string;
  plots: { key: string; title: string }[];
  theme: string;
  drawn: boolean;
  found: Found | null;
}
