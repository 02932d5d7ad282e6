"""The source: which layers of which models the result is made of, as bands that can be cut, moved, repeated and removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nbmerge.curves import stack
from nbmerge.curves.columns import find_column
from nbmerge.engine.planning import Plan
from nbmerge.recipe import ModelRef, Recipe
from nbmerge.sizes import count_in_words, human
from nbmerge.widgets.controls.colours import model_colours
from nbmerge.widgets.panels.tracks.rows.row import Row

Change = Callable[[Recipe, tuple[int, ...]], Recipe]


class SourceRow(Row):
    """Draws the slices of the recipe, and edits them."""

    name = "source"

    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """Edits of the stack, by the number of a band."""
        return {
            "split": self.split, "set_range": self.set_range, "set_model": self.set_model, "move": self.move,
            "repeat": self.repeat, "remove": self.remove, "insert": self.insert,
        }  # fmt: skip

    def content(self, plan: Plan) -> Mapping[str, Any] | None:
        """Bands, what is outside the layers, and the size of the result."""
        if plan.recipe.modules is not None or not plan.depth:
            return None
        colours = model_colours(plan)
        bands = [
            {
                "start": band.start,
                "depth": band.depth,
                "sources": [self._source(plan, s, colours) for s in band.sources],
            }
            for band in stack.read_stack(plan.recipe, plan.piece_depths)
        ]
        method = plan.method
        return {
            "bands": bands, "models": self._models(plan, colours),
            "outside": plan.once("sources outside", lambda: self._outside(plan, colours)),
            "base": plan.labels.get(plan.recipe.base_model, "") if plan.recipe.base_model and method.base == "required" else "",
            "summary": f"{plan.depth} layers · {count_in_words(plan.parameters)} parameters · {human(plan.bytes_written)}",
            "stacking": method.name == "passthrough",
        }  # fmt: skip

    def _source(self, plan: Plan, layers: stack.Layers, colours: Mapping[str, str]) -> dict[str, Any]:
        label = plan.labels[layers.model]
        return {
            "model": str(layers.model), "label": label, "colour": colours.get(label, ""),
            "first": layers.first, "end": layers.end,
        }  # fmt: skip

    def _outside(self, plan: Plan, colours: Mapping[str, str]) -> list[dict[str, Any]]:
        """For each column outside the layers, the models that it is made of."""
        columns = self.panel.columns
        found: dict[int, dict[str, None]] = {}
        for tensor in (t for t in plan.tensors if t.layer is None):
            column = find_column(plan, tensor)
            if column is not None:
                found.setdefault(columns.index(column), {}).update(dict.fromkeys(tensor.models))
        return [
            {"column": i, "labels": list(models), "colours": [colours.get(m, "") for m in models]}
            for i, models in sorted(found.items())
        ]

    def _models(self, plan: Plan, colours: Mapping[str, str]) -> list[dict[str, Any]]:
        """Models whose layers can be inserted: those of the recipe, and others that are chosen."""
        known = {str(ref): (plan.labels[ref], plan.checkpoints[ref].layout.depth) for ref in plan.checkpoints}
        others = [m for m in (self.state.base, *self.state.models) if m and m not in known]
        deepest = max((depth for _, depth in known.values()), default=1)
        models = known | {m: (ModelRef.of(m).name, deepest) for m in others}
        return [
            {"key": key, "label": label, "colour": colours.get(label, ""), "depth": depth}
            for key, (label, depth) in models.items()
        ]

    # --- screen to state ---

    def split(self, layer: int) -> None:
        """Cut a range in front of a layer of the result."""
        self._edit(lambda recipe, depths: stack.split(recipe, depths, layer))

    def set_range(self, index: int, first: int, end: int) -> None:
        """Take other layers: from `first` to the one before `end`."""
        self._edit(lambda recipe, depths: stack.set_range(recipe, depths, index, first, end))

    def set_model(self, index: int, model: str) -> None:
        """Take the layers of a range from another model."""
        self._edit(lambda recipe, depths: stack.set_model(recipe, depths, index, model))

    def move(self, index: int, to: int) -> None:
        """Move a range to another place among the others."""
        self._edit(lambda recipe, depths: stack.move(recipe, depths, index, to))

    def repeat(self, index: int) -> None:
        """Repeat a range right after itself."""
        self._edit(lambda recipe, depths: stack.repeat(recipe, depths, index))

    def remove(self, index: int) -> None:
        """Remove a range."""
        self._edit(lambda recipe, depths: stack.remove(recipe, depths, index))

    def insert(self, index: int, model: str, first: int, end: int) -> None:
        """Insert layers of a model in front of a range."""
        layers = stack.Layers(ModelRef.of(model), first, end)
        self._edit(lambda recipe, depths: stack.insert(recipe, depths, index, layers))

    def _edit(self, change: Change) -> None:
        plan = self.state.plan
        if plan is not None:
            self.state.edit(lambda recipe: change(recipe, plan.piece_depths))


ROW = SourceRow
