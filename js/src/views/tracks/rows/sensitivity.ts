// Which way the values of the curve should move: the line that computes it. The triangles are drawn with the curve's points.

import type { Axis } from "../axis.ts";
import type { Content } from "../content.ts";
import { describeHelp, type SensitivityPart } from "../halos.ts";
import { type Row, rowTitle, type Stage } from "../stage.ts";
import { workBar } from "../work_bar.ts";

const HEIGHT = 28;

export default { name: "sensitivity", place: 12, create } satisfies Row;

function create(stage: Stage, group: SVGGElement) {
  const title = rowTitle(group);
  let part: SensitivityPart | null = null;
  const bar = workBar(stage, "sensitivity", "Find what helps", [{ key: "score", title: "Score", words: "" }], () => ({
    options: part?.scores ?? [],
    chosen: part?.score ?? "",
  }));
  const take = (content: Content) => (content.rows.sensitivity ?? null) as SensitivityPart | null;
  return {
    height: (content: Content) => (take(content) ? HEIGHT : 0),
    draw(content: Content, axis: Axis, top: number) {
      part = take(content);
      bar.show(part, axis, top - 4);
      if (part) title("what helps");
    },
    read(content: Content, column: number) {
      const now = take(content);
      const text = now ? describeHelp(now, column) : "";
      return text && now?.stale ? `${text} (out of date)` : text;
    },
  };
}
