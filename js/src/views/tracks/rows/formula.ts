// The formulas of the layer under the pointer: asked of the kernel when the pointer rests, and shown in the line below the
// picture, with a button that opens the list of the layer's tensors.

import type { Content } from "../content.ts";
import type { Row, Stage } from "../stage.ts";

/** Milliseconds of rest after which a column's formulas are asked for. */
const REST = 150;

interface FormulaPart {
  canOpen: boolean;
}

interface Read {
  to: string;
  answer: { column: number; formulas: string[] };
}

export default { name: "formula", place: 90, create } satisfies Row;

function create(stage: Stage) {
  let known: { column: number; formulas: string[] } | null = null;
  let asked: number | null = null;
  let timer = 0;
  let drawn: Content | null = null;
  stage.receive((message) => {
    const { to, answer } = message as Read;
    if (to !== "formula.read") return;
    known = answer;
    stage.redraw();
  });
  stage.signal.addEventListener("abort", () => clearTimeout(timer));

  function ask(column: number) {
    asked = column;
    clearTimeout(timer);
    timer = window.setTimeout(() => stage.send("formula.read", { column }), REST);
  }

  return {
    height: () => 0,
    draw(content: Content) {
      if (content !== drawn) {
        [drawn, asked] = [content, null]; // other numbers; the old ones stay until the new ones are there
      }
      const part = (content.rows.formula ?? null) as FormulaPart | null;
      stage.open = part?.canOpen ? (column) => void stage.send("formula.open", { column }) : null;
      if (stage.cursor === null) {
        clearTimeout(timer);
        [asked, known] = [null, null];
      } else if (part && asked !== stage.cursor && !stage.dragging && !content.outdated) ask(stage.cursor);
    },
    read: (_: Content, column: number) => (known?.column === column ? known.formulas.join("; ") : ""),
  };
}
