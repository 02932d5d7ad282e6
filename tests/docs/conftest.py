"""A working folder with everything that the documentation names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.adapters import make_adapter, modules
from tests.docs.blocks import ROOT, blocks
from tests.models import make_model

NAMES = ("pirate", "poet", "model", "donor", "MODEL", "DONOR", "org/base", "org/pirate", "org/a", "org/b")
"""Fine-tunes of the model "base"."""


@pytest.fixture(scope="session")
def documented_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny models under the names that the documentation uses; never written to."""
    folder = tmp_path_factory.mktemp("documented")
    base = make_model(folder / "base")
    for seed, name in enumerate(NAMES, 1):
        make_model(folder / name, base=base, seed=seed)
    for name in ("org/pirate-lora", "my-adapter"):
        make_adapter(folder / name, base, modules("self_attn.q_proj"))
    recipe = blocks(ROOT / "README.md", "yaml")[0].code
    for name in ("recipe.yml", "SOURCE"):
        (folder / name).write_text(recipe, encoding="utf-8")
    (folder / "a.txt").write_text("abc abc", encoding="utf-8")
    (folder / "moe.yml").write_text(blocks(ROOT / "docs/mixtures.md", "yaml")[0].code, encoding="utf-8")
    return folder


@pytest.fixture
def documented(documented_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, which is the working directory."""
    folder = tmp_path / "documented"
    shutil.copytree(documented_models, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NBMERGE_CACHE", "")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder
