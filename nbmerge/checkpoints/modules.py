"""Modules: the tensors that a recipe refers to by the name of a part of a model, such as ``encoder`` or ``vision_tower``.

A name refers to the tensors that have it in their names, as one component (``encoder``), a whole stack
(``model.decoder.layers``) or a tensor outside the layers (``shared``). mergekit's names for parts of models with vision
(``text_decoder``, ``vision_tower``, ``multi_modal_projector``) also work for models that use other names; ``default`` is the
rest, and ``shared`` is the rest outside the layers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from nbmerge.checkpoints.layout import Layout
from nbmerge.checkpoints.stacks import SENSES, telling

REST = ("default", "shared")
"""Names for the tensors of no other module."""
_PROJECTOR = re.compile(r"projector|merger|connector|(^|\.)(adapter|aligner|mm_\w+)\.")


def claims(layout: Layout, modules: Iterable[str]) -> dict[str, str]:
    """Map each tensor to its module; tensors without a module are absent.

    Parameters
    ----------
    layout : Layout
    modules : iterable of str
        Names in the recipe. The module that matches the most components of a tensor's name gets the tensor.

    Notes
    -----
    Token embeddings, heads and the like outside all stacks belong to the module of the main stack.
    """
    modules = list(modules)
    ranked: dict[str, tuple[tuple[int, int], str]] = {}
    for module in modules:
        for name, rank in _claimed(layout, module).items():
            if name not in ranked or rank > ranked[name][0]:
                ranked[name] = (rank, module)
    found = {name: module for name, (_, module) in ranked.items()}
    rest = next((m for m in REST if m in modules), None)
    main = next((found[n] for n in layout.names if n in found and layout.place(n).stack == layout.stack), None)
    roots = _roots(layout).values()
    for name in layout.names:
        place = layout.place(name)
        if name in found:
            continue
        if rest == "default" or (rest is not None and place.stack is None):
            found[name] = rest
        elif main is not None and place.kind in ("embedding", "head") and not _under(name, roots):
            found[name] = main
    return found


def _claimed(layout: Layout, module: str) -> dict[str, tuple[int, int]]:
    """The tensors of a module, each with the strength of the match."""
    wanted = module.split(".")
    exact = {n: (1, len(wanted)) for n in layout.names if _contains(n.split("."), wanted)}
    if exact or module in REST:
        return exact
    if _PROJECTOR.search(module):
        return {n: (0, 1) for n in layout.names if _PROJECTOR.search(n)}
    words = telling((module,))
    roots = _roots(layout)
    meant = [stack for stack in roots if words & telling((stack,)) & _kind(words)]
    if not meant and layout.stack is not None and words and not words & SENSES:
        meant = [layout.stack]
    # A dotted name is that of a list of layers alone, by a newer or older naming of the same model.
    under = meant if len(wanted) > 1 else [roots[stack] for stack in meant]
    return {n: (0, 0) for n in layout.names if _under(n, under)}


def _kind(words: set[str]) -> set[str]:
    """The words that decide: ``text_decoder`` is about text, not about decoders."""
    return words & (SENSES | {"text"}) or words


def _roots(layout: Layout) -> dict[str, str]:
    """Each stack's part of the model: the shortest prefix of its name that no other stack has."""
    names = {s: s.split(".") for s in layout.stacks}
    if len(names) == 1:
        return {s: p[0] for s, p in names.items()}

    def differs(own: Sequence[str]) -> int:
        others = [p for p in names.values() if p is not own]
        return max(next((i for i, (a, b) in enumerate(zip(own, p, strict=False)) if a != b), 0) for p in others)

    return {s: ".".join(parts[: differs(parts) + 1]) for s, parts in names.items()}


def _under(name: str, roots: Iterable[str]) -> bool:
    return any(name.startswith(f"{root}.") for root in roots)


def _contains(name: Sequence[str], wanted: Sequence[str]) -> bool:
    n = len(wanted)
    return any(name[i : i + n] == wanted for i in range(len(name) - n + 1))
