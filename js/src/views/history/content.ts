// What the kernel sends: see nbmerge/widgets/panels/history.py.

import type { Answered } from "../../lib/view.ts";

export interface Score {
  name: string;
  value: number | null;
}

export interface Step {
  id: number;
  lane: number;
  /** Row of the step that it came from, counted from the top. */
  parent: number | null;
  current: boolean;
  /** Whether it leads to the current step. */
  path: boolean;
  time: string;
  name: string;
  words: string;
  /** The words with long names of models short. */
  short: string;
  /** Its curves; the colour is that of a model, null for one of the whole merge. */
  lines: { values: number[]; colour: string | null }[];
  scores: Score[];
  best: boolean;
  pins: string[];
}

export interface Curve {
  title: string;
  before: (number | null)[];
  after: (number | null)[];
}

export interface Comparison {
  steps: [number, number];
  names: [string, string];
  words: string[];
  curves: Curve[];
}

export interface Content extends Answered {
  /** From the newest to the oldest. */
  steps: Step[];
  hidden: number;
  lanes: number;
  can_undo: boolean;
  can_redo: boolean;
  comparison: Comparison | null;
  /** The same merge in Python. */
  code: string;
}
