"""Models that can be added: each with what it is, whether it fits, and whether it is chosen already."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nbmerge.checkpoints import Checkpoint, FoundModel
from nbmerge.engine.remedies import find_incompatibility
from nbmerge.errors import CheckpointError
from nbmerge.model_ref import ModelRef
from nbmerge.sizes import count_in_words, human
from nbmerge.widgets.state.studio_state import StudioState


class Offers:
    """Describes models for the browser, compared with those that are chosen.

    Parameters
    ----------
    state : StudioState
    """

    def __init__(self, state: StudioState):
        self.paths = [m for m in (state.base, *state.models) if m]
        self._chosen = {*self.paths, *map(locate, self.paths)}
        self._reference: Checkpoint | None = None
        self._is_open = False

    def offer(self, path: str, name: str, kind: str = "model", detail: str = "") -> dict[str, Any]:
        """A model as the browser draws it."""
        can_add = kind in ("model", "misfit") or (kind == "adapter" and "+" in path)
        chosen = path in self._chosen or (kind in ("model", "misfit") and locate(path) in self._chosen)
        return {
            "path": path, "name": name, "kind": kind, "detail": make_text(detail), "chosen": chosen, "canAdd": can_add,
        }  # fmt: skip

    def offer_found(self, found: FoundModel, name: str) -> dict[str, Any]:
        """A model that was found in a folder."""
        kind, detail, path = str(found.kind), found.reason, write_path(found.path)
        if found.checkpoint is not None:
            reason = self._find_misfit(found.checkpoint)
            kind = "model" if reason is None else "misfit"
            detail = " · ".join(filter(None, (summarise(found.checkpoint), reason)))
        elif kind == "adapter" and (adapted := self._apply_to_base(path)):
            path, detail = adapted, f"{ModelRef.of(adapted).name.partition('+')[0]} with this adapter"
        return self.offer(path, name, kind, detail)

    def _find_misfit(self, checkpoint: Checkpoint) -> str | None:
        """Why a model does not fit those that are chosen."""
        if not self._is_open:
            self._reference, self._is_open = _open_first(self.paths), True
        return None if self._reference is None else find_incompatibility(self._reference, checkpoint)

    def _apply_to_base(self, adapter: str) -> str:
        """The base, or the first model, with an adapter; empty where there is none to apply it to."""
        first = self.paths[0] if self.paths else ""
        return f"{first}+{adapter}" if first and not {"+"} & {*first, *adapter} else ""


def _open_first(paths: Iterable[str]) -> Checkpoint | None:
    """The model that others must fit: the base, or the first that is chosen."""
    first = next(iter(paths), None)
    try:
        return None if first is None else Checkpoint.open(first, ask=False)
    except (CheckpointError, ValueError):
        return None


def write_path(path: Path) -> str:
    """A path as a recipe should have it: relative where it is below the working directory, so that both can move."""
    try:
        inner = path.relative_to(Path.cwd())
    except (OSError, ValueError):
        return str(path)
    return str(inner) if inner.parts else str(path)


def locate(path: str) -> str:
    """The absolute path that a model's path stands for, however it is written."""
    return os.path.abspath(os.path.expanduser(path))


def make_text(text: str) -> str:
    """A text that can be sent to a browser: bytes of file names that are not valid text are replaced."""
    return text.encode(errors="replace").decode()


def summarise(checkpoint: Checkpoint) -> str:
    """A model in a few words."""
    layers = f"{checkpoint.depth} {'layer' if checkpoint.depth == 1 else 'layers'}"
    return ", ".join((count_in_words(checkpoint.parameters), layers, checkpoint.dtype, human(checkpoint.nbytes)))
