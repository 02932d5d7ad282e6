"""The result as a whole: its config, and checks that need all of its tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbmerge.checkpoints.implementations import drop_foreign_implementations
from nbmerge.engine.planning.advice import advise
from nbmerge.engine.planning.output_config import find_config_parts, fit_config, is_head
from nbmerge.engine.planning.plans import MOST_READS, Plan, TensorPlan, most_reads
from nbmerge.engine.planning.resolved import Resolved, Stretch
from nbmerge.engine.planning.tensors import plan_tensors
from nbmerge.errors import CheckpointError


def plan_result(resolved: Resolved) -> Plan | None:
    """The plan; None if there are errors, which are reported."""
    tensors = tuple(plan_tensors(resolved))
    _check_reads(resolved, tensors)
    if resolved.findings.fatal:
        return None
    _check_rows(resolved, tensors)
    layers = _layers_of_donor(resolved)
    made = Plan(
        resolved.recipe,
        resolved.methods[0],
        dict(resolved.checkpoints),
        resolved.labels,
        tensors,
        resolved.donor,
        _fit_config(resolved, tensors, layers),
        tuple(max(column) for section in resolved.stretches for column in zip(*map(_depths, section), strict=True)),
        tokenizer=resolved.tokenizer,
        donor_layers={stack: tuple(own) for stack, own in layers.items()},
    )
    for problem in advise(resolved.recipe, made):
        resolved.findings.add(problem)
    return made


def _depths(stretch: Stretch) -> list[int]:
    return [p.depth for p in stretch.pieces]


def _check_reads(resolved: Resolved, tensors: Sequence[TensorPlan]) -> None:
    """Refuse merges of merges that would compute the same tensors thousands of times."""
    count, name = most_reads(tensors)
    if count > MOST_READS:
        what = (
            f"{name:.200} would be made from {count:,} stored tensors (at most {MOST_READS:,}), because the merges "
            "that feed this one use each other several times."
        )
        resolved.findings.error((), what, "Save one of those merges, and name its folder.")


def _check_rows(resolved: Resolved, tensors: Sequence[TensorPlan]) -> None:
    """Refuse an embedding and a head with different numbers of rows: no config can describe both."""
    donor = resolved.donor_checkpoint
    embedding = next((t for t in tensors if t.name == donor.token_embedding), None)
    if embedding is None:
        return
    for head in tensors:
        own = donor.tensors.get(head.name)
        by_token = donor.tied if own is None else own.shape[:1] == (donor.vocabulary,)
        if head.kind == "head" and head.shape and by_token and head.shape[0] != embedding.shape[0]:
            where = ("lm_head_source",) if resolved.recipe.lm_head_source else ("embedding_source",)
            what = (
                f"the result has a token embedding of {embedding.shape[0]} rows ({' + '.join(embedding.models)}) and a "
                f"head of {head.shape[0]} rows ({head.name} of {' + '.join(head.models)}), which no model can load."
            )
            how = (
                "Name the same model in embedding_source and lm_head_source, or choose tokenizer_source or vocabulary."
            )
            resolved.findings.error(where, what, how)


def _fit_config(resolved: Resolved, tensors: Sequence[TensorPlan], layers: dict[str, list[int]]) -> dict[str, Any]:
    """The donor's config, adapted to the tensors of the result; empty for bare weights."""
    if resolved.donor_checkpoint.bare:
        return {}
    donor, label = resolved.donor_checkpoint, resolved.labels[resolved.donor]
    sizes: dict[str, int] = {}
    for tensor in tensors:
        sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.count
    rows = next((t.shape[0] for t in tensors if t.name == donor.token_embedding), None)
    if rows and donor.vocabulary and rows != donor.vocabulary and resolved.tokenizer is None:
        what = f"the result has {rows} embedding rows, but config and tokenizer come from {label}"
        how = "Set config_source to a model with as many rows."
        resolved.findings.warning(("config_source",), f"{what}, which has {donor.vocabulary}.", how, "config")
    for stack, own in layers.items():
        if len(own) != donor.layout.stacks[stack].depth and not find_config_parts(donor, stack):
            what = f"the config of {label} does not say how many layers {stack} has; now {len(own)}."
            resolved.findings.warning((), what, "Write the number into the result's config.json.")
    head = any(t.kind == "head" and is_head(t.name, t.shape, rows) for t in tensors)
    config, notes = fit_config(donor, layers, max(sizes, key=sizes.__getitem__), rows, head)
    for note in notes:
        what = f"the config of {label} describes layers in a way that these slices break: {note}."
        resolved.findings.warning((), what, "Check config.json of the result, or choose other layers.")
    config, foreign = drop_foreign_implementations(config)
    for entry in foreign:  # whoever loads the merged model would run a stranger's kernel
        what = f"the config of {label} asks for code that is not part of transformers ({entry})."
        resolved.findings.warning((), what, "The merged model's config is written without this entry.")
    return _renumber_tokens(resolved, config)


def _renumber_tokens(resolved: Resolved, config: dict[str, Any]) -> dict[str, Any]:
    """The config with the ids of the result's tokenizer, where that is not the donor's."""
    if resolved.tokenizer is None:
        return config
    try:
        return resolved.tokenizer.renumbered(config)
    except CheckpointError as error:
        resolved.findings.error((), str(error))
        return config


def _layers_of_donor(resolved: Resolved) -> dict[str, list[int]]:
    """For each stack and each of its layers in the result, the corresponding layer of the config donor."""
    layers: dict[str, list[int]] = {}
    for stretch in (stretch for section in resolved.stretches for stretch in section):
        if stretch.stack is None:
            continue
        for piece in stretch.pieces:
            own = next((i for i in piece.inputs if i.ref == resolved.donor), piece.inputs[0])
            layers.setdefault(stretch.stack, []).extend(range(own.first, own.first + piece.depth))
    return layers
