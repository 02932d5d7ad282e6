import assert from "node:assert/strict";
import { test } from "node:test";
import { roundStep, scaleOf } from "../../src/lib/scale.ts";

test("levels are round and inside the range", () => {
  const { low, high, levels } = scaleOf([2, 5, null, 4]);
  assert.ok(low < 2 && high > 5);
  assert.deepEqual(levels, [2, 4]);
  assert.equal(roundStep(0.03), 0.05);
  assert.ok(scaleOf([3, 3]).high > 3);
  assert.deepEqual(scaleOf([null]).levels.length > 1, true);
});
