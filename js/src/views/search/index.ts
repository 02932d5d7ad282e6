// A search: its form, the best so far, warnings, the best trials, and which values mattered.

import "./search.css";
import { h, match, set, write } from "../../lib/dom.ts";
import { plural } from "../../lib/format.ts";
import { makeFileButtons, makePicture } from "../../lib/picture.ts";
import { segmented } from "../../lib/segmented.ts";
import { makeTable } from "../../lib/table.ts";
import { defineView } from "../../lib/view.ts";
import type { Best, Content, Found } from "./content.ts";
import { type Course, makeCourse } from "./course.ts";
import { makeForm } from "./form.ts";

const THEMES = { auto: "Notebook", light: "Light", dark: "Dark" };

export default defineView<Content>((root, context) => {
  const { send, signal } = context;
  const form = makeForm();
  const start = h("button", { type: "button", class: "nbm-button nbm-primary" }, "Start");
  start.addEventListener("click", () => send("start", { form: form.read() }));
  const stop = h("button", { type: "button", class: "nbm-button", onclick: () => send("stop") }, "Stop");
  const note = h("span", { class: "nbm-quiet", role: "status" });
  const warnings = h("ul", { class: "nbm-search-notes" });
  const courses = h("div");
  const legend = h(
    "p",
    { class: "nbm-quiet nbm-search-legend" },
    ...[
      h("i", { class: "nbm-trial-best" }),
      "best so far",
      h("i", { class: "nbm-trial-held-out" }),
      "the same, held out",
    ],
    ...[h("i", { class: "nbm-trial-dots" }), "trials"],
  );
  const best = h("ol", { class: "nbm-search-best" });
  const plots = segmented("Plot", (plot) => send("choose", { plot }));
  const { buttons, said, window } = makeFileButtons(context);
  const theme = h("select", { class: "nbm-field", "aria-label": "Theme of the figure" });
  theme.append(...Object.entries(THEMES).map(([value, text]) => h("option", { value }, text)));
  theme.addEventListener("change", () => send("theme", { theme: theme.value }));
  const picture = makePicture(signal);
  const figure = h(
    "div",
    {},
    h("div", { class: "nbm-figure-bar" }, plots.element, theme, ...buttons, said),
    picture.element,
  );
  const table = makeTable("Numbers of all trials");
  const csv = h("button", { type: "button", class: "nbm-button" }, "CSV");
  csv.addEventListener("click", () => send("save_table", { window }));
  const trials = h("details", {}, h("summary", {}, "All trials"), csv, table.element);
  const result = h("div", {}, warnings, courses, legend, best, figure, trials);
  root.append(form.element, h("div", { class: "nbm-search-bar" }, start, stop, note), result);
  const made: Course[] = [];

  function showFound(found: Found, content: Content, width: number) {
    match(
      warnings,
      found.notes,
      () => h("li"),
      (node, text) => write(node, text),
    );
    while (made.length < found.curves.length) {
      const course = makeCourse();
      made.push(course);
      courses.append(course.element);
    }
    made.forEach((course, i) => {
      const curve = found.curves[i];
      course.element.hidden = !curve;
      if (curve) course.show(curve, found.trials, width);
    });
    match(best, found.best, makeBest, showBest);
    plots.show(
      content.plots.map(({ key, title }) => ({ key, label: title })),
      content.plot,
    );
    figure.hidden = content.progress !== "" || !found.best.length;
    picture.show(content, !content.drawn);
    table.show(found.table);
  }

  function makeBest(index: number) {
    const go = h("button", { type: "button", class: "nbm-button" });
    go.addEventListener("click", () =>
      send("go", { trial: Number((best.children[index] as HTMLElement).dataset.trial) }),
    );
    return h("li", {}, go, h("span"));
  }

  function showBest(node: HTMLElement, { trial, text, front, current }: Best) {
    node.dataset.trial = String(trial);
    write(node.firstElementChild!, `Trial ${trial}`);
    set(node.firstElementChild!, { title: "Go to its recipe", "aria-pressed": current });
    write(node.lastElementChild!, `${text}${front ? "" : " (next best)"}`);
  }

  return (content, width) => {
    form.show(content);
    const { found, progress } = content;
    start.hidden = progress !== "";
    write(start, content.isStored ? "Go on" : "Start");
    set(start, { disabled: !content.ready });
    stop.hidden = progress === "";
    const failed = found?.failed ? `, ${found.failed} failed` : "";
    const count = found ? `${plural(found.trials, "trial")}${failed}` : "";
    write(note, progress ? `${progress} trials${failed}` : count && `${count}; the best are in History.`);
    theme.value = content.theme;
    result.hidden = !found;
    if (found) showFound(found, content, width);
  };
});
