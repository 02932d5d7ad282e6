"""Files that go into a merge beside the weights: only those of the model's own folder, and known before work starts."""

import os
from pathlib import Path

import pytest

import nbmerge as nbm
from nbmerge.engine.output.folder import TOKENIZER_FILES
from nbmerge.errors import NbmergeError
from tests.models import make_model

RECIPES = {
    "as they are": {},
    "a tokenizer made of several": {"tokenizer_source": "union"},
    "the tokenizer of the stranger": {"tokenizer_source": "base"},
}
SECRET = "hf_" + "s" * 30


def link(file: Path) -> None:
    file.symlink_to("../private")


@pytest.fixture
def models(tmp_path) -> list[Path]:
    (tmp_path / "private").write_text(f'{{"token": "{SECRET}"}}')
    return [make_model(tmp_path / name, layers=1) for name in ("stranger", "mine")]


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("kind", [link, os.mkfifo], ids=["link", "pipe"])
@pytest.mark.parametrize("name", TOKENIZER_FILES)
@pytest.mark.rest_is_slow(keep=9)
def test_only_own_files_go_into_a_merge(name, kind, recipe, models, tmp_path):
    (models[0] / name).unlink(missing_ok=True)
    kind(models[0] / name)
    data = {"merge_method": "linear", "base_model": str(models[0]), "models": list(map(str, models)),
            "parameters": {"weight": 1}} | RECIPES[recipe]  # fmt: skip
    report = nbm.check(data, tmp_path / "out")
    travels = recipe == "as they are" or report.plan is None or models[0] / name in report.plan.tokenizer.side_files
    if travels:
        assert not report.ok
        assert name in str(report)
        assert ("outside its folder" if kind is link else "is a pipe, not a regular file") in str(report)
        with pytest.raises(NbmergeError):
            nbm.merge(data, tmp_path / "out")
        assert not (tmp_path / "out").exists()
    else:  # a list of tokens that no longer holds is left out
        nbm.merge(data, tmp_path / "out")
        assert not any(SECRET.encode() in file.read_bytes() for file in (tmp_path / "out").iterdir())


def test_files_inside_the_model_folder_are_copied(models, tmp_path):
    (models[0] / "preprocessor_config.json").write_text('{"size": 1}')
    data = {"merge_method": "linear", "base_model": str(models[0]), "models": list(map(str, models)),
            "parameters": {"weight": 1}, "tokenizer_source": "base"}  # fmt: skip
    nbm.merge(data, tmp_path / "out")
    assert (tmp_path / "out" / "preprocessor_config.json").read_text() == '{"size": 1}'
