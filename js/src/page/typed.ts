// Typed values: the forms of nbmerge/curves/typed.py, for parts that the page can tell apart.
//
//   0.5    0.2, 0.4    {0: 0, 12: 0.8}    8-15: 0.3    3-5 mlp: +0.1    all: x0.5    head: 1

import { plural } from "../lib/format.ts";
import type { Knot } from "../views/tracks/content.ts";
import { Refusal } from "./data.ts";

export type How = "set" | "add" | "scale";

/** What one part of a typed text does. */
export interface Assignment {
  /** Null for every layer. */
  layers: number[] | null;
  values: number[];
  how: How;
  /** A group, or a text of filters; empty for every tensor. */
  part: string;
  /** A role outside the layers, which is then all that is meant. */
  end: string;
  knots: Knot[] | null;
}

export const PARTS: Record<string, string> = { attention: "attention", attn: "attention", mlp: "mlp", rest: "rest" };
const ENDS: Record<string, string> = {
  embedding: "embedding",
  embeddings: "embedding",
  embed: "embedding",
  "final norm": "final norm",
  head: "head",
  lm_head: "head",
};
const EXAMPLES = "Write 0.2, 0.8 or 8-15: 0.3 or 0, 3-5 mlp: +0.1.";
const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?$/;
const OPERATION = /^(\+=|-=|\+|[x×*]=?)\s*([\s\S]*)$/;
const RANGE = /^(\d{1,6})(?:\s*[-–]\s*(\d{1,6}))?$/;

/** Reads typed values. */
export function parseTyped(text: string, depth: number): Assignment[] {
  const pieces = text
    .split(/[;\n]/)
    .map((piece) => piece.trim())
    .filter((piece) => piece !== "");
  if (pieces.length === 0) throw new Refusal(`There are no numbers. ${EXAMPLES}`);
  return pieces.map((piece) => parsePiece(piece, depth));
}

function parsePiece(piece: string, depth: number): Assignment {
  const start: Assignment = { layers: null, values: [], how: "set", part: "", end: "", knots: null };
  if (piece.startsWith("{")) return { ...start, knots: readKnots(piece, depth) };
  const colon = piece.indexOf(":");
  if (colon < 0) return { ...start, ...readValues(piece, depth) };
  const rest = piece.slice(colon + 1).trim();
  const selector = readSelector(piece.slice(0, colon), depth);
  if (rest.startsWith("{") && selector.layers === null && !selector.end) {
    return { ...start, ...selector, knots: readKnots(rest, depth) };
  }
  const count = selector.end ? 1 : (selector.layers?.length ?? depth);
  return { ...start, ...selector, ...readValues(rest, count) };
}

function readValues(text: string, count: number): { values: number[]; how: How } {
  const match = OPERATION.exec(text);
  const how: How = !match ? "set" : "+-".includes(match[1]![0]!) ? "add" : "scale";
  const sign = match?.[1] === "-=" ? -1 : 1;
  const listed = (match?.[2] ?? text).replace(/^\[(.*)\]$/, "$1");
  const values = readNumbers(listed).map((value) => sign * value);
  if (values.length > count)
    throw new Refusal(`These are ${values.length} numbers for ${plural(count, "layer")}. ${EXAMPLES}`);
  return { values, how };
}

function readNumbers(text: string): number[] {
  const words = text.split(/[\s,]+/).filter((word) => word !== "");
  if (words.length === 0) throw new Refusal(`A number is expected. ${EXAMPLES}`);
  return words.map((word) => {
    const value = Number(word);
    if (!NUMBER.test(word) || !Number.isFinite(value)) {
      throw new Refusal(`A number is expected, not “${word.slice(0, 40)}”. ${EXAMPLES}`);
    }
    return value;
  });
}

function readKnots(text: string, depth: number): Knot[] {
  if (!text.endsWith("}")) throw new Refusal("A closing brace is expected.");
  const knots = new Map<number, number>();
  for (const entry of text.slice(1, -1).split(",")) {
    const [key, value] = entry.split(":");
    if (value === undefined) throw new Refusal("A layer and a value with a colon between them are expected.");
    const layers = readLayers(key!, depth);
    for (const layer of new Set([layers[0]!, layers[layers.length - 1]!])) knots.set(layer, readNumbers(value)[0]!);
  }
  return [...knots].sort(([a], [b]) => a - b).map(([layer, value]) => ({ layer, value }));
}

function readSelector(text: string, depth: number): Pick<Assignment, "layers" | "part" | "end"> {
  const words = text.toLowerCase().trim().split(/\s+/).join(" ");
  if (Object.hasOwn(ENDS, words)) return { layers: null, part: "", end: ENDS[words]! };
  const numbers = /^[\d\s,–-]*/.exec(text)![0];
  const layers = numbers.replace(/[\s,]/g, "")
    ? [...new Set(numbers.split(",").flatMap((n) => readLayers(n, depth)))]
    : null;
  const rest = text.slice(numbers.length).trim();
  const part = layers === null ? rest.replace(/^all(\s+|$)/i, "").trim() : rest;
  if (layers === null && rest === "") throw new Refusal(`Layers are expected before the colon. ${EXAMPLES}`);
  return { layers, part: PARTS[part.toLowerCase()] ?? part, end: "" };
}

function readLayers(text: string, depth: number): number[] {
  const match = RANGE.exec(text.trim());
  if (!match) throw new Refusal(`A layer or a range such as 3-5 is expected, not “${text.trim().slice(0, 40)}”.`);
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  if (last < first) throw new Refusal(`The range ${first}-${last} goes backwards. Write ${last}-${first}.`);
  if (last >= depth) throw new Refusal(`There is no layer ${last}. The layers are 0 to ${depth - 1}.`);
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
