// The text as one model finds it: a piece for each token, which the pointer and the arrow keys lead to.

import { h, match, OWN_KEYS, set, write } from "../../lib/dom.ts";
import { number } from "../../lib/format.ts";
import { colourOf, type Look, type Result } from "./tokens.ts";

export interface Passage {
  element: HTMLElement;
  show(result: Result, look: Look, model: number, current: number | null, titled: boolean): void;
}

/**
 * Makes a passage.
 *
 * @param point Called with the token that is pointed at.
 */
export function makePassage(point: (token: number) => void): Passage {
  const title = h("div", { class: "nbm-passage-title" });
  const tokens = h("p", { ...OWN_KEYS, class: "nbm-passage", role: "group", tabindex: 0 });
  const element = h("div", {}, title, tokens);
  let [last, at]: [number, number | null] = [-1, null];

  tokens.addEventListener("pointermove", (event) => {
    const under = [...tokens.children].indexOf(event.target as Element) - 1;
    if (under >= 0 && under !== at) point(under);
  });
  tokens.addEventListener("keydown", (event) => {
    const now = at ?? -1;
    const goal = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last }[event.key];
    if (goal === undefined || last < 0) return;
    event.preventDefault();
    event.stopPropagation();
    point(Math.min(Math.max(goal, 0), last));
  });

  function show(result: Result, look: Look, model: number, current: number | null, titled: boolean) {
    [last, at] = [result.tokens.length - 1, current];
    const { label } = result.models[model]!;
    title.hidden = !titled;
    write(title, `${label} · perplexity ${number(result.perplexity[model] ?? null, 3)}`);
    match(
      tokens,
      [result.start, ...result.tokens],
      (index) => h("span", { class: index === 0 ? "nbm-start" : "nbm-token" }),
      (node, piece, index) => {
        write(node, piece);
        if (index === 0) return;
        node.style.background = colourOf(result, look, model, index - 1);
        node.classList.toggle("nbm-current", current === index - 1);
      },
    );
    const of = titled ? `${label}: the text` : "The text";
    set(tokens, { "aria-label": `${of}, token by token. Left and right arrows read the numbers of a token.` });
  }

  return { element, show };
}
