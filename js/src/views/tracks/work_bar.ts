// The line of a row that is computed on demand: what over, a button that starts, progress with Stop, and a note.

import { h, set, write } from "../../lib/dom.ts";
import { middle, tellApart } from "../../lib/format.ts";
import { menuButton } from "../../lib/menu.ts";
import type { Axis } from "./axis.ts";
import type { Stage } from "./stage.ts";

/** What the kernel says about work that can be started. */
export interface WorkPart {
  /** Whether starting it would give something new. */
  ready: boolean;
  /** How far it is; empty while it is not running. */
  progress: string;
  note: string;
  stale: boolean;
}

/** One thing to choose before the work is started. */
export interface WorkChoice {
  title: string;
  /** Before the name of what is chosen, on the button: "from". */
  words: string;
  key: string;
}

export interface WorkBar {
  show(part: WorkPart | null, axis: Axis, top: number): void;
}

const LONGEST = 30;

/**
 * Makes the line of a row: the actions `ROW.compute`, `ROW.stop` and `ROW.choose` belong to it.
 *
 * @param listed What can be chosen for a key, and what is chosen.
 */
export function workBar(
  stage: Stage,
  row: string,
  label: string,
  choices: readonly WorkChoice[],
  listed: (key: string) => { options: readonly string[]; chosen: string },
): WorkBar {
  const choose = (key: string, value: string) => {
    const none = Object.fromEntries(choices.map((choice) => [choice.key, null]));
    stage.send(`${row}.choose`, { ...none, [key]: value });
  };
  const menus = choices.map(({ key, title }) =>
    menuButton(
      title,
      () => {
        const { options, chosen } = listed(key);
        return options.map((name) => ({ label: name, checked: name === chosen, choose: () => choose(key, name) }));
      },
      title,
    ),
  );
  const compute = h("button", { type: "button", class: "nbm-button" }, label);
  compute.addEventListener("click", () => stage.send(`${row}.compute`));
  const stop = h("button", { type: "button", class: "nbm-button" }, "Stop");
  stop.addEventListener("click", () => stage.send(`${row}.stop`));
  const said = h("span");
  const note = h("span", { class: "nbm-quiet" }, said);
  const element = h("div", { class: "nbm-work-bar" }, menus, compute, stop, note);
  stage.overlay.append(element);

  return {
    show(part, axis, top) {
      element.hidden = !part;
      if (!part) return;
      Object.assign(element.style, { top: `${top}px`, left: `${axis.left}px`, right: `${axis.width - axis.right}px` });
      menus.forEach((menu, i) => {
        const { words, key, title } = choices[i]!;
        const { options, chosen } = listed(key);
        menu.hidden = options.length === 0;
        const short = tellApart(options, LONGEST - words.length)[options.indexOf(chosen)] ?? chosen;
        const whole = `${words}${chosen}`;
        write(menu, whole.length <= LONGEST ? whole : middle(`${words}${short}`, LONGEST));
        set(menu, { title: `${title}: ${chosen}`, "aria-label": `${title}: ${chosen}` });
      });
      compute.hidden = !part.ready || part.progress !== "";
      stop.hidden = part.progress === "";
      write(said, part.progress || part.note);
      set(note, { title: part.note });
    },
  };
}
