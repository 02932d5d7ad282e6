// What the kernel sends to the scores.

import type { Answered } from "../../lib/view.ts";

export interface Point {
  /** Null where it is not a number. */
  value: number | null;
  text: string;
  /** Step of the history that it was computed for; null where that is gone. */
  step: number | null;
  best: boolean;
  /** Whether it is the value that the row shows. */
  shown: boolean;
}

export interface Score {
  name: string;
  /** Whether less is better. */
  lower: boolean;
  state: "current" | "stale" | "none" | "failed";
  value: string;
  change: string;
  /** Whether the change is for the better; null without one. */
  better: boolean | null;
  fault: string;
  best: string;
  points: Point[];
}

export interface Content extends Answered {
  scores: Score[];
  note: string;
  busy: boolean;
  ready: boolean;
  follow: boolean;
  skills: string[];
}
