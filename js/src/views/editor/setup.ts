// CodeMirror with what a recipe needs, in JupyterLab's colours.

import {
  autocompletion,
  type CompletionContext,
  type CompletionResult,
  completionKeymap,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import {
  bracketMatching,
  type IndentContext,
  indentService,
  indentUnit,
  StreamLanguage,
  syntaxHighlighting,
} from "@codemirror/language";
import { yaml } from "@codemirror/legacy-modes/mode/yaml";
import { lintGutter, lintKeymap } from "@codemirror/lint";
import { type Extension, Transaction } from "@codemirror/state";
import {
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
} from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";
import { OWN_KEYS } from "../../lib/dom.ts";
import { listOptions, type Words } from "./complete.ts";
import { methodAt, placeAt } from "./place.ts";

const font = {
  fontFamily: "var(--jp-code-font-family, monospace)",
  fontSize: "var(--jp-code-font-size, 13px)",
  lineHeight: "1.5",
};

const look = EditorView.theme({
  "&": { height: "100%", color: "var(--jp-ui-font-color1, #212121)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { ...font, overflow: "auto" },
  ".cm-gutters": {
    color: "var(--jp-ui-font-color2, #616161)",
    background: "transparent",
    borderRight: "1px solid var(--jp-border-color2, #e0e0e0)",
  },
  ".cm-content": { caretColor: "var(--jp-editor-cursor-color, var(--jp-ui-font-color0, #000))" },
  ".cm-cursor": { borderLeftColor: "var(--jp-editor-cursor-color, var(--jp-ui-font-color0, #000))" },
  ".cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground": {
    background: "var(--jp-editor-selected-background, #d7d4f0)",
  },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground": {
    background: "var(--jp-editor-selected-focused-background, #b3d4fc)",
  },
  ".cm-activeLine, .cm-activeLineGutter": {
    background: "color-mix(in srgb, var(--jp-ui-font-color0, #000) 5%, transparent)",
  },
  ".cm-tooltip": {
    color: "var(--jp-ui-font-color1, #212121)",
    background: "var(--jp-layout-color1, #fff)",
    border: "1px solid var(--jp-border-color1, #c8ccd2)",
    fontFamily: "var(--jp-ui-font-family, sans-serif)",
  },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": font,
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]": {
    color: "var(--jp-ui-font-color0, #000)",
    background: "color-mix(in srgb, var(--jp-brand-color1, #1976d2) 24%, transparent)",
  },
  ".cm-completionDetail": { color: "var(--jp-ui-font-color2, #616161)", fontStyle: "normal" },
  ".cm-completionInfo": { maxWidth: "340px", lineHeight: "1.4" },
});

/** What the editor asks its owner. */
export interface Owner {
  words(): Words | null;
  apply(): void;
  typed(): void;
}

/** The extensions of the editor. */
export function makeExtensions(owner: Owner): Extension[] {
  const applyText = () => {
    owner.apply();
    return true;
  };
  return [
    lineNumbers(),
    lintGutter(),
    history(),
    drawSelection(),
    highlightActiveLine(),
    highlightActiveLineGutter(),
    EditorView.lineWrapping,
    indentUnit.of("  "),
    indentService.of(indentBelow),
    bracketMatching(),
    StreamLanguage.define(yaml),
    syntaxHighlighting(classHighlighter),
    autocompletion({ override: [(context) => complete(context, owner.words())], icons: false }),
    keymap.of([
      { key: "Mod-Enter", run: applyText },
      ...completionKeymap,
      ...lintKeymap,
      ...historyKeymap,
      indentWithTab, // Escape, then Tab, leaves the editor
      ...defaultKeymap,
    ]),
    EditorView.contentAttributes.of({
      "aria-label": "Recipe. Tab indents; press Escape, then Tab, to leave.",
      ...OWN_KEYS,
      spellcheck: "false",
      tabindex: "0",
    }),
    EditorView.updateListener.of((update) => {
      const byUser = (t: Transaction) => t.docChanged && t.annotation(Transaction.addToHistory) !== false;
      if (update.transactions.some(byUser)) owner.typed();
    }),
    look,
  ];
}

function complete(context: CompletionContext, words: Words | null): CompletionResult | null {
  const text = context.state.doc.toString();
  const place = words && placeAt(text, context.pos);
  if (!place || (!place.word && !context.explicit && !isFresh(text, context.pos))) return null;
  const options = listOptions(place, methodAt(text, context.pos), words).map((option) => ({
    ...option,
    apply: option.apply && nextIs(text, context.pos, ":") ? option.label : (option.apply ?? option.label),
  }));
  return options.length ? { from: place.from, options, validFor: /^[\w./@:-]*$/ } : null;
}

/** After "key: ", a list opens by itself. */
const isFresh = (text: string, position: number) => /[\w"']: $/.test(text.slice(Math.max(0, position - 40), position));

const nextIs = (text: string, position: number, letter: string) => text[position] === letter;

/** Below a key without a value, two columns more; else as the line above. */
function indentBelow(context: IndentContext, position: number): number | null {
  if (position === 0) return 0;
  const { text } = context.lineAt(position, -1);
  const indent = text.length - text.trimStart().length;
  return /:\s*(#.*)?$/.test(text) ? indent + 2 : indent;
}
