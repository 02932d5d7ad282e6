"""The output folder: built beside its final place, renamed when complete."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from nbmerge.engine.compute.arithmetic import RECORD, arithmetic
from nbmerge.engine.output import lease
from nbmerge.engine.output.commit import beside, put_in_place, reserved
from nbmerge.engine.output.companions import companion_names, module_files
from nbmerge.engine.output.model_card import card
from nbmerge.engine.output.model_folder import refuse_foreign, refuse_protected
from nbmerge.engine.planning.plans import Plan
from nbmerge.errors import CheckpointError, MergeError, NbmergeError, OutputError, advice
from nbmerge.guarded_files import LARGEST_COPY, check_model_file, copy_model_file
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
        if ".." in path.parts:  # what is built beside a folder lies beside its real name
            path = path.resolve() if path.name == ".." else path.parent.resolve() / path.name
        if not path.name:
            refuse_protected(path)
        path.with_name(f".{path.name}.nbmerge-replaced").exists()
    except (RuntimeError, OSError, ValueError) as error:
        if isinstance(error, NbmergeError):
            raise
        raise OutputError(
            f"'{out!s:.200}' cannot be written here: {getattr(error, 'strerror', None) or error}. Choose another place."
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
    OutputError, CheckpointError
        Before anything is created.
    """
    place = out.resolve()
    for path in {leaf.file.parent for t in plan.tensors for leaf in t.leaves()} | {
        c.path for c in plan.checkpoints.values()
    }:
        if place == path or place in path.parents or path in place.parents:
            raise OutputError(f"{out} is, holds or lies in the input {path}. Choose another folder.")
    for error in unsafe_side_files(plan):
        raise error
    try:
        _may_take(out, overwrite)
        parent = next(p for p in place.parents if p.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            raise OutputError(f"{out} cannot be created: {parent} is not a folder that you may write to.")
        free, needed = shutil.disk_usage(parent).free, plan.bytes_written + RESERVE
        if free < needed and free + _taken(beside(out, "partial")) < needed:
            raise OutputError(
                f"the disk of {out} has {free / 1e9:,.2f} GB free and the result needs {needed / 1e9:,.2f} GB. "
                "Free some space, choose another disk, or a shorter dtype."
            )
    except OSError as error:
        if isinstance(error, NbmergeError):
            raise
        raise OutputError(f"{out} cannot be written: {advice(error)}") from error


def _may_take(out: Path, overwrite: bool) -> None:
    """Whether the name is free, or what is there may be replaced."""
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise OutputError(f"{out} exists and is not a folder. Choose another name.")
    refuse_protected(out)
    if not out.is_dir() or not any(out.iterdir()):
        return
    refuse_foreign(out)
    if not overwrite:
        raise OutputError(
            f"{out} exists and is not empty. Choose another name, or pass overwrite=True (--overwrite) to replace it."
        )


def _taken(partial: Path) -> int:
    """Bytes on disk of what an unfinished merge has left, which the next run goes on with or removes."""
    if not partial.is_dir():
        return 0
    return sum(getattr(f.stat(), "st_blocks", 0) * 512 for f in partial.iterdir() if f.is_file())


@contextmanager
def building(out: Path, overwrite: bool = False) -> Iterator[Path]:
    """A folder to build in that takes the name `out` at the end.

    The name never stands for something incomplete, and a second merge into the same place is refused. What an unfinished
    merge has built stays beside it, for the next run to go on from. What appears under the name meanwhile is not replaced,
    unless `overwrite` says so.
    """
    try:
        with reserved(out) as partial:
            _may_take(out, overwrite)
            yield partial
            (partial / lease.FILE).unlink(missing_ok=True)  # a lead that was killed leaves its lease
            _may_take(out, overwrite)
            put_in_place(partial, out, refuse_foreign)
            with suppress(OSError):  # one that stays does no harm
                beside(out, "journal").unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, NbmergeError):
            raise
        raise MergeError(f"{out} could not be written: {advice(error)}") from error


def clear(folder: Path, keep: Collection[str] = ()) -> None:
    """Remove everything from a folder but the files of these names."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in keep or not path.is_file() or path.is_symlink() or path.stat().st_nlink > 1:
            path.unlink()  # a hard link is somebody's copy, and writing on would change it


def write_companions(plan: Plan, folder: Path, checksums: Mapping[str, str]) -> None:
    """Everything but the weights: config, tokenizer, generation config, card, recipe and checksums."""
    write_tokenizer(plan, folder)
    (folder / "config.json").write_text(json.dumps(plan.config, indent=2) + "\n", encoding="utf-8")
    (folder / RECIPE_FILE).write_text(plan.recipe.to_yaml(), encoding="utf-8")
    (folder / "README.md").write_text(card(plan), encoding="utf-8")
    manifest = {
        "fingerprint": plan.recipe.fingerprint, RECORD: arithmetic(), "checksum": "xxh3_64", "tensors": dict(checksums)
    }  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def write_tokenizer(plan: Plan, folder: Path) -> None:
    """The result's tokenizer and generation config: the donor's files, or what the plan makes of several."""
    donor = plan.checkpoints[plan.donor].path
    modules = module_files(donor)
    for file in _companions(plan):
        copy_model_file(file, folder / file.name)
    for file in modules:
        target = folder / file.relative_to(donor)
        target.parent.mkdir(exist_ok=True)
        copy_model_file(file, target)
    if plan.tokenizer is not None:
        plan.tokenizer.write(folder)


def side_files(plan: Plan) -> list[Path]:
    """Files of model folders that go into the result, unchanged or nearly so: tokenizer, templates, generation config.

    Names of what is not a file, such as a pipe, are listed as well; `unsafe_side_files` says what is wrong with them.
    """
    made = plan.tokenizer.side_files if plan.tokenizer is not None else []
    return [*made, *_companions(plan), *module_files(plan.checkpoints[plan.donor].path)]


def _companions(plan: Plan) -> list[Path]:
    """The donor's files that are copied as they are, into the same place."""
    donor, made = plan.checkpoints[plan.donor].path, plan.tokenizer is not None
    names = [] if made else [name for name in TOKENIZER_FILES if os.path.lexists(donor / name)]
    return [donor / name for name in dict.fromkeys([*names, *companion_names(donor, tokens=not made)])]


def unsafe_side_files(plan: Plan) -> list[CheckpointError]:
    """What forbids to take over side files: those that are links out of their folder, not files, or too large."""
    found = []
    for file in side_files(plan):
        try:
            check_model_file(file, LARGEST_COPY)
        except CheckpointError as error:
            found.append(error)
    return found
