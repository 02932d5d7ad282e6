import assert from "node:assert/strict";
import { test } from "node:test";
import { change, dropAt, insert, type Layers, move, readKey, remove, repeat } from "../../src/views/stack/edits.ts";

const LAYERS: Layers = [
  [0, 0],
  [0, 1],
  [1, 5],
];
const MODELS = [
  { label: "a", colour: "", depth: 4 },
  { label: "b", colour: "", depth: 8 },
];

test("edits return a changed stack with the layer that is chosen next", () => {
  assert.deepEqual(move(LAYERS, 0, 2), { layers: [LAYERS[1], LAYERS[2], LAYERS[0]], chosen: 2 });
  assert.deepEqual(move(LAYERS, 2, 9), { layers: LAYERS, chosen: 2 });
  assert.deepEqual(insert(LAYERS, 1, [1, 7]), { layers: [LAYERS[0], [1, 7], LAYERS[1], LAYERS[2]], chosen: 1 });
  assert.deepEqual(repeat(LAYERS, 2), { layers: [...LAYERS, [1, 5]], chosen: 3 });
  assert.deepEqual(remove(LAYERS, 2), { layers: LAYERS.slice(0, 2), chosen: 1 });
});

test("the last layer cannot be removed", () => {
  assert.deepEqual(remove([[0, 3]], 0), { layers: [[0, 3]], chosen: 0 });
});

test("a layer is taken from the other model where that has one of its number", () => {
  assert.deepEqual(change(LAYERS, 1, MODELS).layers[1], [1, 1]);
  assert.deepEqual(change(LAYERS, 2, MODELS).layers[2], [1, 5]); // the first model has 4 layers
});

test("keys that do something else elsewhere are left alone", () => {
  const none = { ctrlKey: false, metaKey: false, altKey: false };
  assert.equal(readKey({ key: "ArrowLeft", ...none }), "left");
  assert.equal(readKey({ key: "ArrowLeft", ...none, metaKey: true }), "move left");
  assert.equal(readKey({ key: "r", ...none }), "repeat");
  assert.equal(readKey({ key: "r", ...none, ctrlKey: true }), null); // reloads the page
  assert.equal(readKey({ key: "ArrowLeft", ...none, altKey: true }), null); // goes back
});

test("a layer is dropped between others by their middles, in rows like those of a text", () => {
  const boxes = [0, 1, 2, 3].map((i) => {
    const [left, top] = [(i % 2) * 30, Math.floor(i / 2) * 40];
    return { left, right: left + 28, top, bottom: top + 30 };
  });
  assert.equal(dropAt(boxes, 5, 15), 0);
  assert.equal(dropAt(boxes, 20, 15), 1);
  assert.equal(dropAt(boxes, 90, 15), 2);
  assert.equal(dropAt(boxes, 5, 50), 2);
  assert.equal(dropAt(boxes, 90, 69), 4);
});
