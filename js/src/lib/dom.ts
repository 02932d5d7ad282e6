// Making and changing HTML elements. Text is only ever set as text, so nothing from a kernel or a model becomes markup.

export type Child = Node | string | number | null | undefined | false;
/** Names in lower case as in HTML; a function is a listener: `{ class: "nbm-x", "aria-pressed": true, onclick: f }`. */
export type Attributes = Record<string, unknown>;

/** For an element with keys of its own: JupyterLab, which listens before all others, leaves its keys alone. */
export const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };

/** Makes an element: `h("button", { onclick: save }, "Save")`. */
export function h<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: (Child | Child[])[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  if (name === "select") set(element, OWN_KEYS); // arrows and letters, which would move through the notebook's cells
  set(element, attributes);
  element.append(...children.flat().filter(isShown).map(asNode));
  return element;
}

const isShown = (child: Child): child is Node | string | number =>
  child !== null && child !== undefined && child !== false;

const asNode = (child: Node | string | number): Node | string => (typeof child === "number" ? String(child) : child);

/**
 * Sets attributes that differ. `null`, `undefined` and `false` remove one; `aria-*` and `data-*` keep "false". `value` is
 * that of a field, not its attribute; an option has only the attribute.
 */
export function set<Target extends Element>(element: Target, attributes: Attributes): Target {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) setListener(element, name.slice(2), value);
    else if (name === "value" && "value" in element && element.tagName !== "OPTION")
      setValue(element as unknown as HTMLInputElement, value);
    else setAttribute(element, name, value);
  }
  return element;
}

function setListener(element: Element, event: string, listener: unknown): void {
  if (typeof listener !== "function") throw new TypeError(`The listener of "${event}" is not a function.`);
  element.addEventListener(event, listener as EventListener);
}

/** What is being typed is not disturbed. */
function setValue(input: HTMLInputElement, value: unknown): void {
  const text = String(value ?? "");
  if (input.value !== text) input.value = text;
}

function setAttribute(element: Element, name: string, value: unknown): void {
  const keepsFalse = name.startsWith("aria-") || name.startsWith("data-");
  if (value === null || value === undefined || (value === false && !keepsFalse)) element.removeAttribute(name);
  else {
    const text = value === true && !keepsFalse ? "" : String(value);
    if (element.getAttribute(name) !== text) element.setAttribute(name, text);
  }
}

/** Replaces an element's text where it differs. */
export function write(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

/** Keeps as many children as there are items: old ones stay, so that focus stays and nothing flickers. */
export function match<Item, Made extends Element>(
  parent: Element,
  items: readonly Item[],
  make: (index: number) => Made,
  show: (node: Made, item: Item, index: number) => void,
): void {
  while (parent.children.length > items.length) parent.lastElementChild?.remove();
  while (parent.children.length < items.length) parent.append(make(parent.children.length));
  items.forEach((item, i) => {
    show(parent.children[i] as Made, item, i);
  });
}
