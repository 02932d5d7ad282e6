import assert from "node:assert/strict";
import { test } from "node:test";
import { type Point, placeName } from "../../src/views/tracks/place_name.ts";

const room = { left: 0, right: 300, top: 0, bottom: 200 };
const size = { width: 80, height: 12 };
const flat = (y: number): Point[] => [
  [20, y],
  [280, y],
];

test("a name stands beside its own curve, where no other curve is near", () => {
  const steep: Point[] = [
    [20, 10],
    [280, 190],
  ];
  const place = placeName(flat(100), size, { room, curves: [steep], taken: [] });
  assert.ok(place?.free);
  const heights = [place.left, place.right].map((x) => 10 + ((x - 20) / 260) * 180);
  assert.ok(Math.max(...heights) < place.top || Math.min(...heights) > place.bottom);
  const below = placeName(flat(100), size, { room, curves: [steep, flat(80)], taken: [] });
  assert.ok(below?.free);
  assert.ok(below.top > 100 && below.right < 150);
});

test("names do not stand on each other, on points, or outside of the room", () => {
  const first = placeName(flat(6), size, { room, curves: [], taken: [] });
  assert.ok(first?.free);
  assert.ok(first.top > 6); // above it there is no room
  const second = placeName(flat(8), size, { room, curves: [[[150, 20]]], taken: [first] });
  assert.ok(second?.free);
  assert.ok(second.left > first.right || second.right < first.left);
  assert.ok(second.left > 150 || second.right < 150);
});

test("where nothing is free, the place says so; a curve that is not there has none", () => {
  const crowd = Array.from({ length: 20 }, (_, i) => flat(10 * i));
  assert.equal(placeName(flat(95), size, { room, curves: crowd, taken: [] })?.free, false);
  assert.equal(placeName([], size, { room, curves: [], taken: [] }), null);
  assert.equal(placeName(flat(95), { ...size, width: 400 }, { room, curves: [], taken: [] }), null);
});
