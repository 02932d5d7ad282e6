"""Where mergekit 0.1.5 makes another model, or none, of what it can express: corners of methods, and of checkpoints.

What a corner needs to know of the models is read from their headers where they are at hand. A corner that models meet in
practice, and that only their weights could exclude, is an error: an export claims no more than is certain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from nbmerge.problems import Problem
from nbmerge.recipe.recipe import Recipe
from nbmerge.recipe.sections import levels

if TYPE_CHECKING:
    from nbmerge.checkpoints import Checkpoint

SAMPLED = 1_000_000
"""Elements beyond which mergekit estimates the quantiles of a tensor from a random sample."""
PER_LAYER = ("qwen2", "qwen3", "gemma2", "gemma3", "gemma3_text", "cohere2", "layer_types")
"""Architectures whose config lists a type for each layer, which mergekit does not renumber."""
LISTED = ("llama", "qwen3", "gemma", "gemma2", "gemma3_text", "olmo2", "cohere", "cohere2")
"""Architectures of which mergekit takes the tensors that it knows, which are without biases, and drops all others."""


STOCK = (
    "where changes point far apart, as those of small tensors may, mergekit moves away from their mean without limit; here "
    "by no more than the mean's own distance."
)
SCE = (
    "mergekit weighs models equally where the mean squares of their changes sum to less than 1e-6, as those of most "
    "fine-tunes do; here they are weighed however small."
)
FROZEN = "mergekit stops where three or more models have not changed a tensor; here it stays as it is."
NEARLY_ZERO = "mergekit leaves out the direction of tensors that are nearly zero; here it counts."


def corners(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Severity and words of each corner of the recipe's method that its models may reach."""
    method = recipe.merge_method
    if method == "model_stock":
        yield "error", STOCK
    elif method == "multislerp" and recipe.base_model is not None and _most_merged(recipe) > 2:
        yield "error", FROZEN
    elif method == "sce" and _most_merged(recipe) > 1:
        yield "error", SCE
    elif method == "karcher":
        yield "info", NEARLY_ZERO
    elif method == "arcee_fusion":
        yield from _sampled(recipe)
    elif method in ("breadcrumbs", "breadcrumbs_ties"):
        yield from _emptied(recipe)


def check_stored_models(recipe: Recipe) -> Iterator[Problem]:
    """What the models' own files have that mergekit refuses or leaves out."""
    found = at_hand(recipe)
    yield from _rows(recipe, found)
    for checkpoint in found or ():
        kind = checkpoint.config.get("model_type")
        biases = [n for n in checkpoint.tensors if n.endswith(".bias")]
        if kind in LISTED and biases:
            what = f"mergekit leaves out {len(biases)} tensors of {checkpoint.name} that it does not expect of {kind} ({biases[0]})."
            yield Problem("error", (), what)
        if _depth_changes(recipe, checkpoint) and (kind in PER_LAYER or "layer_types" in checkpoint.config):
            what = f"mergekit does not renumber the layer types in the config of {checkpoint.name}, and stops."
            yield Problem("error", ("slices",), what)
        donors = (recipe.embedding_source, recipe.lm_head_source)
        if checkpoint.tied and any(donors):
            what = (
                f"{checkpoint.name} shares its head with its embedding, and mergekit writes no head of another model."
            )
            yield Problem("error", ("lm_head_source",), what)


def at_hand(recipe: Recipe) -> list[Checkpoint] | None:
    """Every checkpoint that the recipe names; None where one is not on this machine."""
    from nbmerge.checkpoints import Checkpoint
    from nbmerge.errors import CheckpointError

    try:
        return [Checkpoint.open(r, ask=False) for r in recipe.references]
    except CheckpointError:
        return None


def stored_dtype(recipe: Recipe) -> str | None:
    """The one dtype that all models are stored in, None where they differ or are not at hand."""
    found = at_hand(recipe)
    dtypes = {t.output_dtype for c in found or () for t in c.tensors.values() if t.is_float}
    return dtypes.pop() if len(dtypes) == 1 else None


def _rows(recipe: Recipe, found: Sequence[Checkpoint] | None) -> Iterator[Problem]:
    """Vocabularies of different size, which mergekit refuses without a tokenizer."""
    if recipe.wanted_tokenizer is not None:
        return
    sizes = {c.vocabulary for c in found or ()}
    how = "--unsafe-truncate-embeddings cuts them to the shortest."
    if len(sizes) > 1:
        what = f"mergekit refuses vocabularies of different size ({', '.join(map(str, sorted(sizes, key=str)))})."
        yield Problem("error", ("vocabulary",), what, how)
    elif found is None and recipe.vocabulary != "refuse":
        what = f"mergekit refuses vocabularies of different size; here the rule is '{recipe.vocabulary}'."
        yield Problem("warning", ("vocabulary",), what, how)


def _depth_changes(recipe: Recipe, checkpoint: Checkpoint) -> bool:
    if recipe.slices is None:
        return False
    ranges = [p.sources[0].layer_range for p in recipe.slices]
    return None not in ranges and sum(end - first for first, end in ranges) != checkpoint.depth


def _most_merged(recipe: Recipe) -> int:
    """The most models, besides the base, that one slice merges."""
    return max(len({s.model for s in p.sources} - {p.base_model or recipe.base_model}) for p in recipe.pieces)


def _sampled(recipe: Recipe) -> Iterator[tuple[str, str]]:
    found = at_hand(recipe)
    what = "mergekit estimates the quantiles of tensors of more than a million elements from a random sample; here they are exact."
    if found is None or any(t.count > SAMPLED for c in found for t in c.tensors.values()):
        yield "error", what


def _emptied(recipe: Recipe) -> Iterator[tuple[str, str]]:
    found = at_hand(recipe)
    given = [v for _, level, _, _ in levels(recipe) if "density" in level for v in level["density"].values()]
    least = min((v for v in given if isinstance(v, int | float) and v > 0), default=1.0)
    if found is None or any(t.count * least < 1 for c in found for t in c.tensors.values()):
        yield "warning", "mergekit removes all changes of a tensor of very few elements; here one is kept."
