"""Tensors that only some of the bare weights have: left out, or merged from those that have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from nbmerge.engine.planning.resolved import Piece, Resolved

if TYPE_CHECKING:
    from nbmerge.typing import TensorInput

LEAVE_OUT, MERGE_REST = "leave-out", "merge-rest"
"""Values of `Recipe.missing_tensors`, besides to refuse."""


def settle_missing(
    resolved: Resolved, piece: Piece, tensor: str, names: Sequence[str], found: Sequence[TensorInput | None]
) -> tuple[Piece, list[str], list[TensorInput | None]] | None:
    """The inputs of a tensor that are there, as the recipe defines it; None if it leaves the tensor out.

    Parameters
    ----------
    piece : Piece
    tensor : str
        Name of the output tensor.
    names : sequence of str
        Names of its inputs, one for each input of the slice.
    found : sequence of TensorInput or None
        The inputs; one at least is missing.

    Returns
    -------
    piece, names, found
        Those of the models that have the tensor. With fewer models than the method needs, all are returned as they were, so
        that the missing ones are reported; a tensor that a single model has is copied.
    """
    wanted = resolved.recipe.missing_tensors
    if wanted == LEAVE_OUT:
        resolved.findings.left_out(tensor)
        return None
    there = [i for i, stored in enumerate(found) if stored is not None]
    has_base = piece.has_base and there[0] == 0
    given = len(there) - (piece.method.base == "optional" and has_base)
    enough = given >= piece.method.inputs[0] and has_base == piece.has_base
    if wanted != MERGE_REST or not (enough or len(there) == 1):
        return piece, list(names), list(found)
    resolved.findings.partly_there(tensor)
    inputs = tuple(piece.inputs[i] for i in there)
    kept = replace(piece, inputs=inputs, has_base=has_base, others={})
    return kept, [names[i] for i in there], [found[i] for i in there]
