import assert from "node:assert/strict";
import { test } from "node:test";
import {
  addKnot,
  distanceTo,
  knotAt,
  moveKnot,
  nearestKnot,
  nextKnot,
  snap,
  snapDragged,
  valueAt,
} from "../../src/views/tracks/knots.ts";

const tent = [
  { layer: 0, value: 0 },
  { layer: 15.5, value: 1 },
  { layer: 31, value: 0 },
];

test("lines join knots and are flat outside of them", () => {
  assert.deepEqual(
    [0, 15.5, 31].map((layer) => valueAt(tent, layer)),
    [0, 1, 0],
  );
  assert.equal(
    valueAt(
      [
        { layer: 4, value: 0.3 },
        { layer: 6, value: 0.5 },
      ],
      5,
    ),
    0.4,
  );
  assert.deepEqual(
    [0, 9].map((layer) =>
      valueAt(
        [
          { layer: 4, value: 0.3 },
          { layer: 6, value: 0.5 },
        ],
        layer,
      ),
    ),
    [0.3, 0.5],
  );
});

test("a knot keeps its place between layers until it is moved to another, and never passes its neighbours", () => {
  assert.deepEqual(moveKnot(tent, 1, 15.8, 0.7, 32)[1], { layer: 15.5, value: 0.7 });
  assert.deepEqual(moveKnot(tent, 1, 12.2, 0.7, 32)[1], { layer: 12, value: 0.7 });
  assert.deepEqual(moveKnot(tent, 1, 40, 0.7, 32)[1], { layer: 30, value: 0.7 });
  assert.deepEqual(moveKnot(tent, 0, -3, 0.1 + 0.2, 32)[0], { layer: 0, value: 0.3 });
  assert.deepEqual(moveKnot([{ layer: 15.5, value: 0.3 }], 0, 4, 0.5, 32), [{ layer: 15.5, value: 0.5 }]);
});

test("a flat curve gets knots at its ends with the first one that is added", () => {
  assert.deepEqual(addKnot([{ layer: 15.5, value: 0.3 }], 12, 0.8, 32), [
    { layer: 0, value: 0.3 },
    { layer: 12, value: 0.8 },
    { layer: 31, value: 0.3 },
  ]);
  assert.equal(addKnot(tent, 31, 0.5, 32).length, 3); // one is there already
  assert.deepEqual(addKnot([{ layer: 0, value: 0.2 }], 0, 0.4, 1), [{ layer: 0, value: 0.4 }]);
});

test("a press is at a line between its points and at its ends", () => {
  const line: [number, number][] = [
    [0, 0],
    [40, 30],
    [80, 30],
  ];
  assert.equal(distanceTo(line, 20, 15), 0);
  assert.equal(distanceTo(line, 60, 34), 4);
  assert.equal(distanceTo(line, -3, -4), 5);
  assert.equal(distanceTo([], 0, 0), Number.POSITIVE_INFINITY);
});

test("knots are found by layer, by place and in order", () => {
  assert.deepEqual([knotAt(tent, 15), knotAt(tent, 16), knotAt(tent, 14), knotAt(tent, null)], [1, 1, null, null]);
  assert.equal(
    nearestKnot(
      [
        [0, 0],
        [20, 5],
      ],
      14,
      3,
      12,
    ),
    1,
  );
  assert.equal(
    nearestKnot(
      [
        [0, 0],
        [20, 5],
      ],
      50,
      3,
      12,
    ),
    null,
  );
  assert.deepEqual(
    [nextKnot(tent, 0, 1)?.layer, nextKnot(tent, 16, -1)?.layer, nextKnot(tent, 31, 1)],
    [15.5, 15.5, null],
  );
});

test("values go to the grid, stay within limits, and are drawn to 0, 0.5 and 1 while they are dragged", () => {
  assert.deepEqual(
    [snap(0.416, 0.01, [null, null]), snap(1.4, 0.01, [0, 1]), snap(-3, 0.01, [null, 1])],
    [0.42, 1, -3],
  );
  assert.deepEqual(
    [0.53, 0.52, 0.98].map((v) => snapDragged(v, 0.01, [null, null], 0.025)),
    [0.53, 0.5, 1],
  );
});
