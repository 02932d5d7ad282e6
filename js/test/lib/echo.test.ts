import assert from "node:assert/strict";
import { test } from "node:test";
import { Echo } from "../../src/lib/echo.ts";
import { nextCount } from "../../src/lib/view.ts";

test("an own value is shown until its action is answered", () => {
  const echo = new Echo<number, number>();
  echo.set(3, 0.9, 12);
  echo.settle(11); // an older answer does not know of the move
  assert.equal(echo.get(3, 0.1), 0.9);
  assert.equal(echo.get(4, 0.1), 0.1);
  echo.settle(12);
  assert.equal(echo.get(3, 0.1), 0.1);
});

test("a value of a drag that goes on is never given up", () => {
  const echo = new Echo<string, number>();
  echo.set("a", 1, Number.POSITIVE_INFINITY);
  echo.settle(1e15);
  assert.equal(echo.get("a", 0), 1);
  echo.clear();
  assert.equal(echo.size, 0);
});

test("action numbers rise, also within one millisecond and when the clock goes back", () => {
  const counts = [nextCount(5000), nextCount(5000), nextCount(4000), nextCount(9000)];
  assert.deepEqual(
    counts,
    [...counts].sort((a, b) => a - b),
  );
  assert.equal(new Set(counts).size, 4);
});
