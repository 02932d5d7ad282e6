import assert from "node:assert/strict";
import { test } from "node:test";
import { nearestSpot, placeValues, SIZE } from "../../src/views/scoreboard/spark.ts";

const { width, height, edge } = SIZE;

test("values are spread evenly, and a value that is not a number leaves a gap", () => {
  const spots = placeValues([0.1, 0.9, null, 0.5]);
  assert.deepEqual(spots[0], { x: edge, y: height - edge });
  assert.equal(spots[1]!.y, edge);
  assert.equal(spots[2]!.y, null);
  assert.equal(spots[3]!.y, height / 2);
  assert.equal(spots[3]!.x, width - edge);
});

test("one value, and equal values, stand in the middle", () => {
  assert.deepEqual(placeValues([3]), [{ x: width - edge, y: height / 2 }]);
  assert.deepEqual(
    placeValues([2, 2]).map((spot) => spot.y),
    [height / 2, height / 2],
  );
  assert.deepEqual(placeValues([]), []);
});

test("a press is taken by the nearest point that is drawn", () => {
  const spots = placeValues([0.1, null, 0.5]);
  assert.equal(nearestSpot(spots, spots[1]!.x - 1), 0);
  assert.equal(nearestSpot(spots, spots[1]!.x + 1), 2);
  assert.equal(nearestSpot(placeValues([null]), 10), -1);
});
