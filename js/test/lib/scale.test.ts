import assert from "node:assert/strict";
import { test } from "node:test";
import { levelsIn, linear, roundStep, scaleOf, writeLevel } from "../../src/lib/scale.ts";

test("levels are round and inside the range", () => {
  const { low, high, levels } = scaleOf([2, 5, null, 4]);
  assert.ok(low < 2 && high > 5);
  assert.deepEqual(levels, [2, 4]);
  assert.equal(roundStep(0.03), 0.05);
  assert.ok(scaleOf([3, 3]).high > 3);
  assert.deepEqual(scaleOf([null]).levels.length > 1, true);
});

test("levels are few, round, and written alike", () => {
  assert.deepEqual(levelsIn([-0.06, 1.06], 3), [0, 0.5, 1]);
  assert.deepEqual(levelsIn([-0.09, 1.59], 3), [0, 0.5, 1, 1.5]);
  assert.deepEqual(levelsIn([-1.2, 1.2], 3), [-1, 0, 1]);
  assert.deepEqual(levelsIn([0, 60], 3), [0, 20, 40, 60]);
  assert.deepEqual(levelsIn([0.3, 0.3], 3), [0.3]);
  assert.deepEqual(
    [0, 0.5, -1].map((level) => writeLevel(level, [0, 0.5, -1])),
    ["0.0", "0.5", "−1.0"],
  );
  assert.deepEqual(
    [0, 20].map((level) => writeLevel(level, [0, 20])),
    ["0", "20"],
  );
});

test("a line leads from numbers to places and back", () => {
  const y = linear([0, 2], [100, 20]);
  assert.deepEqual([0, 1, 2, 3].map(y), [100, 60, 20, -20]);
  assert.equal(y.invert(60), 1);
  assert.equal(linear([1, 1], [5, 9])(1), 5);
});
