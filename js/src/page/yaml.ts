// A recipe as YAML: its plain data with the rules of its tracks in their places.

import type { Data, Plain, Rule, RuleValue, Setting } from "./data.ts";

type Mapping = { map: [string, Plain][] };

/** The recipe's text; where nothing has been changed, as it was written. */
export function writeRecipe(data: Data, settings: readonly Setting[]): string {
  const changed = settings.filter((setting, i) => setting.rules !== data.settings[i]!.rules);
  if (changed.length === 0) return data.recipe.text;
  const plain = structuredClone(data.recipe.plain);
  for (const { track, rules, paths } of changed) {
    for (const path of paths) {
      const place = find(plain, path);
      set(place, data.tracks[track]!.parameter, plainRules(rules));
    }
  }
  return `${data.recipe.before}${writeYaml(plain)}`;
}

/** The mapping at a path; the last step is made where it is missing. */
function find(plain: Plain, path: readonly (string | number)[]): Mapping {
  let at = plain;
  for (const step of path) {
    if (typeof step === "number") at = (at as Plain[])[step]!;
    else {
      const { map } = at as Mapping;
      if (!map.some(([key]) => key === step)) map.push([step, { map: [] }]);
      at = map.find(([key]) => key === step)![1];
    }
  }
  return at as Mapping;
}

function set({ map }: Mapping, key: string, value: Plain): void {
  const entry = map.find(([name]) => name === key);
  if (entry) entry[1] = value;
  else map.push([key, value]);
}

/** Rules as a recipe has them: a value alone where it is for every tensor. */
export function plainRules(rules: readonly Rule[]): Plain {
  const [first] = rules;
  if (rules.length === 1 && first!.filter === null) return plainValue(first!.value);
  return rules.map(({ filter, value }) => {
    const named: [string, Plain][] = filter === null ? [] : [["filter", filter]];
    return { map: [...named, ["value", plainValue(value)]] };
  });
}

function plainValue(value: RuleValue): Plain {
  if (typeof value === "number") return value;
  if ("list" in value) return [...value.list];
  return { map: value.layers.map(([layer, number]): [string, Plain] => [String(layer), number]) };
}

/** Plain data as YAML: numbers in a line, everything else below each other. */
export function writeYaml(plain: Plain): string {
  return `${block(plain, "").join("\n")}\n`;
}

function block(plain: Plain, indent: string): string[] {
  if (isFlat(plain)) return [indent + flow(plain)];
  if (Array.isArray(plain)) {
    return plain.flatMap((entry) => {
      const [first, ...rest] = block(entry, `${indent}  `);
      return [`${indent}- ${first!.slice(indent.length + 2)}`, ...rest];
    });
  }
  return (plain as Mapping).map.flatMap(([key, value]) =>
    isFlat(value)
      ? [`${indent}${keyOf(key)}: ${flow(value)}`]
      : [`${indent}${keyOf(key)}:`, ...block(value, `${indent}  `)],
  );
}

/** Whether it is written in one line: scalars, lists of numbers, and mappings of layers to numbers. */
function isFlat(plain: Plain): boolean {
  if (plain === null || typeof plain !== "object") return true;
  const entries = Array.isArray(plain) ? plain : plain.map.map(([, value]) => value);
  if (entries.length === 0) return true;
  const isLayers = Array.isArray(plain) || plain.map.every(([key]) => /^\d/.test(key));
  return isLayers && entries.every((entry) => typeof entry === "number" || typeof entry === "boolean");
}

function flow(plain: Plain): string {
  if (Array.isArray(plain)) return `[${plain.map(flow).join(", ")}]`;
  if (plain !== null && typeof plain === "object") {
    return `{${plain.map.map(([key, value]) => `${keyOf(key)}: ${flow(value)}`).join(", ")}}`;
  }
  return typeof plain === "string" ? scalar(plain) : JSON.stringify(plain);
}

const PLAIN = /^(?:[A-Za-z_]|\.{0,2}\/)[\w./@+~ -]*$/;
const WORDS = /^(?:true|false|yes|no|on|off|null|y|n)$/i;
const LAYERS = /^\d+(?:\.\d+)?(?:-\d+)?$/;
const INVISIBLE = /[\u007f-\u009f\u2028\u2029\ufeff]/g; // what YAML takes for the end of a line, or refuses

/** A text; in quotes wherever YAML could read it as something else. */
function scalar(text: string): string {
  if (PLAIN.test(text) && !WORDS.test(text) && text === text.trim()) return text;
  return JSON.stringify(text).replace(
    INVISIBLE,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A key; layers are written as numbers. */
const keyOf = (text: string): string => (LAYERS.test(text) ? text : scalar(text));
