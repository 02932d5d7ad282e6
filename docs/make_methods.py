"""Writes the generated part of docs/methods.md: ``python docs/make_methods.py``. A test checks that it is up to date."""

from __future__ import annotations

import re
from pathlib import Path

from nbmerge.methods import REQUIRED, Combination, Method, Parameter, methods

PAGE = Path(__file__).with_name("methods.md")
BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"
ADDRESS = re.compile(r"https?://[^\s;]+")
BASE = {
    "required": "`base_model` required",
    "optional": "`base_model` optional",
    "first": "`base_model`, or the first model, is one end",
    "none": "no base",
}


def generated() -> str:
    """The table of all methods and one section for each."""
    known = methods().values()
    rows = ["| method | name | models | base | kind |", "|---|---|---|---|---|"]
    for m in known:
        rows.append(f"| [`{m.name}`](#{_anchor(m)}) | {m.title} | {_inputs(m)} | {BASE[m.base]} | {_shape(m)} |")
    return "\n".join([*rows, "", *(describe(m) for m in known)]).rstrip()


def describe(method: Method) -> str:
    """A method's section: what it does, its formula, its parameters and its source."""
    lines = [f"### {method.name}", "", f"**{method.title}.** {method.words}", "", "$$", method.formula, "$$", ""]
    if method.parameters:
        lines += ["| parameter | for | default | range | |", "|---|---|---|---|---|"]
        lines += [_row(p) for p in method.parameters]
        lines.append("")
    source = ADDRESS.sub(r"<\g<0>>", method.reference)  # a link everywhere, not only on GitHub
    return "\n".join([*lines, f"Source: {source}", ""])


def _row(p: Parameter) -> str:
    default = "must be given" if p.default is REQUIRED else "none" if p.default is None else f"`{_plain(p.default)}`"
    whose = "each model" if p.scope == "input" else "the merge"
    return f"| `{p.name}` | {whose} | {default} | {p.range} | {p.help} |"


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def _inputs(method: Method) -> str:
    """Number of models besides the base."""
    least, most = (n and n - (method.base == "required") for n in method.inputs)
    if most is None:
        return f"{least} or more" if least else "any number"
    return str(least) if least == most else f"{least} to {most}"


def _shape(method: Method) -> str:
    if isinstance(method, Combination):
        return "combination" + (", by row on request" if method.variant else "")
    return {"element": "element-wise", "row": "row by row", "matrix": "matrix by matrix"}[method.whole]


def _anchor(method: Method) -> str:
    return re.sub(r"[^a-z0-9_-]", "", method.name.lower())


def page() -> str:
    """The page as it should be."""
    text = PAGE.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{generated()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
