import assert from "node:assert/strict";
import { test } from "node:test";
import { type Band, dragEdge, dropAt, nameBand, readBandKey } from "../../src/views/tracks/bands.ts";

const source = (label: string, first: number, end: number) => ({ model: label, label, colour: "", first, end });
const bands: Band[] = [
  { start: 0, depth: 24, sources: [source("math", 0, 24)] },
  { start: 24, depth: 24, sources: [source("code", 8, 32)] },
];
const depthOf = () => 32;

test("edges stay within their model and leave one layer", () => {
  assert.deepEqual(dragEdge(bands[0]!, "end", 3, depthOf), [0, 27]);
  assert.deepEqual(dragEdge(bands[0]!, "end", 30, depthOf), [0, 32]);
  assert.deepEqual(dragEdge(bands[0]!, "end", -40, depthOf), [0, 1]);
  assert.deepEqual(dragEdge(bands[0]!, "first", -3, depthOf), [0, 24]);
  assert.deepEqual(dragEdge(bands[1]!, "first", -3, depthOf), [5, 32]);
  assert.deepEqual(dragEdge(bands[1]!, "first", 99, depthOf), [31, 32]);
});

test("sources that are merged move together, as far as each has layers", () => {
  const both = { start: 0, depth: 8, sources: [source("math", 4, 12), source("code", 20, 28)] };
  assert.deepEqual(dragEdge(both, "end", 9, depthOf), [4, 16]);
  assert.deepEqual(dragEdge(both, "first", -9, depthOf), [0, 12]);
});

test("a band is dropped between others by their middles", () => {
  assert.equal(dropAt(bands, 0, 10), 0);
  assert.equal(dropAt(bands, 0, 40), 1);
  assert.equal(dropAt(bands, 1, 5), 0);
  assert.equal(dropAt(bands, 1, 30), 1);
});

test("bands are named by their layers", () => {
  assert.equal(nameBand(bands[1]!), "code 8–31");
  assert.equal(nameBand({ start: 0, depth: 1, sources: [source("math", 3, 4)] }), "math 3");
  const merged = { start: 0, depth: 32, sources: [source("math", 0, 32), source("code", 0, 32)] };
  assert.equal(nameBand(merged), "layers 0–31 of math and code");
  const shifted = { start: 0, depth: 4, sources: [source("math", 0, 4), source("code", 4, 8)] };
  assert.equal(nameBand(shifted), "math 0–3, code 4–7");
});

test("keys of a band", () => {
  const key = (name: string, more = {}) =>
    readBandKey({ key: name, shiftKey: false, ctrlKey: false, metaKey: false, ...more });
  assert.deepEqual(key("ArrowRight"), { kind: "go", by: 1 });
  assert.deepEqual(key("ArrowLeft", { ctrlKey: true }), { kind: "move", by: -1 });
  assert.deepEqual(key("ArrowLeft", { shiftKey: true }), { kind: "resize", by: -1 });
  assert.equal(key("Delete")?.kind, "remove");
  assert.equal(key("Tab"), null);
});
