"""What `--overwrite` may remove: models, and nothing that is more than a model; some places never."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from nbmerge.engine.check import check
from nbmerge.engine.live.live_merge import live
from nbmerge.engine.merge import merge
from nbmerge.engine.output import commit, model_folder
from nbmerge.engine.output import folder as folder_module
from nbmerge.engine.output.folder import MANIFEST, TOKENIZER_FILES
from nbmerge.engine.transplant import transplant
from nbmerge.errors import OutputError
from nbmerge.recipe import RECIPE_FILE, Recipe
from tests.engine.output.faults import contents


@pytest.fixture(scope="module")
def half(family) -> Recipe:
    models = [str(family.base), str(family.ft1)]
    return Recipe.of({"merge_method": "linear", "models": models, "parameters": {"weight": 0.5}})


@pytest.fixture(scope="module")
def merged(tmp_path_factory, half) -> Path:
    return merge(half, tmp_path_factory.mktemp("merged") / "out").path


@pytest.fixture
def out(tmp_path, merged) -> Path:
    """A merged folder."""
    return Path(shutil.copytree(merged, tmp_path / "place" / "out"))


def add(folder: Path, name: str) -> None:
    """A file or, with a slash at the end, a folder with a file."""
    path = folder / name
    if name.endswith("/"):
        path.mkdir(parents=True)
        path /= "work.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("years")


FOREIGN = [
    "thesis.tex", "src/", "notes.txt", "train.py", "modeling_mine.py", "optimizer.pt", "trainer_state.json", "training_args.bin",
    "model.safetensors.bak", "embeddings.safetensors", "model-of-mine.safetensors", "my-config.json", "README.md.orig", "runs/",
    "checkpoint-500/", ".env", "original/notes.txt", ".cache/huggingface/mine.txt", ".cache/other/x.lock", "LICENSE_draft.txt",
    "config.json2", "config.json\nx",
]  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.rest_is_slow(keep=11)
def test_other_files_in_the_output_folder_are_kept(out, half, name):
    add(out, name)
    before = contents(out.parent)
    shown = f"{name.split('/')[0]}/" if "/" in name else name
    for overwrite in (True, False):  # without it as well, so that nobody is told to pass it
        with pytest.raises(OutputError, match="would be lost") as caught:
            merge(half.replace(dtype="float16"), out, overwrite=overwrite)
        assert shown in str(caught.value)
    assert contents(out.parent) == before


def project(folder: Path) -> Path:
    """A project with a config.json, and no model in it."""
    for name in ("src/", "thesis.tex", "README.md"):
        add(folder, name)
    (folder / "config.json").write_text("{}")
    return folder


def test_a_project_with_a_config_is_not_a_model(tmp_path, half):
    place = project(tmp_path / "project")
    before = contents(place)
    with pytest.raises(OutputError, match=r"not a model folder.*src/, thesis\.tex would be lost"):
        merge(half, place, overwrite=True)
    assert contents(place) == before


@pytest.mark.parametrize("lacking", ["config.json", "model.safetensors"])
def test_a_folder_without_config_or_weights_is_not_a_model(out, half, lacking):
    (out / lacking).unlink()
    with pytest.raises(OutputError, match="not a model folder"):
        merge(half, out, overwrite=True)


MODEL_FILES = [
    *TOKENIZER_FILES, MANIFEST, RECIPE_FILE, "LICENSE", "pytorch_model-00001-of-00002.bin", "model.fp16.safetensors",
    "pytorch_model.bin.index.json", "original/params.json", "original/consolidated.00.pth", "nbmerge_lease", ".gitattributes",
    ".cache/huggingface/download/config.json.metadata", ".cache/huggingface/.gitignore",
]  # fmt: skip


def test_what_models_have_is_replaced(out, half):
    for name in MODEL_FILES:
        add(out, name)
    merge(half.replace(dtype="float16"), out, overwrite=True)
    assert contents(out) == contents(merge(half.replace(dtype="float16"), out.parent / "new").path)


def test_a_pipe_or_a_folder_with_the_name_of_a_model_file_is_foreign(out, half):
    os.mkfifo(out / "vocab.txt")
    with pytest.raises(OutputError, match=r"vocab\.txt"):
        merge(half, out, overwrite=True)
    (out / "vocab.txt").unlink()
    add(out, "vocab.json/")
    with pytest.raises(OutputError, match=r"vocab\.json/"):
        merge(half, out, overwrite=True)


def test_of_a_link_only_the_link_is_removed(out, half, tmp_path):
    (tmp_path / "vocab.txt").write_text("years")
    (out / "vocab.txt").symlink_to(tmp_path / "vocab.txt")
    merge(half, out, overwrite=True)
    assert (tmp_path / "vocab.txt").read_text() == "years"


@pytest.mark.parametrize("names", [3, 30])
def test_the_message_stays_short(out, half, names):
    for i in range(names):
        add(out, f"note-{i:02}-{'x' * 150}.txt")
    with pytest.raises(OutputError, match="note-00" if names == 3 else "and 24 more") as caught:
        merge(half, out, overwrite=True)
    assert len(str(caught.value)) < 1000


# --- every way of writing ---

WAYS = {
    "merge": lambda half, out: merge(half, out, overwrite=True),
    "live.save": lambda half, out: live(half).save(out, overwrite=True),
    "transplant": lambda half, out: transplant(half.models[0].model.path, half.models[1].model.path, out, overwrite=True),
    "check": lambda half, out: report(half, out),
}  # fmt: skip


def report(half: Recipe, out: Path) -> None:
    """Raise what a check finds."""
    found = check(half, out, overwrite=True)
    if not found.ok:
        raise OutputError(str(found))


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_writing_refuses(way, half, tmp_path):
    place = project(tmp_path / "project")
    with pytest.raises(OutputError, match=r"thesis\.tex would be lost"):
        WAYS[way](half, place)
    assert (place / "thesis.tex").read_text() == "years"
    assert os.listdir(tmp_path) == ["project"]


def test_check_says_what_a_merge_would_say(out, half):
    assert "overwrite=True" in str(check(half, out))
    assert check(half, out, overwrite=True).ok
    add(out, "thesis.tex")
    assert "thesis.tex would be lost" in str(check(half, out))
    assert not check(half, out, overwrite=True).ok


# --- never ---

PLACES = {
    "the working directory": ("out", "working directory"),
    "its parent": ("", "parent of the working directory"),
    "the home directory": ("home", "home directory"),
    "a parent of the home directory": ("homes", "parent of the home directory"),
    "a repository": ("repository", "root of a repository"),
}
NAMES = {
    "as it is": lambda place, link: place,
    "with ..": lambda place, link: place / "model.d" / "..",
    "through a link": lambda place, link: link / place.name,
    "through a link with ..": lambda place, link: link / place.name / "model.d" / ".." / ".." / place.name,
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.rest_is_slow(keep=5)
def test_protected_places_are_never_replaced(place, name, half, tmp_path, monkeypatch):
    folder, what = PLACES[place]
    around = tmp_path / "around"
    work = merge(half, around / folder).path
    work = work.resolve()
    if place == "its parent":
        (work / "inner").mkdir()
        monkeypatch.chdir(work / "inner")
    elif place == "the working directory":
        monkeypatch.chdir(work)
    elif "home" in place:
        monkeypatch.setenv("HOME", str(work / "me" if "parent" in place else work))
        (work / "me").mkdir()
    else:
        (work / ".git").mkdir()
    (work / "model.d").mkdir()
    (tmp_path / "link").symlink_to(work.parent)
    before = contents(work)
    path = NAMES[name](work, tmp_path / "link")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=what):
            merge(half, path, overwrite=overwrite)
        assert what in str(check(half, path, overwrite=overwrite))
    assert contents(work) == before
    assert not list(work.parent.glob(".*nbmerge*"))


@pytest.mark.parametrize("path", ["/", "/proc", "."])
def test_roots_mounts_and_the_current_folder_are_not_replaced(half, path, tmp_path, monkeypatch):
    """Also where the folder is empty."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match="not replaced"):
        merge(half, path, overwrite=True)


