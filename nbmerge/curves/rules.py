"""Changes some values of a setting's rules and keeps the rest: filters, lists and their order, wherever they still fit.

Each rule whose tensors change is replaced in one of several ways: by another value, by the old value with a rule for a
group or a single layer in front, ... Of those that give every tensor what was asked for, the shortest is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nbmerge.curves.cells import Cell
from nbmerge.curves.deciding import Entry
from nbmerge.curves.forms import count_numbers, find_form, gives, is_close
from nbmerge.recipe.layer_values import Scalar
from nbmerge.recipe.setting import Rule, Setting, Value

FILTER = 3
"""What a rule's filter costs, in numbers that it is as long as."""
MOST_ALONE = 4
"""Most layers that get a rule each; more are written as a gradient."""


@dataclass(frozen=True)
class Span:
    """Where a setting applies.

    Parameters
    ----------
    depth : int
        Number of layers of the slice.
    mappings : bool
        Whether its layers may be named; see `find_form`.
    hint : rule's value, optional
        A form to prefer for values that change: the knots that were drawn.
    """

    depth: int
    mappings: bool = True
    hint: Value | None = None


@dataclass(frozen=True)
class Bucket:
    """Tensors of a rule that have the same value in every layer."""

    cells: tuple[Cell, ...]

    @property
    def targets(self) -> dict[int, float]:
        """The value of each layer."""
        return {c.layer: c.new for c in self.cells if c.layer is not None}

    @property
    def asked(self) -> bool:
        """Whether a value was asked for any of them."""
        return any(c.asked for c in self.cells)


def rewrite_rules(entries: Sequence[Entry], cells: Sequence[Cell], span: Span) -> list[Entry] | None:
    """The rules that give every cell its new value; None where filters cannot tell the tensors apart.

    Parameters
    ----------
    entries : sequence of Entry
        The present rules, of which the last has no filter.
    cells : sequence of Cell
        All tensors that the setting decides for.
    span : Span
    """
    setting = Setting(tuple(e.rule for e in entries))
    owners = {c.tensor: setting.find(c.name) for c in cells}
    written: list[Entry] = []
    for i, entry in enumerate(entries):
        mine = [c for c in cells if owners[c.tensor] == i]
        if not any(c.asked for c in mine):
            written.append(entry)
            continue
        later = [c for c in cells if (owner := owners[c.tensor]) is not None and owner > i]
        best = _choose_option(entry.rule, mine, later, span)
        if best is None:
            return None
        whole = all(c.asked for c in mine if c.layer is not None)
        written += [Entry(rule, entry.inherited, whole or rule is not entry.rule) for rule in best]
    return _prune(written, cells, span.depth)


def rewrite_from_scratch(cells: Sequence[Cell], span: Span) -> list[Entry] | None:
    """Rules for all cells, whatever they were."""
    bound = [c for c in cells if c.bound]
    start = Rule(bound[0].new if bound else 0.0)
    options = [o for o in _list_splits(start, list(cells), [], span) if _decides(o, cells, [], span.depth)]
    return [Entry(rule, changed=True) for rule in min(options, key=_cost)] if options else None


def _choose_option(rule: Rule, mine: list[Cell], later: list[Cell], span: Span) -> list[Rule] | None:
    """The shortest rules in place of one; those that were drawn before all others."""
    if span.hint is not None:
        drawn = _list_exceptions(Rule(span.hint, rule.filter), mine, later, span)
        if (option := next(drawn, None)) and _decides(option, mine, later, span.depth):
            return [rule if r == rule and r.value == rule.value else r for r in option]
    options = [*_list_splits(rule, mine, later, span), *_list_exceptions(rule, mine, later, span)]
    options = [o for o in options if _decides(o, mine, later, span.depth)]
    return min(options, key=_cost) if options else None


def _list_splits(rule: Rule, mine: list[Cell], later: list[Cell], span: Span) -> Iterator[list[Rule]]:
    """The rule with another value, after rules for the tensors whose values differ from the others'."""
    outside = [c for c in mine if c.layer is None and c.bound]
    buckets = _find_buckets(c for c in mine if c.layer is not None and c.bound)
    if not buckets:
        yield from ([Rule(value, rule.filter)] for value in dict.fromkeys(c.new for c in outside))
        return
    for main in buckets:
        front: list[Rule] = []
        for bucket in buckets:
            if bucket is not main:
                texts = find_filters(bucket.cells, [*later, *_without(mine, bucket.cells)])
                front += [Rule(_choose_value(rule, bucket, span), text) for text in texts or ()]
        value = _choose_value(rule, main, span)
        kept = rule if value == rule.value else Rule(value, rule.filter)
        yield [*_separate_ends(kept, outside, [*later, *mine], span.depth), *front, kept]


