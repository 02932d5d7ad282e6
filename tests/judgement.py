"""The last word on a merged folder: what transformers would miss, not expect, or find of another shape when it loads it.

Nothing is loaded: the model is built without numbers, and only the headers of the files are read.
"""

from __future__ import annotations

import json
from pathlib import Path

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.loading.dry_load import Loaded, load


def judge(folder: str | Path) -> Loaded:
    """What transformers says of a model folder."""
    tensors = Checkpoint.open(folder).tensors
    config = json.loads((Path(folder) / "config.json").read_text())
    found = load(config, {name: (t.shape, t.dtype) for name, t in tensors.items()})
    assert found is not None, f"transformers does not know {config.get('architectures')}"
    return found


def assert_loads(folder: str | Path) -> None:
    """Transformers loads a folder with nothing missing, nothing unexpected and every shape as it should be."""
    found = judge(folder)
    assert found.whole, found
