"""The Gather panel: statistics of texts, which data-informed methods need."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets

from nbmerge.errors import NbmergeError
from nbmerge.recipe import ModelRef, Recipe
from nbmerge.widgets.controls.view import View
from nbmerge.widgets.panels.job_follower import JobFollower
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.analyses import STATISTICS, list_prompts, needs_texts
from nbmerge.widgets.state.texts import read_texts, split_lines

if TYPE_CHECKING:
    from nbmerge.analysis.gathering import Gathered

ALL = ""
"""In the place of a model: all of them."""


@dataclass(frozen=True)
class Source:
    """Where texts come from.

    Parameters
    ----------
    model : str
        The model that they are for, by its name in the recipe; empty for all.
    typed : str
        One text in a line.
    file : str
        Path of a file; empty for what is typed.
    """

    model: str
    typed: str
    file: str = ""

    def read(self) -> tuple[str, ...]:
        """The texts."""
        return read_texts(self.file) if self.file.strip() else split_lines(self.typed)


class GatherView(View):
    """The drawing of the Gather panel."""

    script = "gather"
    large = True


class GatherPanel(Panel):
    """Texts of what the models are good at; what is gathered from them becomes part of the recipe."""

    title = "Gather"

    def _build(self) -> list[ipywidgets.Widget]:
        self._work = JobFollower(self, "gather", self._take)
        self._done = ""
        self.view = GatherView({"gather": self.gather, "stop": self._work.stop}, self.errors)
        return [self.view]

    # --- screen to state ---

    def gather(self, sources: list[dict[str, str]]) -> None:
        """Evaluate texts with each model, in the background.

        Parameters
        ----------
        sources : list of dict
            The fields of `Source`: one for all models, or one for each.
        """
        recipe = self.state.recipe
        if recipe is None or not needs_texts(self.state):
            raise NbmergeError("This method needs no statistics of texts. Choose RegMean or Fisher-weighted averaging.")
        texts = {source.model: source.read() for source in (Source(**fields) for fields in sources)}
        empty = [name or "the models" for name, own in texts.items() if not own]
        if empty or not texts:
            raise NbmergeError(
                f"There are no texts for {empty[0] if empty else 'the models'}. Type some, or name a file."
            )
        given: Any = texts.get(ALL, texts)
        self._done = ""

        def work(progress: Any, cancel: Any) -> Gathered:
            from nbmerge.analysis.gathering import gather_statistics

            return gather_statistics(recipe, given, progress=progress, cancel=cancel)

        self._work.start(work)

    def _take(self, gathered: Gathered) -> None:
        """Name the statistics in the recipe on screen, which may have changed meanwhile."""
        named = {ref: _read_name(gathered, ref) for ref in gathered.recipe.references if str(ref) in gathered.files}
        tokens = sum(gathered.tokens.values())
        self._done = f"Gathered from {tokens:,} tokens." if tokens else "These statistics were gathered before."
        self.state.edit(lambda recipe: name_statistics(recipe, gathered.recipe.merge_method, named))
        self.state.check_again()  # the recipe may have named them already, and the files were gone

    # --- state to screen ---

    def _refresh(self) -> None:
        self._draw()

    def _draw(self) -> None:
        recipe = self.state.recipe
        missing = any(group.problems[0].kind == STATISTICS for group in self.state.groups)
        is_needed = needs_texts(self.state)
        note = "" if is_needed else "This method needs no statistics of texts."
        if is_needed and not missing:
            note = f"{self._done} The recipe has its statistics.".lstrip()
        models = [] if recipe is None else [{"key": str(ref), "name": ref.name} for ref in list_sources(recipe)]
        self.view.show({
            "models": models, "ready": is_needed, "missing": missing, "progress": self._work.progress, "note": note,
            "suggested": "\n".join(list_prompts(self.state)),
        })  # fmt: skip


def list_sources(recipe: Recipe) -> list[ModelRef]:
    """The models that are merged, each once."""
    return list(dict.fromkeys(source.model for piece in recipe.pieces for source in piece.sources))


def name_statistics(recipe: Recipe, method: str, named: dict[ModelRef, str]) -> Recipe:
    """The recipe with the statistics of those of its models that have some; unchanged if its method is another by now."""
    if recipe.merge_method != method:
        return recipe
    for ref in list_sources(recipe):
        if ref in named:
            recipe = recipe.with_parameter(STATISTICS, named[ref], ref)
    return recipe


def _read_name(gathered: Gathered, ref: ModelRef) -> str:
    """What the gathered recipe calls the statistics of a model: a key of the cache."""
    return Path(gathered.files[str(ref)]).stem
