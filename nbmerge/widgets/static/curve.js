// The curve editor's view: the kernel's picture, and points over it that can be moved.
// While a point is held, it and a thin line follow the hand at once; the picture follows when the kernel has drawn it.

const SVG = "http://www.w3.org/2000/svg";

function svg(name, attributes) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

function render({ model, el }) {
  const stage = document.createElement("div");
  stage.className = "nbm-stage";
  const image = document.createElement("img");
  image.alt = "";
  image.draggable = false;
  const overlay = svg("svg", { class: "nbm-overlay", role: "group", "aria-label": "points of the curve" });
  const echo = svg("polyline", { class: "nbm-echo" });
  overlay.append(echo);
  stage.append(image, overlay);
  el.append(stage);

  let dots = [];
  let held = null; // slot under the hand
  let count = model.get("edit").count ?? 0;
  const pending = new Map(); // slot to the number of its last edit: older pictures do not know of it
  let url = null;

  const view = () => model.get("view");
  const clamp = (v) => Math.min(Math.max(v, view().low), view().high);
  const snap = (v) => clamp(Number((Math.round(v / view().step) * view().step).toPrecision(6)));

  function toValue(y) {
    const { top, bottom, low, high } = view();
    return low + ((bottom - y) / (bottom - top)) * (high - low);
  }

  function toY(value) {
    const { top, bottom, low, high } = view();
    return bottom - ((value - low) / (high - low)) * (bottom - top);
  }

  function place(slot, value, point) {
    const dot = dots[slot];
    dot.value = value;
    const x = point.x, y = toY(clamp(value));
    dot.node.setAttribute("transform", `translate(${x} ${y})`);
    dot.node.setAttribute("aria-valuenow", value);
    dot.node.setAttribute("aria-valuetext", Number(value.toPrecision(4)));
  }

  function move(slot, value) {
    const next = snap(value);
    if (next === dots[slot].value) return;
    place(slot, next, view().points[slot]);
    drawEcho();
    count += 1;
    pending.set(slot, count);
    model.set("edit", { slot, value: next, count });
    model.save_changes();
  }

  function drawEcho() {
    const inside = view().points.map((p, i) => [p, i]).filter(([p, i]) => p.inside && dots[i]);
    echo.setAttribute("points", inside.map(([p, i]) => `${p.x},${toY(clamp(dots[i].value))}`).join(" "));
    echo.setAttribute("stroke", view().colour);
  }

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
      stage.classList.add("nbm-held");
      event.preventDefault();
    });
    node.addEventListener("pointermove", (event) => {
      if (held !== slot) return;
      const box = overlay.getBoundingClientRect();
      move(slot, toValue(((event.clientY - box.top) / box.height) * view().height));
    });
    const release = () => {
      if (held !== slot) return;
      held = null;
      stage.classList.remove("nbm-held");
      update();
    };
    node.addEventListener("pointerup", release);
    node.addEventListener("pointercancel", release);
    overlay.append(node);
    return { node, value: 0 };
  }

  function update() {
    const { points, width, height, least, low, high, colour, answers } = view();
    if (!points) return;
    stage.style.minWidth = `${least}px`;
    stage.style.height = `${height}px`;
    overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
    overlay.setAttribute("preserveAspectRatio", "none");
    while (dots.length > points.length) dots.pop().node.remove();
    while (dots.length < points.length) dots.push(makeDot(dots.length));
    points.forEach((point, slot) => {
      const { node } = dots[slot];
      node.style.display = point.value === null ? "none" : "";
      node.style.color = colour;
      node.classList.toggle("nbm-outside", !point.inside);
      node.setAttribute("aria-label", point.label);
      node.setAttribute("aria-valuemin", low);
      node.setAttribute("aria-valuemax", high);
      if ((pending.get(slot) ?? 0) <= answers) pending.delete(slot);
      const own = slot === held || pending.has(slot);
      if (point.value !== null) place(slot, own ? dots[slot].value : point.value, point);
      node.lastChild.textContent = `${point.label}: ${Number((point.value ?? 0).toFixed(4))}`;
    });
    if (held === null) drawEcho();
  }

  function repaint() {
    const bytes = view().picture;
    if (!bytes || !bytes.byteLength) return;
    const old = url;
    url = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
    image.src = url;
    if (old) setTimeout(() => URL.revokeObjectURL(old), 1000);
  }

  function measure() {
    const width = Math.round(stage.clientWidth / 10) * 10;
    const scale = window.devicePixelRatio || 1;
    if (width < 50 || (width === model.get("width") && scale === model.get("scale"))) return;
    model.set("width", width);
    model.set("scale", scale);
    model.save_changes();
  }

  const observer = new ResizeObserver(measure);
  observer.observe(stage);
  const refresh = () => {
    update();
    repaint();
  };
  model.on("change:view", refresh);
  refresh();
  return () => {
    observer.disconnect();
    model.off("change:view", refresh);
    if (url) URL.revokeObjectURL(url);
  };
}

export default { render };
