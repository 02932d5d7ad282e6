// What the pictures share: making and changing SVG nodes, ticks, numbers. Put in front of each view's own file.

const SVG = "http://www.w3.org/2000/svg";

function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  set(node, attributes);
  node.append(...children);
  return node;
}

function set(node, attributes) {
  for (const [key, value] of Object.entries(attributes)) {
    if (node.getAttribute(key) !== String(value)) node.setAttribute(key, value);
  }
  return node;
}

// As many children as there are items: old ones are kept, so that nothing flickers.
function match(parent, items, make, show) {
  while (parent.children.length > items.length) parent.lastChild.remove();
  while (parent.children.length < items.length) parent.append(make(parent.children.length));
  items.forEach((item, i) => show(parent.children[i], item, i));
}

function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Round numbers between two others, about `count` of them.
function ticks(low, high, count) {
  const rough = (high - low) / Math.max(count, 1);
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 5, 10].find((n) => n * unit >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Array.from({ length: last - first + 1 }, (_, i) => {
    const value = (first + i) * step;
    return { value, text: value.toFixed(decimals) };
  });
}

// A line through points; gaps where there is none.
function path(points) {
  let drawing = false, d = "";
  for (const [x, y] of points) {
    if (Number.isFinite(y)) d += `${drawing ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(2)}`;
    drawing = Number.isFinite(y);
  }
  return d;
}
