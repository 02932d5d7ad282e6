// What the tokens of a text look like in each way of looking at them, and what they say.

import { number } from "../../lib/format.ts";

export interface Result {
  /** The merge first. */
  models: { label: string; colour: string }[];
  perplexity: (number | null)[];
  /** The first token, which has no probability. */
  start: string;
  tokens: string[];
  hidden: number;
  /** For each model, log P of each token. */
  logs: (number | null)[][];
  /** How far the merge departs from all parents; above 0 where the token is more likely. */
  outside: (number | null)[];
  /** For each token, the place of the closest parent in `models`. */
  closest: number[];
  remarks: string[];
}

export const LOOKS = [
  { key: "likely", label: "how likely", hint: "The stronger the colour, the less likely the token" },
  { key: "closest", label: "closest parent", hint: "The parent whose probability is closest to the merge's" },
  { key: "apart", label: "apart from all", hint: "Green: more likely than under any parent; orange: less likely" },
] as const;
export type Look = (typeof LOOKS)[number]["key"];

/** Minus the log-probability, and the distance between models, that have the strongest colour. */
const [UNLIKELY, FAR] = [8, 1.5];
/** Distance of log-probabilities below which models agree. */
const SAME = 0.0005;

/** The colour behind a token; "" for none. */
export function colourOf(result: Result, look: Look, model: number, i: number): string {
  if (look === "likely") {
    const log = result.logs[model]?.[i] ?? null;
    return log === null ? "" : `rgba(213, 94, 0, ${(0.6 * Math.min(-log / UNLIKELY, 1)).toFixed(2)})`;
  }
  if (look === "apart") {
    const far = result.outside[i] ?? 0;
    const strength = (0.6 * Math.min(Math.abs(far) / FAR, 1)).toFixed(2);
    return far === 0 ? "" : far > 0 ? `rgba(0, 158, 115, ${strength})` : `rgba(213, 94, 0, ${strength})`;
  }
  const colour = result.models[result.closest[i] ?? 0]?.colour;
  const share = Math.round(45 * Math.min(disagreement(result, i) / FAR, 1));
  return colour && share > 0 ? `color-mix(in srgb, ${colour} ${share}%, transparent)` : "";
}

/** How far the parents' log-probabilities of a token are from each other; where they agree, none is closest. */
export function disagreement(result: Result, i: number): number {
  const logs = result.logs.slice(1).flatMap((of) => of[i] ?? []);
  return logs.length > 1 ? Math.max(...logs) - Math.min(...logs) : 0;
}

/** How far a token is apart from all parents, as the table writes it. */
export function apart(result: Result, i: number): string {
  const far = result.outside[i] ?? 0;
  return Math.abs(far) < SAME ? "" : `${far > 0 ? "+" : ""}${number(far, 3)}`;
}

/** All numbers of a token in words. */
export function describeToken(result: Result, i: number): string {
  const each = result.models.map(({ label }, m) => `${label} ${number(result.logs[m]?.[i] ?? null, 3)}`).join(", ");
  const far = result.outside[i] ?? 0;
  const beyond = apart(result, i) && `; ${number(Math.abs(far), 3)} ${far > 0 ? "above" : "below"} all parents`;
  const closest = disagreement(result, i) < SAME ? "" : `; closest to ${result.models[result.closest[i] ?? 0]?.label}`;
  return `“${visible(result.tokens[i] ?? "")}” log P: ${each}${closest}${beyond}`;
}

/** A token with its line breaks and tabs written out, and spaces where there is nothing else. */
export function visible(token: string): string {
  const text = token.replaceAll("\n", "↵").replaceAll("\t", "⇥");
  return text.trim() ? text : text.replaceAll(" ", "␣");
}
