import assert from "node:assert/strict";
import { test } from "node:test";
import { nextRow } from "../../src/views/history/index.ts";
import { LANE, link, points, ROW, span } from "../../src/views/history/pictures.ts";
import { describeNotes } from "../../src/views/history/rows.ts";

test("a line within a lane is straight, to another lane it bends", () => {
  assert.equal(link({ lane: 0, parent: 2 }, 0, 0), `M${LANE * 0.7} ${ROW * 0.5}V${ROW * 2.5}`);
  assert.match(link({ lane: 1, parent: 1 }, 0, 0), /Q/);
  assert.equal(link({ lane: 0, parent: null }, 0, 0), "");
});

test("pictures span 0 to 1 at least and interrupt lines at missing numbers", () => {
  assert.deepEqual(span([[0.2, null], [0.5]]), [0, 1]);
  assert.deepEqual(span([[-0.5, 1.5]]), [-0.5, 1.5]);
  assert.deepEqual(points([0.5], [0, 1], 10, 10), [
    [3, 5],
    [7, 5],
  ]);
  assert.ok(Number.isNaN(points([0, null, 1], [0, 1], 10, 10)[1]?.[1]));
});

test("notes name time, pins, scores and the best", () => {
  const step = { time: "12:31", pins: ["A"], scores: [{ name: "skill", value: 0.25 }], best: true };
  assert.equal(describeNotes(step), "12:31 · pinned A · skill 0.25 · ★ best");
});

test("arrows stay within the list", () => {
  assert.deepEqual(
    [
      nextRow("ArrowDown", 2, 3),
      nextRow("ArrowUp", 0, 3),
      nextRow("End", 0, 3),
      nextRow("a", 0, 3),
      nextRow("Home", -1, 3),
    ],
    [2, 0, 2, null, null],
  );
});
