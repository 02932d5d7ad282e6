// Beside the points of the curve: triangles that say which way a value should move to help a score, and how much.

import { match, set, write } from "../../lib/dom.ts";
import { number } from "../../lib/format.ts";
import { svg } from "../../lib/svg.ts";
import type { Axis } from "./axis.ts";
import type { Values } from "./content.ts";
import type { WorkPart } from "./work_bar.ts";

export interface SensitivityPart extends WorkPart {
  scores: string[];
  score: string;
  /** For each column, how much the score changes per 1 of the value; missing until it is computed. */
  slopes?: Values;
  most?: number;
  /** Whether a lower score is better. */
  lower?: boolean;
}

/** Share of the strongest below which a triangle says nothing. */
const FAINT = 0.02;

/** How strongly a higher value helps in a column, −1 to 1; negative where a lower one does; null where it is not known. */
export function helpOf(part: SensitivityPart, column: number): number | null {
  const slope = part.slopes?.[column] ?? null;
  if (slope === null || !part.most) return null;
  return Math.min(Math.max((part.lower ? -slope : slope) / part.most, -1), 1);
}

/** Whether up or down helps, and what a step of 0.1 does. */
export function describeHelp(part: SensitivityPart, column: number): string {
  const slope = part.slopes?.[column] ?? null;
  if (slope === null) return "";
  const help = helpOf(part, column) ?? 0;
  const step = slope * 0.1;
  const digits = step === 0 ? 0 : Math.min(Math.max(0, 1 - Math.floor(Math.log10(Math.abs(step)))), 8);
  const effect = `${part.score} ${step > 0 ? "+" : ""}${number(step, digits)} per +0.1`;
  return `${help > 0 ? "up helps" : help < 0 ? "down helps" : "at an optimum"}: ${effect}`;
}

/** A triangle above a point where a higher value helps, below it where a lower one does; its area is the strength. */
export function triangle(x: number, y: number, help: number, most: number): string {
  const half = Math.max(Math.sqrt(Math.abs(help)) * most, 1.6);
  const way = help > 0 ? -1 : 1;
  const base = y + way * 10;
  return `M${(x - half).toFixed(1)} ${base.toFixed(1)}h${(2 * half).toFixed(1)}l${(-half).toFixed(1)} ${(way * 1.6 * half).toFixed(1)}z`;
}

/** Draws the triangles of the curve's points. */
export function drawHalos(
  group: SVGGElement,
  part: SensitivityPart | undefined,
  axis: Axis,
  values: Values,
  y: (value: number) => number,
): void {
  const most = Math.max(2.5, Math.min(7, axis.step * 0.5));
  const shown = axis.columns.flatMap((_, column) => {
    const [help, value] = [part ? helpOf(part, column) : null, values[column] ?? null];
    return help === null || value === null || Math.abs(help) < FAINT ? [] : [{ column, help, value }];
  });
  const make = () => svg("path", {}, svg("title"));
  match(group, shown, make, (node, { column, help, value }) => {
    const d = triangle(axis.x(column), y(value), help, most);
    set(node, { d, class: help > 0 ? "nbm-helps-up" : "nbm-helps-down" });
    write(node.firstElementChild!, part ? describeHelp(part, column) : "");
  });
  group.classList.toggle("nbm-stale", part?.stale ?? false);
}
