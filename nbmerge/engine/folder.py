"""The output folder: built beside its final place, renamed when complete."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from nbmerge.engine import journal
from nbmerge.engine.card import card
from nbmerge.engine.plan import Plan
from nbmerge.engine.positioned import sync
from nbmerge.errors import MergeError, NbmergeError, OutputError
from nbmerge.recipe import RECIPE_FILE

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model",
    "vocab.json", "merges.txt", "vocab.txt", "spiece.model", "sentencepiece.bpe.model", "chat_template.jinja",
    "chat_template.json", "generation_config.json", "preprocessor_config.json", "processor_config.json",
)  # fmt: skip
"""Files taken from the donor as they are."""

LONGEST_NAME = 220
"""Bytes of a folder's name: 255 less what the names of unfinished folders add."""
MANIFEST = "nbmerge_checksums.json"
"""A checksum for every tensor, for `nbmerge verify`."""
RESERVE = 1_000_000
"""Bytes beside the weights: config, tokenizer, card."""


def absolute(out: str | Path) -> Path:
    """The path in full, with ~ resolved.

    Raises
    ------
    OutputError
        When it cannot be a path here: the home of nobody, a NUL character, a name too long to build beside.
    """
    try:
        path = Path(out).expanduser().absolute()
        path.with_name(f".{path.name}.nbmerge-replaced").exists()
    except (RuntimeError, OSError, ValueError) as error:
        raise OutputError(
            f"'{out!s:.200}' cannot be written here: {getattr(error, 'strerror', None) or error}."
        ) from error
    if "\0" in str(path):
        raise OutputError(f"{str(path)!r:.200} holds a NUL character. Choose another name.")
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        raise OutputError(f"'{path.name[:60]}...' is too long a name for a folder. Choose a shorter one.")
    return path


def check_output(plan: Plan, out: Path, overwrite: bool) -> None:
    """Refuse an output folder that cannot or must not be written.

    Raises
    ------
    OutputError
        Before anything is created.
    """
    place = out.resolve()
    for path in {leaf.file.parent for t in plan.tensors for leaf in t.leaves()} | {
        c.path for c in plan.checkpoints.values()
    }:
        if place == path or place in path.parents or path in place.parents:
            raise OutputError(f"{out} is, holds or lies in the input {path}. Choose another folder.")
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise OutputError(f"{out} exists and is not a folder. Choose another name.")
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise OutputError(
            f"{out} exists and is not empty. Choose another name, or pass overwrite=True (--overwrite) to replace it."
        )
    if out.is_dir() and any(out.iterdir()) and not (out / "config.json").is_file():
        raise OutputError(f"{out} is not a model folder, so it is not replaced. Choose another name.")
    parent = next(p for p in place.parents if p.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"{out} cannot be created: {parent} is not a folder that you may write to.")
    free, needed = shutil.disk_usage(parent).free, plan.bytes_written + RESERVE
    if free < needed:
        raise OutputError(
            f"the disk of {out} has {free / 1e9:,.2f} GB free and the result needs {needed / 1e9:,.2f} GB. "
            "Free some space, choose another disk, or a shorter dtype."
        )


@contextmanager
def building(out: Path) -> Iterator[Path]:
    """A folder to build in that takes the name `out` at the end.

    The name never stands for something incomplete, and a second merge into the same place is refused. What an unfinished
    merge has built stays beside it, for the next run to go on from.
    """
    partial = out.with_name(f".{out.name}.nbmerge-partial")
    try:
        with _lock(out).acquire(timeout=0):
            out.parent.mkdir(parents=True, exist_ok=True)
            partial.mkdir(exist_ok=True)
            yield partial
            _put_in_place(partial, out)
    except Timeout as error:
        raise OutputError(f"another merge is writing {out}. Wait for it, or choose another name.") from error
    except OSError as error:
        if isinstance(error, NbmergeError):
            raise
        raise MergeError(f"{out} could not be written: {error.strerror or error}.") from error


def clear(folder: Path) -> None:
    """Empty a folder."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _lock(out: Path) -> FileLock:
    """A lock for one output on this machine. Its file is never removed: removing it could free what another holds."""
    folder = Path(tempfile.gettempdir()) / f"nbmerge-locks-{getattr(os, 'getuid', lambda: 0)()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return FileLock(folder / f"{hashlib.sha256(os.fsencode(out.resolve())).hexdigest()[:32]}.lock")


def write_companions(plan: Plan, folder: Path, checksums: Mapping[str, str]) -> None:
    """Everything but the weights: config, tokenizer, generation config, card, recipe and checksums."""
    write_tokenizer(plan, folder)
    (folder / "config.json").write_text(json.dumps(plan.config, indent=2) + "\n", encoding="utf-8")
    (folder / RECIPE_FILE).write_text(plan.recipe.to_yaml(), encoding="utf-8")
    (folder / "README.md").write_text(card(plan), encoding="utf-8")
    manifest = {"fingerprint": plan.recipe.fingerprint, "checksum": "xxh3_64", "tensors": dict(checksums)}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def write_tokenizer(plan: Plan, folder: Path) -> None:
    """The result's tokenizer and generation config: the donor's files, or what the plan makes of several."""
    if plan.tokenizer is not None:
        plan.tokenizer.write(folder)
        return
    donor = plan.checkpoints[plan.donor].path
    for name in TOKENIZER_FILES:
        if (donor / name).is_file():
            shutil.copyfile(donor / name, folder / name)


def _put_in_place(partial: Path, out: Path) -> None:
    (partial / journal.FILE).unlink(missing_ok=True)
    for path in partial.iterdir():
        sync(path)
    sync(partial)
    old = out.with_name(f".{out.name}.nbmerge-replaced")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    try:
        partial.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise
    sync(out.parent)
    shutil.rmtree(old, ignore_errors=True)
