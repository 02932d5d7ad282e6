// The figure view: a picture that matplotlib has drawn, its options, and buttons that give it as a file or as code.

import "./figure.css";
import { h, match, set, write } from "../../lib/dom.ts";
import { insertCell } from "../../lib/notebook.ts";
import { type Drawing, makeFileButtons, makePicture } from "../../lib/picture.ts";
import { type Answered, defineView } from "../../lib/view.ts";

interface Content extends Answered, Drawing {
  theme: string;
  parent: string;
  parents: string[];
  reason: string;
  code?: string;
}

const THEMES = { auto: "Notebook", light: "Light", dark: "Dark" };

export default defineView<Content>((root, { send, receive, signal }) => {
  const { buttons: files, said } = makeFileButtons({ send, receive });
  const picture = makePicture(signal);
  let shown: Content | null = null;

  const theme = h(
    "select",
    { class: "nbm-field", "aria-label": "Theme", onchange: () => send("choose", { theme: theme.value }) },
    ...Object.entries(THEMES).map(([value, text]) => h("option", { value }, text)),
  );
  const map = h("select", {
    class: "nbm-field",
    "aria-label": "Heat map",
    onchange: () => send("choose", { parent: map.value }),
  });
  const cell = h(
    "button",
    { class: "nbm-button", onclick: insert, title: "Python code that makes this figure, for a cell" },
    "Cell",
  );
  const reason = h("p", { class: "nbm-figure-reason" });
  const code = h("pre", { class: "nbm-figure-code" });
  const python = h("details", {}, h("summary", {}, "Python"), code);
  root.append(h("div", { class: "nbm-figure-bar" }, theme, map, ...files, cell, said), reason, picture.element, python);

  async function insert() {
    try {
      write(said, await insertCell(root, shown?.code ?? ""));
    } catch {
      python.open = true;
      write(said, "The browser did not allow copying. The code is below.");
    }
  }

  return (v) => {
    shown = v;
    const options = ["", ...v.parents];
    match(
      map,
      options,
      () => h("option"),
      (option, parent) => {
        write(option, parent ? `Heat map: ${parent}` : "No heat map");
        set(option, { value: parent }); // after its text, which is the value of an option without one
      },
    );
    theme.value = v.theme;
    map.value = v.parent;
    map.disabled = !v.parents.length;
    map.title = v.parents.length ? "" : "Measure first, in the statistics";
    for (const button of [...files, cell]) button.disabled = Boolean(v.reason);
    write(reason, v.reason);
    reason.hidden = !v.reason;
    write(code, v.code ?? "");
    picture.show(v, Boolean(v.reason));
  };
});