def _list_exceptions(rule: Rule, mine: list[Cell], later: list[Cell], span: Span) -> Iterator[list[Rule]]:
    """The rule as it is, after rules for the single layers that differ and for which values were asked."""
    outside = [c for c in mine if c.layer is None and c.bound]
    inside = [c for c in mine if c.layer is not None and c.bound]
    given = {c.position: rule.at(c.position, span.depth) for c in inside}
    changed = [c for c in inside if not is_close(given[c.position], c.new)]
    layers = sorted({c.layer for c in changed if c.layer is not None})
    if len(layers) > MOST_ALONE or not inside or not all(c.asked for c in changed):
        return
    front: list[Rule] = []
    for layer in layers:
        for bucket in _find_buckets(c for c in changed if c.layer == layer):
            texts = find_filters(bucket.cells, [*later, *_without(mine, bucket.cells)])
            front += [Rule(bucket.cells[0].new, text) for text in texts or ()]
    yield [*_separate_ends(rule, outside, [*later, *mine], span.depth), *front, rule]


def _find_buckets(cells: Iterator[Cell]) -> list[Bucket]:
    """Tensors with the same values in all layers that they have in common."""
    parts: dict[str, list[Cell]] = {}
    for cell in cells:
        parts.setdefault(cell.part, []).append(cell)
    buckets: list[tuple[dict[int | None, float], list[Cell]]] = []
    for group in parts.values():
        values = {c.layer: c.new for c in group}
        for known, members in buckets:
            if all(known.get(layer, value) == value for layer, value in values.items()):
                known.update(values)
                members += group
                break
        else:
            buckets.append((values, group))
    return [Bucket(tuple(members)) for _, members in buckets]


def _choose_value(rule: Rule, bucket: Bucket, span: Span) -> Value:
    if span.hint is not None and bucket.asked and gives(span.hint, bucket.targets, span.depth):
        return span.hint
    if gives(rule.value, bucket.targets, span.depth):
        return rule.value
    return find_form(bucket.targets, span.depth, span.mappings)


def _without(cells: Sequence[Cell], some: Sequence[Cell]) -> list[Cell]:
    names = {c.tensor for c in some}
    return [c for c in cells if c.tensor not in names]


def _separate_ends(rule: Rule, outside: Sequence[Cell], every: Sequence[Cell], depth: int) -> list[Rule]:
    """Rules for tensors outside the layers whose value is not that of the first or the last layer."""
    own: dict[float, list[Cell]] = {}
    for cell in outside:
        if not is_close(rule.at(cell.position, depth), cell.new):
            own.setdefault(cell.new, []).append(cell)
    return [
        Rule(value, text) for value, cells in own.items() for text in find_filters(cells, _without(every, cells)) or ()
    ]


def find_filters(wanted: Sequence[Cell], others: Sequence[Cell]) -> list[str] | None:
    """Texts that occur in the names of some tensors and of no others; None where there are none."""
    names = [c.name for c in others]
    single = len({c.layer for c in wanted}) == 1 and wanted[0].layer is not None
    chosen: list[str] = []
    for cell in wanted:
        if not any(text in cell.name for text in chosen):
            text = next((t for t in _list_texts(cell, single) if not any(t in n for n in names)), None)
            if text is None:
                return None
            chosen.append(text)
    return chosen


def _list_texts(cell: Cell, single: bool) -> Iterator[str]:
    """Parts of a tensor's name, the shortest first."""
    stem = cell.part.rsplit(".", 1)[0]
    if cell.layer is None:
        yield from (stem, cell.name)
        return
    steps = cell.part.split(".")[:-1]
    inside = [".".join(steps[:i]) + "." for i in range(1, len(steps))] + [stem]  # "mlp.", "mlp.down_proj"
    if single:
        stack = cell.name[: -len(cell.part)]
        short = ".".join(stack.split(".")[-3:])  # "layers.5." of "model.layers.5."
        yield from (f"{before}{part}" for part in ("", *inside) for before in (short, stack))
        yield cell.name
    else:
        yield steps[0] if steps else cell.part
        yield from (*inside, f".{cell.part}")


def _decides(rules: Sequence[Rule], mine: Sequence[Cell], later: Sequence[Cell], depth: int) -> bool:
    """Whether rules give each of its cells the new value, and leave the others to later rules."""
    setting = Setting(tuple(rules))
    return _gives_all(setting, mine, depth) and all(setting.find(c.name) is None for c in later)


def _gives_all(setting: Setting, cells: Sequence[Cell], depth: int) -> bool:
    known: dict[tuple[int, float], Scalar] = {}  # the same for all tensors of a layer
    for cell in cells:
        if not cell.bound:
            continue
        i = setting.find(cell.name)
        if i is None:
            return False
        key = i, cell.position
        if key not in known:
            known[key] = setting.rules[i].at(cell.position, depth)
        if known[key] != cell.new and not is_close(known[key], cell.new):
            return False
    return True


def _prune(entries: list[Entry], cells: Sequence[Cell], depth: int) -> list[Entry]:
    """Without rules that are new or changed and, as the others are now, not needed; those for ends stay."""
    inside = [c for c in cells if c.layer is not None]
    for entry in [e for e in entries[:-1] if e.changed]:
        if not any(entry.rule.matches(c.name) for c in inside):
            continue
        rest = [e for e in entries if e is not entry]
        if _gives_all(Setting(tuple(e.rule for e in rest)), cells, depth):
            entries = rest
    return entries


def _cost(rules: Sequence[Rule]) -> int:
    return sum(count_numbers(r.value) + (FILTER if r.filter is not None else 0) for r in rules)
