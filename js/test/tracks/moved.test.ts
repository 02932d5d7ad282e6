import assert from "node:assert/strict";
import { test } from "node:test";
import { strengths } from "../../src/views/tracks/rows/moved.ts";

test("cells are as strong as their change is of the largest in their row", () => {
  assert.deepEqual(strengths([0, 0.1, null, 0.4], 0), [0, 0.25, null, 1]);
  assert.deepEqual(strengths([1, 0.5, 0.75], 1), [0, 1, 0.5]);
});

test("a row without any change is blank", () => {
  assert.deepEqual(strengths([1, 1, null], 1), [0, 0, null]);
  assert.deepEqual(strengths([], 1), []);
});
