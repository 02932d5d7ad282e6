// The statistics view: curves over the layers, one for each parent, and below them, in the same columns, the heat map
// against one parent. Numbers come from the kernel; a layer's numbers are read with the mouse or with the arrow keys.

const LEFT = 70, RIGHT = 62, CHART = 190, HEAD = 26, BETWEEN = 42, ROW = 40, GAP = 3, FOOT = 40;
const LETTER = 6.2; // mean width of a letter of 10 px

const MARKS = {
  o: (x, y) => `M${x - 2.6} ${y}a2.6 2.6 0 1 0 5.2 0a2.6 2.6 0 1 0 -5.2 0`,
  s: (x, y) => `M${x - 2.4} ${y - 2.4}h4.8v4.8h-4.8z`,
  "^": (x, y) => `M${x} ${y - 3}l3 5.2h-6z`,
  D: (x, y) => `M${x} ${y - 3.2}l3.2 3.2l-3.2 3.2l-3.2 -3.2z`,
  v: (x, y) => `M${x} ${y + 3}l3 -5.2h-6z`,
  P: (x, y) => `M${x - 1} ${y - 3}h2v2h2v2h-2v2h-2v-2h-2v-2h2z`,
};

function render({ model, el }) {
  const box = (name) => Object.assign(document.createElement("div"), { className: name });
  const legend = box("nbm-key"), stage = box("nbm-changes-stage"), readout = box("nbm-readout");
  readout.setAttribute("aria-live", "polite");
  const grid = svg("g", { class: "nbm-grid" }), curves = svg("g"), cells = svg("g"), texts = svg("g", { class: "nbm-cells" });
  const frame = svg("g", { class: "nbm-grid" }), cursor = svg("rect", { class: "nbm-cursor" });
  const picture = svg("svg", { class: "nbm-overlay", role: "img", tabindex: 0 });
  const shade = svg("linearGradient", { id: `nbm-shade-${Math.random().toString(36).slice(2)}`, x1: 0, x2: 0, y1: 1, y2: 0 });
  const bar = svg("rect", { fill: `url(#${shade.id})` });
  picture.append(svg("defs", {}, shade), grid, cursor, curves, cells, texts, frame, bar);
  stage.append(picture);
  el.append(legend, stage, readout);

  let width = 0, at = null, drawn = 0;
  const colours = Array.from({ length: 256 }, (_, i) => {
    const bytes = model.get("colours");
    return [0, 1, 2].map((k) => bytes.getUint8(3 * i + k));
  });
  for (let i = 0; i <= 16; i += 1) shade.append(svg("stop", { offset: i / 16, "stop-color": `rgb(${colours[Math.min(255, i * 16)]})` }));

  const view = () => model.get("view");
  const numbers = (bytes) => new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));

  function say(number, { same, factor, decimals }) {
    if (Number.isNaN(number)) return "";
    if (number === same) return String(same);
    return Number.isFinite(number) ? (number * factor).toFixed(decimals) : "∞";
  }

  // Position on the colour scale, 0 to 255.
  function shadeOf(number, { limits: [low, high], rising }) {
    const share = Math.min(Math.max((number - low) / (high - low), 0), 1);
    return Math.round(255 * (rising ? share : 1 - share));
  }

  // Black or white, whichever stands out more (WCAG relative luminance).
  function inkOn(colour) {
    const [r, g, b] = colour.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b < 0.179 ? "#fff" : "#000";
  }

  function draw() {
    const v = view();
    if (!v.depth) return;
    width = Math.min(stage.clientWidth, 860);
    if (width < 120) return; // not on screen; the observer calls again
    const column = (width - LEFT - RIGHT) / v.depth, right = width - RIGHT;
    const top = HEAD + CHART + BETWEEN, bottom = top + ROW * v.kinds.length, height = bottom + FOOT;
    const x = (layer) => LEFT + (layer + 0.5) * column;
    const [low, high] = v.range, y = (n) => HEAD + CHART - ((n - low) / (high - low)) * CHART;
    set(picture, { width, height, viewBox: `0 0 ${width} ${height}`, "aria-label": v.summary });
    drawCurves(v, x, y);
    drawCells(v, x, column, top);
    drawGrid(v, x, y, right, column);
    drawFrame(v, x, right, top, bottom, column);
    drawKey(v);
    drawCursor();
    drawn += 1;
    el.dataset.drawn = drawn;
  }

  function drawCurves(v, x, y) {
    const table = numbers(v.curves);
    match(curves, v.parents, () => svg("g", {}, svg("path", { class: "nbm-curve-line" }), svg("path", {})), (node, parent, p) => {
      const places = Array.from({ length: v.depth }, (_, i) => [x(i), y(table[p * v.depth + i])]);
      set(node.children[0], { d: path(places), stroke: parent.colour, "stroke-dasharray": parent.dash.map((n) => n * 1.6).join(" ") });
      const marked = v.depth > 40 ? [] : places.filter((a) => Number.isFinite(a[1]));
      const mark = MARKS[parent.marker];
      set(node.children[1], { d: marked.map(([a, b]) => mark(+a.toFixed(1), +b.toFixed(2))).join(""), fill: parent.colour });
    });
  }

  function drawCells(v, x, column, top) {
    const table = numbers(v.cells), total = v.depth * v.kinds.length;
    const all = Array.from({ length: total }, (_, i) => {
      const number = table[i], kind = Math.floor(i / v.depth), layer = i % v.depth;
      const colour = Number.isFinite(number) ? colours[shadeOf(number, v.heat)] : null;
      return { text: say(number, v.heat), colour, x: LEFT + layer * column, y: top + kind * ROW, middle: x(layer) };
    });
    match(cells, all, () => svg("rect", { height: ROW - GAP, "shape-rendering": "crispEdges" }), (node, c) => {
      set(node, { x: c.x.toFixed(2), y: c.y, width: (column + 0.4).toFixed(2), fill: c.colour ? `rgb(${c.colour})` : "none" });
    });
    const long = Math.max(0, ...all.map((c) => c.text.length)) * LETTER + 3;
    const upright = long > column && column >= 12 && long <= ROW - GAP;
    const shown = long <= column || upright ? all : [];
    match(texts, shown, () => svg("text"), (node, c) => {
      const [a, b] = [c.middle.toFixed(1), c.y + (ROW - GAP) / 2];
      set(node, { x: a, y: b, transform: upright ? `rotate(-90 ${a} ${b})` : "" });
      node.style.fill = c.colour ? inkOn(c.colour) : "currentColor";
      write(node, c.text);
    });
  }

  function drawGrid(v, x, y, right) {
    const [low, high] = v.range, { factor, ticks: count } = v.axis;
    const levels = ticks(low * factor, high * factor, count).map((t) => ({ y: y(t.value / factor), text: t.text }));
    const items = [
      ...levels.map((l) => ["line", { x1: LEFT, x2: right, y1: l.y, y2: l.y, class: "nbm-level" }, ""]),
      ...levels.map((l) => ["text", { x: LEFT - 8, y: l.y, class: "nbm-number" }, l.text]),
      ["text", { x: 0, y: 13, class: "nbm-words nbm-title" }, v.axis.title],
    ];
    lay(grid, items);
  }

  function drawFrame(v, x, right, top, bottom, column) {
    const every = [1, 2, 4, 5, 8, 10, 20, 50, 100].find((n) => n * column >= 8 * String(v.depth).length + 8);
    const layers = Array.from({ length: v.depth }, (_, i) => i).filter((i) => i % every === 0);
    const [low, high] = v.heat.limits, edge = right + 12, tall = bottom - top - GAP;
    const levels = [0, 0.5, 1].map((s) => ({ y: top + tall * (1 - s), text: say(v.heat.rising ? low + s * (high - low) : high - s * (high - low), v.heat) }));
    const items = [
      ["text", { x: 0, y: top - 9, class: "nbm-words nbm-title" }, v.heat.title],
      ...v.kinds.map((kind, k) => ["text", { x: LEFT - 8, y: top + k * ROW + (ROW - GAP) / 2, class: "nbm-number" }, kind]),
      ...layers.map((i) => ["text", { x: x(i), y: bottom + 13, class: "nbm-middle" }, String(i)]),
      ["text", { x: (LEFT + right) / 2, y: bottom + 31, class: "nbm-middle" }, "layer"],
      ...levels.map((l) => ["text", { x: edge + 16, y: l.y, class: "nbm-scale" }, l.text]),
    ];
    lay(frame, items);
    set(bar, { x: edge, y: top, width: 11, height: Math.max(tall, 0) });
  }

  function lay(group, items) {
    const kinds = items.map((i) => i[0]).join();
    if (group.dataset.kinds !== kinds) {
      group.dataset.kinds = kinds;
      group.replaceChildren(...items.map(([name]) => svg(name)));
    }
    items.forEach(([, attributes, text], i) => {
      set(group.children[i], attributes);
      write(group.children[i], text);
    });
  }

  function drawKey(v) {
    const key = v.parents.map((p) => [p.name, p.colour, p.marker, p.dash].join("\n")).join("\n\n");
    if (legend.dataset.key === key) return;
    legend.dataset.key = key;
    legend.replaceChildren(...v.parents.map((p) => {
      const item = document.createElement("span");
      const line = svg("path", { d: "M1 7H29", stroke: p.colour, "stroke-width": 1.6, "stroke-dasharray": p.dash.map((n) => n * 1.6).join(" ") });
      item.append(svg("svg", { width: 30, height: 14, "aria-hidden": "true" }, line, svg("path", { d: MARKS[p.marker](15, 7), fill: p.colour })));
      item.append(p.name);
      return item;
    }));
  }

  function drawCursor() {
    const v = view(), column = (width - LEFT - RIGHT) / v.depth;
    if (at !== null && at >= v.depth) at = v.depth - 1;
    cursor.style.display = at === null ? "none" : "";
    if (at === null) {
      write(readout, "Point at a layer to read its numbers, or focus the picture and press ← →.");
      return;
    }
    set(cursor, { x: LEFT + at * column, y: HEAD, width: column, height: CHART + BETWEEN + ROW * v.kinds.length - GAP });
    const table = numbers(v.curves), map = numbers(v.cells);
    const of = (number, scale) => (Number.isNaN(number) ? "–" : `${say(number, { ...scale, decimals: scale.decimals + 1 })}${scale.sign}`);
    const each = v.parents.map((p, i) => `${p.name} ${of(table[i * v.depth + at], v.axis)}`);
    const kinds = v.kinds.map((k, i) => `${k} ${of(map[i * v.depth + at], v.heat)}`);
    write(readout, `Layer ${at}: ${each.join(", ")}; ${v.heat.towards}: ${kinds.join(", ")}.`);
  }

  picture.addEventListener("pointermove", (event) => {
    const v = view(), column = (width - LEFT - RIGHT) / v.depth;
    const layer = Math.floor((event.clientX - picture.getBoundingClientRect().left - LEFT) / column);
    const next = layer >= 0 && layer < v.depth ? layer : null;
    if (next !== at) { at = next; drawCursor(); }
  });
  picture.addEventListener("pointerleave", () => { at = null; drawCursor(); });
  picture.addEventListener("keydown", (event) => {
    const last = view().depth - 1;
    const goal = { ArrowLeft: (at ?? last + 1) - 1, ArrowRight: (at ?? -1) + 1, Home: 0, End: last }[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    at = Math.min(Math.max(goal, 0), last);
    drawCursor();
  });
  picture.addEventListener("blur", () => { at = null; drawCursor(); });

  const observer = new ResizeObserver(() => Math.min(stage.clientWidth, 860) !== width && draw());
  observer.observe(stage);
  model.on("change:view", draw);
  draw();
  return () => {
    observer.disconnect();
    model.off("change:view", draw);
  };
}

export default { render };
