"""The models: which go into the merge, and where more can be found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from typing import Any

from nbmerge.checkpoints import Checkpoint, cached_models, hub
from nbmerge.engine.remedies import find_misfits
from nbmerge.errors import CheckpointError, NbmergeError
from nbmerge.methods import Method, methods
from nbmerge.model_ref import ModelRef
from nbmerge.sizes import count_in_words, human
from nbmerge.widgets.controls.bundled import list_bundled
from nbmerge.widgets.controls.colours import complete_colours, model_colours
from nbmerge.widgets.panels.setup.folder_browser import FolderBrowser
from nbmerge.widgets.panels.setup.form import Form, FormPanel
from nbmerge.widgets.panels.setup.offers import Offers, make_text, write_path
from nbmerge.widgets.state.compose import list_unused
from nbmerge.widgets.state.debounce import DebouncedRunner
from nbmerge.widgets.state.studio_state import StudioState

COLUMNS = ("parameters", "layers", "vocabulary", "dtype", "size", "architecture")


class ModelsForm(Form):
    """Choose models: from a folder, the Hugging Face cache, the Hub, or those that are bundled."""

    kind = "models"

    def __init__(self, state: StudioState):
        super().__init__(state)
        self.folder = FolderBrowser(state, self._add_path, self._fail)
        self.folder.on_begin = self._forget_fault
        self.folder.on_change = lambda: self.on_change()
        self.runner = DebouncedRunner(self._fail, "look up models", state.activities)
        self._lister = DebouncedRunner(self._fail, "list the cache")
        self._busy, self._cached = "", list[str]()
        self._fault = (0, "")

    @property
    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """What the browser may ask for."""
        folder = self.folder
        return {
            "add": self._try_to_add, "remove": self.state.remove_model, "make_base": self.state.make_base,
            "move": self.move, "clear_base": self.state.clear_base, "swap": self.swap,
            "start_over": self.state.start_over, "look_up": self.look_up, "enter_folder": folder.enter,
            "browse": folder.browse, "search_folder": folder.search, "complete": folder.complete,
        }  # fmt: skip

    # --- actions ---

    def add(self, path: str) -> None:
        """Add a model; what is none is refused with the reason."""
        Checkpoint.open(path)
        self.state.add_model(path)

    def _add_path(self, path: str) -> None:
        """Add a model in a folder, by the shorter way to write its path."""
        self.add(write_path(Path(path)))

    def _try_to_add(self, path: str) -> None:
        """Add a model that is offered; where it has become none, the reason is shown beside the offers."""
        self._forget_fault()
        try:
            self.add(path)
        except NbmergeError as error:
            self._fail(error)

    def move(self, path: str, by: int) -> None:
        """Move a model up or down."""
        models = list(self.state.models)
        if path in models:
            at = models.index(path)
            models.insert(max(0, min(len(models) - 1, at + by)), models.pop(at))
            self.state.order_models(models)

    def swap(self) -> None:
        """Exchange the first two models: the ends of a slerp."""
        first, second, *others = self.state.models
        self.state.order_models([second, first, *others])

    def look_up(self, name: str) -> None:
        """Add a model of the Hub once its headers are read, in a thread, since the network may be slow."""

        def work(cancel: Event) -> None:
            Checkpoint.open(name)
            if not cancel.is_set():
                self._busy = ""
                self.on_change()
                self.state.add_model(name)

        self._forget_fault()
        self._busy = f"Looking up {name:.200} on the Hub …"
        self.on_change()
        self.runner.submit(work)

    def open(self) -> None:
        """Read the folder and the cache again: both may have new models."""

        def work(cancel: Event) -> None:
            self._cached = cached_models()
            self.on_change()

        self._lister.submit(work)
        self.folder.show()

    def _forget_fault(self) -> None:
        self._fault = (0, "")

    def _fail(self, error: BaseException) -> None:
        """Show what went wrong beside the offers, until the models change or something else is tried."""
        self._busy = ""
        if isinstance(error, NbmergeError):
            self._fault = (self.state.revision, make_text(str(error)))
            self.on_change()
        else:
            self.on_change()
            self.on_error(error)

    def close(self) -> None:
        """Look for nothing any more."""
        for work in (self.folder, self.runner, self._lister):
            work.close()

    # --- content ---

    def content(self) -> dict[str, Any]:
        """All that the browser draws."""
        method = self._method()
        rows = list_rows(self.state)
        merged = [r for r in rows if r["role"] == "merged"]
        offers = Offers(self.state)
        return {
            "models": [row | {"facts": _describe_facts(row["path"])} for row in rows],
            "columns": list(COLUMNS),
            "needsBase": method is not None and method.base == "required",
            "swap": method is not None and method.inputs[1] == 2 and method.base != "required" and len(merged) == 2,
            "bundled": [offers.offer(path, name) for name, path in list_bundled()],
            "cached": [offers.offer(name, name) for name in self._cached],
            "folder": self.folder.describe(offers),
            "busy": make_text(self._busy),
            "fault": self._fault[1] if self._fault[0] == self.state.revision else "",
            "hint": self._advise(rows, method),
        }

    def _method(self) -> Method | None:
        recipe = self.state.recipe
        return methods().get(recipe.merge_method) if recipe is not None else methods()["task_arithmetic"]

    def _advise(self, rows: list[dict[str, Any]], method: Method | None) -> str:
        if len(rows) == 1:
            return "Add a model that was fine-tuned from it."
        left_out = _list_unused(self.state)
        unused = [row["name"] for row in rows if row["path"] in left_out]
        if unused and method is not None:
            return f"{method.title} does not use {', '.join(unused)}. Other methods may."
        if rows and {row["path"] for row in rows} <= {path for _, path in list_bundled()}:
            return "These are the bundled models. To merge models of your own, press Start over first."
        return ""


class ModelsPanel(FormPanel):
    """Choose a base model and any number of others; see their properties and whether they fit."""

    title = "Models"
    form_class = ModelsForm


def list_rows(state: StudioState) -> list[dict[str, Any]]:
    """Every chosen model: its name, its role, and whether it fits, as the planner found."""
    paths = [m for m in (state.base, *state.models) if m]
    unused, verdicts = set(_list_unused(state)), _judge(state, paths)
    names = [ModelRef.of(p).name for p in paths]
    colours = _find_colours(state, paths)
    rows = []
    for path, name in zip(paths, names, strict=True):
        role = "base" if path == state.base else "unused" if path in unused else "merged"
        fit, reason = verdicts.get(path, ("good", ""))
        whole = name if names.count(name) == 1 else path
        rows.append({"path": path, "name": whole, "colour": colours[path], "role": role, "fit": fit, "reason": reason})
    return rows


def _list_unused(state: StudioState) -> list[str]:
    recipe = state.recipe
    if recipe is None:
        return []
    named = {str(r) for r in recipe.references}
    method = methods().get(recipe.merge_method)
    listed = list_unused(method, state.base, state.models) if method is not None and recipe.models is not None else (
        [m for m in state.models if m not in named]
    )  # fmt: skip
    return [m for m in listed if m not in named]


def _judge(state: StudioState, paths: list[str]) -> dict[str, tuple[str, str]]:
    """Fit and reason of the models that there is something to report about; the planner's result for those in its plan."""
    verdicts: dict[str, tuple[str, str]] = {}
    opened = {}
    used = {str(r) for r in state.recipe.references} if state.recipe is not None else set()
    if not state.groups and used.issuperset(paths):  # as nearly always, while a slider moves
        return verdicts
    for path in paths:
        try:
            opened[path] = Checkpoint.open(path, ask=False)
        except (CheckpointError, ValueError) as error:
            verdicts[path] = ("bad", str(error))
    misfits = find_misfits(opened, vocabulary=False)
    verdicts |= {path: ("bad", reason) for path, reason in misfits.items() if path not in used}
    for group in reversed(state.groups):
        for ref in group.models:
            severity = "bad" if group.severity == "error" else "warning"
            verdicts[str(ref)] = (severity, misfits.get(str(ref), group.title))
    return verdicts


def _find_colours(state: StudioState, paths: list[str]) -> dict[str, str]:
    """The colour of each model, as in all pictures where there is a plan."""
    plan = state.plan
    known = {str(ref): model_colours(plan)[plan.labels[ref]] for ref in plan.labels} if plan is not None else {}
    return complete_colours(paths, known, base=state.base)


def _describe_facts(path: str) -> list[str]:
    try:
        checkpoint = Checkpoint.open(path, ask=False)
    except (CheckpointError, ValueError):
        return [""] * len(COLUMNS)
    size, missing = human(checkpoint.nbytes), _count_missing(checkpoint)
    if missing:
        size += f", {human(missing)} to download"
    facts = (count_in_words(checkpoint.parameters), checkpoint.depth, checkpoint.vocabulary, checkpoint.dtype, size)
    return [*map(str, facts), checkpoint.architecture]


def _count_missing(checkpoint: Checkpoint) -> int:
    return sum(m.left for m in hub.missing(leaf.file for t in checkpoint.tensors.values() for leaf in t.leaves()))
