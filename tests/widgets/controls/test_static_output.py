"""What remains of a Studio without a kernel."""

from __future__ import annotations

import base64
import re
from types import SimpleNamespace

import pytest

from nbmerge.recipe import Recipe
from nbmerge.widgets import Studio, TracksPanel
from nbmerge.widgets.controls import static_output
from nbmerge.widgets.controls.static_output import WIDGET, render_static
from nbmerge.widgets.state.studio_state import StudioState


@pytest.fixture
def published(monkeypatch):
    """Outputs of the running cell."""
    outputs = []
    shell = SimpleNamespace(
        get_parent=dict,
        display_pub=SimpleNamespace(publish=lambda data, **kind: outputs.append((data, kind))),
    )
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    return outputs


def test_a_studio_is_shown_with_a_picture_and_its_recipe_that_hide_where_it_lives(recipe, published):
    studio = Studio(recipe)
    studio._ipython_display_()
    (static, kind), (live, _) = published
    assert live[WIDGET]["model_id"] == studio.model_id
    assert "text/html" not in live
    assert static["text/plain"] == repr(studio)
    key = re.search(r"class='nbm-static-(\w+)'|class=\"nbm-static-(\w+)\"", static["text/html"])
    key = key[1] or key[2]
    assert f"nbm-live-{key}" in studio._dom_classes
    assert f":has(.nbm-live-{key}) .nbm-static-{key}{{display:none}}" in static["text/html"]
    png = re.search(r"data:image/png;base64,([A-Za-z0-9+/=]+)", static["text/html"])[1]
    assert base64.b64decode(png).startswith(b"\x89PNG")
    assert "merge_method: task_arithmetic" in static["text/html"]
    assert kind["transient"]["display_id"].endswith(key)
    studio.close()


def test_it_follows_what_is_drawn(recipe, published, monkeypatch):
    monkeypatch.setattr(static_output, "REST", 0.01)
    panel = TracksPanel(recipe)
    panel._ipython_display_()
    panel.state.edit(lambda r: r.with_parameter("lambda", 0.375))
    panel._static._soon.work_now()
    data, kind = published[-1]
    assert kind["update"]
    assert "0.375" in data["text/html"]
    assert "0.375" in data["text/plain"]
    panel.close()


def test_names_never_run(published):
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    state = StudioState(Recipe.of({"merge_method": "linear", "models": [hostile, "b/c"]}))
    for picture in (True, False):
        html = render_static(state, "k", picture)
        assert "<script" not in html
        assert "<img src=x" not in html


def test_outside_of_a_kernel_it_prints_itself(recipe, capsys):
    TracksPanel(recipe)._ipython_display_()
    assert "<TracksPanel" in capsys.readouterr().out


def test_without_models_it_says_so():
    assert "No models are chosen" in render_static(StudioState(), "k")
