"""Own presets in one file that people can read, edit and share: a mapping of names to curves.

.. code-block:: yaml

    early layers: {0%: 0.8, 40%: 0.2, 100%: 0}
    my ramp: [0.2, 0.6, 0.9]

A list is spread evenly over the layers; a mapping names places between the first layer (0 %) and the last (100 %).
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from platformdirs import user_config_path

from nbmerge.curves.presets import PRESETS, Point, Preset
from nbmerge.errors import ArgumentError, OutputError, RecipeError, advice
from nbmerge.problems import Problem
from nbmerge.recipe.readers.recipe_text import read_file
from nbmerge.recipe.yaml_text import dump_flow, line_of, parse_yaml
from nbmerge.whole_files import write_whole

HEAD = "# Curves of nbmerge. A list is spread evenly over the layers; a mapping names places from 0% to 100% of them.\n"
MOST_PRESETS = 1_000
MOST_POINTS = 1_000
LONGEST_NAME = 60
PATIENCE = 5.0
"""Seconds to wait while another program writes the file."""
_NAME = re.compile(r"[^\W_][\w .,+()%-]*")
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s*%")


def preset_path() -> Path:
    """Where own presets are: the path in ``NBMERGE_PRESETS``, else ``presets.yml`` in the user's folder for settings."""
    chosen = os.environ.get("NBMERGE_PRESETS")
    return Path(chosen).expanduser() if chosen else user_config_path("nbmerge") / "presets.yml"


def list_presets(path: Path | None = None) -> dict[str, Preset]:
    """All presets by name: those that everyone has, then the user's own.

    Parameters
    ----------
    path : Path, optional
        Default `preset_path`.

    Raises
    ------
    RecipeError
        When the file cannot be read, with the line. It is never overwritten then.
    """
    return {**PRESETS, **_read_file(path or preset_path())}


def save_preset(preset: Preset, path: Path | None = None, replace: bool = False) -> None:
    """Add a preset to the user's own.

    Parameters
    ----------
    preset : Preset
        Such as one of `preset_of_knots`.
    path : Path, optional
        Default `preset_path`.
    replace : bool
        Whether it may take the place of an own one of the same name.

    Raises
    ------
    ArgumentError
        When the name is taken or not a name.
    RecipeError
        When the file is damaged.
    OutputError
        When it cannot be written.
    """
    _change({preset.name: preset}, path or preset_path(), replace)


def delete_preset(name: str, path: Path | None = None) -> None:
    """Delete an own preset."""
    place = path or preset_path()
    with _locked(place):
        presets = _read_file(place)
        if name not in presets:
            raise ArgumentError(f"there is no preset of your own named '{name}'.")
        del presets[name]
        write_whole(place, export_presets(presets.values()).encode())


def export_presets(presets: Iterable[Preset]) -> str:
    """Presets as a text that `import_presets` reads, to be shared."""
    chosen = {check_name(p.name): p for p in presets}
    return HEAD + "".join(f"{dump_flow(name)}: {dump_flow(_plain(p))}\n" for name, p in chosen.items())


def import_presets(text: str, path: Path | None = None, replace: bool = False) -> list[str]:
    """Add the presets of a text to the user's own, all or none of them; returns their names.

    Raises
    ------
    RecipeError
        With the line of what cannot be read.
    ArgumentError
        When a name is taken, unless `replace`.
    """
    presets = parse_presets(text)
    _change(presets, path or preset_path(), replace)
    return list(presets)


def read_presets_text(path: Path | None = None) -> str:
    """The user's own presets as text, to be edited or shared."""
    return export_presets(_read_file(path or preset_path()).values())


def write_presets_text(text: str, path: Path | None = None) -> None:
    """Make the presets of a text the user's own, instead of those that are there.

    Raises
    ------
    RecipeError, ArgumentError
        When the text cannot be read or has a name that is taken; then nothing changes.
    """
    place = path or preset_path()
    presets = parse_presets(text)
    _refuse_common(presets)
    with _locked(place):
        _read_file(place)  # a damaged file stays
        write_whole(place, export_presets(presets.values()).encode())


