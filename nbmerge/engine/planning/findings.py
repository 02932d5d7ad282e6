"""Collects problems while a plan is made; one problem with many tensors is reported once."""

from __future__ import annotations

from nbmerge.methods import Parameter
from nbmerge.problems import Problem, Severity, Where
from nbmerge.recipe import Recipe


class Findings:
    """The problems of one recipe.

    Parameters
    ----------
    recipe : Recipe
        Gives the line of a place if it was read from a text.
    """

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self.fatal = False
        self._singles: list[Problem] = []
        self._groups: dict[tuple[Severity, Where, str, str, str], list[str]] = {}

    def add(self, problem: Problem) -> None:
        """Add a problem."""
        self.fatal |= problem.severity == "error"
        if problem not in self._singles:
            self._singles.append(problem)

    def error(self, where: Where, what: str, how: str = "", kind: str = "") -> None:
        """Add a problem that prevents the merge."""
        self.add(Problem("error", where, what, how, self.recipe.line(where), kind))

    def warning(self, where: Where, what: str, how: str = "", kind: str = "") -> None:
        """Add a problem that should be looked at."""
        self.add(Problem("warning", where, what, how, self.recipe.line(where), kind))

    def info(self, where: Where, what: str) -> None:
        """Add a note about a decision."""
        self.add(Problem("info", where, what, line=self.recipe.line(where)))

    def missing_tensor(self, where: Where, model: str, tensor: str, bare: bool = False) -> None:
        """Add an error: a model does not have a tensor that the others have."""
        how = "Merge models with the same tensors, or leave this one out."
        if bare:
            how = "Set missing_tensors to leave-out, or to merge-rest to merge such tensors from the models that have them."
        what = f"{model} does not have all tensors of the other models: {{tensors}}."
        self._group(where, what, how, tensor, "tensors")

    def left_out(self, tensor: str) -> None:
        """Add a note: a tensor that some models do not have is left out."""
        self._group(
            ("missing_tensors",),
            "left out, because some models do not have it: {tensors}.",
            "",
            tensor,
            severity="info",
        )

    def partly_there(self, tensor: str) -> None:
        """Add a note: a tensor is merged from the models that have it."""
        self._group(
            ("missing_tensors",), "merged from the models that have it: {tensors}.", "", tensor, severity="info"
        )

    def unequal_shapes(self, where: Where, tensor: str, kind: str, shapes: dict[str, tuple[int, ...]]) -> None:
        """Add an error: the inputs of a tensor differ in shape."""
        text = ", ".join(f"{model} {'×'.join(map(str, shape))}" for model, shape in shapes.items())
        rest = {shape[1:] for shape in shapes.values()}
        if kind in ("embedding", "head") and len(rest) == 1:
            what = f"vocabularies of different size ({text}) in {{tensors}}."
            how = (
                "Rows are never cut or padded silently. Choose whose tokens the result has (tokenizer_source: union, base, or "
                "a model), a rule for the rows (vocabulary: edge-gradient, zeros, copy, mean, truncate), or one model's rows "
                "(embedding_source and lm_head_source)."
            )
        else:
            what, how = f"shapes differ ({text}) in {{tensors}}.", "Only tensors of equal shape can be merged."
        kind = "vocabulary" if kind in ("embedding", "head") and len(rest) == 1 else "shape"
        self._group(where, what, how, tensor, kind)

    def unmergeable(self, where: Where, dtype: str, tensor: str, bare: bool = False) -> None:
        """Add an error: a tensor is stored in a dtype whose numbers are not weights."""
        how = "Load the model in bfloat16 with transformers once, save it, and merge that."
        if bare:
            how = "Convert its tensors to bfloat16 with torch, save the file, and merge that."
        self._group(where, f"{dtype} cannot be merged as it is ({{tensors}}).", how, tensor)

    def missing_value(self, where: Where, method: str, parameter: Parameter, model: str | None, tensor: str) -> None:
        """Add an error: a required parameter has no value for a tensor."""
        whose = f" of {model}" if model else ""
        how = f"Add it ({parameter.range}), or a rule without a filter for the remaining tensors. {parameter.help}"
        self._group(where, f"{method} needs '{parameter.name}'{whose} for {{tensors}}.", how, tensor, "value")

    def faulty(self, where: Where, fault: str, tensor: str, kind: str = "range") -> None:
        """Add an error: a value, or a combination of values, is impossible."""
        self._group(where, f"{fault[:-1] if fault.endswith('.') else fault} (in {{tensors}}).", "", tensor, kind)

    def _group(
        self, where: Where, what: str, how: str, tensor: str, kind: str = "", severity: Severity = "error"
    ) -> None:
        self.fatal |= severity == "error"
        self._groups.setdefault((severity, where, what, how, kind), []).append(tensor)

    def problems(self) -> list[Problem]:
        """All problems."""
        grouped = [
            Problem(
                severity, where, what.replace("{tensors}", _list_tensors(tensors)), how, self.recipe.line(where), kind
            )
            for (severity, where, what, how, kind), tensors in self._groups.items()
        ]
        return [*self._singles, *grouped]


def _list_tensors(tensors: list[str]) -> str:
    """The first name and the number of others."""
    names = list(dict.fromkeys(tensors))
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
