// The curve editor's view: the kernel says what the curves are, this draws them and lets points be moved.
// A point that is dragged and its curve follow the pointer at once; what the kernel sends before it knows of that move is not
// allowed to pull them back.

const LEFT = 44, RIGHT = 14, TOP = 28, BOTTOM = 26, HEIGHT = 240; // as the row of sliders below expects
const PAD = 0.05; // share of the range left free above and below, so that a point at 0 or 1 is a whole point

function render({ model, el }) {
  const stage = document.createElement("div");
  stage.className = "nbm-stage";
  const grid = svg("g", { class: "nbm-grid", "aria-hidden": "true" });
  const spread = svg("path", { class: "nbm-spread" });
  const others = svg("g", { class: "nbm-others" });
  const line = svg("path", { class: "nbm-line" });
  const points = svg("g", { class: "nbm-points" });
  const picture = svg("svg", { class: "nbm-overlay", role: "group", "aria-label": "points of the curve" });
  picture.append(grid, spread, others, line, points);
  stage.append(picture);
  el.append(stage);

  let dots = [];
  let held = null; // slot under the pointer
  let width = 0;
  let count = model.get("edit").count ?? 0;
  const pending = new Map(); // slot to the number of its last edit: older answers do not know of it

  const view = () => model.get("view");
  const clamp = (v) => Math.min(Math.max(v, view().low), view().high);
  const snap = (v) => clamp(Number((Math.round(v / view().step) * view().step).toPrecision(6)));

  function scale() {
    const { low, high, points: all } = view();
    const air = PAD * (high - low), bottom = HEIGHT - BOTTOM;
    const unit = (bottom - TOP) / (high - low + 2 * air), column = (width - LEFT - RIGHT) / Math.max(all.length, 1);
    return {
      x: (slot) => LEFT + (slot + 0.5) * column,
      y: (value) => bottom - (value - low + air) * unit,
      value: (y) => low - air + (bottom - y) / unit,
    };
  }

  function place(slot, value) {
    const { x, y } = scale();
    const dot = dots[slot];
    dot.value = value;
    set(dot.node, {
      transform: `translate(${x(slot).toFixed(1)} ${y(clamp(value)).toFixed(2)})`,
      "aria-valuenow": value,
      "aria-valuetext": Number(value.toPrecision(4)),
    });
  }

  function move(slot, value) {
    const next = snap(value);
    if (next === dots[slot].value) return;
    place(slot, next);
    drawLine();
    count += 1;
    pending.set(slot, count);
    model.set("edit", { slot, value: next, count });
    model.save_changes();
  }

  function drawLine() {
    const { x, y } = scale();
    const inside = view().points.flatMap((p, i) => (p.inside && p.value !== null ? [[x(i), y(clamp(dots[i].value))]] : []));
    const chosen = view().lines.find((l) => l.selected);
    set(line, { d: path(inside), stroke: chosen.colour, "stroke-dasharray": chosen.dash.map((n) => n * 2.2).join(" ") });
  }

  function drawOthers() {
    const { x, y } = scale();
    const all = view().points;
    const weak = view().lines.filter((l) => !l.selected);
    match(others, weak, () => svg("g", {}, svg("path", { class: "nbm-weak-line" }), svg("path", { class: "nbm-weak-points" })), (node, l) => {
      const at = l.values.map((v, i) => [x(i), v === null ? NaN : y(clamp(v))]);
      const [inner, outer] = [at.filter((_, i) => all[i].inside), at.filter((_, i) => !all[i].inside)];
      set(node.children[0], { d: path(inner), stroke: l.colour, "stroke-dasharray": l.dash.map((n) => n * 1.3).join(" ") });
      const circle = ([a, b]) => `M${a - 1.6} ${b}a1.6 1.6 0 1 0 3.2 0a1.6 1.6 0 1 0 -3.2 0`;
      const diamond = ([a, b]) => `M${a} ${b - 2.4}l2.4 2.4l-2.4 2.4l-2.4 -2.4z`;
      const seen = (mark) => (p) => (Number.isFinite(p[1]) ? mark(p) : "");
      set(node.children[1], { d: inner.map(seen(circle)).join("") + outer.map(seen(diamond)).join(""), fill: l.colour });
    });
    const chosen = view().lines.find((l) => l.selected);
    const wide = (chosen.spread ?? []).flatMap((s, i) => (s ? [[x(i), s]] : []));
    const varies = wide.some(([, [low, high]]) => low !== high);
    const edge = (side) => wide.map(([a, s]) => `${a.toFixed(1)} ${y(clamp(s[side])).toFixed(2)}`);
    set(spread, { d: varies ? `M${[...edge(0), ...edge(1).reverse()].join("L")}Z` : "", fill: chosen.colour });
  }

  function drawGrid() {
    const { low, high, ends, points: all } = view();
    const { x, y } = scale();
    const right = width - RIGHT, half = (x(1) - x(0)) / 2;
    const levels = ticks(low, high, 5).map((t) => ({ ...t, y: y(t.value), kind: t.value === 0 || t.value === 1 ? "nbm-level nbm-mark" : "nbm-level" }));
    const borders = all.slice(1).flatMap((p, i) => (p.inside !== all[i].inside ? [x(i) + half] : []));
    const room = Math.floor((right - LEFT + 24) / 7);
    const words = [[ends[1], TOP - 10], [ends[0], HEIGHT - BOTTOM + 18]].map(([text, at]) => ({ text: short(text, room), at }));
    const items = [
      ...levels.map((l) => ["line", { x1: LEFT, x2: right, y1: l.y, y2: l.y, class: l.kind }]),
      ...levels.map((l) => ["text", { x: LEFT - 8, y: l.y, class: "nbm-number" }, l.text]),
      ...borders.map((at) => ["line", { x1: at, x2: at, y1: TOP, y2: HEIGHT - BOTTOM, class: "nbm-border" }]),
      ...words.map(({ text, at }) => ["text", { x: LEFT - 24, y: at, class: "nbm-words" }, text]),
    ];
    grid.replaceChildren(...items.map(([name, attributes, text]) => svg(name, attributes, ...(text === undefined ? [] : [text]))));
  }

  const short = (text, room) => (text.length <= room ? text : `${text.slice(0, Math.ceil(room * 0.6))}…${text.slice(text.length - Math.floor(room * 0.3))}`);

  function onKey(event, slot) {
    const { step, low, high } = view();
    const value = dots[slot].value;
    const big = event.shiftKey ? 10 : 1;
    const goal = {
      ArrowUp: value + step * big, ArrowRight: value + step * big, PageUp: value + 10 * step, End: high,
      ArrowDown: value - step * big, ArrowLeft: value - step * big, PageDown: value - 10 * step, Home: low,
    }[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    move(slot, goal);
  }

  function makeDot(slot) {
    const node = svg("g", { class: "nbm-dot", tabindex: 0, role: "slider", "aria-orientation": "vertical" });
    // A circle for a layer, a diamond for what is outside the layers; the style sheet shows one of them.
    node.append(
      svg("circle", { class: "nbm-reach", r: 14 }),
      svg("circle", { class: "nbm-point nbm-circle", r: 6 }),
      svg("rect", { class: "nbm-point nbm-diamond", x: -5, y: -5, width: 10, height: 10, transform: "rotate(45)" }),
    );
    node.append(svg("title", {}));
    node.addEventListener("keydown", (event) => onKey(event, slot));
    node.addEventListener("pointerdown", (event) => {
      held = slot;
      node.setPointerCapture(event.pointerId);
      node.focus({ preventScroll: true });
      event.preventDefault();
    });
    node.addEventListener("pointermove", (event) => {
      if (held !== slot) return;
      move(slot, scale().value(event.clientY - picture.getBoundingClientRect().top));
    });
    const release = () => {
      if (held !== slot) return;
      held = null;
      update();
    };
    node.addEventListener("pointerup", release);
    node.addEventListener("pointercancel", release);
    points.append(node);
    return { node, value: 0 };
  }

  function update() {
    const { points: all, least, low, high, answers } = view();
    if (!all) return;
    stage.style.minWidth = `${least}px`;
    width = stage.clientWidth;
    if (width < 50) return; // not on screen; the observer calls again
    set(picture, { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}` });
    while (dots.length > all.length) dots.pop().node.remove();
    while (dots.length < all.length) dots.push(makeDot(dots.length));
    const { colour } = view().lines.find((l) => l.selected);
    all.forEach((point, slot) => {
      const { node } = dots[slot];
      node.style.display = point.value === null ? "none" : "";
      node.style.color = colour;
      node.classList.toggle("nbm-outside", !point.inside);
      set(node, { "aria-label": point.label, "aria-valuemin": low, "aria-valuemax": high });
      if ((pending.get(slot) ?? 0) <= answers) pending.delete(slot);
      const own = slot === held || pending.has(slot);
      if (point.value !== null) place(slot, own ? dots[slot].value : point.value);
      write(node.lastChild, `${point.label}: ${Number((point.value ?? 0).toFixed(4))}`);
    });
    drawGrid();
    drawOthers();
    drawLine();
  }

  const observer = new ResizeObserver(() => stage.clientWidth !== width && update());
  observer.observe(stage);
  model.on("change:view", update);
  update();
  return () => {
    observer.disconnect();
    model.off("change:view", update);
  };
}

export default { render };
