// What the kernel sends to the table of samples.

import type { Answered } from "../../lib/view.ts";

export interface Column {
  name: string;
  kind: "merge" | "pin" | "parent";
  title: string;
  colour: string;
  /** How the model was run. */
  detail: string;
  /** Whether it is of an earlier recipe. */
  stale: boolean;
  /** Fingerprint of its recipe; empty for parents. */
  recipe: string;
}

export interface Cell {
  /** Text, and whether it differs from what it is compared with. */
  runs: [string, boolean][];
  status: "waiting" | "generating" | "done" | "stopped";
  note: string;
  tokens: number;
}

export interface Settings {
  length: number;
  temperature: number;
  seed: number;
  backend: string;
  backends: { value: string; label: string }[];
  compare: string;
  comparisons: string[];
  parents: boolean;
  follow: boolean;
}

export interface Content extends Answered {
  prompts: string[];
  columns: Column[];
  rows: (Cell | null)[][];
  busy: boolean;
  ready: boolean;
  note: string;
  memory: { text: string; ways: string[] };
  settings: Settings;
}
