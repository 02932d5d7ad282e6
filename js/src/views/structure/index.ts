// The structure of the models: one plot of many, measured on demand, with its findings, its table and its files.

import "./structure.css";
import { h, match, set, write } from "../../lib/dom.ts";
import { type Drawing, makeFileButtons, makePicture } from "../../lib/picture.ts";
import { makeTable, type Table } from "../../lib/table.ts";
import { type Answered, defineView } from "../../lib/view.ts";

interface Content extends Answered, Drawing {
  plots: { key: string; title: string }[];
  chosen: string;
  theme: string;
  help: string;
  /** Why the plot cannot be measured; empty where it can. */
  reason: string;
  progress: string;
  measured: boolean;
  /** Whether the picture is that of the chosen plot. */
  drawn: boolean;
  words: string[];
  table: Table | null;
}

const THEMES = { auto: "Notebook", light: "Light", dark: "Dark" };

export default defineView<Content>((root, context) => {
  const { send, signal } = context;
  const { buttons, said, window } = makeFileButtons(context);
  const picture = makePicture(signal);
  const table = makeTable("Numbers");
  const plot = h("select", { class: "nbm-field", "aria-label": "Plot" });
  plot.addEventListener("change", () => send("choose", { plot: plot.value }));
  const theme = h("select", { class: "nbm-field", "aria-label": "Theme of the figure" });
  theme.append(...Object.entries(THEMES).map(([value, text]) => h("option", { value }, text)));
  theme.addEventListener("change", () => send("theme", { theme: theme.value }));
  const measure = h("button", { type: "button", class: "nbm-button nbm-primary" }, "Measure");
  measure.addEventListener("click", () => send("measure"));
  const stop = h("button", { type: "button", class: "nbm-button", onclick: () => send("stop") }, "Stop");
  const note = h("span", { class: "nbm-figure-said", role: "status" });
  const csv = h("button", { type: "button", class: "nbm-button", title: "Download the whole table as CSV" }, "CSV");
  csv.addEventListener("click", () => send("save_table", { window }));
  const files = h("span", { class: "nbm-figure-bar" }, theme, ...buttons, csv, said);
  const help = h("p", { class: "nbm-quiet" });
  const words = h("ul", { class: "nbm-structure-words" });
  const result = h("div", { class: "nbm-structure-result" }, h("div", {}, picture.element), table.element);
  root.append(h("div", { class: "nbm-figure-bar" }, plot, measure, stop, note, files), help, words, result);

  return (v) => {
    match(
      plot,
      v.plots,
      () => h("option"),
      (option, { key, title }) => {
        write(option, title);
        set(option, { value: key });
      },
    );
    plot.value = v.chosen;
    theme.value = v.theme;
    measure.hidden = v.progress !== "" || v.measured;
    set(measure, { disabled: v.reason !== "" });
    stop.hidden = v.progress === "";
    write(note, v.progress || (v.measured && !v.drawn ? "Drawing …" : ""));
    files.hidden = !v.measured;
    write(help, v.reason || v.help);
    words.hidden = !v.words.length;
    match(
      words,
      v.words,
      () => h("li"),
      (node, text) => write(node, text),
    );
    result.hidden = !v.measured;
    picture.show(v, !v.drawn);
    if (v.table) table.show(v.table);
  };
});
