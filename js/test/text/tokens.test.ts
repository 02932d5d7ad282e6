import assert from "node:assert/strict";
import { test } from "node:test";
import { colourOf, describeToken, type Result } from "../../src/views/text/tokens.ts";

const result: Result = {
  models: [
    { label: "the merge", colour: "" },
    { label: "math", colour: "#0072b2" },
    { label: "code", colour: "#d55e00" },
  ],
  perplexity: [2, 3, 4],
  start: "a",
  tokens: ["\n", "b"],
  hidden: 0,
  logs: [
    [-8, 0],
    [-1, null],
    [-4, null],
  ],
  outside: [-7, 0],
  closest: [1, 1],
  remarks: [],
};

test("colours: unlikely tokens, the closest parent, apart from all", () => {
  assert.equal(colourOf(result, "likely", 0, 0), "rgba(213, 94, 0, 0.60)");
  assert.equal(colourOf(result, "likely", 1, 1), "");
  assert.equal(colourOf(result, "closest", 0, 0), "color-mix(in srgb, #0072b2 45%, transparent)");
  assert.equal(colourOf(result, "closest", 0, 1), ""); // parents that agree
  assert.equal(colourOf(result, "apart", 0, 0), "rgba(213, 94, 0, 0.60)");
  assert.equal(colourOf(result, "apart", 0, 1), "");
});

test("a token says all its numbers, and shows what cannot be seen", () => {
  assert.equal(
    describeToken(result, 0),
    "“↵” log P: the merge −8, math −1, code −4; closest to math; 7 below all parents",
  );
});
