// What is wrong with the recipe, by cause, with buttons that solve it.

import { h } from "../../lib/dom.ts";
import { middle } from "../../lib/format.ts";
import { openPopover, type Popover } from "../../lib/popover.ts";
import type { Context } from "../../lib/view.ts";
import { button, type Part, redrawn } from "./common.ts";

export interface Problem {
  severity: "error" | "warning";
  title: string;
  advice: string;
  details: string[];
  remedies: string[];
}

/** Letters of a text and of a button that are whole in a row of any width. */
const [TEXT, REMEDY] = [48, 44];
const SEVERITIES = { error: "Error", warning: "Warning" };

/** The worst problem in a row whose height is always there, the others below it when they are asked for. */
export function createProblems({ send }: Context): Part<Problem[]> {
  const element = h("div", { class: "nbm-problem-rows" });
  const others = h("div", { class: "nbm-problem-others", hidden: true });
  let open: Popover | null = null;
  const explain = (problem: Problem, anchor: HTMLElement, choose: (remedy: number) => void) => {
    const isOpen = open !== null;
    open?.close();
    if (!isOpen) open = openWhole(problem, anchor, choose, () => (open = null));
  };
  const draw = redrawn<Problem[]>(element, (problems) => {
    open?.close();
    const rows = problems.map((problem, i) => {
      const choose = (remedy: number) => send("remedy", { group: i, remedy });
      return makeRow(problem, i, choose, (anchor) => explain(problem, anchor, choose));
    });
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

function makeRow(
  problem: Problem,
  index: number,
  choose: (remedy: number) => void,
  explain: (anchor: HTMLElement) => void,
): HTMLElement {
  const { severity, title, advice, remedies } = problem;
  const buttons = remedies.map((name, i) =>
    button(middle(name, REMEDY), () => choose(i), { title: name.length > REMEDY ? name : null }),
  );
  const text = `${title}${!remedies.length && advice ? ` ${advice}` : ""}`;
  const details = button("Details", () => explain(details), {
    "aria-haspopup": "dialog",
    "aria-expanded": false,
    "aria-label": `Details: ${title}`,
    "data-key": `details${index}`,
  });
  return h(
    "div",
    { class: `nbm-problem nbm-problem-${severity}` },
    h("b", {}, SEVERITIES[severity]),
    h("span", { class: "nbm-problem-text", title: text }, text),
    h("span", { class: "nbm-remedies" }, ...buttons),
    (problem.details.length > 0 || text.length > TEXT || remedies.some((name) => name.length > REMEDY)) && details,
  );
}

/** All of a problem over the page, which stays as it is: a row has room for two lines. */
function openWhole(
  { severity, title, advice, details, remedies }: Problem,
  anchor: HTMLElement,
  choose: (remedy: number) => void,
  onclose: () => void,
): Popover {
  const shut = button("✕", () => popover.close(), { class: "nbm-button nbm-close", "aria-label": "Close" });
  const solve = (remedy: number) => {
    popover.close();
    choose(remedy);
  };
  const content = h(
    "div",
    {},
    h("div", { class: "nbm-popover-head" }, h("h3", {}, SEVERITIES[severity]), shut),
    h("p", {}, title),
    advice && h("p", {}, advice),
    details.length > 0 && h("ul", {}, ...details.map((text) => h("li", {}, text))),
    remedies.length > 0 && h("div", { class: "nbm-line" }, ...remedies.map((name, i) => button(name, () => solve(i)))),
  );
  const popover = openPopover(anchor, "Details", [content], { onclose });
  popover.element.classList.add("nbm-sheet", "nbm-problem-sheet");
  return popover;
}
