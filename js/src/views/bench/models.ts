// The models: a table with buttons in each row, and where more can be added from.

import { h, write } from "../../lib/dom.ts";
import { tellApart } from "../../lib/format.ts";
import type { Context, Send } from "../../lib/view.ts";
import { button, dot, nameTag, newId, type Part, redrawn } from "./common.ts";
import { createFolder, type Folder } from "./folder.ts";
import { type Offer, offerGroup } from "./offers.ts";
import { makeHandle } from "./order.ts";

export interface Model {
  path: string;
  name: string;
  colour: string;
  role: "base" | "merged" | "unused";
  fit: "good" | "warning" | "bad";
  reason: string;
  facts: string[];
}

export interface Models {
  models: Model[];
  columns: string[];
  needsBase: boolean;
  swap: boolean;
  bundled: Offer[];
  cached: Offer[];
  folder: Folder;
  busy: string;
  fault: string;
  hint: string;
}

const ROLES = { base: "base", merged: "merged", unused: "not used" };
const FITS = { good: "yes", warning: "check", bad: "no" };

export function createModels({ send }: Context): Part<Models> {
  const table = h("div", { class: "nbm-models-table" });
  const hint = h("p", { class: "nbm-quiet", role: "status" });
  const tools = h("div", { class: "nbm-line" });
  const sources = h("div", { class: "nbm-sources" });
  const folder = createFolder(send);
  const hub = entry("A model of the Hugging Face Hub", "name/model or name/model@revision", "Add", (id) =>
    send("look_up", { name: id }),
  );
  const busy = h("span", { class: "nbm-quiet", role: "status" });
  const fault = h("p", { class: "nbm-models-fault", role: "alert" });
  const element = h(
    "div",
    { class: "nbm-models-form" },
    h("div", { class: "nbm-models-chosen" }, table, tools, hint),
    h("div", { class: "nbm-line" }, h("h4", {}, "Add models"), busy),
    h("div", { class: "nbm-models-sources" }, folder.element, h("div", {}, hub, sources)),
    fault,
  );
  const drawTable = redrawn<Pick<Models, "models" | "columns" | "needsBase">>(table, (data) => [makeTable(data, send)]);
  const drawTools = redrawn<[boolean, boolean, boolean]>(tools, ([swap, any, base]) =>
    [
      swap && button("⇄ Swap the two", () => send("swap"), { "data-key": "swap" }),
      base && button("No base", () => send("clear_base"), { "data-key": "clear" }),
      any &&
        button("Start over", () => send("start_over"), {
          "data-key": "over",
          title: "Remove all models; undo brings them back",
        }),
    ].filter((node): node is HTMLButtonElement => node !== false),
  );
  const drawSources = redrawn<[Offer[], Offer[]]>(sources, ([bundled, cached]) => [
    ...offerGroup("Bundled with nbmerge", bundled, send),
    ...offerGroup("In the Hugging Face cache", cached, send),
  ]);
  return {
    element,
    draw(content) {
      const { models, columns, needsBase } = content;
      drawTable({ models, columns, needsBase });
      drawTools([content.swap, models.length > 0, models.some((m) => m.role === "base")]);
      write(hint, content.hint);
      write(busy, content.busy);
      write(fault, content.fault);
      drawSources([content.bundled, content.cached]);
      folder.draw(content.folder, 0);
    },
  };
}

function makeTable(
  { models, columns, needsBase }: Pick<Models, "models" | "columns" | "needsBase">,
  send: Send,
): HTMLElement {
  if (!models.length)
    return h("p", {}, "No models yet. Add a base model first, then models that were fine-tuned from it.");
  const head = ["model", "use", "fits", "change", ...columns].map((name) => h("th", { scope: "col" }, name));
  const names = tellApart(
    models.map((model) => model.name),
    30,
  );
  const rows = models.map((model, i) => makeRow(model, i, models, needsBase, names[i] ?? model.name, send));
  return h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows));
}

function makeRow(model: Model, i: number, models: Model[], needsBase: boolean, short: string, send: Send): HTMLElement {
  const { path, name } = model;
  const others = models.filter((m) => m.role !== "base");
  const at = others.indexOf(model);
  const handle =
    at >= 0 && others.length > 1 && makeHandle(name, at, others.length, (by) => send("move", { path, by }));
  const base =
    model.role !== "base" &&
    button("Make base", () => send("make_base", { path }), {
      "aria-label": `Make ${name} the base`,
      "data-key": `base${path}`,
    });
  const remove = button("Remove", () => send("remove", { path }), {
    "aria-label": `Remove ${name}`,
    "data-key": `remove${path}`,
  });
  const whole = short !== name && h("small", { class: "nbm-quiet nbm-whole-name" }, name);
  const fit = h("span", { class: `nbm-fit nbm-${model.fit}` }, FITS[model.fit]);
  const reason = model.reason && h("div", { class: `nbm-reason nbm-${model.fit}` }, model.reason);
  return h(
    "tr",
    { "data-row": i },
    h("th", { scope: "row" }, handle, dot(model.colour), nameTag(short, 30, path), whole, reason),
    h("td", {}, model.role === "base" && !needsBase ? "base, not used" : ROLES[model.role]),
    h("td", {}, fit),
    h("td", { class: "nbm-actions" }, base, remove),
    ...model.facts.map((fact) => h("td", {}, fact)),
  );
}

function entry(label: string, placeholder: string, action: string, enter: (text: string) => void): HTMLElement {
  const id = newId();
  const input = h("input", {
    type: "text",
    class: "nbm-field",
    id,
    placeholder,
    spellcheck: "false",
    autocomplete: "off",
  });
  const form = h(
    "form",
    { class: "nbm-entry" },
    h("label", { for: id }, label),
    h("span", {}, input, h("button", { type: "submit", class: "nbm-button" }, action)),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.value.trim()) enter(input.value.trim());
  });
  return form;
}
