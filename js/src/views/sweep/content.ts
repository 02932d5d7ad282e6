// What the kernel sends to the Sweep panel.

import type { Answered } from "../../lib/view.ts";

export interface Curve {
  name: string;
  values: (number | null)[];
  /** Whether lower is better. */
  lower: boolean;
  /** The best point; null where none has a score. */
  best: number | null;
  /** How far the path is worse than the straight line between its ends, and where; null where an end has no score. */
  barrier: { height: number; at: number } | null;
}

export interface Path {
  ends: [string, string];
  /** Positions of the points, from 0 to 1. */
  at: number[];
  curves: Curve[];
  /** The point whose recipe is on screen. */
  current: number | null;
  remarks: string[];
}

export interface Content extends Answered {
  /** What a path can begin and end at; `whole` is the title with whole names of models. */
  ends: { key: string; title: string; whole: string }[];
  suggested: [string, string];
  scores: string[];
  chosen: string[];
  ready: boolean;
  /** How far the work is; empty while it is not running. */
  progress: string;
  path: Path | null;
}
