"""The models: which go into the merge, and where more can be found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nbmerge.checkpoints import Checkpoint, Scan, cached_models, hub, scan_folder
from nbmerge.engine.remedies import find_incompatibility, find_misfits
from nbmerge.errors import CheckpointError
from nbmerge.methods import Method, methods
from nbmerge.model_ref import ModelRef
from nbmerge.sizes import human
from nbmerge.widgets.controls.bundled import list_bundled
from nbmerge.widgets.controls.colours import complete_colours, model_colours
from nbmerge.widgets.panels.setup.form import Form, FormPanel
from nbmerge.widgets.state.compose import list_unused
from nbmerge.widgets.state.debounce import DebouncedRunner
from nbmerge.widgets.state.studio_state import StudioState

COLUMNS = ("parameters", "layers", "vocabulary", "dtype", "size", "architecture")


class ModelsForm(Form):
    """Choose models: from a folder, the Hugging Face cache, the Hub, or those that are bundled."""

    kind = "models"

    def __init__(self, state: StudioState):
        super().__init__(state)
        self._runner = DebouncedRunner(self._fail, "look up models", state.activities)
        self._scan: Scan | None = None
        self._busy = ""
        self._cached: list[str] | None = None

    @property
    def actions(self) -> Mapping[str, Callable[..., Any]]:
        """What the browser may ask for."""
        return {
            "add": self.add, "remove": self.state.remove_model, "make_base": self.state.make_base, "move": self.move,
            "clear_base": self.state.clear_base, "swap": self.swap, "start_over": self.state.start_over,
            "scan": self.scan, "look_up": self.look_up,
        }  # fmt: skip

    # --- actions ---

    def add(self, path: str) -> None:
        """Add a model; what is none is refused with the reason."""
        Checkpoint.open(path)
        self.state.add_model(path)

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

    def scan(self, folder: str) -> None:
        """List the models in a folder; a folder that is a model itself is added."""
        if (Path(folder).expanduser() / "config.json").is_file():
            self.add(str(Path(folder).expanduser()))
            return

        def work(cancel: Any) -> None:
            self._scan = scan_folder(folder)
            self._end()

        self._begin(f"Looking for models in {folder} …", work)

    def look_up(self, name: str) -> None:
        """Add a model of the Hub once its headers are read, in a thread, since the network may be slow."""

        def work(cancel: Any) -> None:
            Checkpoint.open(name)
            if not cancel.is_set():
                self._end()
                self.state.add_model(name)

        self._begin(f"Looking up {name} on the Hub …", work)

    def _begin(self, busy: str, work: Callable[[Any], Any]) -> None:
        self._busy = busy
        self.on_change()
        self._runner.submit(work)

    def _end(self) -> None:
        self._busy = ""
        self.on_change()

    def _fail(self, error: BaseException) -> None:
        self._end()
        self.on_error(error)

    def close(self) -> None:
        """Look for nothing any more."""
        self._runner.close()

    # --- content ---

    def content(self) -> dict[str, Any]:
        """All that the browser draws."""
        method = self._method()
        rows = list_rows(self.state)
        merged = [r for r in rows if r["role"] == "merged"]
        return {
            "models": [row | {"facts": _describe_facts(row["path"])} for row in rows],
            "columns": list(COLUMNS),
            "needsBase": method is not None and method.base == "required",
            "swap": method is not None and method.inputs[1] == 2 and method.base != "required" and len(merged) == 2,
            "bundled": [self._offer(path, name) for name, path in list_bundled()],
            "cached": [self._offer(name, name) for name in self._list_cached()],
            "scan": self._describe_scan(),
            "busy": self._busy,
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
        return ""

    def _list_cached(self) -> list[str]:
        if self._cached is None:  # a large cache takes a moment; it is listed once
            self._cached = cached_models()
        return self._cached

    def _offer(self, path: str, name: str, kind: str = "model", detail: str = "") -> dict[str, Any]:
        chosen = path in (self.state.base, *self.state.models)
        can_add = kind in ("model", "misfit") or (kind == "adapter" and "+" in path)
        return {"path": path, "name": name, "kind": kind, "detail": detail, "chosen": chosen, "canAdd": can_add}

    def _apply_to_base(self, adapter: str) -> str:
        """The base, or the first model, with an adapter; empty where there is none to apply it to."""
        first = next((m for m in (self.state.base, *self.state.models) if m), None)
        return f"{first}+{adapter}" if first and not {"+"} & {*first, *adapter} else ""

    def _open_reference(self) -> Checkpoint | None:
        """The model that others must fit: the base, or the first that is chosen."""
        paths = [m for m in (self.state.base, *self.state.models) if m]
        try:
            return Checkpoint.open(paths[0], ask=False) if paths else None
        except (CheckpointError, ValueError):
            return None

    def _describe_scan(self) -> dict[str, Any] | None:
        if self._scan is None:
            return None
        offers, reference = [], self._open_reference()
        for model in self._scan.models:
            name = str(model.path.relative_to(self._scan.folder))
            kind, detail = str(model.kind), model.reason
            if model.checkpoint is not None:
                reason = find_incompatibility(reference, model.checkpoint) if reference is not None else None
                kind = "model" if reason is None else "misfit"
                detail = " · ".join(filter(None, (summarise(model.checkpoint), reason)))
            path = str(model.path)
            if kind == "adapter" and (adapted := self._apply_to_base(path)):
                path, detail = adapted, f"{ModelRef.of(adapted).name.partition('+')[0]} with this adapter"
            offers.append(self._offer(path, name, kind, detail))
        note = "" if offers else "There is no model in this folder or below it."
        note = note if self._scan.is_complete else "The folder is large; only its beginning was searched."
        return {"folder": str(self._scan.folder), "models": offers, "note": note}


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
    facts = (count_words(checkpoint.parameters), checkpoint.depth, checkpoint.vocabulary, checkpoint.dtype, size)
    return [*map(str, facts), checkpoint.architecture]


def _count_missing(checkpoint: Checkpoint) -> int:
    return sum(m.left for m in hub.missing(leaf.file for t in checkpoint.tensors.values() for leaf in t.leaves()))


def summarise(checkpoint: Checkpoint) -> str:
    """A model in a few words."""
    parts = (
        count_words(checkpoint.parameters),
        f"{checkpoint.depth} layers",
        checkpoint.dtype,
        human(checkpoint.nbytes),
    )
    return ", ".join(parts)


def count_words(number: int) -> str:
    """A number of parameters as people say it: "8.03 B"."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)
