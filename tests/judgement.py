"""The last word on a merged folder: what transformers would miss, not expect, or find of another shape when it loads it.

Nothing is loaded: the model is built without numbers, and only the headers of the files are read. `OutputJudge` says it of
every model folder that a test makes, once for each distinct config with its names and shapes.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.loading.dry_load import DryLoad, load

_NO_MATTER = ("dtype", "torch_dtype", "transformers_version", "_name_or_path")
"""Keys of a config that do not change what is built."""


def judge(folder: str | Path) -> DryLoad:
    """What transformers says of a model folder."""
    found = load(*_contents(Path(folder)))
    assert found is not None, f"transformers does not know the architecture of {folder}"
    return found


def assert_loads(folder: str | Path) -> None:
    """Transformers loads a folder with nothing missing, nothing unexpected and every shape as it should be."""
    found = judge(folder)
    assert found.whole, found


@dataclass
class OutputJudge:
    """Judges the folders that merges wrote, each kind of folder once.

    Architectures that tests make up, which transformers does not have, are passed over.
    """

    written: dict[str, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    looking: bool = True

    def note(self, folder: Path) -> None:
        """Look at a folder as soon as it is complete: the test may change it."""
        if not self.looking:
            return
        config, shapes = _contents(folder)
        config = {k: v for k, v in config.items() if k not in _NO_MATTER}
        key = json.dumps([config, sorted((n, s) for n, (s, _) in shapes.items())], sort_keys=True)
        if key not in self.known:
            self.written[key] = config, shapes

    def wrong(self) -> list[DryLoad]:
        """What does not load of all that was noted since the last time."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of transformers, about models that are smaller than real ones
            judged = [load(config, shapes) for config, shapes in self.written.values()]
        self.known |= self.written.keys()
        self.written.clear()
        return [found for found in judged if found is not None and not found.whole]


def is_judged(request: pytest.FixtureRequest) -> bool:
    """Whether what a test writes is judged: unless it is marked `unloadable`, with a reason."""
    marker = request.node.get_closest_marker("unloadable")
    assert marker is None or any(marker.args), "say why: @pytest.mark.unloadable(reason)"
    return marker is None


def _contents(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    config = json.loads((folder / "config.json").read_text())
    return config, {name: (t.shape, t.dtype) for name, t in Checkpoint.open(folder).tensors.items()}
