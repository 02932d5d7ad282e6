import assert from "node:assert/strict";
import { test } from "node:test";
import { placeAt } from "../../src/views/bench/order.ts";

const rows = [0, 1, 2, 3].map((i) => ({ top: 20 * i, bottom: 20 * i + 20 }));

test("a row goes past every row whose middle is passed", () => {
  assert.equal(placeAt(rows, 1, 30), 1);
  assert.equal(placeAt(rows, 1, 11), 1);
  assert.equal(placeAt(rows, 1, 9), 0);
  assert.equal(placeAt(rows, 1, 51), 2);
  assert.equal(placeAt(rows, 1, 500), 3);
  assert.equal(placeAt(rows, 3, -500), 0);
});
