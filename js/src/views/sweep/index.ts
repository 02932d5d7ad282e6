// Scores along the path between two recipes: what the path is between, over which scores, and a chart for each.

import "./sweep.css";
import { h, match, set, write } from "../../lib/dom.ts";
import { middle } from "../../lib/format.ts";
import { menuButton } from "../../lib/menu.ts";
import { defineView } from "../../lib/view.ts";
import { type Chart, makeChart } from "./chart.ts";
import type { Content } from "./content.ts";

export default defineView<Content>((root, { send }) => {
  let content: Content | null = null;
  const first = h("select", { class: "nbm-field" });
  const second = h("select", { class: "nbm-field" });
  const points = h("input", { class: "nbm-field nbm-count", type: "number", min: 2, max: 101, value: 11 });
  points.addEventListener("keydown", (event) => event.stopPropagation()); // a notebook has shortcuts for digits
  const scores = menuButton(
    "Scores",
    () =>
      (content?.scores ?? []).map((name) => ({
        label: name,
        checked: content?.chosen.includes(name) ?? false,
        many: true,
        choose: () => send("choose", { score: name }),
      })),
    "Scores along the path",
  );
  const start = h("button", { type: "button", class: "nbm-button nbm-primary" }, "Score the path");
  start.addEventListener("click", () => {
    const count = Math.round(Number(points.value)) || 11;
    send("start", { first: first.value, second: second.value, points: count });
  });
  const stop = h("button", { type: "button", class: "nbm-button", onclick: () => send("stop") }, "Stop");
  const note = h("span", { class: "nbm-quiet", role: "status" });
  const label = (text: string, ...fields: Node[]) => h("label", {}, h("span", {}, text), ...fields);
  const bar = h(
    "div",
    { class: "nbm-sweep-bar" },
    label("From", first),
    label("to", second),
    label("points", points),
    scores,
    start,
    stop,
    note,
  );
  const help = h("p", { class: "nbm-quiet" });
  const charts = h("div");
  const remarks = h("ul", { class: "nbm-remarks" });
  root.append(bar, help, charts, remarks);
  const made: Chart[] = [];

  return (next, width) => {
    content = next;
    fill(first, next.ends, next.suggested[0]);
    fill(second, next.ends, next.suggested[1]);
    write(scores, next.chosen.length === 1 ? middle(next.chosen[0]!, 40) : `${next.chosen.length} scores`);
    start.hidden = next.progress !== "";
    set(start, { disabled: !next.ready });
    stop.hidden = next.progress === "";
    write(note, next.progress);
    help.hidden = next.path !== null;
    write(
      help,
      "Scores of the merges between two recipes, computed together. Click a point to go to its recipe; the diamonds are the ends.",
    );
    const { path } = next;
    while (path && made.length < path.curves.length) {
      const chart = makeChart((point) => send("go", { point }));
      made.push(chart);
      charts.append(chart.element);
    }
    made.forEach((chart, i) => {
      const curve = path?.curves[i];
      chart.element.hidden = !curve;
      if (path && curve) chart.show(path, curve, width);
    });
    remarks.hidden = !path?.remarks.length;
    match(
      remarks,
      path?.remarks ?? [],
      () => h("li"),
      (node, text) => write(node, text),
    );
  };
});

/** Lists choices; what was chosen by hand stays where it is still there. */
function fill(select: HTMLSelectElement, choices: Content["ends"], suggested: string): void {
  const known = JSON.stringify([choices, suggested]);
  if (select.dataset.choices === known) return;
  const [before, former] = [select.dataset.suggested, select.value];
  Object.assign(select.dataset, { choices: known, suggested });
  select.replaceChildren(
    ...choices.map(({ key, title, whole }) => set(new Option(middle(title, 40), key), { title: whole })),
  );
  const isKept = before !== undefined && former !== before && choices.some(({ key }) => key === former);
  select.value = isKept ? former : suggested;
}
