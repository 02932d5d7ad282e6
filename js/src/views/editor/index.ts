// The recipe's editor: what the kernel shows as text, errors at their lines, and a text that is kept until it is applied.

import "./editor.css";
import { type Diagnostic, setDiagnostics } from "@codemirror/lint";
import { EditorState, Transaction } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { h, match, set, write } from "../../lib/dom.ts";
import { plural } from "../../lib/format.ts";
import { defineView } from "../../lib/view.ts";
import { findChange } from "./changes.ts";
import type { Words } from "./complete.ts";
import type { Content, Problem } from "./content.ts";
import { readDialect, writeDialect } from "./place.ts";
import { makeExtensions } from "./setup.ts";

/** Milliseconds of rest after which what was typed is sent. */
const REST = 250;

export default defineView<Content>((root, { send, read, signal }) => {
  let content: Content | null = null;
  let shown = ""; // the kernel's text that the editor was last given
  let awaited = 0; // number of the last text that was sent
  let timer = 0;

  const apply = h("button", { type: "button", class: "nbm-button nbm-primary", onclick: sendApply }, "Apply");
  const revert = h("button", { type: "button", class: "nbm-button", onclick: sendRevert }, "Revert");
  const copy = h("button", { type: "button", class: "nbm-button", onclick: copyText }, "Copy");
  const dialect = h("select", { class: "nbm-field", onchange: () => setDialect(dialect.value) });
  const note = h("span", { class: "nbm-editor-note", role: "status" });
  const label = h("label", { class: "nbm-editor-dialect" }, "Dialect ", dialect);
  const bar = h("div", { class: "nbm-editor-bar" }, apply, revert, copy, label, note);
  const frame = h("div", { class: "nbm-editor-frame" });
  const list = h("ul", { class: "nbm-editor-problems", "aria-label": "Problems of the recipe" });
  set(apply, { title: "Use this text as the recipe (Ctrl+Enter)" });
  set(revert, { title: "Show the recipe as it is, and forget this text" });
  set(copy, { title: "Copy the text" });
  set(dialect, { title: "The program, and its release, that this recipe was written for" });
  root.append(bar, h("div", { class: "nbm-editor-body" }, frame, list));

  const editor = new EditorView({
    parent: frame,
    state: EditorState.create({
      extensions: makeExtensions({
        words: () => (read("words") as Words | null) ?? null,
        apply: sendApply,
        typed: () => onTyped(),
      }),
    }),
  });
  frame.addEventListener("focusout", sendText, { signal });
  signal.addEventListener("abort", () => {
    sendText();
    editor.destroy();
  });

  const text = () => editor.state.doc.toString();

  function onTyped() {
    clearTimeout(timer);
    timer = window.setTimeout(sendText, REST);
    showButtons();
  }
  function sendText() {
    if (!timer) return;
    clearTimeout(timer);
    timer = 0;
    awaited = send("edit", { text: text() });
  }
  function sendApply() {
    clearTimeout(timer);
    timer = 0;
    awaited = send("apply", { text: text() });
  }
  function sendRevert() {
    clearTimeout(timer);
    timer = 0;
    awaited = send("revert");
    editor.focus();
  }
  async function copyText() {
    await navigator.clipboard.writeText(text());
    write(note, "Copied.");
  }
  function setDialect(value: string) {
    replace(writeDialect(text(), value), true);
  }

  /** Shows a text; what the user has done is a change that can be undone, what the kernel did is not. */
  function replace(next: string, byUser = false) {
    const changes = findChange(text(), next);
    if (!changes) return;
    const annotations = byUser ? Transaction.userEvent.of("input.dialect") : Transaction.addToHistory.of(false);
    editor.dispatch({ changes, annotations });
  }

  function showButtons() {
    const isEdited = timer !== 0 || (content?.edited ?? false);
    set(apply, { disabled: !isEdited });
    set(revert, { disabled: !isEdited });
    root.dataset.edited = String(isEdited);
  }

  function showDialects({ dialects }: Content) {
    const values = dialects.map((d) => d.value).join();
    if (dialect.dataset.values !== values) {
      dialect.dataset.values = values;
      dialect.replaceChildren(...dialects.map((d) => new Option(d.label, d.value)));
    }
    set(dialect, { value: readDialect(text()) });
  }

  function showProblems({ problems }: Content) {
    const { doc } = editor.state;
    const found = problems.filter((p) => p.line !== null && p.line <= doc.lines);
    const diagnostics = found.map((p): Diagnostic => {
      const line = doc.line(p.line!);
      const from = line.from + line.text.length - line.text.trimStart().length;
      return { from, to: Math.max(from, line.to), severity: p.severity, message: p.text };
    });
    editor.dispatch(setDiagnostics(editor.state, diagnostics));
    const height = list.offsetHeight;
    list.hidden = problems.length === 0;
    match(list, problems, makeItem, (item, problem) => showItem(item, problem));
    if (editor.hasFocus && list.offsetHeight > height) {
      editor.dispatch({ effects: EditorView.scrollIntoView(editor.state.selection.main.head) });
    }
  }

  function makeItem(index: number) {
    const button = h("button", { type: "button", onclick: () => goTo(content?.problems[index]) });
    return h("li", {}, button);
  }
  function showItem(item: Element, { severity, line, text: words }: Problem) {
    const button = item.firstElementChild as HTMLButtonElement;
    set(item, { class: `nbm-${severity}-item` });
    set(button, { disabled: line === null });
    write(button, `${line === null ? "" : `line ${line}: `}${severity}: ${words}`);
  }
  function goTo(problem: Problem | undefined) {
    const line = problem?.line;
    if (!line || line > editor.state.doc.lines) return;
    const { from } = editor.state.doc.line(line);
    editor.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: "center" }) });
    editor.focus();
  }

  return (next) => {
    content = next;
    const isAhead = timer !== 0 || next.answers < awaited; // the user has typed what the kernel does not know yet
    if (!isAhead && (next.text !== shown || next.text !== text())) {
      shown = next.text;
      replace(next.text);
    }
    if (!isAhead) showProblems(next);
    showDialects(next);
    showButtons();
    write(note, next.note || count(next.problems));
  };
});

function count(problems: readonly Problem[]): string {
  const parts = (["error", "warning"] as const).map((severity) => {
    const number = problems.filter((p) => p.severity === severity).length;
    return number ? plural(number, severity) : "";
  });
  return parts.filter(Boolean).join(", ");
}
