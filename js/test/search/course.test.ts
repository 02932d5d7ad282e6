import assert from "node:assert/strict";
import { test } from "node:test";
import { describeCourse, stairs } from "../../src/views/search/course.ts";

test("the best so far stays until a better trial comes, and up to the last trial", () => {
  const points: [number, number | null][] = [
    [0, 5],
    [3, 4],
    [4, null],
  ];
  assert.deepEqual(stairs(points, 9), [
    [0, 5],
    [3, 5],
    [3, 4],
    [9, 4],
  ]);
  assert.deepEqual(stairs([], 9), []);
});

test("a course says where it began and where it is, on both kinds of texts", () => {
  const curve = { name: "p", lower: true, points: [], best: [], heldOut: [] };
  assert.equal(describeCourse({ ...curve, best: [[0, 5]] }), "p: from 5 to 5");
  const both = {
    ...curve,
    best: [
      [0, 5],
      [3, 4],
    ],
    heldOut: [
      [0, 6],
      [3, 7],
    ],
  } as Parameters<typeof describeCourse>[0];
  assert.equal(describeCourse(both), "p: from 5 to 4; held out, from 6 to 7");
});
