import assert from "node:assert/strict";
import { test } from "node:test";
import { describeList, type Folder, type FolderRow, placeFocus } from "../../src/views/bench/folder.ts";

const row = (name: string, kind = "folder"): FolderRow => ({
  path: name,
  name,
  kind,
  detail: "",
  chosen: false,
  canAdd: kind === "model",
  opens: kind === "folder" ? `/m/${name}` : "",
});
const folder = (opened: number, path: string, ...rows: FolderRow[]): Folder => ({
  path,
  parent: "/",
  opened,
  below: false,
  rows,
  note: "",
  busy: "",
  completions: [],
});

test("the way up leads to the folder that one comes from, other ways to the first row", () => {
  const above = folder(2, "/m", row("a"), row("b"));
  assert.equal(placeFocus(above, { path: "/m/b", opened: 1 }, 4), 1);
  assert.equal(placeFocus(above, { path: "/elsewhere", opened: 1 }, 4), 0);
});

test("what has the focus keeps it while the folder is the same", () => {
  const same = folder(2, "/m", row("a"), row("b"), row("c"));
  assert.equal(placeFocus(same, { path: "/m", opened: 2 }, 1), 1);
  assert.equal(placeFocus(same, { path: "/m", opened: 2 }, 7), 2);
  assert.equal(placeFocus(folder(2, "/m"), { path: "/m", opened: 2 }, 7), -1);
});

test("the list says where it is and what is in it", () => {
  assert.equal(
    describeList(folder(1, "/m", row("x", "model"), row("y", "misfit"), row("a"))),
    "In /m: 2 models, 1 other folder",
  );
  assert.equal(describeList({ ...folder(1, "/m"), below: true }), "Models below /m: nothing");
});
