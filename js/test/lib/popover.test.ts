import assert from "node:assert/strict";
import { test } from "node:test";
import { findPlace } from "../../src/lib/popover.ts";

const room = { width: 700, height: 1000 };
const at = (top: number, left = 10) => ({ top, bottom: top + 30, left });

test("a popover is below its button, or above it where there is more room", () => {
  assert.deepEqual(findPlace(at(100), { width: 300, height: 400 }, room), { left: 10, top: 134, height: 400 });
  assert.deepEqual(findPlace(at(900), { width: 300, height: 400 }, room), { left: 10, top: 496, height: 400 });
});

test("one that is too high or too wide stays within the window", () => {
  const { left, top, height } = findPlace(at(400, 650), { width: 600, height: 5000 }, room);
  assert.deepEqual([left, top, top + height], [96, 434, 996]);
  assert.equal(findPlace(at(100), { width: 600, height: 5000 }, room).height, 700);
});
