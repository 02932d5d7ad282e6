import assert from "node:assert/strict";
import { test } from "node:test";
import { insertCell } from "../../src/lib/notebook.ts";

const clipboard = (texts: string[]) => ({
  writeText: (text: string) => {
    texts.push(text);
    return Promise.resolve();
  },
});

/** As much of a page as is used; a click runs commands where it `listens`. */
function page(listens: boolean, asks = 0) {
  const calls: [string, unknown][] = [];
  const waiting: (() => void)[] = [];
  let cells = 1;
  const click = (link: { dataset: DOMStringMap }) => {
    if (!listens) return;
    if (asks > 0) {
      waiting.push(() => run(link));
      return;
    }
    run(link);
  };
  const run = (link: { dataset: DOMStringMap }) => {
    calls.push([link.dataset.commandlinkerCommand ?? "", JSON.parse(link.dataset.commandlinkerArgs ?? "")]);
    cells += link.dataset.commandlinkerCommand === "notebook:insert-cell-below" ? 1 : 0;
  };
  const createElement = () => {
    const link = { dataset: {} as DOMStringMap, click: () => click(link), remove() {}, hidden: false };
    return link;
  };
  const notebook = { querySelectorAll: () => ({ length: cells }) };
  /** A dialog that is closed, and its command run, after it was seen some times. */
  const querySelector = () => {
    if (asks > 0) asks -= 1;
    if (asks === 0) for (const go of waiting.splice(0)) go();
    return asks > 0 ? {} : null;
  };
  const ownerDocument = { createElement, querySelector };
  const view = { closest: () => notebook, isConnected: true, ownerDocument, append() {} };
  return { view: view as unknown as HTMLElement, calls };
}

const nowhere = { closest: () => null } as unknown as HTMLElement;

test("a notebook gets a cell below with the code in it", async () => {
  const { view, calls } = page(true);
  const copied: string[] = [];
  assert.equal(await insertCell(view, "x = 1", clipboard(copied)), "Written into a new cell below.");
  assert.deepEqual(calls, [
    ["notebook:insert-cell-below", {}],
    ["notebook:replace-selection", { text: "x = 1" }],
  ]);
  assert.deepEqual(copied, []);
});

test("where the notebook asks first, its answer is waited for", async () => {
  const { view, calls } = page(true, 3);
  const copied: string[] = [];
  assert.equal(await insertCell(view, "x = 1", clipboard(copied)), "Written into a new cell below.");
  assert.equal(calls.length, 2);
  assert.deepEqual(copied, []);
});

test("elsewhere, and where the page does not listen, the code is copied", async () => {
  const copied: string[] = [];
  assert.equal(await insertCell(nowhere, "x = 1", clipboard(copied)), "Copied. Paste it into a new cell.");
  assert.equal(await insertCell(page(false).view, "y = 1", clipboard(copied)), "Copied. Paste it into a new cell.");
  assert.deepEqual(copied, ["x = 1", "y = 1"]);
});

test("where copying is not allowed either, it is said", async () => {
  await assert.rejects(
    insertCell(nowhere, "x = 1", { writeText: () => Promise.reject(new Error("denied")) }),
    /denied/,
  );
});
