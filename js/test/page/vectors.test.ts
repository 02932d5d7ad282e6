// The arithmetic of pages against numbers of Python: tests/pages/vectors.py writes vectors.json.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { findMethod } from "../../src/page/coefficients.ts";
import type { Plain, RuleValue } from "../../src/page/data.ts";
import { findForm, positionOf } from "../../src/page/forms.ts";
import { placeShape } from "../../src/page/shapes.ts";
import { evaluate } from "../../src/page/values.ts";
import { writeYaml } from "../../src/page/yaml.ts";

interface Vectors {
  values: { value: RuleValue; depth: number; expected: number[] }[];
  forms: { targets: [number, number][]; depth: number; mappings: boolean; expected: RuleValue }[];
  shapes: { points: [number, number][]; depth: number; expected: [number, number][] }[];
  coefficients: {
    method: string;
    each: Record<string, (number | null)[]>;
    shared: Record<string, unknown>;
    position: number;
    based: boolean;
    gram: number[][];
    expected: number[];
  }[];
}

const vectors = JSON.parse(readFileSync("test/page/vectors.json", "utf8")) as Vectors;

function assertClose(found: readonly number[], expected: readonly number[], where: string) {
  assert.equal(found.length, expected.length, where);
  for (const [i, value] of expected.entries()) {
    assert.ok(
      Math.abs(found[i]! - value) <= 1e-12 * Math.max(1, Math.abs(value)),
      `${where}: ${found[i]}, not ${value}`,
    );
  }
}

test("rules give layers the values that they have in a merge", () => {
  for (const { value, depth, expected } of vectors.values) {
    const found = expected.map((_, i) => evaluate(value, positionOf(i, depth), depth));
    assert.deepEqual(found, expected, JSON.stringify({ value, depth }));
  }
});

test("values over layers are written in the same form", () => {
  for (const { targets, depth, mappings, expected } of vectors.forms) {
    assert.deepEqual(findForm(new Map(targets), depth, mappings), expected, JSON.stringify({ targets, mappings }));
  }
});

test("shapes have the same knots", () => {
  for (const { points, depth, expected } of vectors.shapes) {
    const found = placeShape(points, depth).map(({ layer, value }) => [layer, value]);
    assert.deepEqual(found, expected, JSON.stringify({ points, depth }));
  }
});

test("methods have the same coefficients", () => {
  for (const { method, gram, expected, ...numbers } of vectors.coefficients) {
    assertClose(findMethod(method)!(numbers, gram)!, expected, JSON.stringify({ method, ...numbers }));
  }
});

test("weights that are normalised and sum to 0 have no coefficients", () => {
  const numbers = { each: { weight: [0.5, -0.5] }, shared: { normalize: true }, position: 0, based: false };
  for (const method of ["linear", "nuslerp"])
    assert.equal(
      findMethod(method)!(numbers, [
        [1, 0],
        [0, 1],
      ]),
      null,
    );
});

test("recipes are written as they are known to be read", () => {
  const cases = JSON.parse(readFileSync("test/page/yaml.json", "utf8")) as { plain: Plain; text: string }[];
  for (const { plain, text } of cases) assert.equal(writeYaml(plain), text);
});
