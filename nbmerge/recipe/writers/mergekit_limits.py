"""Where mergekit 0.1.5 makes a different model, or none, of a recipe that it can express.

Details of the models are read from their headers if they are on this machine. A case that occurs in practice, and that
only the weights could exclude, is an error: an export claims no more than is certain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from nbmerge.problems import Problem, Severity
from nbmerge.recipe.recipe import Recipe
from nbmerge.recipe.sections import levels

if TYPE_CHECKING:
    from nbmerge.checkpoints import Checkpoint

SAMPLED = 1_000_000
"""Number of elements above which mergekit estimates a tensor's quantiles from a random sample."""
PER_LAYER = ("qwen2", "qwen3", "gemma2", "gemma3", "gemma3_text", "cohere2", "layer_types")
"""Architectures whose config lists a type for each layer, which mergekit does not renumber."""
LISTED = ("llama", "qwen3", "gemma", "gemma2", "gemma3_text", "olmo2", "cohere", "cohere2")
"""Architectures of which mergekit takes the tensors that it knows, which are without biases, and drops all others."""


STOCK = (
    "where changes point in very different directions, as in small tensors, mergekit moves away from their mean without "
    "limit; nbmerge moves by at most the mean's own distance."
)
SCE = (
    "mergekit weighs models equally where the mean squares of their changes sum to less than 1e-6, as for most "
    "fine-tunes; nbmerge weighs changes of any size."
)
FROZEN = "mergekit stops at a tensor that three or more models leave unchanged; nbmerge keeps it as it is."
NEARLY_ZERO = "mergekit ignores the direction of tensors that are nearly zero; nbmerge does not."


def check_method(recipe: Recipe) -> Iterator[tuple[Severity, str]]:
    """Severity and description of each difference in the recipe's method that may apply to its models."""
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
    """What is in the models' files that mergekit refuses or omits."""
    checkpoints = _open_all(recipe)
    if any(checkpoint.bare for checkpoint in checkpoints or ()):
        what = "mergekit-yaml reads model folders only, and these are weights files."
        yield Problem("error", (), what, "Run it with mergekit-pytorch.")
        return
    yield from _rows(recipe, checkpoints)
    for checkpoint in checkpoints or ():
        kind = checkpoint.config.get("model_type")
        biases = [n for n in checkpoint.tensors if n.endswith(".bias")]
        if kind in LISTED and biases:
            what = f"mergekit omits {len(biases)} tensors of {checkpoint.name} that it does not expect in {kind} models ({biases[0]})."
            yield Problem("error", (), what)
        if _depth_changes(recipe, checkpoint) and (kind in PER_LAYER or "layer_types" in checkpoint.config):
            what = f"mergekit does not renumber the layer types in the config of {checkpoint.name} and stops with an error."
            yield Problem("error", ("slices",), what)
        donors = (recipe.embedding_source, recipe.lm_head_source)
        if checkpoint.tied and any(donors):
            what = f"{checkpoint.name} ties its head to its embedding, so mergekit does not write another model's head."
            yield Problem("error", ("lm_head_source",), what)


def _open_all(recipe: Recipe) -> list[Checkpoint] | None:
    """Every checkpoint that the recipe names; None where one is not on this machine."""
    from nbmerge.checkpoints import Checkpoint
    from nbmerge.errors import CheckpointError

    try:
        return [Checkpoint.open(r, ask=False) for r in recipe.references]
    except CheckpointError:
        return None


def stored_dtype(recipe: Recipe) -> str | None:
    """The one dtype that all models are stored in, None where they differ or are not on this machine."""
    checkpoints = _open_all(recipe)
    dtypes = {t.output_dtype for c in checkpoints or () for t in c.tensors.values() if t.is_float}
    return dtypes.pop() if len(dtypes) == 1 else None


def _rows(recipe: Recipe, checkpoints: Sequence[Checkpoint] | None) -> Iterator[Problem]:
    """Vocabularies of different sizes, which mergekit refuses without a tokenizer."""
    if recipe.wanted_tokenizer is not None:
        return
    sizes = {c.vocabulary for c in checkpoints or ()}
    how = "Its option --unsafe-truncate-embeddings truncates them to the shortest."
    if len(sizes) > 1:
        what = f"mergekit refuses vocabularies of different sizes ({', '.join(map(str, sorted(sizes, key=str)))})."
        yield Problem("error", ("vocabulary",), what, how)
    elif checkpoints is None and recipe.vocabulary != "refuse":
        what = f"mergekit refuses vocabularies of different sizes; this recipe treats them by the rule '{recipe.vocabulary}'."
        yield Problem("warning", ("vocabulary",), what, how)


def _depth_changes(recipe: Recipe, checkpoint: Checkpoint) -> bool:
    if recipe.slices is None:
        return False
    ranges = [r for p in recipe.slices if (r := p.sources[0].layer_range) is not None]
    return len(ranges) == len(recipe.slices) and sum(end - first for first, end in ranges) != checkpoint.depth


def _most_merged(recipe: Recipe) -> int:
    """The most models, besides the base, that one slice merges."""
    return max(len({s.model for s in p.sources} - {p.base_model or recipe.base_model}) for p in recipe.pieces)


def _sampled(recipe: Recipe) -> Iterator[tuple[Severity, str]]:
    checkpoints = _open_all(recipe)
    what = "mergekit estimates quantiles of tensors with more than a million elements from a random sample; here they are exact."
    if checkpoints is None or any(t.count > SAMPLED for c in checkpoints for t in c.tensors.values()):
        yield "error", what


def _emptied(recipe: Recipe) -> Iterator[tuple[Severity, str]]:
    checkpoints = _open_all(recipe)
    given = [v for _, level, _, _ in levels(recipe) if "density" in level for v in level["density"].values()]
    least = min((v for v in given if isinstance(v, int | float) and v > 0), default=1.0)
    if checkpoints is None or any(t.count * least < 1 for c in checkpoints for t in c.tensors.values()):
        yield "warning", "mergekit removes all changes of a tensor with very few elements; nbmerge keeps one."
