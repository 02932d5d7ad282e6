import assert from "node:assert/strict";
import { test } from "node:test";
import { nextEntry } from "../../src/lib/menu.ts";
import { nextFocus } from "../../src/lib/popover.ts";
import { path } from "../../src/lib/svg.ts";

test("a line is interrupted where a number is missing", () => {
  assert.equal(
    path([
      [0, 1],
      [1, 2],
      [2, Number.NaN],
      [3, 4],
    ]),
    "M0.0 1.00L1.0 2.00M3.0 4.00",
  );
});

test("menus go around, and letters find the next entry", () => {
  const items = ["flat", "ramp up", "ramp down"].map((label) => ({ label }));
  assert.equal(nextEntry("ArrowDown", 2, items), 0);
  assert.equal(nextEntry("r", 1, items), 2);
  assert.equal(nextEntry("r", 2, items), 1);
  assert.equal(nextEntry("x", 0, items), null);
  assert.equal(nextEntry("Enter", 0, items), null);
});

test("Tab stays within a popover", () => {
  assert.deepEqual(
    [nextFocus(-1, 3, false), nextFocus(2, 3, false), nextFocus(0, 3, true), nextFocus(0, 0, false)],
    [0, 0, 2, -1],
  );
});
