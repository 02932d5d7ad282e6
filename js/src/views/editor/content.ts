// What the kernel sends to the editor.

import type { Answered } from "../../lib/view.ts";

export interface Problem {
  severity: "error" | "warning" | "info";
  /** From 1; null where a problem concerns no line. */
  line: number | null;
  text: string;
}

export interface Content extends Answered {
  /** What is to be edited: the text that is not applied yet, or else the recipe's. */
  text: string;
  edited: boolean;
  /** One line about the text. */
  note: string;
  problems: Problem[];
  dialects: { value: string; label: string }[];
}
