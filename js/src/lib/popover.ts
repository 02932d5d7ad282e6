// A small window beside a button: focus goes in and cannot leave by Tab, Escape or a press elsewhere closes it.

import { h, OWN_KEYS } from "./dom.ts";

/** A popover that is open. */
export interface Popover {
  element: HTMLElement;
  close(): void;
}

const GAP = 4;
/** Of the element, and a fraction that `scrollHeight` leaves out. */
const BORDERS = 3;
/** Share of the window's height that a popover takes at most. */
const MOST_OF_WINDOW = 0.7;
const LEAST_HEIGHT = 120;
const FOCUSABLE = "button, input, select, textarea, a[href], [tabindex]";
let latest = 0;

/**
 * Opens a popover below a button.
 *
 * @param anchor The button; it gets `aria-expanded` and the focus back.
 * @param label Name for screen readers.
 * @param content What is in it.
 * @param options `role` (default "dialog"), `onclose`.
 */
export function openPopover(
  anchor: HTMLElement,
  label: string,
  content: Node[],
  options: { role?: string; onclose?: () => void } = {},
): Popover {
  const end = new AbortController();
  const id = `nbm-popover-${++latest}`;
  const role = options.role ?? "dialog";
  const element = h("div", {
    ...OWN_KEYS,
    class: "nbm-popover",
    id,
    role,
    "aria-label": label,
    tabindex: -1,
    popover: "manual",
  });
  element.append(...content);
  (anchor.closest<HTMLElement>(".nbm-view") ?? document.body).append(element);
  element.showPopover?.(); // in the top layer, where no cell of a notebook can cut it off
  place(element, anchor);
  anchor.setAttribute("aria-expanded", "true");
  anchor.setAttribute("aria-controls", id);

  function close() {
    if (end.signal.aborted) return;
    const inside = element.contains(document.activeElement);
    end.abort();
    element.remove();
    anchor.setAttribute("aria-expanded", "false");
    anchor.removeAttribute("aria-controls");
    if (inside) anchor.focus();
    options.onclose?.();
  }
  const { signal } = end;
  element.addEventListener("keydown", (event) => onKey(event, element, close), { signal });
  const leave = (event: Event) => {
    const target = event.target as Node;
    if (!element.contains(target) && !anchor.contains(target)) close();
  };
  document.addEventListener("pointerdown", leave, { signal, capture: true });
  document.addEventListener("scroll", () => (anchor.isConnected ? place(element, anchor) : close()), {
    signal,
    capture: true,
  });
  window.addEventListener("resize", () => place(element, anchor), { signal });
  const sizes = new ResizeObserver(() => place(element, anchor)); // its content may come later
  sizes.observe(element);
  signal.addEventListener("abort", () => sizes.disconnect());
  (listFocusable(element)[0] ?? element).focus();
  return { element, close };
}

function onKey(event: KeyboardEvent, element: HTMLElement, close: () => void): void {
  event.stopPropagation(); // a notebook has shortcuts of its own for most keys
  if (event.key === "Escape") close();
  else if (event.key === "Tab") {
    const all = listFocusable(element);
    const goal = nextFocus(all.indexOf(document.activeElement as HTMLElement), all.length, event.shiftKey);
    event.preventDefault();
    all[goal]?.focus();
  }
}

/** Position that Tab leads to; from the last to the first and back. */
export function nextFocus(at: number, count: number, backwards: boolean): number {
  if (count === 0) return -1;
  return at < 0 ? (backwards ? count - 1 : 0) : (at + (backwards ? -1 : 1) + count) % count;
}

function listFocusable(element: HTMLElement): HTMLElement[] {
  return [...element.querySelectorAll<HTMLElement>(FOCUSABLE)].filter(
    (node) => node.tabIndex >= 0 && !node.hasAttribute("disabled") && node.offsetParent !== null,
  );
}

function place(element: HTMLElement, anchor: HTMLElement): void {
  const size = { width: element.offsetWidth, height: element.scrollHeight + BORDERS };
  const { left, top, height } = findPlace(anchor.getBoundingClientRect(), size, {
    width: window.innerWidth,
    height: window.innerHeight,
  });
  Object.assign(element.style, { left: `${left}px`, top: `${top}px`, maxHeight: `${height}px` });
}

interface Size {
  width: number;
  height: number;
}

/** Below its button, or above it where there is more room; always within the window, and scrolled where that is too low. */
export function findPlace(
  at: { left: number; top: number; bottom: number },
  size: Size,
  room: Size,
): { left: number; top: number; height: number } {
  const wanted = Math.min(size.height, MOST_OF_WINDOW * room.height);
  const [above, below] = [at.top - 2 * GAP, room.height - at.bottom - 2 * GAP];
  const isBelow = wanted <= below || below > above;
  const height = Math.max(LEAST_HEIGHT, Math.min(wanted, isBelow ? below : above));
  return {
    left: Math.max(GAP, Math.min(at.left, room.width - size.width - GAP)),
    top: Math.max(GAP, isBelow ? at.bottom + GAP : at.top - GAP - height),
    height,
  };
}
