// Cells of the ablation row: which there are, how they are coloured, where keys lead, and what they say.

import { number } from "../../lib/format.ts";
import type { Column, Values } from "./content.ts";

export interface EffectPart {
  kinds: { key: string; label: string }[];
  /** For each kind, the change of the score in each column of a layer. */
  cells: Values[];
  /** The change in each column outside the layers. */
  outside: Values;
  /** The largest change in a layer; a larger one outside is coloured as strongly. */
  most: number;
  /** Whether a lower score is better. */
  lower: boolean;
  /** The parent that parts come from, and the score. */
  of: string;
  measured: string;
  /** For each column, its role outside the layers; empty for a layer. */
  roles: string[];
}

/** A cell; outside the layers, the row does not matter. */
export interface Cell {
  column: number;
  row: number;
}

const BETTER = "0, 158, 115";
const WORSE = "213, 94, 0";
/** Share of the largest change below which neither is told: rounding errors have both signs. */
const NOTHING = 0.003;

/** The change of a cell. */
export function effectOf(part: EffectPart, { column, row }: Cell): number | null {
  return part.roles[column] ? (part.outside[column] ?? null) : (part.cells[row]?.[column] ?? null);
}

/** The colour of a change: green where the part of the parent is better, orange where it is worse. */
export function colourOf(part: EffectPart, change: number | null): string {
  if (change === null) return "none";
  const strength = part.most > 0 ? Math.min(Math.abs(change) / part.most, 1) : 0;
  if (strength < NOTHING) return "rgba(128, 128, 128, 0.08)";
  const better = part.lower ? change < 0 : change > 0;
  return `rgba(${better ? BETTER : WORSE}, ${(0.05 + 0.95 * strength).toFixed(3)})`;
}

/** The cell that an arrow key leads to; null where the key is none of the cells'. */
export function nextCell(key: string, { column, row }: Cell, part: EffectPart): Cell | null {
  const [columns, rows] = [part.roles.length, part.kinds.length];
  const within = (value: number, count: number) => Math.min(Math.max(value, 0), count - 1);
  if (key === "ArrowLeft") return { column: within(column - 1, columns), row };
  if (key === "ArrowRight") return { column: within(column + 1, columns), row };
  if (key === "ArrowUp") return { column, row: within(row - 1, rows) };
  if (key === "ArrowDown") return { column, row: within(row + 1, rows) };
  if (key === "Home") return { column: 0, row };
  if (key === "End") return { column: columns - 1, row };
  return null;
}

/** A change with its sign. */
export function signed(change: number | null): string {
  if (change === null) return "–";
  const digits = change === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(change))));
  return `${change > 0 ? "+" : ""}${number(change, Math.min(digits, 8))}`;
}

/** What a click on a cell does, and the effect that was found. */
export function describeCell(part: EffectPart, columns: readonly Column[], cell: Cell): string {
  const change = effectOf(part, cell);
  const where = columns[cell.column]?.label ?? "";
  const what = part.roles[cell.column] ? where : `${where}, ${part.kinds[cell.row]?.label ?? ""}`;
  if (change === null) return `${what}: ${part.of} has no such part`;
  const verdict = change === 0 ? "" : (part.lower ? change < 0 : change > 0) ? ", better" : ", worse";
  return `Take ${what} from ${part.of}: ${part.measured} ${signed(change)}${verdict}`;
}
