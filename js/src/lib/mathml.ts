// Formulas: the kernel sends MathML as nested lists, from which only known elements are made.

/** A tag, its attributes, and its children. */
export type Formula = [string, Record<string, string>, (Formula | string)[]];

const MATHML = "http://www.w3.org/1998/Math/MathML";
const TAGS = new Set(
  "math mrow mi mn mo ms mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover mtable mtr mtd mstyle mpadded mphantom".split(
    " ",
  ),
);
const ATTRIBUTES = new Set(
  "display displaystyle mathvariant stretchy fence form separator accent accentunder width lspace rspace minsize maxsize linethickness columnalign movablelimits".split(
    " ",
  ),
);

/** Makes MathML elements; what is not MathML becomes text. */
export function drawFormula([tag, attributes, children]: Formula): Element {
  const node = document.createElementNS(MATHML, TAGS.has(tag) ? tag : "mtext");
  for (const [name, value] of Object.entries(attributes)) if (ATTRIBUTES.has(name)) node.setAttribute(name, value);
  node.append(...children.map((child) => (typeof child === "string" ? child : drawFormula(child))));
  return node;
}
