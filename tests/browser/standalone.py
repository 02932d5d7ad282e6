"""A view in a real browser without Jupyter: its script draws, and its actions call the view in this process.

What does not need a kernel is tested here, in a tenth of the time; that a kernel and JupyterLab do the same is tested
with `labdrive`.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Page

from nbmerge.widgets.controls.view import View, read_static
from tests.browser.labdrive import browser

DARK = {
    "--jp-layout-color0": "#111111", "--jp-layout-color1": "#212121", "--jp-layout-color2": "#424242",
    "--jp-layout-color3": "#616161", "--jp-ui-font-color0": "#ffffff", "--jp-ui-font-color1": "rgba(255,255,255,0.87)",
    "--jp-ui-font-color2": "rgba(255,255,255,0.54)", "--jp-ui-font-color3": "rgba(255,255,255,0.38)",
    "--jp-border-color1": "#616161", "--jp-border-color2": "#424242", "--jp-brand-color1": "#2196f3",
}  # fmt: skip
"""The variables of JupyterLab's dark theme that the style sheets use."""

REVIVE = """value => {
    if (value === null || typeof value !== 'object') return value;
    if ('$bytes' in value) return new DataView(Uint8Array.from(atob(value.$bytes), c => c.charCodeAt(0)).buffer);
    if (Array.isArray(value)) return value.map(window.revive);
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, window.revive(inner)]));
}"""
"""Bytes are a DataView in the browser."""

SCRIPT = (
    """async ([script, content, others]) => {
    window.revive = """
    + REVIVE
    + """;
    const listeners = { 'change:content': new Set(), 'msg:custom': new Set() };
    const model = {
        content: window.revive(content), sent: [],
        get: (name) => name === 'content' ? model.content : others[name],
        on: (name, listener) => listeners[name].add(listener),
        off: (name, listener) => listeners[name].delete(listener),
        send: async (message) => {
            model.sent.push(message);
            const { content, messages } = await window.callKernel(message);
            message.isAnswered = messages.length > 0;
            for (const answer of messages) listeners['msg:custom'].forEach(listener => listener(answer, []));
            if (!message.isAnswered) model.set(content);
        },
        set: (next) => { model.content = window.revive(next); listeners['change:content'].forEach(listener => listener()); },
    };
    window.model = model;
    const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
    const view = (await import(url)).default;
    window.close = view.render({ model, el: document.getElementById('view') });
}"""
)


class Bench(contextlib.AbstractContextManager["Bench"]):
    """A browser with one page, which shows one view after another."""

    def __enter__(self) -> Bench:
        self._stack = contextlib.ExitStack()
        self.page: Page = self._stack.enter_context(browser({"width": 1100, "height": 900}))
        self._view: View | None = None
        self.page.expose_function("callKernel", self._call)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def show(self, view: View, width: int = 1100, *, dark: bool = False) -> Page:
        """Show a view in place of the former one."""
        self._view = view
        page = self.page
        page.errors.clear()
        page.set_viewport_size({"width": width, "height": 900})
        page.mouse.move(0, 0)
        variables = "".join(f"{name}: {value};" for name, value in DARK.items()) if dark else ""
        ground = "#111111" if dark else "#ffffff"
        page.set_content(
            f"<!doctype html><html lang=en><title>nbmerge</title><style>:root {{ {variables} }} "
            f"body {{ margin: 12px; background: {ground}; }} {read_static('studio.css')} {view._css}</style>"
            f"<body data-jp-theme-light={str(not dark).lower()}><main>"
            f"<div id=view class='{' '.join(view._dom_classes)}'></div></main></html>"
        )
        others = {name: getattr(view, name) for name in view.keys if name not in View.class_trait_names()}
        page.evaluate(SCRIPT, [read_static(f"{view.script}.js"), plain(view.content), others])
        page.wait_for_function("document.getElementById('view').childElementCount > 0")
        self.settle()
        return page

    def update(self) -> None:
        """Draw what the view has shown since, as work in the background does."""
        assert self._view is not None
        self.page.evaluate("content => window.model.set(content)", plain(self._view.content))
        self.settle()

    def settle(self) -> None:
        """Wait until all actions are answered and drawn; the page may not have errors."""
        settle(self.page)
        assert not self.page.errors, self.page.errors

    def _call(self, message: Any) -> Any:
        assert self._view is not None
        messages: list[Any] = []
        self._view.send = lambda content, buffers=None: messages.append(content)  # type: ignore[method-assign]
        self._view._handle_custom_msg(message, [])
        return json.loads(json.dumps({"content": plain(self._view.content), "messages": messages}))


def plain(value: Any) -> Any:
    """The same with bytes as text, which a page can be called with."""
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


@contextlib.contextmanager
def page_of(view: View, width: int = 1100, *, dark: bool = False) -> Iterator[Page]:
    """A page that shows one view; it may not have errors."""
    with Bench() as bench:
        yield bench.show(view, width, dark=dark)
        assert not bench.page.errors, bench.page.errors


def settle(page: Page) -> None:
    """Wait until all actions are answered and drawn."""
    page.wait_for_function(
        "() => window.model.sent.every(m => m.isAnswered || m.count <= window.model.content.answers)"
    )
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
