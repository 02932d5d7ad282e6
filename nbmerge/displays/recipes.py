"""Recipes and plans: their gradients as a picture, and what they say in full."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from nbmerge.displays.layout import block, code, dot, facts, fold, heading, picture, problems
from nbmerge.displays.markup import Markup, join
from nbmerge.displays.merges import describe_size
from nbmerge.methods import methods
from nbmerge.sizes import human

if TYPE_CHECKING:
    from nbmerge.engine.planning import Plan
    from nbmerge.recipe import Recipe

LINES = 40
"""Lines of YAML up to which it is unfolded."""
MOST = 20_000
"""Characters of YAML that are shown."""

logger = logging.getLogger(__name__)


def show_recipe(recipe: Recipe) -> Markup:
    """Method and models, the gradients, and the YAML, which is folded where it is long."""
    yaml = recipe.to_yaml()
    lines = yaml.count("\n")
    shown = (
        yaml if len(yaml) <= MOST else f"{yaml[:MOST]}\n… {len(yaml) - MOST:,} more characters: print(recipe.to_yaml())"
    )
    return block(
        heading(_title(recipe.merge_method), _models(recipe)),
        _gradients(recipe),
        fold(f"YAML, {lines} lines", code(shown), open=lines <= LINES),
    )


def show_plan(plan: Plan) -> Markup:
    """Size and cost, the models, what was noticed, and the gradients."""
    from nbmerge.plots import model_colours

    colours = model_colours(plan)
    names = [join(dot(colours.get(label, "inherit")), label) for label in plan.parents]
    return block(
        heading(f"Plan: {plan.method.title}"),
        facts(
            [
                ("models", join(*[piece for name in names for piece in (name, "  ")])),
                ("base model", plan.base_label or ""),
                ("result", describe_size(plan)),
                ("reads", human(plan.bytes_read)),
                ("writes", human(plan.bytes_written)),
            ]
        ),
        problems((p.severity, str(p)) for p in plan.problems),
        _gradients(plan),
    )


def _title(method: str) -> str:
    known = methods().get(method)
    return method if known is None else known.title


def _models(recipe: Recipe) -> str:
    """The models in the order in which they are named, the base model last."""
    base = recipe.base_model
    names = list(dict.fromkeys(s.model.name for p in recipe.pieces for s in p.sources if s.model != base))
    listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return listed if base is None else f"{listed} · base model {base.name}" if listed else f"base model {base.name}"


def _gradients(subject: Recipe | Plan) -> Markup:
    """The gradient plot; nothing where there is none, since the text below says the same."""
    try:
        from nbmerge.plots import to_png

        figure = subject.plot()
        width = round(figure.get_figwidth() * 96)
        parameters = ", ".join(axes.get_ylabel() for axes in figure.axes if axes.get_ylabel())
        return picture(to_png(figure, 192), width, f"Gradient plot of {parameters or 'the sources of the layers'}")
    except Exception:  # a display must not fail: matplotlib may be broken, a recipe may have nothing to plot
        logger.debug("no gradient plot", exc_info=True)
        return Markup()
