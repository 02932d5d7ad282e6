// A button with a menu: arrows, Home, End and first letters move, Enter and Space choose.

import { h } from "./dom.ts";
import { openPopover, type Popover } from "./popover.ts";

export interface MenuItem {
  label: string;
  /** A second, quieter text. */
  hint?: string;
  /** A picture before the label. */
  icon?: Node;
  checked?: boolean;
  /** Whether several can be checked. */
  many?: boolean;
  disabled?: boolean;
  choose(): void;
}

/** Makes a button that opens a menu; the items are listed when it opens. */
export function menuButton(label: string, listItems: () => MenuItem[], title = label): HTMLButtonElement {
  let open: Popover | null = null;
  const button = h("button", { type: "button", class: "nbm-button nbm-menu-button", title }, label);
  button.setAttribute("aria-haspopup", "menu");
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", () => {
    if (open) open.close();
    else open = openMenu(button, label, listItems(), () => (open = null));
  });
  return button;
}

/** Opens a menu below an element. */
export function openMenu(anchor: HTMLElement, label: string, items: MenuItem[], onclose?: () => void): Popover {
  const entries = listEntries(items, () => popover.close());
  const popover = openPopover(anchor, label, entries, { role: "menu", ...(onclose && { onclose }) });
  moveByKeys(popover.element, entries, items);
  return popover;
}

/** A menu that stands in a popover with other controls; `close` is called when something is chosen. */
export function makeMenu(label: string, items: MenuItem[], close: () => void): HTMLElement {
  const entries = listEntries(items, close);
  const element = h("div", { role: "menu", "aria-label": label }, ...entries);
  moveByKeys(element, entries, items);
  return element;
}

const listEntries = (items: readonly MenuItem[], close: () => void) => items.map((item) => menuEntry(item, close));

function moveByKeys(menu: HTMLElement, entries: readonly HTMLElement[], items: readonly MenuItem[]): void {
  menu.addEventListener("keydown", (event) => {
    const at = entries.indexOf(document.activeElement as HTMLElement);
    const goal = nextEntry(event.key, at, items);
    if (goal === null) return;
    event.preventDefault();
    entries[goal]?.focus();
  });
}

function menuEntry(item: MenuItem, close: () => void): HTMLButtonElement {
  const choose = () => {
    close();
    item.choose();
  };
  const checkable = item.checked !== undefined;
  return h(
    "button",
    {
      type: "button",
      class: "nbm-menu-item",
      role: checkable ? (item.many ? "menuitemcheckbox" : "menuitemradio") : "menuitem",
      "aria-checked": checkable ? item.checked : null,
      disabled: item.disabled ?? false,
      onclick: choose,
    },
    item.icon,
    h("span", {}, item.label),
    item.hint && h("small", {}, item.hint),
  );
}

/** Index of the entry that a key leads to, or null where the key is none of the menu's. */
export function nextEntry(key: string, at: number, items: readonly Pick<MenuItem, "label">[]): number | null {
  const count = items.length;
  if (key === "ArrowDown") return (at + 1) % count;
  if (key === "ArrowUp") return (at - 1 + count) % count;
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  if (key.length !== 1 || key === " ") return null;
  const letter = key.toLowerCase();
  const order = items.map((_, i) => (at + 1 + i) % count);
  return order.find((i) => items[i]?.label.toLowerCase().startsWith(letter)) ?? null;
}
