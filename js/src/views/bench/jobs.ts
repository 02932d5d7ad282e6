// The line of running work: what runs, how far it is, and a way to stop it; after a stop, what was kept.

import { h, match, set, write } from "../../lib/dom.ts";
import type { Context } from "../../lib/view.ts";
import { button, type Part, redrawn } from "./common.ts";

interface Work {
  id: number;
  title: string;
  /** null where it is not known. */
  share: number | null;
  text: string;
  stopping: boolean;
}

interface Jobs {
  running: Work[];
  ended: { kind: "done" | "stopped" | "failed"; text: string; actions: { name: string; label: string }[] } | null;
}

/** Milliseconds before work is shown: what follows a slider would flicker. */
const PATIENCE = 300;

export function createJobs({ send, redraw, signal }: Context): Part<Jobs> {
  const idle = h("div", { class: "nbm-job-idle" }, "No work is running.");
  const rows = h("div", { class: "nbm-job-rows" });
  const ended = h("div", { class: "nbm-job-ended" });
  const live = h("div", { class: "nbm-unseen", role: "status", "aria-live": "polite" });
  const seen = new Map<number, number>();
  const drawEnded = redrawn<Jobs["ended"]>(ended, (end) =>
    end
      ? [
          h(
            "span",
            { class: `nbm-ended nbm-ended-${end.kind}`, role: end.kind === "failed" ? "alert" : null },
            end.text,
          ),
          ...end.actions.map(({ name, label }) => button(label, () => send(name))),
          button("✕", () => send("dismiss"), { class: "nbm-button nbm-close", "aria-label": "Dismiss" }),
        ]
      : [],
  );
  return {
    element: h("section", { class: "nbm-jobs-line", "aria-label": "Running work" }, rows, ended, idle, live),
    draw(content) {
      const now = performance.now();
      for (const id of [...seen.keys()]) if (!content.running.some((work) => work.id === id)) seen.delete(id);
      for (const work of content.running) {
        if (!seen.has(work.id)) {
          seen.set(work.id, now);
          setTimeout(() => !signal.aborted && redraw(), PATIENCE + 20);
        }
      }
      const shown = content.running.filter((work) => now - (seen.get(work.id) ?? now) >= PATIENCE);
      match(rows, shown, () => makeRow(send), showRow);
      drawEnded(content.ended);
      ended.hidden = !content.ended;
      idle.hidden = shown.length > 0 || content.ended !== null;
      write(live, describe(shown, content.ended));
    },
  };
}

/** For screen readers: every quarter of the way, not every step. */
function describe(shown: Work[], ended: Jobs["ended"]): string {
  if (ended) return ended.text;
  return shown.map((w) => `${w.title}${w.share === null ? "" : ` ${Math.floor(w.share * 4) * 25} %`}`).join(", ");
}

function makeRow(send: Context["send"]): HTMLElement {
  const row = h("div", { class: "nbm-job-row" });
  const stop = button("Stop", () => send("stop", { id: Number(row.dataset.id) }));
  const bar = h(
    "span",
    { class: "nbm-job-bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 },
    h("i"),
  );
  row.append(h("b"), bar, h("span", { class: "nbm-job-text" }), stop);
  return row;
}

function showRow(row: HTMLElement, work: Work): void {
  row.dataset.id = String(work.id);
  const [title, bar, text, stop] = [...row.children] as [HTMLElement, HTMLElement, HTMLElement, HTMLButtonElement];
  write(title, work.title);
  const share = work.share === null ? null : Math.round(work.share * 100);
  set(bar, { "aria-valuenow": share, "aria-label": work.title, "data-unknown": share === null });
  (bar.firstElementChild as HTMLElement).style.width = `${share ?? 100}%`;
  write(text, work.text);
  set(text, { title: work.text });
  write(stop, work.stopping ? "Stopping" : "Stop");
  set(stop, { disabled: work.stopping, "aria-label": `Stop ${work.title.toLowerCase()}` });
}
