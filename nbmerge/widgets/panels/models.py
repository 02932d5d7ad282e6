"""The Models panel: the models to merge, and whether they are compatible."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

import ipywidgets

from nbmerge.checkpoints import Checkpoint, cached_models, hub
from nbmerge.engine.remedies import find_incompatibility
from nbmerge.errors import CheckpointError, NbmergeError
from nbmerge.methods import methods
from nbmerge.sizes import human
from nbmerge.widgets.controls.elements import button, field, row, set_visible, table, text
from nbmerge.widgets.panels.panel import Panel
from nbmerge.widgets.state.compose import list_unused
from nbmerge.widgets.state.latest_only import LatestOnly

FAMILY, FOLDER, CACHE = "the bundled family", "a folder", "the Hugging Face cache"
HUB = "the Hugging Face Hub"
EMPTY = {
    FAMILY: "The bundled family is not installed.",
    CACHE: "The local Hugging Face cache has no models. Download one with: hf download ID",
}
COLUMNS = ("model", "use", "fits", "parameters", "layers", "vocabulary", "dtype", "size", "architecture")


class ModelsPanel(Panel):
    """Choose a base model and any number of others; see their properties and whether they are compatible."""

    title = "Models"

    def _build(self) -> list[ipywidgets.Widget]:
        guard = self.errors
        self.table = text(kind="table")
        self._shown: tuple[list[str], str, list[str]] | None = None
        self.chosen = field(ipywidgets.Dropdown, "Model")
        self.make_base = button(
            "Use as base", guard(lambda _: self._make_base()), hint="The model that the others were fine-tuned from"
        )
        self.remove = button("Remove", guard(lambda _: self._remove()), hint="Remove this model from the merge")
        places = [FAMILY, FOLDER, CACHE, HUB]
        self.from_ = field(ipywidgets.Dropdown, "Add from", options=places, value=FAMILY if list_bundled() else FOLDER)
        self.family = field(ipywidgets.Dropdown)
        self.folder = ipywidgets.Text(placeholder="/path/to/model: the folder that holds config.json")
        self.folder.add_class("nbm-grow")
        self.cache = field(ipywidgets.Dropdown)
        self.id = ipywidgets.Text(placeholder="name/model, or name/model@revision")
        self.id.add_class("nbm-grow")
        self.looking = LatestOnly(self.errors(self._not_found))
        self.at_close(self.looking.close)
        self.add = button("Add", guard(lambda _: self._add()), style="primary", hint="Add this model to the merge")
        self.hint = text(kind="quiet")
        self.from_.observe(guard(lambda change: self._offer()), "value")
        self._offer()
        change = row(self.chosen, self.make_base, self.remove)
        return [self.table, change, row(self.from_, self.family, self.folder, self.cache, self.id, self.add), self.hint]

    # --- state to screen ---

    def _refresh(self) -> None:
        base, models = self.state.base, self.state.models
        paths = [m for m in (base, *models) if m]
        aside = self._unused()
        if (paths, base, aside) == self._shown:  # headers are read when the choice changes, not when a slider moves
            return
        self._shown = paths, base, aside
        opened = [_open(p) for p in paths]
        self.table.value = _table(paths, opened, base, aside) if paths else "<p>No models yet.</p>"
        options = [(_name(p, paths), p) for p in paths]
        if list(self.chosen.options) != options:
            keep = self.chosen.value
            self.chosen.options = options
            self.chosen.value = keep if keep in paths else paths[0] if paths else None
        self.chosen.disabled = self.make_base.disabled = self.remove.disabled = not paths
        self.hint.value = self._advice(paths, aside)

    def _advice(self, paths: list[str], aside: list[str]) -> str:
        if len(paths) < 2:
            return "Add a base model first, then the models that were fine-tuned from it."
        if not aside:
            return ""
        names = ", ".join(_name(p, paths) for p in aside)
        title = methods()[self.state.recipe.merge_method].title
        return html.escape(f"{title} does not use these models: {names}. Other methods may.")

    def _unused(self) -> list[str]:
        recipe = self.state.recipe
        method = methods().get(recipe.merge_method) if recipe else None
        if method is None or recipe.slices is not None:
            return []
        named = {str(r) for r in recipe.references}
        return [m for m in list_unused(method, self.state.base, self.state.models) if m not in named]

    def _offer(self) -> None:
        """Show what can be added from the chosen place."""
        place = self.from_.value
        set_visible(self.family, place == FAMILY)
        set_visible(self.folder, place == FOLDER)
        set_visible(self.cache, place == CACHE)
        set_visible(self.id, place == HUB)
        if place == FAMILY and not self.family.options:
            self.family.options = list_bundled()
            self.family.index = 0 if self.family.options else None
        if place == CACHE:
            self.cache.options = cached_models()
            self.cache.index = 0 if self.cache.options else None
        source = {FAMILY: self.family, CACHE: self.cache}.get(place)
        empty = source is not None and not source.options
        self.add.disabled = empty
        self.hint.value = EMPTY.get(place, "") if empty else ""

    # --- screen to state ---

    def _add(self) -> None:
        path = {FAMILY: self.family, FOLDER: self.folder, CACHE: self.cache, HUB: self.id}[self.from_.value].value
        if self.from_.value == HUB:
            self._look_up(str(path).strip())
            return
        if not path or not str(path).strip():
            raise NbmergeError(
                "Enter the folder of a model: the one that contains config.json and the safetensors files."
            )
        path = str(path).strip()
        if self.from_.value == FOLDER:
            path = str(Path(path).expanduser())
        self._choose(path)

    def _look_up(self, name: str) -> None:
        """Add a model of the Hub once its headers are read, in a thread, since the network may be slow."""
        if not name:
            raise NbmergeError("Enter the id of a model on the Hub, such as HuggingFaceTB/SmolLM2-135M.")
        self.add.disabled, self.hint.value = True, f"Looking up {html.escape(name)} on the Hub …"

        def look() -> None:
            if not self.closed:
                self._choose(name)
            self.add.disabled, self.id.value = False, ""
            self.errors.clear()

        self.looking.submit(look)

    def _not_found(self, error: BaseException) -> None:
        self.add.disabled, self.hint.value = False, ""
        self.errors.show(error)

    def _choose(self, path: str) -> None:
        Checkpoint.open(path)  # what is not a model is refused here, with the reason
        if not self.state.base:
            self.state.choose_models(path, self.state.models)
        else:
            self.state.choose_models(self.state.base, [*self.state.models, path])

    def _make_base(self) -> None:
        old, new = self.state.base, self.chosen.value
        if new and new != old:
            self.state.choose_models(new, [*([old] if old else []), *self.state.models])

    def _remove(self) -> None:
        gone = self.chosen.value
        base = "" if gone == self.state.base else self.state.base
        self.state.choose_models(base, [m for m in self.state.models if m != gone])


def list_bundled() -> list[tuple[str, str]]:
    """Names and folders of the bundled models; empty where they are not installed."""
    try:
        from nbmerge.demo import family

        models = family()
        return [("base", str(models.base)), *((name, str(path)) for name, path in models.experts.items())]
    except (ImportError, AttributeError, NbmergeError, OSError):
        return []


def _open(path: str) -> Checkpoint | CheckpointError | ValueError:
    try:
        return Checkpoint.open(path)
    except (CheckpointError, ValueError) as error:
        return error


def _name(path: str, paths: list[str]) -> str:
    name = Path(path).name
    return name if [Path(p).name for p in paths].count(name) == 1 else path


def _table(paths: list[str], opened: Sequence[Checkpoint | Exception], base: str, unused: list[str]) -> str:
    reference = next((c for c in opened if isinstance(c, Checkpoint)), None)
    rows = []
    for path, checkpoint in zip(paths, opened, strict=True):
        use = "not used" if path in unused else "base" if path == base else "merged"
        name = f"<span title='{html.escape(path, quote=True)}'>{html.escape(_name(path, paths))}</span>"
        if isinstance(checkpoint, Checkpoint) and reference is not None:
            rows.append([name, use, *_facts(checkpoint, reference)])
        else:
            rows.append([name, use, f"<td class='nbm-bad' colspan='{len(COLUMNS) - 2}'>{html.escape(str(checkpoint))}"])
    return table(COLUMNS, rows)


def _facts(checkpoint: Checkpoint, reference: Checkpoint) -> list[str]:
    reason = find_incompatibility(reference, checkpoint) if checkpoint is not reference else None
    fit = f"<td class='nbm-bad'>no: {html.escape(reason)}" if reason else "<td class='nbm-good'>yes"
    size = human(checkpoint.nbytes)
    if absent := sum(
        m.left for m in hub.missing(leaf.file for t in checkpoint.tensors.values() for leaf in t.leaves())
    ):
        size += f", {human(absent)} to download"
    facts = (checkpoint.depth, checkpoint.vocabulary, checkpoint.dtype, size, checkpoint.architecture)
    return [fit, _count(checkpoint.parameters), *(html.escape(str(f)) for f in facts)]


def _count(number: int) -> str:
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)
