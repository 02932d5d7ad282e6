import assert from "node:assert/strict";
import { test } from "node:test";
import { addCell } from "../../src/views/figure/cell.ts";

const clipboard = (texts: string[]) => ({
  writeText: (text: string) => {
    texts.push(text);
    return Promise.resolve();
  },
});

test("a page that runs commands gets a cell below with the code in it", async () => {
  const calls: unknown[] = [];
  const execute = (command: string, args?: Record<string, unknown>) => {
    calls.push([command, args?.text]);
    return Promise.resolve();
  };
  const copied: string[] = [];
  assert.equal(await addCell("x = 1", { jupyterapp: { commands: { execute } } }, clipboard(copied)), "inserted");
  assert.deepEqual(calls, [
    ["notebook:insert-cell-below", undefined],
    ["notebook:replace-selection", "x = 1"],
  ]);
  assert.deepEqual(copied, []);
});

test("elsewhere, and where there is no notebook, the code is copied", async () => {
  const copied: string[] = [];
  assert.equal(await addCell("x = 1", {}, clipboard(copied)), "copied");
  const execute = () => Promise.reject(new Error("no notebook"));
  assert.equal(await addCell("y = 1", { jupyterapp: { commands: { execute } } }, clipboard(copied)), "copied");
  assert.deepEqual(copied, ["x = 1", "y = 1"]);
});

test("without a clipboard the code is shown", async () => {
  assert.equal(await addCell("x = 1", {}, undefined), "shown");
  assert.equal(await addCell("x = 1", {}, { writeText: () => Promise.reject(new Error("denied")) }), "shown");
});
