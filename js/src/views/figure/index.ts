// The figure view: a picture that matplotlib has drawn, its options, and buttons that give it as a file or as code.

import "./figure.css";
import { h, match, set, write } from "../../lib/dom.ts";
import { downloads } from "../../lib/download.ts";
import { insertCell } from "../../lib/notebook.ts";
import { type Answered, defineView } from "../../lib/view.ts";

interface Content extends Answered {
  theme: string;
  parent: string;
  parents: string[];
  png: DataView;
  width?: number;
  height?: number;
  reason: string;
  label?: string;
  code?: string;
}

const THEMES = { auto: "Notebook", light: "Light", dark: "Dark" };
const FORMATS = ["png", "pdf", "svg"];

export default defineView<Content>((root, { send, receive, signal }) => {
  const me = downloads(receive, (file) => write(said, `${file} was downloaded.`));
  let shown: Content | null = null;
  let bytes: DataView | null = null;
  let address = "";

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
  const files = FORMATS.map((format) =>
    h(
      "button",
      { class: "nbm-button", onclick: () => save(format), title: `Download the figure as ${format.toUpperCase()}` },
      format.toUpperCase(),
    ),
  );
  const cell = h(
    "button",
    { class: "nbm-button", onclick: insert, title: "Python code that makes this figure, for a cell" },
    "Cell",
  );
  const said = h("span", { class: "nbm-figure-said", role: "status" });
  const picture = h("img", { class: "nbm-figure-picture", alt: "", hidden: true });
  const reason = h("p", { class: "nbm-figure-reason" });
  const code = h("pre", { class: "nbm-figure-code" });
  const python = h("details", {}, h("summary", {}, "Python"), code);
  root.append(h("div", { class: "nbm-figure-bar" }, theme, map, ...files, cell, said), reason, picture, python);

  function save(format: string) {
    write(said, `Preparing the ${format.toUpperCase()} …`);
    send("save", { format, window: me });
  }

  async function insert() {
    try {
      write(said, await insertCell(root, shown?.code ?? ""));
    } catch {
      python.open = true;
      write(said, "The browser did not allow copying. The code is below.");
    }
  }

  function showPicture(v: Content) {
    if (v.png !== bytes) {
      URL.revokeObjectURL(address);
      bytes = v.png;
      address = v.png.byteLength ? URL.createObjectURL(new Blob([v.png as DataView<ArrayBuffer>])) : "";
    }
    set(picture, { src: address || null, alt: v.label ?? "", width: v.width, height: v.height });
    picture.hidden = !address;
    picture.classList.toggle("nbm-stale", Boolean(v.reason));
  }

  signal.addEventListener("abort", () => URL.revokeObjectURL(address));

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
    showPicture(v);
  };
});
