import assert from "node:assert/strict";
import { test } from "node:test";
import { makeAxis, thinNames } from "../../src/views/tracks/axis.ts";
import type { Column, CurvePart } from "../../src/views/tracks/content.ts";
import { CurveModel } from "../../src/views/tracks/curve_model.ts";
import { readKey } from "../../src/views/tracks/keys.ts";
import { AROUND, hasLens, placeSliders, sliderAt } from "../../src/views/tracks/lens.ts";
import { change, describe, extend, listSelected, stroke } from "../../src/views/tracks/selection.ts";

const outside = (name: string): Column => ({ name, label: name, layer: null });
const columnsOf = (depth: number): Column[] => [
  outside("embed"),
  ...Array.from({ length: depth }, (_, i) => ({ name: String(i), label: `layer ${i}`, layer: i })),
  outside("norm"),
  outside("head"),
];

for (const depth of [1, 8, 32, 80, 126]) {
  for (const width of [700, 1100, 1500]) {
    test(`all of ${depth} layers are within ${width} pixels, in order`, () => {
      const axis = makeAxis(columnsOf(depth), width);
      const places = axis.columns.map((_, i) => axis.x(i));
      assert.ok(places.every((x, i) => i === 0 || x > places[i - 1]!));
      assert.ok(axis.edge(0) >= axis.left - 0.01);
      const last = axis.columns.length - 1;
      assert.ok(axis.edge(last) + axis.wide(last) <= axis.right + 0.01);
      assert.deepEqual(
        places.map((x) => axis.columnAt(x)),
        [...places.keys()],
      );
      assert.ok(Math.abs(axis.layerX(depth - 1) - axis.x(depth)) < 0.01);
      assert.ok(Math.abs(axis.layerAt(axis.layerX(0))) < 0.01);
    });
  }
}

test("names do not touch, and the current one is there", () => {
  const axis = makeAxis(columnsOf(126), 700);
  const shown = [...thinNames(axis, 64)].sort((a, b) => a - b);
  assert.ok(shown.includes(64));
  assert.ok(shown.includes(0) && shown.includes(128));
  assert.ok(shown.every((column, i) => i === 0 || axis.x(column) - axis.x(shown[i - 1]!) > 14));
});

test("sliders of many layers are those around the pointer, the one under it in its own column", () => {
  const wide = makeAxis(columnsOf(8), 1100);
  assert.equal(hasLens(wide), false);
  assert.equal(placeSliders(wide, null).length, 11);
  const axis = makeAxis(columnsOf(80), 1100);
  for (const around of [null, 0, 40, 82]) {
    const sliders = placeSliders(axis, around);
    assert.equal(sliders.length, AROUND);
    assert.ok(around === null || sliders.some(({ column }) => column === around));
    assert.ok(sliders[0]!.x >= axis.left && sliders[AROUND - 1]!.x <= axis.right);
  }
  const sliders = placeSliders(axis, 40);
  assert.ok(Math.abs(sliders.find(({ column }) => column === 40)!.x - axis.x(40)) < 0.01);
  assert.equal(sliderAt(sliders, sliders[3]!.x + 2), sliders[3]!.column);
});

test("a selection grows from where it began", () => {
  const once = extend(null, 5, 1, 20);
  assert.deepEqual(listSelected(once), [5, 6]);
  assert.deepEqual(listSelected(extend(extend(once, 6, -1, 20), 5, -1, 20)), [4, 5]);
  assert.deepEqual(listSelected(extend({ anchor: 18, head: 19 }, 19, 1, 20)), [18, 19]);
  assert.deepEqual(listSelected(null), []);
});

test("selected columns are set, added to and scaled; those without a value are left out", () => {
  const values = [0.1, null, 0.3];
  assert.deepEqual(
    [...change(values, [0, 1, 2], "set", 1)],
    [
      [0, 1],
      [2, 1],
    ],
  );
  assert.deepEqual(
    [...change(values, [0, 2], "add", 0.2)],
    [
      [0, 0.3],
      [2, 0.5],
    ],
  );
  assert.deepEqual([...change(values, [2], "scale", 2)], [[2, 0.6]]);
});

test("columns are described in words", () => {
  const columns = columnsOf(8);
  assert.equal(describe(columns, [4, 5, 6]), "layers 3–5");
  assert.equal(describe(columns, [0, 1]), "embed, layer 0");
  assert.equal(describe(columns, [8, 9, 10]), "layer 7, norm, head");
});

test("a quick stroke of the brush leaves no layer out", () => {
  assert.deepEqual(
    [...stroke([2, 0], [5, 0.3])].map(([i, v]) => [i, Number(v.toFixed(3))]),
    [
      [3, 0.1],
      [4, 0.2],
      [5, 0.3],
    ],
  );
  assert.deepEqual([...stroke([2, 0], [2, 0.4])], [[2, 0.4]]);
  assert.deepEqual(
    [...stroke([5, 0.2], [3, 0])].map(([i]) => i),
    [4, 3],
  );
});

test("keys: arrows go, Shift selects, Ctrl jumps, and what is the notebook's stays the notebook's", () => {
  const key = (name: string, more = {}) =>
    readKey({ key: name, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, ...more });
  assert.deepEqual(key("ArrowLeft"), { kind: "go", by: -1 });
  assert.deepEqual(key("ArrowLeft", { shiftKey: true }), { kind: "extend", by: -1 });
  assert.deepEqual(key("ArrowRight", { ctrlKey: true }), { kind: "knot", by: 1 });
  assert.deepEqual(key("ArrowUp"), { kind: "nudge", steps: 1 });
  for (const other of ["Tab", "x", "F5"]) assert.equal(key(other), null);
  assert.equal(key("z", { ctrlKey: true }), null);
});

test("the curve shows what the hand has done until the kernel knows it", () => {
  const sent: [string, Record<string, unknown>][] = [];
  const model = new CurveModel((action, args = {}) => sent.push([action, args]));
  const line = { key: "w", label: "w", colour: "", dash: [], parameter: "w", model: "" };
  const part = (values: number[], knots: CurvePart["knots"]) =>
    ({
      chosen: { ...line, values },
      knots,
      alone: [],
      tied: [true, false, false, false, true, true],
      dots: [],
      part: "all",
    }) as unknown as CurvePart;
  const columns = columnsOf(3);
  const flat = part([0.5, 0.5, 0.5, 0.5, 0.5, 0.5], [{ layer: 1, value: 0.5 }]);
  model.take(flat, columns, 0);
  model.setKnots([
    { layer: 0, value: 0 },
    { layer: 2, value: 1 },
  ]);
  assert.deepEqual(model.values, [0, 0, 0.5, 1, 1, 1]); // what is outside follows the nearest layer
  assert.equal(sent[0]![0], "curve.set_knots");
  model.take(flat, columns, 0); // the kernel does not know yet
  assert.deepEqual(model.values, [0, 0, 0.5, 1, 1, 1]);
  model.setValues(new Map([[2, 0.9]]));
  assert.equal(model.values[2], 0.9);
  assert.equal(sent.length, 1); // it waits until the kernel has answered
  model.take(flat, columns, 1);
  assert.deepEqual(sent[1], ["curve.set_values", { values: [[2, 0.9]], gesture: 0 }]);
  assert.equal(model.values[2], 0.9);
  model.take(flat, columns, 2);
  assert.deepEqual(model.values, [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]);
  model.setValues(new Map([[2, 0.5]]));
  assert.equal(sent.length, 2); // nothing changed, nothing is sent
});
