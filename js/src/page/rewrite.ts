// Changes some values of a track's rules and keeps the rest, as nbmerge/curves/rules.py does: each rule whose tensors
// change gets another value, with rules for those that differ in front of it.

import type { Data, Place, Rule, RuleValue } from "./data.ts";
import { countNumbers, findForm, gives, isClose, isSame } from "./forms.ts";
import { evaluate, findRule } from "./values.ts";

/** Tensors of one place with their value before and after a change. */
export interface Cell {
  place: Place;
  /** Layer in the slice; null outside the layers. */
  layer: number | null;
  kind: number;
  value: number;
  asked: boolean;
}

/** Where the rules apply, and what was drawn. */
export interface Span {
  depth: number;
  mappings: boolean;
  hint: RuleValue | null;
}

interface Bucket {
  cells: Cell[];
  targets: Map<number, number>;
}

const FILTER = 3; // what a filter costs, in numbers that it is as long as

/** The rules that give every cell its value; null where filters cannot tell the tensors apart. */
export function rewrite(data: Data, rules: readonly Rule[], cells: readonly Cell[], span: Span): Rule[] | null {
  const bound = cells.filter(({ place }) => place.bound); // of the others, whatever the rules say is right
  return rewriteEach(data, rules, bound, span) ?? rewriteAll(data, bound, span);
}

function rewriteEach(data: Data, rules: readonly Rule[], cells: readonly Cell[], span: Span): Rule[] | null {
  const owners = new Map(cells.map((cell) => [cell, findRule(data, rules, cell.place)]));
  const written: { rule: Rule; changed: boolean }[] = [];
  for (const [i, rule] of rules.entries()) {
    const mine = cells.filter((cell) => owners.get(cell) === i);
    const later = cells.filter((cell) => owners.get(cell)! > i);
    if (!mine.some(({ asked }) => asked)) {
      written.push({ rule, changed: false });
      continue;
    }
    const best = chooseOption(data, rule, mine, later, span);
    if (best === null) return null;
    const whole = mine.every(({ asked, layer }) => asked || layer === null);
    written.push(...best.map((made) => ({ rule: made, changed: whole || made !== rule })));
  }
  const result = prune(data, written, cells);
  return givesAll(data, result, cells) ? result : null;
}

/** Rules for all cells, whatever they were. */
function rewriteAll(data: Data, cells: readonly Cell[], span: Span): Rule[] | null {
  const start: Rule = { filter: null, value: cells[0]?.value ?? 0 };
  return chooseOption(data, start, [...cells], [], span);
}

/** The shortest rules in place of one. */
function chooseOption(data: Data, rule: Rule, mine: Cell[], later: Cell[], span: Span): Rule[] | null {
  const options = listOptions(data, rule, mine, later, span).filter(
    (option) => givesAll(data, option, mine) && later.every(({ place }) => findRule(data, option, place) < 0),
  );
  return options.length ? options.reduce((best, option) => (cost(option) < cost(best) ? option : best)) : null;
}

function listOptions(data: Data, rule: Rule, mine: Cell[], later: Cell[], span: Span): Rule[][] {
  const outside = mine.filter(({ layer }) => layer === null);
  const buckets = findBuckets(
    data,
    mine.filter(({ layer }) => layer !== null),
  );
  if (buckets.length === 0) return outside.map(({ value }) => [{ filter: rule.filter, value }]);
  return buckets.map((main) => {
    const front = buckets.flatMap((bucket) => {
      if (bucket === main) return [];
      const others = [...later, ...mine.filter((cell) => !bucket.cells.includes(cell))];
      const value = chooseValue(rule, bucket, span);
      return (findFilters(data, bucket.cells, others) ?? []).map((filter) => ({ filter, value }));
    });
    const value = chooseValue(rule, main, span);
    const kept = isSame(value, rule.value) ? rule : { filter: rule.filter, value };
    return [...separateEnds(data, kept, outside, [...later, ...mine]), ...front, kept];
  });
}

/** Tensors with the same values in all layers that they have in common. */
function findBuckets(data: Data, cells: readonly Cell[]): Bucket[] {
  const parts = new Map<string, Cell[]>();
  for (const cell of cells) {
    const key = `${cell.kind} ${cell.place.texts.filter((text) => data.stable.includes(text)).join(",")}`;
    parts.set(key, [...(parts.get(key) ?? []), cell]);
  }
  const buckets: Bucket[] = [];
  for (const part of parts.values()) {
    const targets = new Map(part.map(({ layer, value }) => [layer!, value]));
    const fitting = buckets.find((bucket) => [...targets].every(([i, v]) => (bucket.targets.get(i) ?? v) === v));
    if (!fitting) buckets.push({ cells: part, targets });
    else {
      fitting.cells.push(...part);
      for (const [layer, value] of targets) fitting.targets.set(layer, value);
    }
  }
  return buckets;
}

function chooseValue(rule: Rule, { cells, targets }: Bucket, { depth, mappings, hint }: Span): RuleValue {
  if (hint !== null && cells.some(({ asked }) => asked) && gives(hint, targets, depth)) return hint;
  return gives(rule.value, targets, depth) ? rule.value : findForm(targets, depth, mappings);
}

/** Texts that occur in the names of some tensors and of no others; null where there are none. */
function findFilters(data: Data, wanted: readonly Cell[], others: readonly Cell[]): string[] | null {
  const chosen: number[] = [];
  for (const { place } of wanted) {
    if (place.texts.some((text) => chosen.includes(text))) continue;
    const text = place.texts.find((i) => !others.some((other) => other.place.texts.includes(i)));
    if (text === undefined) return null;
    chosen.push(text);
  }
  return chosen.map((text) => data.texts[text]!);
}

/** Rules for tensors outside the layers whose value is not that of the first or the last layer. */
function separateEnds(data: Data, rule: Rule, outside: readonly Cell[], every: readonly Cell[]): Rule[] {
  const own = outside.filter(({ place, value }) => !isClose(evaluate(rule.value, place.position, place.depth), value));
  return [...new Set(own.map(({ value }) => value))].flatMap((value) => {
    const cells = own.filter((cell) => cell.value === value);
    const others = every.filter((cell) => !cells.includes(cell));
    return (findFilters(data, cells, others) ?? []).map((filter) => ({ filter, value }));
  });
}

function givesAll(data: Data, rules: readonly Rule[], cells: readonly Cell[]): boolean {
  return cells.every(({ place, value }) => {
    const rule = rules[findRule(data, rules, place)];
    return rule !== undefined && isClose(evaluate(rule.value, place.position, place.depth), value);
  });
}

/** Without rules that are changed and, as the others are now, not needed; those for ends stay. */
function prune(data: Data, written: { rule: Rule; changed: boolean }[], cells: readonly Cell[]): Rule[] {
  const inside = cells.filter(({ layer }) => layer !== null);
  let rules = written.map(({ rule }) => rule);
  for (const { rule, changed } of written.slice(0, -1)) {
    const needed = changed && inside.some(({ place }) => findRule(data, [rule], place) === 0);
    const rest = rules.filter((other) => other !== rule);
    if (needed && givesAll(data, rest, cells)) rules = rest;
  }
  return rules;
}

const cost = (rules: readonly Rule[]): number =>
  rules.reduce((sum, { filter, value }) => sum + countNumbers(value) + (filter === null ? 0 : FILTER), 0);
