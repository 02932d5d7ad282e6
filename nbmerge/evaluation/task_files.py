"""Tasks in files of one's own: where they are, and the data beside them."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import yaml

from nbmerge.errors import ArgumentError

SUFFIXES = (".yaml", ".yml")


def read_task(task: Any, folders: Sequence[Path] = ()) -> tuple[Any, Path | None]:
    """A task as the harness takes it, and the folder in which the harness must look for it.

    A file that is plain YAML becomes a mapping, in which data files are relative to the file. One that names functions or includes
    other files is left to the harness, which finds it by its name in its folder.

    Parameters
    ----------
    task : str, path or mapping
        The name of a task, a YAML file, or what such a file has.
    folders : sequence of Path
        Where a name is looked for first.

    Raises
    ------
    ArgumentError
        When a file cannot be read or is not a task.
    """
    if not isinstance(task, str | PathLike):
        return task, None
    path = Path(task)
    if path.suffix not in SUFFIXES:
        file = _find_file(str(task), folders)
        return (str(task), None) if file is None else read_task(file)
    if not path.is_file():
        raise ArgumentError(f"There is no file {path}. Pass the YAML file of a task, or the name of a task.")
    try:
        text = path.read_text(encoding="utf-8")
        found = yaml.safe_load(text)
    except yaml.constructor.ConstructorError:  # `!function` and the like, which the harness understands
        return _find_name(text, path), path.parent
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ArgumentError(f"{path} cannot be read as a task: {error}.") from error
    if not isinstance(found, dict) or "task" not in found:
        raise ArgumentError(f"{path} is not a task: it is a mapping with the key 'task', its name.")
    if "include" in found or not isinstance(found["task"], str):
        return _find_name(text, path), path.parent
    return _with_data(found, path.parent), None


def _find_file(name: str, folders: Sequence[Path]) -> Path | None:
    """The file of a task in some folders."""
    for file in (file for folder in folders for suffix in SUFFIXES for file in sorted(folder.rglob(f"*{suffix}"))):
        try:
            if file.is_file() and name == _read_key(file.read_text(encoding="utf-8"), "task:"):
                return file
        except (OSError, UnicodeDecodeError):
            continue  # not a task
    return None


def _read_key(text: str, key: str) -> str:
    """What a line at the left edge of a YAML file says, with tags elsewhere that only the harness can read."""
    lines = (line for line in text.splitlines() if line.startswith(key))
    return next(filter(None, (line[len(key) :].split("#")[0].strip(" \"'") for line in lines)), "")


def _find_name(text: str, path: Path) -> str:
    """The name of a task or a group."""
    if name := _read_key(text, "task:") or _read_key(text, "group:"):
        return name
    raise ArgumentError(f"{path} is not a task: it has no key 'task'.")


def _with_data(found: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The same task with data files beside it by their whole paths.

    Raises
    ------
    ArgumentError
        When one is not there.
    """
    options = found.get("dataset_kwargs")
    if not isinstance(options, dict) or "data_files" not in options:
        return found

    def resolve(entry: Any) -> Any:
        if isinstance(entry, dict):
            return {key: resolve(value) for key, value in entry.items()}
        if isinstance(entry, list):
            return [resolve(value) for value in entry]
        if "://" in str(entry):
            return entry
        file = folder / str(entry)
        if not any(character in file.name for character in "*?[") and not file.is_file():
            raise ArgumentError(f"The data of the task {found['task']!r} are missing: there is no file {file}.")
        return str(file.absolute())

    return {**found, "dataset_kwargs": {**options, "data_files": resolve(options["data_files"])}}
