// The tracks as matplotlib draws them, as a file or as code for a cell: a menu in the toolbar, no row of its own.

import { downloads } from "../../../lib/download.ts";
import { menuButton } from "../../../lib/menu.ts";
import { insertCell } from "../../../lib/notebook.ts";
import type { Content } from "../content.ts";
import type { Row, Stage } from "../stage.ts";

const FORMATS = ["png", "pdf", "svg"];

export default { name: "figure", place: 90, create } satisfies Row;

function create(stage: Stage) {
  const me = downloads(stage.receive, (file) => stage.announce(`${file} was downloaded.`));
  stage.receive(async (message) => {
    const { code, window } = message as { code?: string; window?: string };
    if (code && window === me) stage.announce(await insertCell(stage.overlay, code));
  });
  const items = () => [
    ...FORMATS.map((format) => ({
      label: `Download ${format.toUpperCase()}`,
      choose: () => void stage.send("figure.save", { format, window: me }),
    })),
    {
      label: "Download page",
      hint: "HTML, moves without a kernel",
      choose: () => void stage.send("figure.save_page", { window: me }),
    },
    { label: "Insert a cell", hint: "Python", choose: () => void stage.send("figure.write_code", { window: me }) },
  ];
  const menu = menuButton("Figure", items, "These tracks as matplotlib draws them");
  stage.tools.append(menu);
  return {
    height: () => 0,
    draw(content: Content) {
      menu.hidden = !content.rows.figure;
    },
  };
}
