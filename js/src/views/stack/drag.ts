// Dragging a layer: a copy of it follows the pointer, and a line shows the place in the stack that it would go to.

import { dropAt } from "./edits.ts";

interface Parts {
  /** What the ghost and the marker are placed in. */
  root: HTMLElement;
  /** Follows the pointer. */
  ghost: HTMLElement;
  /** Shows the place. */
  marker: HTMLElement;
  /** Has the layers of the stack as its children. */
  row: HTMLElement;
  text: string;
  colour: string;
  signal: AbortSignal;
}

const SLACK = 4; // pixels that a press may move and still be a click
const NEAR = 24; // pixels around the stack in which a layer is dropped into it

/** Follows a press; `end` gets the place among the layers, or null where the pointer left the stack or hardly moved. */
export function followDrag(event: PointerEvent, parts: Parts, end: (to: number | null) => void): void {
  if (event.button !== 0) return;
  const { clientX, clientY, pointerId } = event;
  const over = new AbortController();
  parts.signal.addEventListener("abort", () => over.abort(), { signal: over.signal });
  let moved = false;
  let to: number | null = null;

  function follow(next: PointerEvent): void {
    if (next.pointerId !== pointerId) return;
    moved ||= Math.hypot(next.clientX - clientX, next.clientY - clientY) > SLACK;
    if (!moved) return;
    to = findPlace(parts.row, next);
    showGhost(parts, next);
    showMarker(parts, to);
  }

  function finish(last: PointerEvent): void {
    if (last.pointerId !== pointerId) return;
    over.abort();
    parts.ghost.hidden = true;
    parts.marker.hidden = true;
    if (!moved) return;
    suppressClick();
    end(last.type === "pointerup" ? to : null);
  }

  window.addEventListener("pointermove", follow, { signal: over.signal });
  window.addEventListener("pointerup", finish, { signal: over.signal });
  window.addEventListener("pointercancel", finish, { signal: over.signal });
}

/** A drag that ends on the button where it began is followed by a click, which would do something else. */
function suppressClick(): void {
  const stop = (click: Event) => click.stopPropagation();
  window.addEventListener("click", stop, { capture: true, once: true });
  setTimeout(() => window.removeEventListener("click", stop, { capture: true }));
}

function findPlace(row: HTMLElement, { clientX, clientY }: PointerEvent): number | null {
  const box = row.getBoundingClientRect();
  const near = clientX > box.left - NEAR && clientX < box.right + NEAR;
  if (!near || clientY < box.top - NEAR || clientY > box.bottom + NEAR) return null;
  const y = Math.min(Math.max(clientY, box.top), box.bottom);
  return dropAt(
    [...row.children].map((tile) => tile.getBoundingClientRect()),
    clientX,
    y,
  );
}

function showGhost({ root, ghost, text, colour }: Parts, { clientX, clientY }: PointerEvent): void {
  const ground = root.getBoundingClientRect();
  ghost.hidden = false;
  ghost.textContent = text;
  ghost.style.setProperty("--model", colour);
  Object.assign(ghost.style, { left: `${clientX - ground.left + 8}px`, top: `${clientY - ground.top + 8}px` });
}

function showMarker({ root, marker, row }: Parts, to: number | null): void {
  const before = row.children[to ?? -1]?.getBoundingClientRect();
  const last = row.lastElementChild?.getBoundingClientRect();
  const box = before ?? last;
  marker.hidden = to === null || !box;
  if (!box) return;
  const ground = root.getBoundingClientRect();
  const left = (before ? box.left - 3 : box.right + 1) - ground.left;
  Object.assign(marker.style, {
    left: `${left}px`,
    top: `${box.top - ground.top - 3}px`,
    height: `${box.height + 6}px`,
  });
}
