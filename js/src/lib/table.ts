// A table of numbers and texts, as the kernel sends it.

import "./table.css";
import { h, write } from "./dom.ts";
import { plural } from "./format.ts";

export interface Table {
  columns: string[];
  /** The columns' names with whole names of models. */
  whole?: string[];
  rows: (string | number | null)[][];
  /** Rows that are left out. */
  hidden: number;
}

/** A table in a box of its own, which scrolls. */
export function makeTable(label: string) {
  const head = h("tr");
  const body = h("tbody");
  const more = h("p", { class: "nbm-quiet" });
  const box = h(
    "div",
    { class: "nbm-table-box", role: "region", "aria-label": label, tabindex: 0 },
    h("table", {}, h("thead", {}, head), body),
  );
  let shown = "";

  function show(table: Table) {
    const now = JSON.stringify(table);
    if (now === shown) return;
    shown = now;
    const numeric = table.columns.map((_, i) => table.rows.every((row) => typeof row[i] !== "string"));
    const cellClass = (i: number) => (numeric[i] ? "nbm-cell-number" : null);
    head.replaceChildren(
      ...table.columns.map((name, i) => {
        const whole = table.whole?.[i];
        return h("th", { scope: "col", class: cellClass(i), title: whole === name ? null : whole }, name);
      }),
    );
    body.replaceChildren(
      ...table.rows.map((row) => h("tr", {}, ...row.map((value, i) => h("td", { class: cellClass(i) }, cell(value))))),
    );
    write(more, table.hidden ? `${plural(table.hidden, "more row")} in the file.` : "");
    more.hidden = !table.hidden;
  }
  return { element: h("div", {}, box, more), show };
}

/** The kernel has rounded numbers already. */
const cell = (value: string | number | null) => (value === null ? "–" : String(value).replace(/^-/, "−"));
