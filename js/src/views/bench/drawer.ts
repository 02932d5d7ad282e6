// The drawer's tabs; what is in it are panels of their own, made when their tab is first opened.

import { h, set, write } from "../../lib/dom.ts";
import type { Context } from "../../lib/view.ts";
import { button, type Part, redrawn } from "./common.ts";

interface Drawer {
  tabs: string[];
  open: string;
  summary: string;
}

export function createDrawer({ send }: Context): Part<Drawer> {
  const tabs = h("div", { class: "nbm-drawer-tabs", role: "group", "aria-label": "Drawer" });
  const summary = h("code", { class: "nbm-drawer-summary" });
  const draw = redrawn<string[]>(tabs, (names) =>
    names.map((name) => button(name, () => send("toggle", { tab: name }), { "data-tab": name, "data-key": name })),
  );
  return {
    element: h("div", { class: "nbm-drawer-bar" }, tabs, summary),
    draw(content) {
      draw(content.tabs);
      for (const tab of tabs.querySelectorAll<HTMLElement>("button")) {
        set(tab, {
          "aria-expanded": tab.dataset.tab === content.open,
          "aria-pressed": tab.dataset.tab === content.open,
        });
      }
      write(summary, content.summary);
      set(summary, { title: content.summary });
    },
  };
}
