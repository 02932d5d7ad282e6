// The setup bar: chips for method and models, which open popovers; undo, history, saving and merging; problems below it.

import { h, set, write } from "../../lib/dom.ts";
import { tellApart } from "../../lib/format.ts";
import { openMenu } from "../../lib/menu.ts";
import { openPopover, type Popover } from "../../lib/popover.ts";
import type { Context } from "../../lib/view.ts";
import { button, dot, type Part, redrawn } from "./common.ts";
import { createMerge, type Merge } from "./merge.ts";
import { createMethod, type Method } from "./method.ts";
import { createModels, type Models } from "./models.ts";
import { createProblems, type Problem } from "./problems.ts";
import { createVocabulary, type Vocabulary } from "./vocabulary.ts";

interface Chip {
  name: string;
  path: string;
  colour: string;
  role: "base" | "merged" | "unused";
  fit: "good" | "warning" | "bad";
}

interface Panels {
  method?: Method;
  models?: Models;
  vocabulary?: Vocabulary;
  merge?: Merge;
  save?: { yaml: string; python: string; mergekit: string };
}

interface Bar {
  method: string;
  chips: Chip[];
  facts: string;
  canUndo: boolean;
  canRedo: boolean;
  status: { kind: string; text: string };
  problems: Problem[];
  merge: { label: string; title: string; ready: boolean };
  panels: Panels;
  /** Tabs of the drawer that the bar can open. */
  tabs: string[];
}

type Name = keyof Panels;
/** Width below which the buttons of a problem are below its text. */
const NARROW = 760;
/** Widest chips, in characters, for one to three models and for more. */
const [LONG, SHORT] = [26, 14];

export function createBar(context: Context): Part<Bar> {
  const { send, signal } = context;
  const popovers = new Popovers(context);
  const method = chip("nbm-method-chip", "Method", (anchor) => popovers.toggle("method", "Method", anchor));
  const models = h("span", { class: "nbm-chips" });
  const openModels = (anchor: HTMLElement) => popovers.toggle("models", "Models", anchor);
  const add = button("+", () => openModels(add), {
    class: "nbm-button nbm-chip",
    title: "Add models",
    "aria-label": "Add models",
  });
  const facts = chip("nbm-facts", "Vocabulary and dtype", (anchor) =>
    popovers.toggle("vocabulary", "Vocabulary and dtype", anchor),
  );
  const undo = button("↶", () => send("undo"), { title: "Undo (Ctrl+Z)", "aria-label": "Undo" });
  const redo = button("↷", () => send("redo"), { title: "Redo (Ctrl+Shift+Z)", "aria-label": "Redo" });
  const history = button("History", () => send("show", { tab: "History" }));
  const save = button("Save", () => popovers.toggle("save", "Save", save), { class: "nbm-button nbm-menu-button" });
  const merge = button("Merge", () => popovers.toggle("merge", "Merge", merge), {
    class: "nbm-button nbm-primary nbm-merge-chip",
  });
  set(merge, { "aria-haspopup": "dialog" });
  const left = h("div", { class: "nbm-bar-group nbm-bar-models" }, method, models, add, facts);
  const right = h("div", { class: "nbm-bar-group nbm-bar-actions" }, undo, redo, history, save, merge);
  const problems = createProblems(context);
  const status = h("div", { class: "nbm-status-line", role: "status", "aria-live": "polite" });
  const verdict = h("div", { class: "nbm-verdict" }, status, problems.element);
  const bar = h("div", { class: "nbm-bar", role: "toolbar", "aria-label": "Setup" }, left, right);
  let drawn = 0; // width
  /** While there are problems, the bar is not lower than it was without: less is known to tell. */
  function hold(hasProblems: boolean, width: number) {
    if (!hasProblems || width !== drawn) bar.style.minHeight = "";
    else if (!bar.style.minHeight) bar.style.minHeight = `${bar.offsetHeight}px`;
    drawn = width;
  }
  const element = h("section", { "aria-label": "Setup" }, bar, verdict);
  const drawChips = redrawn<Chip[]>(models, (chips) => makeChips(chips, openModels));
  const drawStatus = redrawn<Bar["status"]>(status, ({ kind, text }) => [
    h("span", { class: `nbm-badge nbm-${kind}` }, BADGES[kind] ?? kind),
    h("span", { title: text }, text),
  ]);
  listenForUndo(element, send, signal);
  return {
    element,
    draw(content, width) {
      hold(content.problems.length > 0, width);
      verdict.classList.toggle("nbm-narrow", width < NARROW);
      verdict.classList.toggle("nbm-has-problems", content.problems.length > 0);
      write(method, content.method);
      drawChips(content.chips);
      write(add, content.chips.length ? "+" : "+ Add models");
      write(facts, content.facts);
      facts.hidden = !content.facts;
      set(undo, { disabled: !content.canUndo });
      set(redo, { disabled: !content.canRedo });
      history.hidden = !content.tabs.includes("History");
      drawStatus(content.status);
      problems.draw(content.problems, 0);
      write(merge, content.merge.label);
      set(merge, { title: content.merge.title, "data-ready": content.merge.ready });
      popovers.draw(content.panels);
    },
  };
}

