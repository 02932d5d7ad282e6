// The frame of the workbench: the setup bar with its popovers, problems, the drawer's tabs, and the line of running work.
// One bundle for all of them; `content.kind` tells which one a view is. Each form also works alone, as a panel.

import "./bench.css";
import type { Answered, Context } from "../../lib/view.ts";
import { defineView } from "../../lib/view.ts";
import { createBar } from "./bar.ts";
import type { Part } from "./common.ts";
import { createDrawer } from "./drawer.ts";
import { createJobs } from "./jobs.ts";
import { createMerge } from "./merge.ts";
import { createMethod } from "./method.ts";
import { createModels } from "./models.ts";

interface Content extends Answered {
  kind: string;
  detail: unknown;
}

// biome-ignore lint/suspicious/noExplicitAny: each part reads its own content
const PARTS: Record<string, (context: Context) => Part<any>> = {
  bar: createBar,
  drawer: createDrawer,
  jobs: createJobs,
  merge: createMerge,
  method: createMethod,
  models: createModels,
};

export default defineView<Content>((root, context) => {
  let kind = "";
  let part: Part<unknown> | null = null;
  return (content, width) => {
    if (content.kind !== kind || !part) {
      kind = content.kind;
      part = PARTS[kind]?.(context) ?? null;
      root.replaceChildren(...(part ? [part.element] : []));
    }
    part?.draw(content.detail, width);
  };
});
