// What can be written at a place of a recipe. The words come from the kernel, which has them from the methods' registry.

import type { Place } from "./place.ts";

export interface Key {
  name: string;
  help: string;
  /** Whether its value is a mapping or a list on lines of its own. */
  nested: boolean;
}

export interface Parameter {
  name: string;
  help: string;
  /** The allowed values in words. */
  range: string;
  default: string;
  /** Whether each model has its own value. */
  each: boolean;
  /** Values where there are only few. */
  choices: string[];
}

export interface Method {
  name: string;
  title: string;
  help: string;
  parameters: Parameter[];
}

export interface Words {
  /** Keys by part: "recipe", "model", "slice", "module", "tokenizer", "token", "dtype_rule", "expert", "rule". */
  keys: Record<string, Key[]>;
  methods: Method[];
  models: string[];
  /** Values by key. */
  values: Record<string, string[]>;
}

/** One entry of the list that opens while one writes. */
export interface Option {
  label: string;
  detail?: string;
  info?: string;
  /** What is inserted, where that is not the label. */
  apply?: string;
  type: "property" | "class" | "constant" | "variable";
}

const MODEL_KEYS = ["model", "base_model", "config_source", "embedding_source", "final_norm_source", "lm_head_source"];

/** What can be written at a place. */
export function listOptions(place: Place, method: string, words: Words): Option[] {
  if (place.key !== null) return listValues(place.path, place.key, method, words);
  if (place.path.at(-1) === "parameters") return listParameters(place.path, method, words);
  const part = partAt(place.path);
  const options = part === null ? [] : (words.keys[part] ?? []).map(asKey);
  return isModelList(place.path) ? [...options, ...words.models.map(asModel)] : options;
}

/** The part of a recipe that a path leads to; null where none is. */
export function partAt(path: readonly string[]): string | null {
  const [last, before] = [path.at(-1), path.at(-2)];
  if (last === undefined) return "recipe";
  if (path.includes("parameters")) return last === "-" ? "rule" : null;
  if (last === "-") {
    return (
      {
        models: "model",
        sources: "model",
        slices: "slice",
        dtype_overrides: "dtype_rule",
        experts: "expert",
        shared_experts: "expert",
      }[before ?? ""] ?? null
    );
  }
  if (last === "tokenizer") return "tokenizer";
  if (before === "modules") return "module";
  return before === "tokens" ? "token" : null;
}

const isModelList = (path: readonly string[]) => path.at(-1) === "-" && path.at(-2) === "models";

function listValues(path: readonly string[], key: string, method: string, words: Words): Option[] {
  if (key === "merge_method") return words.methods.map(asMethod);
  if (MODEL_KEYS.includes(key)) return words.models.map(asModel);
  if (key === "tokenizer_source" || (key === "source" && path.at(-1) === "tokenizer")) {
    return [...(words.values.tokenizer_source ?? []).map(asValue), ...words.models.map(asModel)];
  }
  const parameter = path.includes("parameters") ? findParameter(path, key, method, words) : undefined;
  return (parameter?.choices ?? words.values[key] ?? []).map(asValue);
}

function findParameter(path: readonly string[], key: string, method: string, words: Words): Parameter | undefined {
  const name = key === "value" ? path[path.indexOf("parameters") + 1] : key;
  return words.methods.find((m) => m.name === method)?.parameters.find((p) => p.name === name);
}

/** Parameters of the method: below a model, those that each model has. */
function listParameters(path: readonly string[], method: string, words: Words): Option[] {
  const oneModel = path.includes("models") || path.includes("sources");
  const known = words.methods.find((m) => m.name === method)?.parameters ?? [];
  return known
    .filter((p) => p.each || !oneModel)
    .map((p) => {
      const info = `${p.help} Allowed: ${p.range}. ${p.default ? `Default: ${p.default}.` : "It has no default."}`;
      return { label: p.name, detail: p.range, info, apply: `${p.name}: `, type: "property" };
    });
}

const asKey = ({ name, help, nested }: Key): Option => ({
  label: name,
  detail: help,
  apply: nested ? `${name}:` : `${name}: `,
  type: "property",
});

const asMethod = ({ name, title, help }: Method): Option => ({ label: name, detail: title, info: help, type: "class" });

const asModel = (name: string): Option => ({ label: name, type: "variable" });

const asValue = (name: string): Option => ({ label: name, type: "constant" });
