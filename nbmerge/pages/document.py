"""The HTML of a page: one file with its script, its style and its data, which may load nothing and run nothing else.

The policy in its head allows the page's own script by its hash, and modules that this script makes (the Tracks view of the
Studio, which is text here). All that comes from a recipe, a model or a user is JSON, in which nothing can end the element
around it, and becomes text nodes only.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

from nbmerge.displays.markup import Markup, element, join
from nbmerge.engine.planning import Plan
from nbmerge.errors import ArgumentError

STATIC = Path(__file__).parents[1] / "widgets" / "static"
UNSAFE = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})
"""Characters that are written as escapes in JSON within HTML, beside all that are not ASCII."""


def write_document(plan: Plan, data: dict[str, Any]) -> str:
    """The page of a plan with its data."""
    script, style = _read("page.js"), "\n".join(_read(name) for name in ("studio.css", "tracks.css", "page.css"))
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}' blob:; style-src '{_hash(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    head = join(
        element("meta", charset="utf-8"),
        element("meta", **{"http-equiv": "Content-Security-Policy", "content": policy}),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="generator", content=f"nbmerge {data['version']}"),
        element("title", data["title"]),
        element("style", _inside("style", style)),
    )
    body = join(
        element("main", element("h1", data["title"]), element("noscript", *_draw_still(plan)), id="page"),
        element("script", _json(data), type="application/json", id="data"),
        element("script", _json(_read("tracks.js")), type="application/json", id="tracks"),
        element("script", _inside("script", script), type="module"),
    )
    return f"<!doctype html>\n{element('html', element('head', head), element('body', body), lang='en')}\n"


def _read(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _inside(name: str, text: str) -> Markup:
    """The text of a script or a style, which are not escaped in HTML."""
    if f"</{name}" in text.lower() or "<!--" in text:
        raise ValueError(f"a bundle of the page contains the end of a {name} element")
    return Markup(text)


def _json(data: Any) -> Markup:
    return Markup(json.dumps(data, allow_nan=False, separators=(",", ":")).translate(UNSAFE))


def _draw_still(plan: Plan) -> tuple[Markup, ...]:
    """What is shown where scripts do not run."""
    from nbmerge.plots import plot_plan, to_bytes  # matplotlib

    try:
        figure = plot_plan(plan, theme="light")
    except ArgumentError:  # there are no numbers to draw
        return (element("p", "This page shows its numbers where scripts run."),)
    picture = base64.b64encode(to_bytes(figure, "svg")).decode()
    alt = f"The values of {plan.method.title} over the layers"
    return (
        element("p", "The curves can be moved where scripts run. This picture shows them as they were exported."),
        element("img", src=f"data:image/svg+xml;base64,{picture}", alt=alt),
    )
