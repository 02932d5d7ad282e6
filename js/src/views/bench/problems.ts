// What is wrong with the recipe, by cause, with buttons that solve it.

import { h } from "../../lib/dom.ts";
import { middle } from "../../lib/format.ts";
import type { Context } from "../../lib/view.ts";
import { button, type Part, redrawn } from "./common.ts";

export interface Problem {
  severity: "error" | "warning";
  title: string;
  advice: string;
  details: string[];
  remedies: string[];
}

/** The worst problem in a row whose height is always there, the others below it when they are asked for. */
export function createProblems({ send }: Context): Part<Problem[]> {
  const element = h("div", { class: "nbm-problem-rows" });
  const others = h("div", { class: "nbm-problem-others", hidden: true });
  const draw = redrawn<Problem[]>(element, (problems) => {
    const rows = problems.map((problem, i) => makeRow(problem, (remedy) => send("remedy", { group: i, remedy })));
    const [worst, ...rest] = rows;
    others.replaceChildren(...rest);
    if (!rest.length) others.hidden = true;
    else worst?.append(makeMore(rest.length, others));
    return worst ? [worst, others] : [];
  });
  return {
    element,
    draw(problems) {
      draw(problems);
      element.hidden = !problems.length;
    },
  };
}

function makeMore(count: number, others: HTMLElement): HTMLElement {
  const more = button(
    `${count} more`,
    () => {
      others.hidden = !others.hidden;
      more.setAttribute("aria-expanded", String(!others.hidden));
    },
    { "aria-expanded": !others.hidden, "data-key": "more" },
  );
  return more;
}

function makeRow(problem: Problem, choose: (remedy: number) => void): HTMLElement {
  const remedies = problem.remedies.map((title, i) =>
    button(middle(title, 44), () => choose(i), { title: title.length > 44 ? title : null }),
  );
  const details = problem.details.length > 0 && [
    h("details", {}, h("summary", {}, "Details"), h("ul", {}, ...problem.details.map((text) => h("li", {}, text)))),
  ];
  const text = `${problem.title}${!remedies.length && problem.advice ? ` ${problem.advice}` : ""}`;
  return h(
    "div",
    { class: `nbm-problem nbm-problem-${problem.severity}` },
    h("b", {}, problem.severity === "error" ? "Error" : "Warning"),
    h("span", { class: "nbm-problem-text", title: text }, text),
    h("span", { class: "nbm-remedies" }, ...remedies),
    ...(details || []),
  );
}
