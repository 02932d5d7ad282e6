// The menu of shapes to start a curve from, the two numbers between which they are drawn, and what keeps a curve as a shape
// of one's own.

import { h } from "../../lib/dom.ts";
import { type MenuItem, makeMenu } from "../../lib/menu.ts";
import { openPopover, type Popover } from "../../lib/popover.ts";
import { path, svg } from "../../lib/svg.ts";
import type { CurvePart } from "./content.ts";
import type { Stage } from "./stage.ts";

const HEIGHT = 16;
const WIDTH = 28;

/** Makes the button; the curve is asked for when its menu opens. */
export function shapesMenu(stage: Stage, current: () => CurvePart | null): HTMLButtonElement {
  const title = "Shapes to start from";
  const button = h("button", { type: "button", class: "nbm-button nbm-menu-button", title }, "Shapes");
  button.setAttribute("aria-haspopup", "dialog");
  button.setAttribute("aria-expanded", "false");
  const first = numberField("0");
  const second = numberField("1");
  const range = h(
    "div",
    { class: "nbm-shape-range" },
    h("label", {}, "First number ", first),
    h("label", {}, "Second number ", second),
  );
  let open: Popover | null = null;
  button.addEventListener("click", () => {
    const part = current();
    if (open || !part) return open?.close();
    const menu = makeMenu("Shapes", listItems(part), () => open?.close());
    open = openPopover(button, "Shapes", [range, menu], { onclose: () => (open = null) });
    (menu.firstElementChild as HTMLElement | null)?.focus();
  });

  function draw(name: string) {
    const [low, high] = [first.valueAsNumber, second.valueAsNumber];
    const isRange = Number.isFinite(low) && Number.isFinite(high);
    stage.send("curve.draw_shape", { name, ...(isRange && { first: low, second: high }) });
  }

  function listItems(part: CurvePart): MenuItem[] {
    const own = part.own_shapes;
    return [
      ...part.shapes.map(({ name, hint, points }) => ({
        label: name,
        hint,
        icon: shapeIcon(points),
        choose: () => draw(name),
      })),
      ...(own === null
        ? []
        : [
            { label: "Save this curve …", hint: "as a shape of your own", choose: () => askName(button, stage) },
            { label: "Your shapes …", hint: "edit, share", choose: () => editOwn(button, stage, own) },
          ]),
    ];
  }
  return button;
}

const numberField = (value: string) =>
  h("input", { type: "number", class: "nbm-field nbm-number-field", step: "any", value });

function askName(anchor: HTMLElement, stage: Stage) {
  const name = h("input", { type: "text", class: "nbm-field", "aria-label": "name of the shape", maxlength: 60 });
  const save = h("button", { type: "submit", class: "nbm-button" }, "Save");
  openForm(anchor, "Save this curve as a shape", [name, save], () => {
    if (name.value.trim()) stage.send("curve.save_shape", { name: name.value });
  });
  name.focus();
}

function editOwn(anchor: HTMLElement, stage: Stage, text: string) {
  const area = h("textarea", {
    class: "nbm-field nbm-code",
    rows: 8,
    cols: 48,
    "aria-label": "your shapes",
    spellcheck: "false",
  });
  area.value = text;
  area.placeholder = "my ramp: [0.2, 0.6, 0.9]\nearly layers: {0%: 0.8, 40%: 0.2, 100%: 0}";
  const save = h("button", { type: "submit", class: "nbm-button" }, "Save");
  const note = h("p", { class: "nbm-quiet" }, "One shape a line. Copy lines to share them, and paste those of others.");
  openForm(anchor, "Your shapes", [note, area, save], () => stage.send("curve.write_shapes", { text: area.value }));
  area.focus();
}

function openForm(anchor: HTMLElement, label: string, content: HTMLElement[], submit: () => void) {
  const form = h("form", { class: "nbm-shape-form" }, ...content);
  const popover = openPopover(anchor, label, [form]);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
    popover.close();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" && event.key !== "Tab") event.stopPropagation(); // shortcuts of the notebook
  });
}

function shapeIcon(points: readonly number[]): SVGSVGElement {
  const places = points.map((value, i): [number, number] => [
    2 + ((WIDTH - 4) * i) / Math.max(points.length - 1, 1),
    HEIGHT - 2 - (HEIGHT - 4) * Math.min(Math.max(value, 0), 1),
  ]);
  const line = svg("path", { d: path(places), fill: "none", stroke: "currentColor", "stroke-width": 1.6 });
  return svg("svg", { width: WIDTH, height: HEIGHT, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" }, line);
}