def parse_presets(text: str) -> dict[str, Preset]:
    """Read presets from a text; nothing is saved."""
    documents = parse_yaml(text)
    if not documents or documents[0][0] is None:
        return {}
    data, lines = documents[0]
    if len(documents) > 1 or not isinstance(data, Mapping):
        raise RecipeError([Problem("error", (), "presets are one mapping of names to curves.", "Write ramp: [0, 1].")])
    if len(data) > MOST_PRESETS:
        raise RecipeError([Problem("error", (), f"{len(data):,} presets are too many (at most {MOST_PRESETS:,}).")])
    presets, problems = {}, []
    for name, raw in data.items():
        try:
            presets[name] = Preset(check_name(name), "your own", _parse_points(raw), own=True)
        except ValueError as error:
            problems.append(Problem("error", (name,), str(error), line=line_of((name,), lines)))
    if problems:
        raise RecipeError(problems)
    return presets


def check_name(name: str) -> str:
    """The name of a preset, if it is one.

    Raises
    ------
    ArgumentError
        When it is empty, too long, or has signs other than letters, digits and a few others.
    """
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name) or name != name.strip():
        what = f"'{name[:LONGEST_NAME]}' is not a name for a preset"
        raise ArgumentError(f"{what}: use up to {LONGEST_NAME} letters, digits, spaces and . , + - _ ( ) %.")
    return name


def _parse_points(raw: Any) -> tuple[Point, ...]:
    if isinstance(raw, list | int | float) and not isinstance(raw, bool):
        values = raw if isinstance(raw, list) else [raw]
        last = max(len(values) - 1, 1)
        points = [(i / last, v) for i, v in enumerate(values)]
    elif isinstance(raw, Mapping):
        points = sorted((_parse_place(key), value) for key, value in raw.items())
    else:
        raise ValueError("a curve is a list such as [0, 1] or a mapping such as {0%: 0.2, 100%: 0.8}.")
    if not 1 <= len(points) <= MOST_POINTS:
        raise ValueError(f"a curve has 1 to {MOST_POINTS:,} points, not {len(points):,}.")
    for _, value in points:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{value!r:.60} is not a number.")
    return tuple((float(x), float(v)) for x, v in points)


def _parse_place(key: str) -> float:
    match = _PERCENT.fullmatch(str(key).strip())
    if match is None or float(match[1]) > 100:
        raise ValueError(f"'{key!s:.60}' is not a place between 0% and 100%.")
    return float(match[1]) / 100


def _plain(preset: Preset) -> Any:
    values = [int(v) if v.is_integer() else v for v in (float(v) for _, v in preset.points)]
    if preset.is_even:
        return values
    return {f"{100 * x:.6g}%": v for (x, _), v in zip(preset.points, values, strict=True)}


# --- the file ---


def _read_file(path: Path) -> dict[str, Preset]:
    try:
        now = path.stat()
    except OSError:
        return {}
    return dict(_read_version(path, now.st_mtime_ns, now.st_size, now.st_ino))


@lru_cache(maxsize=4)
def _read_version(path: Path, *version: int) -> dict[str, Preset]:
    """Presets of a file that was not written since: panels ask for them with every change."""
    try:
        return parse_presets(read_file(path.resolve()))
    except RecipeError as error:
        how = "Correct it in an editor, or move it away; it is not changed until then."
        problems = [
            Problem("error", p.where, f"{path} cannot be read: {p.what}", f"{p.how} {how}".strip(), p.line)
            for p in error.problems
        ]
        raise RecipeError(problems) from error


def _change(presets: Mapping[str, Preset], path: Path, replace: bool) -> None:
    _refuse_common(presets)
    with _locked(path):
        known = _read_file(path)
        if taken := [name for name in presets if name in known and not replace]:
            raise ArgumentError(f"you have a preset named '{taken[0]}' already. Choose another name, or replace it.")
        write_whole(path, export_presets({**known, **presets}.values()).encode())


def _refuse_common(presets: Iterable[str]) -> None:
    for name in presets:
        if check_name(name) in PRESETS:
            raise ArgumentError(f"'{name}' is the name of a preset that everyone has. Choose another one.")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=PATIENCE):
            yield
    except Timeout as error:
        raise OutputError(f"{path} is being written by another program. Try again.") from error
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"cannot write {path}: {advice(error)}") from error