const BADGES: Record<string, string> = { ready: "Ready", warning: "Ready", bad: "Not ready", idle: "Start" };

function chip(kind: string, label: string, open: (anchor: HTMLElement) => void): HTMLButtonElement {
  const node = button("", () => open(node), {
    class: `nbm-button nbm-chip nbm-menu-button ${kind}`,
    "aria-label": null,
  });
  set(node, { "aria-haspopup": "dialog", "aria-expanded": "false", title: label });
  return node;
}

function makeChips(chips: Chip[], open: (anchor: HTMLElement) => void): Node[] {
  const most = chips.length > 3 ? SHORT : LONG;
  const base = chips.filter((c) => c.role === "base");
  const others = chips.filter((c) => c.role !== "base");
  const names = tellApart(
    chips.map((c) => c.name),
    most,
  );
  const make = (c: Chip) => {
    const name = h("span", {}, names[chips.indexOf(c)] ?? c.name);
    const sign = c.fit === "bad" ? "⚠" : null;
    const node = button(name, () => open(node), { class: `nbm-button nbm-chip nbm-chip-${c.role} nbm-fit-${c.fit}` });
    set(node, { title: c.path, "aria-haspopup": "dialog", "data-key": c.path });
    node.prepend(dot(c.colour));
    if (c.role === "base") node.append(" (base)");
    if (c.role === "unused") node.append(" (not used)");
    if (sign) node.append(` ${sign}`);
    return node;
  };
  const arrow = base.length && others.length ? [h("span", { "aria-hidden": "true" }, "←")] : [];
  return [...base.map(make), ...arrow, ...others.map(make)];
}

/** The popovers of the bar: what is in one is asked of the kernel when it opens, and drawn as it changes. */
class Popovers {
  #open: { name: Name; popover: Popover | null; part: Part<never> | null; anchor: HTMLElement } | null = null;

  constructor(private readonly context: Context) {}

  toggle(name: Name, label: string, anchor: HTMLElement): void {
    const again = this.#open?.name === name;
    this.#close();
    if (again) return;
    const part = name === "save" ? null : (MAKERS[name](this.context) as Part<never>);
    this.#open = { name, part, anchor, popover: null };
    if (part) {
      const title = h("h3", {}, label);
      const shut = button("✕", () => this.#close(), { class: "nbm-button nbm-close", "aria-label": "Close" });
      const popover = openPopover(anchor, label, [h("div", { class: "nbm-popover-head" }, title, shut), part.element], {
        onclose: () => this.#forget(name),
      });
      popover.element.classList.add("nbm-sheet");
      this.#open.popover = popover;
    }
    this.context.send("open", { panel: name });
  }

  draw(panels: Panels): void {
    const open = this.#open;
    const data = open && panels[open.name];
    if (!open || !data) return;
    if (open.part) open.part.draw(data as never, 0);
    else if (!open.popover) open.popover = this.#openSaving(open.anchor, data as NonNullable<Panels["save"]>);
  }

  #openSaving(anchor: HTMLElement, { yaml, python, mergekit }: NonNullable<Panels["save"]>): Popover {
    const copy = (text: string) => () => void navigator.clipboard?.writeText(text);
    const items = [
      { label: "Copy the recipe", hint: "YAML", choose: copy(yaml) },
      { label: "Copy as Python", hint: "a cell", choose: copy(python) },
      { label: "Copy for mergekit", hint: "YAML", choose: copy(mergekit) },
      { label: "Download the recipe", hint: "recipe.yaml", choose: () => download("recipe.yaml", yaml) },
    ];
    return openMenu(anchor, "Save", items, () => this.#forget("save"));
  }

  #close(): void {
    this.#open?.popover?.close();
    this.#open = null;
  }

  #forget(name: Name): void {
    if (this.#open?.name === name) this.#open = null;
    this.context.send("open", { panel: "" });
  }
}

const MAKERS: Record<Exclude<Name, "save">, (context: Context) => Part<never>> = {
  method: createMethod as (context: Context) => Part<never>,
  models: createModels as (context: Context) => Part<never>,
  vocabulary: createVocabulary as (context: Context) => Part<never>,
  merge: createMerge as (context: Context) => Part<never>,
};

function download(name: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: "application/yaml" }));
  const link = h("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/** Ctrl+Z anywhere in the Studio, except where text is being typed. */
function listenForUndo(element: HTMLElement, send: Context["send"], signal: AbortSignal): void {
  const isTyping = (target: EventTarget | null) =>
    target instanceof HTMLElement &&
    (target.isContentEditable ||
      target instanceof HTMLTextAreaElement ||
      (target instanceof HTMLInputElement && !["range", "checkbox", "radio", "button"].includes(target.type)));
  const onKey = (event: KeyboardEvent) => {
    const studio = element.closest(".nbm-studio") ?? element;
    const key = event.key.toLowerCase();
    if (!(event.ctrlKey || event.metaKey) || !["z", "y"].includes(key) || !studio.contains(event.target as Node))
      return;
    if (isTyping(event.target)) return;
    event.preventDefault();
    event.stopPropagation();
    send(key === "y" || event.shiftKey ? "redo" : "undo");
  };
  document.addEventListener("keydown", onKey, { capture: true, signal });
}
