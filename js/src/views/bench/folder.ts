// The folder in which models are looked for: its path, which can be typed, and a list of what is in it, which is one tab
// stop: arrows move through it, as in a menu.

import { h, OWN_KEYS, set, write } from "../../lib/dom.ts";
import { middle, plural } from "../../lib/format.ts";
import { nextEntry } from "../../lib/menu.ts";
import type { Send } from "../../lib/view.ts";
import { button, newId, type Part } from "./common.ts";
import { addButton, badge, detail, LONGEST_NAME, type Offer } from "./offers.ts";

export interface FolderRow extends Offer {
  /** The folder that its name opens; empty where it does not. */
  opens: string;
}

export interface Folder {
  path: string;
  parent: string;
  /** Counts what was opened. */
  opened: number;
  /** Whether the rows are those of all folders below it. */
  below: boolean;
  rows: FolderRow[];
  note: string;
  busy: string;
  completions: string[];
}

/** Milliseconds without a key after which the kernel is asked for folders that begin like this. */
const REST = 150;

export function createFolder(send: Send): Part<Folder> {
  const paths = h("datalist", { id: newId() });
  const id = newId();
  const input = h("input", {
    type: "text",
    class: "nbm-field",
    id,
    list: paths.id,
    spellcheck: "false",
    autocomplete: "off",
  });
  const up = button("↑", () => send("browse", { path: up.dataset.path ?? "" }), {
    title: "The folder above",
    "aria-label": "Open the folder above",
  });
  const open = h("button", { type: "submit", class: "nbm-button" }, "Open");
  const search = button("Search below", () =>
    search.getAttribute("aria-pressed") === "true" ? send("browse", { path: shown.path }) : send("search_folder"),
  );
  set(search, { title: "List the models in all folders below this one" });
  const label = h("label", { for: id }, "A model folder, or a folder of models");
  const form = h("form", { class: "nbm-entry" }, label, h("span", {}, up, input, open, search, paths));
  const list = h("ul", { ...OWN_KEYS, class: "nbm-offers nbm-folder-list" });
  const note = h("p", { class: "nbm-quiet nbm-folder-note", role: "status" });
  let shown: Pick<Folder, "path" | "opened"> = { path: "", opened: 0 };
  let drawn = "";
  let rest = 0;
  let entered = false; // what has the focus is replaced only by the path of the folder that was entered there

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    entered = true;
    if (input.value.trim()) send("enter_folder", { text: input.value.trim() });
  });
  input.addEventListener("input", () => {
    entered = false;
    clearTimeout(rest);
    rest = window.setTimeout(() => input.isConnected && send("complete", { text: input.value }), REST);
  });
  list.addEventListener("keydown", (event) => {
    const goal = findGoal(event.key, list);
    if (!goal) return;
    event.preventDefault();
    focusOn(list, goal);
  });
  list.addEventListener("focusin", (event) => keepOneStop(list, event.target as HTMLElement));

  function drawRows(folder: Folder) {
    const now = JSON.stringify([folder.opened, folder.rows]);
    if (now === drawn) return;
    drawn = now;
    const active = document.activeElement;
    const inside = list.contains(active);
    const before = [...list.children].findIndex((row) => row.contains(active));
    const at = placeFocus(folder, shown, before);
    const scrolled = folder.opened === shown.opened ? list.scrollTop : 0;
    list.replaceChildren(...folder.rows.map((row) => makeRow(row, send)));
    list.scrollTop = scrolled;
    const first = list.querySelector<HTMLElement>(".nbm-stop");
    if (first) keepOneStop(list, first);
    const stop = list.children[at]?.querySelector<HTMLElement>(".nbm-stop");
    if (inside) (stop ?? input).focus();
  }

  return {
    element: h("div", { class: "nbm-folder" }, form, list, note),
    draw(folder) {
      drawRows(folder);
      if (folder.opened !== shown.opened && (entered || document.activeElement !== input)) {
        set(input, { value: folder.path });
        entered = false;
      }
      shown = { path: folder.path, opened: folder.opened };
      set(list, { "aria-label": describeList(folder), "aria-busy": folder.busy !== "" });
      set(up, { disabled: !folder.parent, "data-path": folder.parent });
      set(search, { "aria-pressed": folder.below });
      paths.replaceChildren(...folder.completions.map((path) => h("option", { value: path })));
      write(note, folder.busy || folder.note);
    },
  };
}

/**
 * The row that has the focus after a change: the folder that one comes from on the way up, the first one of another
 * folder, and the same one where the folder is the same.
 */
export function placeFocus(folder: Folder, shown: Pick<Folder, "path" | "opened">, before: number): number {
  if (folder.opened === shown.opened) return Math.min(Math.max(before, 0), folder.rows.length - 1);
  return Math.max(
    0,
    folder.rows.findIndex((row) => row.opens === shown.path),
  );
}

/** What the list is, for screen readers. */
export function describeList({ path, below, rows }: Pick<Folder, "path" | "below" | "rows">): string {
  const models = rows.filter((row) => row.kind === "model" || row.kind === "misfit").length;
  const others = rows.length - models;
  const count = [models && plural(models, "model"), others && plural(others, "other folder")].filter(Boolean);
  return `${below ? "Models below" : "In"} ${path}: ${count.join(", ") || "nothing"}`;
}

function makeRow(row: FolderRow, send: Send): HTMLElement {
  const text = middle(row.name, LONGEST_NAME);
  const title = row.opens || row.path;
  const name = row.opens
    ? button(text, () => send("browse", { path: row.opens }), {
        class: "nbm-open-folder",
        "aria-label": `Open ${row.name}`,
        title,
      })
    : h("span", { class: "nbm-name", title }, text);
  const add = addButton(row, send);
  const item = h("li", { "data-name": row.name }, badge(row), name, add, detail(row));
  const buttons = item.querySelectorAll("button");
  for (const stop of buttons.length ? buttons : [name]) stop.classList.add("nbm-stop");
  return item;
}

/** Where a key leads: up and down through the rows, left and right through the buttons of one. */
function findGoal(key: string, list: HTMLElement): HTMLElement | null {
  const rows = [...list.children] as HTMLElement[];
  const active = document.activeElement as HTMLElement;
  const at = rows.findIndex((row) => row.contains(active));
  const stops = (row: HTMLElement | undefined) => [...(row?.querySelectorAll<HTMLElement>(".nbm-stop") ?? [])];
  const inRow = stops(rows[at]);
  if (key === "ArrowLeft" || key === "ArrowRight")
    return inRow[inRow.indexOf(active) + (key === "ArrowRight" ? 1 : -1)] ?? null;
  const goal = nextEntry(
    key,
    at,
    rows.map((row) => ({ label: row.dataset.name ?? "" })),
  );
  return goal === null ? null : (stops(rows[goal])[0] ?? null);
}

function focusOn(list: HTMLElement, goal: HTMLElement): void {
  keepOneStop(list, goal);
  goal.focus();
}

/** Tab leads to what had the focus last. */
function keepOneStop(list: HTMLElement, stop: HTMLElement): void {
  if (!stop.classList.contains("nbm-stop")) return;
  for (const other of list.querySelectorAll<HTMLElement>(".nbm-stop"))
    set(other, { tabindex: other === stop ? 0 : -1 });
}
