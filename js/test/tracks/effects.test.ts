import assert from "node:assert/strict";
import { test } from "node:test";
import { colourOf, describeCell, type EffectPart, effectOf, nextCell, signed } from "../../src/views/tracks/effects.ts";

const part: EffectPart = {
  kinds: [
    { key: "attention", label: "attention" },
    { key: "mlp", label: "MLP" },
  ],
  cells: [
    [null, 0.5, -0.25],
    [null, null, 0],
  ],
  outside: [4, null, null],
  most: 0.5,
  lower: true,
  of: "math",
  measured: "perplexity",
  roles: ["embedding", "", ""],
};
const columns = [
  { name: "embed", label: "embeddings", layer: null },
  { name: "0", label: "layer 0", layer: 0 },
  { name: "1", label: "layer 1", layer: 1 },
];

test("outside the layers a column has one effect, whatever the row", () => {
  assert.equal(effectOf(part, { column: 0, row: 1 }), 4);
  assert.equal(effectOf(part, { column: 1, row: 0 }), 0.5);
});

test("colours tell better from worse by the score's direction, and end at the largest effect of a layer", () => {
  assert.match(colourOf(part, 0.5), /^rgba\(213, 94, 0, 1\.000/);
  assert.match(colourOf(part, 4), /, 1\.000\)$/);
  assert.match(colourOf(part, -0.25), /^rgba\(0, 158, 115/);
  assert.match(colourOf({ ...part, lower: false }, 0.5), /^rgba\(0, 158, 115/);
  assert.equal(colourOf(part, -0.001), colourOf(part, 0.001)); // rounding errors
  assert.equal(colourOf(part, null), "none");
});

test("arrows stay inside", () => {
  assert.deepEqual(nextCell("ArrowLeft", { column: 0, row: 1 }, part), { column: 0, row: 1 });
  assert.deepEqual(nextCell("ArrowDown", { column: 2, row: 0 }, part), { column: 2, row: 1 });
  assert.deepEqual(nextCell("End", { column: 0, row: 0 }, part), { column: 2, row: 0 });
  assert.equal(nextCell("Enter", { column: 0, row: 0 }, part), null);
});

test("a cell says what a click does", () => {
  const say = (column: number, row: number) => describeCell(part, columns, { column, row });
  assert.equal(say(1, 0), "Take layer 0, attention from math: perplexity +0.5, worse");
  assert.equal(say(0, 1), "Take embeddings from math: perplexity +4, worse");
  assert.equal(say(1, 1), "layer 0, MLP: math has no such part");
  assert.equal(signed(-0.00123), "−0.00123");
});
