"""Where the values of tracks come from: rules of the recipe, and which of them each tensor's name matches.

A page has no names of tensors. It has, for each tensor and track, the slice, the position in it, and the texts of filters
that the name contains: that is all that rules depend on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from nbmerge.checkpoints import GROUPS
from nbmerge.curves import Track, list_tracks
from nbmerge.curves.cells import Cell, find_cells
from nbmerge.curves.deciding import list_parts
from nbmerge.curves.rules import find_filters
from nbmerge.engine.planning import ENDS, Plan
from nbmerge.problems import Where
from nbmerge.recipe import Rule, Setting
from nbmerge.recipe.layer_values import LayerValues


@dataclass(frozen=True)
class PlacedSetting:
    """The rules that decide one track in one slice.

    Parameters
    ----------
    track, slice : int
        Numbers of both.
    setting : Setting
        The last rule has no filter.
    paths : tuple of path
        Where in the recipe's plain data a change is written.
    """

    track: int
    slice: int
    setting: Setting
    paths: tuple[Where, ...]

    def plain(self) -> dict[str, Any]:
        """As the page has it."""
        rules = [{"filter": r.filter, "value": plain_value(r)} for r in self.setting.rules]
        return {"track": self.track, "slice": self.slice, "rules": rules, "paths": self.paths}


def plain_value(rule: Rule) -> Any:
    """A rule's value: a number, ``{"list": [...]}``, or ``{"layers": [[layer, value], ...]}``."""
    if isinstance(rule.value, LayerValues):
        return {"layers": rule.value.points}
    return {"list": rule.value} if isinstance(rule.value, tuple) else rule.value


@dataclass
class Places:
    """All tracks of a plan with their rules, and the place of every tensor.

    Parameters
    ----------
    plan : Plan

    Attributes
    ----------
    tracks : list of Track
    settings : list of PlacedSetting
    texts : list of str
        Filters of the recipe, and those that select groups and what is outside the layers.
    groups : list of str
        Groups of tensors in layers that texts can select for every track; the rest of a layer needs none.
    stable : list of int
        Numbers of the texts that do not name single layers.
    table : list of dict
        The different places: slice, position, depth, numbers of the texts that match, and whether a value is meant.
    of : dict of str to list of (int, int)
        For each tensor by name, the numbers of its tracks and of its place for each.
    """

    plan: Plan
    tracks: list[Track] = field(default_factory=list)
    settings: list[PlacedSetting] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    stable: list[int] = field(default_factory=list)
    table: list[dict[str, Any]] = field(default_factory=list)
    of: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tracks = list_tracks(self.plan)
        self.settings = [s for i, track in enumerate(self.tracks) for s in _read_settings(self.plan, i, track)]
        every = [find_cells(self.plan, track, {}) for track in self.tracks]
        found = [_find_texts(slices) for slices in every]
        filters = [r.filter for s in self.settings for r in s.setting.rules if r.filter is not None]
        more = [text for groups, ends in found for texts in (*groups.values(), ends) for text in texts]
        self.texts = list(dict.fromkeys([*filters, *more]))
        self.groups = sorted(set.intersection(*(set(groups) for groups, _ in found))) if found else []
        stable = [_find_stable(slices, self.texts) for slices in every]
        self.stable = [i for i, text in enumerate(self.texts) if all(text in known for known in stable)]
        known: dict[Any, int] = {}
        for number, slices in enumerate(every):
            for slice, cells in enumerate(slices):
                for cell in cells:
                    place = self._find_place(slice, cell)
                    key = tuple(map(str, place.values()))
                    if key not in known:
                        known[key] = len(self.table)
                        self.table.append(place)
                    self.of.setdefault(cell.tensor, []).append((number, known[key]))

    def _find_place(self, slice: int, cell: Cell) -> dict[str, Any]:
        tensor, depths = self.plan[cell.tensor], self.plan.piece_depths
        depth = self.plan.depths[tensor.stack] if len(depths) == 1 and tensor.layer is not None else depths[slice]
        matched = [i for i, text in enumerate(self.texts) if text in cell.name]
        return {
            "slice": slice, "position": cell.position, "depth": depth, "texts": matched,
            "bound": cell.bound, "here": tensor.layer is None or tensor.stack == self.plan.stack,
        }  # fmt: skip

    def is_faithful(self) -> bool:
        """Whether the rules give every tensor the value that the plan has for it."""
        settings = {(s.track, s.slice): s.setting for s in self.settings}
        for number, track in enumerate(self.tracks):
            for slice, cells in enumerate(find_cells(self.plan, track, {})):
                setting = settings.get((number, slice))
                for cell in cells:
                    depth = self._find_place(slice, cell)["depth"]
                    if setting is None or setting.at(cell.name, cell.position, depth) != cell.old:
                        return False
        return True


def _read_settings(plan: Plan, number: int, track: Track) -> Iterable[PlacedSetting]:
    pieces = [(section, k, piece) for section in plan.recipe.sections for k, piece in enumerate(section.slices)]
    for part in list_parts(plan.recipe, plan, track):
        section, k, piece = pieces[part.number]
        if track.model is None:
            paths: Sequence[Where] = [section.slice_place(k)]
        else:
            paths = [section.source_place(k, i) for i, s in enumerate(piece.sources) if s.model == track.model]
        if paths:
            setting = Setting(tuple(entry.rule for entry in part.entries))
            yield PlacedSetting(number, part.number, setting, tuple((*path, "parameters") for path in paths))


def _find_texts(slices: Sequence[Sequence[Cell]]) -> tuple[dict[str, list[str]], list[str]]:
    """For each group of tensors in layers, the texts that select it, and texts that select what is outside the layers.

    The rest of a layer needs none: it is what no rule has to name. A group that no texts select is missing.
    """
    cells = [cell for own in slices for cell in own]
    inside, outside = ([c for c in cells if (c.layer is None) is out] for out in (False, True))
    groups = {}
    for group in GROUPS[:-1]:
        mine = [c for c in inside if c.kind == group]
        texts = find_filters(mine, [c for c in cells if c.layer is None or c.kind != group]) if mine else None
        if texts:
            groups[group] = texts
    ends: dict[str, None] = {}
    for role in ENDS:
        mine = [c for c in outside if c.kind == role]
        for some in (mine, *([c] for c in mine)):  # all of them, and each alone: they may need different values
            ends |= dict.fromkeys(find_filters(some, [c for c in cells if c not in some]) or () if some else ())
    return groups, list(ends)


def _find_stable(slices: Sequence[Sequence[Cell]], texts: Sequence[str]) -> set[str]:
    """The texts that match a part in every layer or in none; others name layers."""
    found: dict[tuple[str, str], set[bool]] = {}
    for cell in (c for own in slices for c in own if c.layer is not None):
        for text in texts:
            found.setdefault((text, cell.part), set()).add(text in cell.name)
    return set(texts) - {text for (text, _), matches in found.items() if len(matches) > 1}
