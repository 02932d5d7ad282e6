// Code, with a button that copies it and one that writes it into the notebook.

import "./snippet.css";
import { h, set, write } from "../../lib/dom.ts";
import { insertCell } from "../../lib/notebook.ts";
import { type Answered, defineView } from "../../lib/view.ts";

interface Content extends Answered {
  code: string;
  /** Why it cannot be run yet; empty where it can. */
  reason: string;
}

const REFUSED = "The browser did not allow copying: select the code and press Ctrl+C.";

export default defineView<Content>((root) => {
  let code = "";
  const copy = h("button", { type: "button", class: "nbm-button", onclick: () => report(copyCode()) }, "Copy");
  const insert = h("button", { type: "button", class: "nbm-button" }, "Write as a cell");
  const note = h("span", { class: "nbm-snippet-note", role: "status" });
  const text = h("pre", { class: "nbm-snippet-code", tabindex: 0, role: "region", "aria-label": "Python code" });
  insert.addEventListener("click", () => report(insertCell(root, code)));
  root.append(h("div", { class: "nbm-snippet-bar" }, copy, insert, note), text);

  async function copyCode() {
    await navigator.clipboard.writeText(code);
    return "Copied.";
  }
  function report(work: Promise<string>) {
    work.then(
      (words) => write(note, words),
      () => write(note, REFUSED),
    );
  }

  return (content) => {
    if (content.code !== code) write(note, content.reason);
    code = content.code;
    for (const button of [copy, insert]) set(button, { disabled: code === "" });
    write(text, code);
  };
});
