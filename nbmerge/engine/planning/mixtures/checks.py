"""What makes a mixture impossible or useless, found in the recipe and in the headers of its models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nbmerge.checkpoints import Checkpoint
from nbmerge.engine.planning.findings import Findings
from nbmerge.engine.planning.mixtures.architectures import (
    ARCHITECTURES,
    ELSEWHERE,
    PARTS,
    PROMPTED,
    Architecture,
    find_architecture,
)  # fmt: skip
from nbmerge.engine.planning.mixtures.gates import checksum_tokenizer, find_tokenizer_files
from nbmerge.engine.planning.resolved import Resolved
from nbmerge.errors import CheckpointError
from nbmerge.problems import Where, nearest
from nbmerge.recipe import Expert, Recipe
from nbmerge.tokenizers import read_vocabulary, same_tokenizer

INAPPLICABLE = (
    "parameters", "dtype_overrides", "tokenizer_source", "tokenizer", "chat_template", "vocabulary", "embedding_source",
    "final_norm_source", "lm_head_source", "config_source", "stacks", "missing_tensors",
)  # fmt: skip
"""Fields that only merges have."""
MLP = "mlp."
"""What the parts of an MLP begin with, in Llama, Mistral and Qwen."""


def each_expert(recipe: Recipe) -> Iterator[tuple[Where, Expert]]:
    """Every expert and its place, those that are shared last."""
    for key in ("experts", "shared_experts"):
        for i, expert in enumerate(getattr(recipe, key) or ()):
            yield (key, i), expert


def check_fields(recipe: Recipe, findings: Findings) -> None:
    """Find what is wrong whatever the models are."""
    for name in INAPPLICABLE:
        if getattr(recipe, name) != Recipe.model_fields[name].get_default(call_default_factory=True):
            what = f"a mixture has no '{name}': experts are copied, and all else is from the base model."
            findings.error((name,), what, "Remove it.")
    if recipe.base_model is None:
        what = "'base_model' is missing: all but the experts of a mixture is from it."
        findings.error(("base_model",), what, "Name the model that the experts were fine-tuned from.")
    count = len(recipe.experts or ())
    if recipe.experts_per_token > count:
        what = f"each token would use {recipe.experts_per_token} experts, and the recipe has {count}."
        findings.error(("experts_per_token",), what, f"Add experts, or set it to at most {count}.", "range")


def choose_architecture(resolved: Resolved) -> Architecture | None:
    """The architecture of the mixture: the one that is named, or the first that fits; None where there is none."""
    kind = _model_type(resolved.donor_checkpoint)
    buildable = [a for a in ARCHITECTURES if kind in a.bases]
    if not buildable:
        known = ", ".join(dict.fromkeys(base for a in ARCHITECTURES for base in a.bases))
        what = f"{resolved.labels[resolved.donor]} is {kind}, from which no mixture can be built."
        how = f"Mixtures are built from models of these types: {known}."
        resolved.findings.error(("base_model",), what, how, "architecture")
        return None
    if resolved.recipe.architecture is not None:
        named = _find_named(resolved, resolved.recipe.architecture, buildable)
        buildable = [named] if named is not None else []
    shared = len(resolved.recipe.shared_experts)
    fitting = [a for a in buildable if shared == (a.shared is not None)]
    if buildable and not fitting:
        _refuse_shared(resolved, buildable[0], shared)
    return fitting[0] if fitting else None


def _find_named(resolved: Resolved, name: str, buildable: Sequence[Architecture]) -> Architecture | None:
    found = find_architecture(name)
    if found in buildable:
        return found
    if found is None:
        what = f"a mixture cannot have the architecture '{name:.60}'."
        elsewhere = next((how for key, how in ELSEWHERE.items() if name.strip().lower().startswith(key)), None)
        how = elsewhere or nearest(name[:60], [a.name for a in ARCHITECTURES])
    else:
        kind = _model_type(resolved.donor_checkpoint)
        what = (
            f"{found.title} is built from {' or '.join(found.bases)}, and {resolved.labels[resolved.donor]} is {kind}."
        )
        how = f"Choose {' or '.join(a.name for a in buildable)}."
    resolved.findings.error(("architecture",), what, how, "architecture")
    return None


def _refuse_shared(resolved: Resolved, architecture: Architecture, count: int) -> None:
    """Explain how many shared experts an architecture has."""
    where = ("shared_experts",)
    if architecture.shared is None:
        what = f"{architecture.title} has no shared experts."
        others = [a for a in ARCHITECTURES if a.shared and _model_type(resolved.donor_checkpoint) in a.bases]
        how = f"Remove them, or choose architecture: {others[0].name}." if others else "Remove them."
    else:
        what = f"{architecture.title} has exactly one shared expert, and this recipe has {count}."
        how = "Add one under shared_experts, such as the base model." if not count else "Keep one."
    resolved.findings.error(where, what, how, "architecture")


def check_models(resolved: Resolved, architecture: Architecture) -> None:
    """Find experts that do not fit, and parts of the base model that the mixture has no place for."""
    base, label = resolved.donor_checkpoint, resolved.labels[resolved.donor]
    mlps = {MLP + part + ".weight" for part in PARTS}
    lost = [p for i in range(base.depth) for p in base.layout.parts(i) if p not in {*mlps, *architecture.attention}]
    if lost:
        what = f"{architecture.title} has no place for {', '.join(dict.fromkeys(lost))} of {label}."
        resolved.findings.error(
            ("base_model",), what, "Choose another architecture, or another base model.", "architecture"
        )
    for where, expert in each_expert(resolved.recipe):
        _check_expert(resolved, (*where, "source_model"), resolved.checkpoints[expert.source_model], mlps)
    experts = resolved.recipe.experts or ()
    same = {(e.source_model, e.noise_scale) for e in experts}
    if len(experts) == 1:
        what = "a mixture of one expert has nothing to choose from: each token uses that expert's MLPs."
        resolved.findings.warning(("experts",), what, "Add another expert.")
    if len(experts) > 1 and len(same) == 1 and not experts[0].noise_scale:
        what = "all experts are the same model, so the mixture computes what that model does, and takes longer."
        resolved.findings.warning(("experts",), what, "Name different models, or set noise_scale before you train it.")


def _check_expert(resolved: Resolved, where: Where, expert: Checkpoint, mlps: set[str]) -> None:
    base, label, findings = resolved.donor_checkpoint, resolved.labels[resolved.donor], resolved.findings
    one, other = _model_type(base), _model_type(expert)
    if one != other and {one, other} != {"llama", "mistral"}:
        what = f"{expert.name} is {other}, and the base model {label} is {one}."
        findings.error(where, what, "The experts of a mixture are models of one type.", "architecture")
        return
    if expert.depth != base.depth:
        what = f"{expert.name} has {expert.depth} layers, and the base model {label} has {base.depth}."
        findings.error(where, what, "The experts of a mixture are models of one size.", "depth")
        return
    acts = [str(c.config.get("hidden_act", "silu")) for c in (base, expert)]
    if acts[0] != acts[1]:
        what = f"the MLPs of {expert.name} use {acts[1]}, and those of {label} {acts[0]}."
        findings.error(where, what, "A mixture has one activation function.", "architecture")
    _check_matrices(resolved, where, expert, mlps)
    _compare_tokens(resolved, where, expert)


def _compare_tokens(resolved: Resolved, where: Where, expert: Checkpoint) -> None:
    """Warn of an expert that was trained with other tokens than those of the base model, which the mixture has."""
    base, label = resolved.donor_checkpoint, resolved.labels[resolved.donor]
    if expert.vocabulary != base.vocabulary:
        what = f"{expert.name} has a vocabulary of {expert.vocabulary}, and the base model {label} one of {base.vocabulary}."
    elif moved := _moved_tokens(base, expert):
        what = (
            f"{expert.name} and the base model {label} have different ids for {len(moved)} tokens ({moved[0]!r:.60})."
        )
    else:
        return
    what = f"{what} The mixture has the tokens of the base model, which this expert was not trained with."
    how = "Choose experts that are fine-tunes of the base model."
    resolved.findings.warning(where, what, how, "vocabulary")


def _moved_tokens(base: Checkpoint, expert: Checkpoint) -> list[str]:
    if same_tokenizer(base.path, expert.path):
        return []
    try:
        own, other = read_vocabulary(base.path), read_vocabulary(expert.path)
    except CheckpointError:  # that of the base model is reported where prompts are checked
        return []
    return [] if own is None or other is None else other.moved(own)


def _check_matrices(resolved: Resolved, where: Where, expert: Checkpoint, mlps: set[str]) -> None:
    base, label, findings = resolved.donor_checkpoint, resolved.labels[resolved.donor], resolved.findings
    for layer in range(base.depth):
        extra = [p for p in expert.layout.parts(layer) if p.startswith(MLP) and p not in mlps]
        if extra:
            what = f"the MLPs of {expert.name} have {', '.join(extra)}, which experts of a mixture cannot have."
            findings.error(where, what, "Choose another model.", "architecture")
            return
        for part in sorted(mlps):
            own, like = (c.tensors.get(c.layout.name(layer, part)) for c in (expert, base))
            if own is None or like is None:
                missing = expert if own is None else base
                findings.missing_tensor(where, missing.name, missing.layout.name(layer, part))
            elif own.shape != like.shape:
                one, other = ("×".join(map(str, tensor.shape)) for tensor in (own, like))
                what = f"the MLPs of {expert.name} have another size than those of {label}: {own.name} is {one} instead of {other}."
                findings.error(where, what, "The experts of a mixture are models of one size.", "shape")
                return
            elif not own.is_float:
                findings.unmergeable(where, own.dtype, own.name)


def check_prompts(resolved: Resolved, architecture: Architecture) -> None:
    """Find prompts that are missing, without effect, or cannot tell experts apart."""
    recipe, findings = resolved.recipe, resolved.findings
    everyone = list(each_expert(recipe))
    if recipe.gate_mode not in PROMPTED:
        if any(expert.positive_prompts or expert.negative_prompts for _, expert in everyone):
            what = f"prompts have no effect: gate_mode is {recipe.gate_mode}."
            findings.warning(("gate_mode",), what, "Choose gate_mode: hidden to build the routers from prompts.")
        return
    for where, expert in everyone:
        if not expert.positive_prompts:
            what = f"{expert.source_model.name} has no positive_prompts, which gate_mode {recipe.gate_mode} needs."
            how = "Add texts that this expert is good at, or choose gate_mode: random."
            findings.error((*where, "positive_prompts"), what, how, "prompts")
        elif set(expert.positive_prompts) == set(expert.negative_prompts):
            what = f"the positive and negative prompts of {expert.source_model.name} are the same, so they cancel."
            findings.error((*where, "negative_prompts"), what, "Choose other negative prompts, or none.", "prompts")
    _compare_prompts(recipe, findings)
    _check_tokenizer(resolved)


def _check_tokenizer(resolved: Resolved) -> None:
    """Find that the base model has no tokenizer, or one that cannot be read."""
    findings, folder = resolved.findings, resolved.donor_checkpoint.path
    if resolved.donor in resolved.tokenizers:
        what = "the base model is a merge with a tokenizer of its own, which prompts cannot be read with before it is saved."
        findings.error(("base_model",), what, "Save that merge, and name its folder.", "prompts")
        return
    how = "Copy its tokenizer files into its folder, or choose gate_mode: random."
    if not find_tokenizer_files(folder):
        what = f"{resolved.labels[resolved.donor]} has no tokenizer, which prompts are read with."
        findings.error(("base_model",), what, how, "prompts")
        return
    try:
        checksum_tokenizer(folder)
    except CheckpointError as error:
        findings.error(("base_model",), f"the tokenizer that prompts are read with: {error}", how, "prompts")


def _compare_prompts(recipe: Recipe, findings: Findings) -> None:
    """Equal prompts make equal rows: the router cannot prefer one of them."""
    seen: dict[tuple[frozenset[str], frozenset[str]], int] = {}
    experts = recipe.experts or ()
    equal: list[tuple[int, int]] = []
    for i, expert in enumerate(experts):
        if not expert.positive_prompts:
            continue
        key = frozenset(expert.positive_prompts), frozenset(expert.negative_prompts)
        first = seen.setdefault(key, i)
        equal += [(first, i)] if first != i else []
    for first, i in equal:
        what = f"experts {first} and {i} have the same prompts, so the router cannot tell them apart."
        add = findings.error if len(equal) == len(experts) - 1 else findings.warning
        add(("experts", i, "positive_prompts"), what, "Give each expert prompts of its own.", "prompts")


def _model_type(checkpoint: Checkpoint) -> str:
    return str(checkpoint.config.get("model_type", "unknown"))
