"""What a page contains, as plain data: the recipe, its curves, the sums, and what was recorded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import nbmerge
from nbmerge.checkpoints import GROUPS
from nbmerge.curves import PRESETS, Track, list_tracks
from nbmerge.curves.columns import Column, list_columns, mean_of, name_group, read_columns
from nbmerge.engine.planning import Plan
from nbmerge.pages.places import Places
from nbmerge.pages.sums import encode_changes, encode_gram, explain_stillness, gather_rows, trace_inputs
from nbmerge.palette import label_colours
from nbmerge.problems import Problem
from nbmerge.recipe import Recipe
from nbmerge.recipe.writers import write_plainly
from nbmerge.statistics import Changes, Statistics
from nbmerge.statistics.distances import KINDS

Texts = Mapping[str, Mapping[str, str]]
"""For each model by name, what follows each prompt."""


@dataclass(frozen=True)
class Records:
    """What was recorded with a recipe.

    Parameters
    ----------
    samples : mapping of str to mapping of str to str
        For each model by name, what follows each prompt.
    scores : mapping of str to mapping of str to float
        For each model or pinned merge by name, its scores.
    pins : mapping of str to Plan
        Other recipes whose curves are shown beside those of the recipe.
    """

    samples: Texts = field(default_factory=dict)
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    pins: Mapping[str, Plan] = field(default_factory=dict)


def describe_page(
    plan: Plan, known: Statistics | Changes | None, records: Records, title: str = "", text: str | None = None
) -> dict[str, Any]:
    """The data of a page.

    Parameters
    ----------
    plan : Plan
    known : Statistics or Changes or None
        Of the plan's models, or how far its merge has moved.
    records : Records
    title : str
    text : str, optional
        The recipe as it was written; default its YAML.
    """
    places, statistics = Places(plan), known if isinstance(known, Statistics) else None
    found = trace_inputs(plan, statistics)
    still = explain_stillness(plan, bool(places.tracks), found)
    rows = gather_rows(plan, places, None if still else statistics, found)
    columns = list_columns(plan)
    return {
        "title": title or f"{plan.method.title} of {_join(_name_inputs(plan))}", "version": nbmerge.__version__,
        "method": {"name": plan.method.name, "title": plan.method.title},
        "still": still, "locked": _explain_lock(plan, places),
        "columns": [{"name": c.name, "label": c.label, "layer": c.layer, "role": c.role} for c in columns],
        "depth": plan.depth, "parents": [{"label": p, "colour": _colours(plan)[p]} for p in plan.parents],
        "kinds": [{"key": k, "label": name_group(plan, k) if k in GROUPS else k} for k in KINDS],
        "groups": places.groups, "texts": places.texts, "stable": places.stable,
        "slices": _describe_slices(plan), "mappings": len(set(plan.depths.values())) == 1,
        **_describe_tracks(plan, places),
        "places": places.table, "rows": rows.rows, "shared": rows.shared, "gram": encode_gram(rows),
        "recorded": _describe_recorded(plan, known) if still else None,
        "shapes": [{"name": p.name, "hint": p.help, "points": p.points} for p in PRESETS.values()],
        "recipe": _describe_recipe(plan.recipe, text),
        "problems": [_describe_problem(p) for p in (*plan.recipe.notes, *plan.problems)],
        **_describe_records(plan, columns, places.tracks, records),
    }  # fmt: skip


def _explain_lock(plan: Plan, places: Places) -> str:
    """Why curves cannot be changed in the page; empty where they can."""
    if plan.recipe.modules is not None:
        return "The curves of a recipe with modules can be changed in a notebook only."
    if not places.is_faithful():
        return "The curves of this recipe can be changed in a notebook only."
    return ""


def _describe_slices(plan: Plan) -> list[dict[str, int]]:
    starts = [sum(plan.piece_depths[:i]) for i in range(len(plan.piece_depths))]
    return [{"start": start, "depth": depth} for start, depth in zip(starts, plan.piece_depths, strict=True)]


def _describe_tracks(plan: Plan, places: Places) -> dict[str, Any]:
    parameters = {t.parameter.name: t.parameter for t in places.tracks}
    return {
        "parameters": [
            {"name": p.name, "help": p.help, "low": p.low, "high": p.high, "slider": p.slider}
            for p in parameters.values()
        ],
        "tracks": [_describe_track(plan, track) for track in places.tracks],
        "settings": [setting.plain() for setting in places.settings],
    }


def _describe_track(plan: Plan, track: Track) -> dict[str, Any]:
    label = plan.labels[track.model] if track.model is not None else track.parameter.name
    colours = _colours(plan)
    return {
        "parameter": track.parameter.name, "model": track.key[1], "title": track.title,
        "label": label, "colour": colours.get(label, next(iter(colours.values()))),
        "marks": [{"value": i, "text": end.partition(" = ")[2]} for i, end in enumerate(track.ends) if end],
    }  # fmt: skip


def _describe_recorded(plan: Plan, known: Statistics | Changes | None) -> dict[str, Any] | None:
    if isinstance(known, Statistics):
        known = known.predict(plan) if known.can_predict(plan) else None
    return None if known is None else encode_changes(known)


def _describe_records(
    plan: Plan, columns: Sequence[Column], tracks: Sequence[Track], records: Records
) -> dict[str, Any]:
    prompts = list(dict.fromkeys(prompt for texts in records.samples.values() for prompt in texts))
    colours = _colours(plan)
    names = list(dict.fromkeys(name for values in records.scores.values() for name in values))
    return {
        "pins": [_describe_pin(name, pinned, columns, tracks) for name, pinned in records.pins.items()],
        "samples": {
            "prompts": prompts,
            "models": [
                {"name": name, "colour": colours.get(name, ""), "texts": [texts.get(prompt) for prompt in prompts]}
                for name, texts in records.samples.items()
            ],
        },
        "scores": {
            "names": names,
            "models": [{"name": m, "values": [_finite(v.get(n)) for n in names]} for m, v in records.scores.items()],
        },
    }


def _finite(value: float | None) -> float | None:
    """A number that JSON has; None for one that is missing or not finite."""
    return float(value) if value is not None and math.isfinite(value) else None


def _describe_pin(name: str, plan: Plan, columns: Sequence[Column], tracks: Sequence[Track]) -> dict[str, Any]:
    """The curves of another recipe, for the tracks that it has too; none where its layers are others."""
    own = {t.key: t for t in list_tracks(plan)} if tuple(columns) == list_columns(plan) else {}
    lines = [
        [mean_of(v) for v in read_columns(plan, own[t.key], None, columns)] if t.key in own else None for t in tracks
    ]
    return {"name": name, "lines": lines}


def _describe_recipe(recipe: Recipe, text: str | None) -> dict[str, Any]:
    """Its text, that of merges which feed it, and its plain data."""
    written = write_plainly(recipe)
    before, separator, _ = written.rpartition("---\n") if recipe.merges else ("", "", "")
    plain = {key: value for key, value in recipe.plain().items() if key != "merges"}
    return {"text": written if text is None else text, "before": before + separator, "plain": listed(plain)}


def _describe_problem(problem: Problem) -> dict[str, str]:
    return {"severity": problem.severity, "text": str(problem)}


def _colours(plan: Plan) -> dict[str, str]:
    return plan.once("page colours", lambda: label_colours(plan.labels.values(), plan.base_label))


def _name_inputs(plan: Plan) -> list[str]:
    """Labels of the merged models; the base that differences are taken from is none of them."""
    return [label for label in plan.parents if label != plan.base_label] or list(plan.parents)


def _join(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def listed(data: Any) -> Any:
    """Plain data with mappings as lists of pairs: objects of JavaScript put keys that are numbers first."""
    if isinstance(data, Mapping):
        return {"map": [[str(key), listed(value)] for key, value in data.items()]}
    return [listed(entry) for entry in data] if isinstance(data, list | tuple) else data