def test_a_working_directory_that_was_removed(half, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    (tmp_path / "out").mkdir()
    assert merge(half, tmp_path / "out").path.is_dir()


# --- at the last moment ---


@pytest.mark.parametrize("steps", [1, 2])
def test_a_folder_that_appears_during_the_rename_is_kept(out, half, steps, monkeypatch):
    before = contents(out)
    real = folder_module.put_in_place

    def late(partial, out, check):
        add(out, "thesis.tex")
        return real(partial, out, check)

    monkeypatch.setattr(folder_module, "put_in_place", late)
    if steps == 2:
        monkeypatch.setattr(commit, "exchange", lambda a, b: False)
    with pytest.raises(OutputError, match=r"thesis\.tex would be lost"):
        merge(half.replace(dtype="float16"), out, overwrite=True)
    assert contents(out) == before | {"thesis.tex": b"years"}


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("mode", [0o700, 0o2750, 0o555])
def test_a_folder_keeps_its_mode(out, half, mode, steps, monkeypatch):
    if steps == 2:
        monkeypatch.setattr(commit, "exchange", lambda a, b: False)
    out.chmod(mode)
    merge(half, out, overwrite=True)
    assert stat.S_IMODE(out.stat().st_mode) == mode
    assert [f.name for f in out.parent.iterdir()] == ["out"]


def test_an_empty_folder_keeps_its_mode(tmp_path, half):
    (tmp_path / "out").mkdir(mode=0o700)
    assert stat.S_IMODE(merge(half, tmp_path / "out").path.stat().st_mode) == 0o700


@pytest.mark.parametrize("umask", [0o002, 0o027, 0o077])
def test_modes_follow_the_umask(tmp_path, half, umask):
    before = os.umask(umask)
    try:
        out = merge(half, tmp_path / "out").path
    finally:
        os.umask(before)
    assert stat.S_IMODE(out.stat().st_mode) == 0o777 & ~umask
    assert {stat.S_IMODE(f.stat().st_mode) for f in out.iterdir()} == {0o666 & ~umask}


def test_every_name_that_nbmerge_writes_is_a_model_file(out):
    assert not list(model_folder._foreign_names(out))
