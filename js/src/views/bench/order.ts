// A handle that changes the order of rows: it is dragged, or the arrow keys move its row by one.

import { h } from "../../lib/dom.ts";

const HINT = "Drag to change the order, or press ↑ and ↓";

/**
 * Makes the handle of a row.
 *
 * @param name What is moved, for screen readers.
 * @param at Place of the row among those with a handle.
 * @param count Number of these rows.
 * @param move Called with the number of places to move by.
 */
export function makeHandle(name: string, at: number, count: number, move: (by: number) => void): HTMLButtonElement {
  const handle = h(
    "button",
    {
      type: "button",
      class: "nbm-order-handle",
      title: HINT,
      "aria-label": `Move ${name}`,
      "aria-keyshortcuts": "ArrowUp ArrowDown",
      "data-key": `move ${name}`,
    },
    "⠿",
  );
  handle.addEventListener("keydown", (event) => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (at + by >= 0 && at + by < count) move(by);
  });
  handle.addEventListener("pointerdown", (event) => {
    if (event.button === 0) dragRow(handle, event, at, move);
  });
  return handle;
}

/** Follows the pointer until it is released; a line shows where the row would go. */
function dragRow(handle: HTMLElement, event: PointerEvent, at: number, move: (by: number) => void): void {
  event.preventDefault();
  handle.focus();
  handle.setPointerCapture(event.pointerId);
  const body = handle.closest("tbody");
  const rows = [...(body?.querySelectorAll<HTMLElement>(".nbm-order-handle") ?? [])].flatMap(
    (other) => other.closest("tr") ?? [],
  );
  const over = new AbortController();
  let goal = at;
  const show = () =>
    rows.forEach((row, i) => {
      const side = i !== goal || goal === at ? null : goal < at ? "before" : "after";
      if (side) row.dataset.drop = side;
      else delete row.dataset.drop;
      row.classList.toggle("nbm-dragged", i === at && !over.signal.aborted);
    });
  const end = () => {
    over.abort();
    const by = goal - at;
    goal = at;
    show();
    return by;
  };
  const { signal } = over;
  handle.addEventListener(
    "pointermove",
    (next) => {
      goal = placeAt(
        rows.map((row) => row.getBoundingClientRect()),
        at,
        next.clientY,
      );
      show();
    },
    { signal },
  );
  handle.addEventListener(
    "pointerup",
    () => {
      const by = end();
      if (by !== 0) move(by);
    },
    { signal },
  );
  handle.addEventListener("pointercancel", end, { signal });
  show();
}

/** The place that a row goes to when it is released at a height: past every row whose middle is passed. */
export function placeAt(rows: readonly { top: number; bottom: number }[], at: number, y: number): number {
  const middles = rows.map(({ top, bottom }) => (top + bottom) / 2);
  const above = middles.filter((middle, i) => i < at && y < middle).length;
  const below = middles.filter((middle, i) => i > at && y > middle).length;
  return at - above + below;
}
