import assert from "node:assert/strict";
import { test } from "node:test";
import type { Curve, Path } from "../../src/views/sweep/content.ts";
import { barrierOf, describePlace, placesOf } from "../../src/views/sweep/scale.ts";

const curve: Curve = { name: "p", values: [2, 5, null, 4], lower: true, best: 0, barrier: { height: 2.4, at: 0.3 } };
const path: Path = { ends: ["a", "b"], at: [0, 0.3, 0.6, 1], curves: [curve], current: 1, remarks: [] };

test("a point says where it is, its score, and whether it is the best or on screen", () => {
  const says = placesOf(path, curve).map((place) => describePlace(place, path.ends));
  assert.deepEqual(says, ["a: 2 (best)", "30 % of the way: 5 (on screen)", "60 % of the way: no score", "b: 4"]);
});

test("a barrier stands on the line between the ends", () => {
  const found = barrierOf(path, curve);
  assert.equal(found?.value, 5);
  assert.ok(Math.abs((found?.line ?? 0) - 2.6) < 1e-9);
  assert.equal(barrierOf(path, { ...curve, barrier: { height: 0, at: 0 } }), null);
  assert.equal(barrierOf(path, { ...curve, values: [null, 5, 4, 4], barrier: null }), null);
});
