// Stands for a view whose bundle is large: the bundle is asked of the kernel when the view is first drawn, so that saved
// notebooks do not contain it.

import { h } from "../../lib/dom.ts";
import { hasScript } from "./message.ts";

/** What it needs of anywidget's model. */
interface Model {
  send(message: unknown): void;
  on(event: string, callback: (message: unknown) => void): void;
  off(event: string, callback: (message: unknown) => void): void;
}

/** What anywidget passes to `render`. */
interface Context {
  model: Model;
  el: HTMLElement;
}

interface View {
  render(context: Context): unknown;
}

/** The view of each model, which may be shown at several places. */
const views = new WeakMap<Model, Promise<View>>();

export default {
  async render(context: Context) {
    const wait = h(
      "p",
      { class: "nbm-view-waiting", role: "status" },
      "Loading. This part needs the notebook's kernel.",
    );
    context.el.append(wait);
    const view = await findView(context.model);
    wait.remove();
    return view.render(context);
  },
};

function findView(model: Model): Promise<View> {
  const known = views.get(model);
  if (known) return known;
  const asked = askForScript(model).then(importView);
  views.set(model, asked);
  return asked;
}

function askForScript(model: Model): Promise<string> {
  return new Promise((resolve) => {
    function receive(message: unknown) {
      if (!hasScript(message)) return;
      model.off("msg:custom", receive);
      resolve(message.script);
    }
    model.on("msg:custom", receive);
    model.send({ wants: "script" });
  });
}

async function importView(script: string): Promise<View> {
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  try {
    const module = await import(url);
    return module.default;
  } finally {
    URL.revokeObjectURL(url);
  }
}
