"""The output folder: built next to its final path, and renamed when it is complete."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from nbmerge.engine.compute.arithmetic import RECORD, arithmetic
from nbmerge.engine.output import lease
from nbmerge.engine.output.commit import beside, put_in_place, reserved
from nbmerge.engine.output.companions import companion_names, module_files, weighted_modules
from nbmerge.engine.output.model_card import card
from nbmerge.engine.output.model_folder import BARE, refuse_foreign, refuse_protected
from nbmerge.engine.output.model_folder import MANIFEST as MANIFEST
from nbmerge.engine.output.unfinished import find_unfinished
from nbmerge.engine.output.weights_file import is_one_file, may_take_file
from nbmerge.engine.planning.plans import Plan
from nbmerge.errors import RESUME, CheckpointError, MergeError, NbmergeError, OutputError, advice
from nbmerge.guarded_files import LARGEST_COPY, check_model_file, copy_model_file
from nbmerge.problems import Problem
from nbmerge.recipe import RECIPE_FILE
from nbmerge.sizes import human

TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model",
    "vocab.json", "merges.txt", "vocab.txt", "spiece.model", "sentencepiece.bpe.model", "chat_template.jinja",
    "chat_template.json", "generation_config.json", "preprocessor_config.json", "processor_config.json",
)  # fmt: skip
"""Files that are copied unchanged from the model that provides the config."""

LONGEST_NAME = 220
"""Maximum bytes of a folder's name: 255, less what the names of unfinished folders add."""
RESERVE = 1_000_000
"""Bytes needed besides the weights: config, tokenizer, card."""


def absolute(out: str | Path) -> Path:
    """The absolute path, with ~ expanded.

    Raises
    ------
    OutputError
        When it cannot be a path on this machine: an unknown home directory, a NUL character, a name that is too long.
    """
    try:
        path = Path(out).expanduser().absolute()
        if ".." in path.parts:  # unfinished folders lie next to the real path
            path = path.resolve() if path.name == ".." else path.parent.resolve() / path.name
        if not path.name:
            refuse_protected(path)
        path.with_name(f".{path.name}.nbmerge-replaced").exists()
    except (RuntimeError, OSError, ValueError) as error:
        if isinstance(error, NbmergeError):
            raise
        raise OutputError(
            f"cannot write to '{out!s:.200}': {getattr(error, 'strerror', None) or error}. Choose another folder."
        ) from error
    if "\0" in str(path):
        raise OutputError(f"{str(path)!r:.200} contains a NUL character. Choose another name.")
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        raise OutputError(f"the folder name '{path.name[:60]}...' is too long. Choose a shorter one.")
    return path


def check_output(plan: Plan, out: Path, overwrite: bool) -> None:
    """Refuse an output folder that cannot or must not be written.

    Raises
    ------
    OutputError, CheckpointError
        Before anything is created.
    """
    for error in unsafe_side_files(plan):
        raise error
    check_place(
        plan, out, overwrite, plan.bytes_written, "Free some space, choose another disk, or set a smaller dtype."
    )


def check_place(plan: Plan, out: Path, overwrite: bool, nbytes: int, advice_on_space: str) -> None:
    """Refuse a folder that cannot take a result of some size, or overlaps the models of a plan.

    Raises
    ------
    OutputError
        Before anything is created.
    """
    places = {c.path for c in plan.checkpoints.values()}
    if plan.bare:
        _refuse_inputs({*places, *plan.files}, out)
        return check_place_beside((), out, overwrite, nbytes, advice_on_space, is_one_file(plan, out))
    return check_place_beside({f.parent for f in plan.files} | places, out, overwrite, nbytes, advice_on_space)


def _refuse_inputs(files: Iterable[Path], out: Path) -> None:
    """Refuse an output that would replace files of bare weights; it may lie beside them."""
    place = out.resolve()
    for file in files:
        if place == file or place in file.parents:
            raise OutputError(f"{out} is, or contains, the input {file}. Choose another name.")


