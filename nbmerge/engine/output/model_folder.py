"""Which folders a merge may replace: those that contain a model or an adapter and nothing else, except for protected ones.

``--overwrite`` removes a folder with everything in it. So a folder is replaced only if every file in it is one that models
have, and it is a model: it has a config and weights. Other documents next to the weights, a repository, a training run with
its optimizer, and the working directory are refused, with the names of what would be lost.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from nbmerge.engine.output.companions import is_companion, is_module_folder
from nbmerge.errors import CheckpointError, OutputError
from nbmerge.guarded_files import read_model_json

_WEIGHTS = re.compile(
    r"(model|pytorch_model|adapter_model)(\.\w+)?(-\d+-of-\d+)?\.(safetensors|bin)|consolidated(\.\d+)?\.(safetensors|pth)"
)
_BESIDE = re.compile(
    r"""(model|pytorch_model)(\.\w+)?\.(safetensors|bin)\.index\.json
    |(adapter_|generation_|tokenizer_|processor_|preprocessor_|(image|video)_(pre)?processor_)?config\.json
    |tokenizer\.(json|model)(\.v\d+)?|special_tokens_map\.json|added_tokens\.json|vocab\.(json|txt)|merges\.txt
    |(spiece|sentencepiece\.bpe)\.model|tekken\.json|chat_template\.(jinja|json)|params\.json
    |README\.md|(LICENSE|NOTICE|USE_POLICY)(\.md|\.txt)?|\.gitattributes|mergekit_config\.ya?ml|nbmerge_(recipe\.yml|checksums\.json|lease)
    |\.DS_Store|Thumbs\.db|desktop\.ini""",
    re.VERBOSE,
)
MANIFEST = "nbmerge_checksums.json"
"""A checksum for every tensor, for `nbmerge verify`."""
BARE = "bare"
"""Key of a manifest whose folder has no config, because it contains bare weights."""
_DOWNLOADS = re.compile(r".*\.(metadata|lock|incomplete)|\.gitignore|CACHEDIR\.TAG")
_REPOSITORIES = (".git", ".hg", ".svn", ".jj")
_SHOWN = 6
"""Most names in a message."""


def refuse_protected(out: Path) -> None:
    """Refuse a folder that must never be replaced, whatever it contains and however it is named.

    Raises
    ------
    OutputError
        For the root of a file system, a mount point, the working directory, the home directory, a parent of one of these
        two, and the root of a repository.
    """
    place = out.resolve()
    if place.is_dir() and (what := _protection(place)):
        raise OutputError(f"{out} is {what}, so it is not replaced. Choose a new folder, such as {out / 'merged'}.")


def refuse_foreign(folder: Path, out: Path | None = None) -> None:
    """Refuse to remove a folder that is not a model, or contains more than a model.

    Parameters
    ----------
    folder : Path
        Its current path.
    out : Path, optional
        The path to name in messages, if different.

    Raises
    ------
    OutputError
        With what would be lost.
    """
    out = out or folder
    names = sorted(os.listdir(folder))
    foreign = sorted(_foreign_names(folder))
    is_model = bool({"config.json", "adapter_config.json"} & set(names)) or _is_bare(folder)
    if not is_model or not any(map(_WEIGHTS.fullmatch, names)):
        raise OutputError(
            f"{out} is not empty and not a model folder, so it is not replaced: {_listed(foreign or names)} would be lost. "
            "Choose another name."
        )
    if foreign:
        raise OutputError(
            f"{out} contains files that are not part of a model, so it is not replaced: {_listed(foreign)} would be lost. "
            "Move them elsewhere, or choose another name."
        )


def _is_bare(folder: Path) -> bool:
    """Whether a folder is a merge of bare weights, by the list of its checksums."""
    try:
        return os.path.lexists(folder / MANIFEST) and read_model_json(folder / MANIFEST).get(BARE) is True
    except CheckpointError:
        return False


def _protection(place: Path) -> str | None:
    """Why a folder is never replaced, in words; None if it may be."""
    if place == place.parent:
        return "the root of the file system"
    if os.path.ismount(place):
        return "a mount point"
    status = os.stat(place)
    for name, what in (("working", _working_directory()), ("home", Path.home())):
        around = [] if what is None else [what, *what.parents]
        same = [folder for folder in around if _is(folder, status)]  # a bind mount has another name
        if same:
            return f"the {name} directory" if same[0] == what else f"a parent of the {name} directory"
    if any(os.path.lexists(place / name) for name in _REPOSITORIES):
        return "the root of a repository"
    return None


def _working_directory() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it was removed
        return None


def _is(folder: Path, status: os.stat_result) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.stat(folder), status)
    return False


def _foreign_names(folder: Path) -> Iterator[str]:
    """Names in a folder that are not part of a model; folders end with a slash."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not _is_part(Path(entry.path)):
                    yield f"{entry.name}/"
            elif not (_is_model_file(entry.name) and (entry.is_file(follow_symlinks=False) or entry.is_symlink())):
                yield entry.name


def _is_model_file(name: str) -> bool:
    return bool(_WEIGHTS.fullmatch(name) or _BESIDE.fullmatch(name)) or is_companion(name)


def _is_part(folder: Path) -> bool:
    """Whether models have such a subfolder: Meta's ``original``, settings of a module, or metadata of downloads."""
    if is_module_folder(folder):
        return True
    if folder.name == "original":
        return not any(_foreign_names(folder))
    if folder.name == ".cache" and os.listdir(folder) == ["huggingface"]:
        return all(_DOWNLOADS.fullmatch(name) for _, _, names in os.walk(folder) for name in names)
    return False


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"{name:.80}" for name in names[:_SHOWN]) + more
