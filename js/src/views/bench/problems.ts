// What is wrong with the recipe, by cause, with buttons that solve it.

import { h } from "../../lib/dom.ts";
import { middle, plural } from "../../lib/format.ts";
import type { Context } from "../../lib/view.ts";
import { button, type Part, redrawn } from "./common.ts";

export interface Problem {
  severity: "error" | "warning";
  title: string;
  advice: string;
  details: string[];
  remedies: string[];
}

/** Rows that are shown at once; the others fold away. */
const SHOWN = 2;

export function createProblems({ send }: Context): Part<Problem[]> {
  const element = h("div", { class: "nbm-problem-rows" });
  const draw = redrawn<Problem[]>(element, (problems) => {
    const rows = problems.map((problem, i) => makeRow(problem, (remedy) => send("remedy", { group: i, remedy })));
    const more = rows.splice(SHOWN + (rows.length === SHOWN + 1 ? 1 : 0));
    if (!more.length) return rows;
    return [
      ...rows,
      h("details", {}, h("summary", {}, `${plural(more.length, "more")}`.replace("mores", "more")), ...more),
    ];
  });
  return {
    element,
    draw(problems) {
      draw(problems);
      element.hidden = !problems.length;
    },
  };
}

function makeRow(problem: Problem, choose: (remedy: number) => void): HTMLElement {
  const remedies = problem.remedies.map((title, i) =>
    button(middle(title, 44), () => choose(i), { title: title.length > 44 ? title : null }),
  );
  const details = problem.details.length > 0 && [
    h("details", {}, h("summary", {}, "Details"), h("ul", {}, ...problem.details.map((text) => h("li", {}, text)))),
  ];
  return h(
    "div",
    { class: `nbm-problem nbm-problem-${problem.severity}` },
    h("b", {}, problem.severity === "error" ? "Error" : "Warning"),
    h(
      "span",
      { class: "nbm-problem-text" },
      problem.title,
      !remedies.length && problem.advice ? ` ${problem.advice}` : "",
    ),
    h("span", { class: "nbm-remedies" }, ...remedies),
    ...(details || []),
  );
}
