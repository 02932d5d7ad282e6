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
function page(listens: boolean) {
  const calls: [string, unknown][] = [];
  let cells = 1;
  const click = (link: { dataset: DOMStringMap }) => {
    if (!listens) return;
    calls.push([link.dataset.commandlinkerCommand ?? "", JSON.parse(link.dataset.commandlinkerArgs ?? "")]);
    cells += link.dataset.commandlinkerCommand === "notebook:insert-cell-below" ? 1 : 0;
  };
  const createElement = () => {
    const link = { dataset: {} as DOMStringMap, click: () => click(link), remove() {}, hidden: false };
    return link;
  };
  const notebook = { querySelectorAll: () => ({ length: cells }) };
  const view = { closest: () => notebook, ownerDocument: { createElement }, append() {} };
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