def check_place_beside(
    inputs: Iterable[Path], out: Path, overwrite: bool, nbytes: int, advice_on_space: str, one_file: bool = False
) -> None:
    """Refuse a folder, or a file, that cannot take a result of some size, or overlaps the folders of its inputs.

    Raises
    ------
    OutputError
        Before anything is created.
    """
    place = out.resolve()
    for path in inputs:
        if place == path or place in path.parents or path in place.parents:
            raise OutputError(f"{out} overlaps the input model {path}. Choose a folder outside it.")
    try:
        (may_take_file if one_file else _may_take)(out, overwrite)
        parent = next(p for p in place.parents if p.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            kind = "writable" if parent.is_dir() else "a folder"
            raise OutputError(f"cannot create {out}: {parent} is not {kind}. Choose another folder.")
        kept = find_unfinished(out)  # the next run resumes or removes it
        free, needed = shutil.disk_usage(parent).free, nbytes + RESERVE
        if free < needed and free + (kept.bytes if kept is not None else 0) < needed:
            raise OutputError(
                f"not enough disk space for {out}: the result needs {human(needed)} and {human(free)} are free. "
                f"{advice_on_space}"
            )
    except OSError as error:
        if isinstance(error, NbmergeError):
            raise
        raise OutputError(f"cannot write to {out}: {advice(error)}") from error


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


@contextmanager
def building(out: Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield a folder to build in, and rename it to `out` at the end.

    There is never anything incomplete at `out`, and a second merge into it is refused. What an unfinished merge built stays
    next to it, for the next run to resume. What appears at `out` in the meantime is replaced with `overwrite` only.
    """
    try:
        with reserved(out) as partial:
            _may_take(out, overwrite)
            yield partial
            (partial / lease.FILE).unlink(missing_ok=True)  # a coordinator that was killed leaves its lease
            _may_take(out, overwrite)
            put_in_place(partial, out, refuse_foreign)
            with suppress(OSError):  # one that stays does no harm
                beside(out, "journal").unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, NbmergeError):
            raise
        raise MergeError(f"cannot write to {out}: {advice(error)} {RESUME}") from error


def clear(folder: Path, keep: Collection[str] = ()) -> None:
    """Remove everything from a folder except the files with these names."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name not in keep or not path.is_file() or path.is_symlink() or path.stat().st_nlink > 1:
            path.unlink()  # a hard link may be a backup, which writing on would change


def write_companions(plan: Plan, folder: Path, checksums: Mapping[str, str]) -> None:
    """Write everything but the weights: config, tokenizer, generation config, card, recipe and checksums.

    Bare weights get the last three.
    """
    if not plan.bare:
        write_tokenizer(plan, folder)
        (folder / "config.json").write_text(json.dumps(plan.config, indent=2) + "\n", encoding="utf-8")
    (folder / RECIPE_FILE).write_text(plan.recipe.to_yaml(), encoding="utf-8")
    (folder / "README.md").write_text(card(plan), encoding="utf-8")
    more: dict[str, Any] = {"fingerprint": plan.recipe.fingerprint}
    write_manifest(folder, checksums, arithmetic(plan.tensors), more | ({BARE: True} if plan.bare else {}))


def write_manifest(
    folder: Path, checksums: Mapping[str, str], rounding: Mapping[str, str] | None = None, more: Mapping[str, Any] | None = None
) -> None:  # fmt: skip
    """Write the checksums of all tensors, for `nbmerge verify`, and how they were rounded (default: by torch's libraries)."""
    record = dict(arithmetic() if rounding is None else rounding)
    manifest = {**(more or {}), RECORD: record, "checksum": "xxh3_64", "tensors": dict(checksums)}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def write_tokenizer(plan: Plan, folder: Path) -> None:
    """Write the merged model's tokenizer and generation config: copies of one model's files, or a merged tokenizer."""
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
    """Files of the models that are copied into the merged model: tokenizer, templates, generation config.

    Names of special files, such as pipes, are listed as well; `unsafe_side_files` reports them.
    """
    if plan.bare:
        return []
    made = plan.tokenizer.side_files if plan.tokenizer is not None else []
    return [*made, *_companions(plan), *module_files(plan.checkpoints[plan.donor].path)]


def _companions(plan: Plan) -> list[Path]:
    """The files that are copied unchanged from the model that provides the config."""
    donor, has_own = plan.checkpoints[plan.donor].path, plan.tokenizer is not None
    names = [] if has_own else [name for name in TOKENIZER_FILES if os.path.lexists(donor / name)]
    return [donor / name for name in dict.fromkeys([*names, *companion_names(donor, tokens=not has_own)])]


def modules_left_behind(plan: Plan) -> list[Problem]:
    """Warnings of modules of sentence-transformers that have weights, which the result lacks."""
    if plan.bare:
        return []
    label = plan.labels[plan.donor]
    return [
        Problem(
            "warning", (), f"{name} of {label} is a module of sentence-transformers with weights of its own. The result "
            "gets its settings and not its weights, so sentence-transformers cannot load it.",
            f"Copy the weights in {name} of {label} into {name} of the result, if they suit the merged model.",
        )
        for name in weighted_modules(plan.checkpoints[plan.donor].path)
    ]  # fmt: skip


def unsafe_side_files(plan: Plan) -> list[CheckpointError]:
    """Errors for side files that must not be copied: links out of their folder, special files, or files that are too large."""
    errors = []
    for file in side_files(plan):
        try:
            check_model_file(file, LARGEST_COPY)
        except CheckpointError as error:
            errors.append(error)
    return errors
