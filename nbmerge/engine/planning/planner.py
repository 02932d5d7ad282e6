"""Make a plan from a recipe, reading headers only, and collect everything that stands in its way at once."""

from __future__ import annotations

from dataclasses import replace

from nbmerge.engine.planning.advice import advise
from nbmerge.engine.planning.output_config import depth_places, fitted, is_head
from nbmerge.engine.planning.pin_commits import pinned
from nbmerge.engine.planning.plans import MOST_READS, Plan, TensorPlan, most_reads
from nbmerge.engine.planning.precedence import check_names, check_values
from nbmerge.engine.planning.slices import Input, Stretch
from nbmerge.engine.planning.tensors import Tensors
from nbmerge.engine.planning.tokens.tokenizer import vocabulary_of
from nbmerge.engine.planning.tokens.vocabulary import BySize, ByToken
from nbmerge.errors import CheckpointError, RecipeError
from nbmerge.problems import Problem, worst_first
from nbmerge.recipe import Recipe
from nbmerge.tokenizers import Written


def plan(recipe: Recipe | str) -> Plan:
    """Resolve a recipe against its checkpoints, reading headers only.

    Parameters
    ----------
    recipe : Recipe, or anything that `Recipe.load` reads

    Raises
    ------
    RecipeError
        With every error and warning that was found.
    """
    made, problems = examine(Recipe.load(recipe))
    if made is None:
        raise RecipeError(problems)
    return made


def examine(recipe: Recipe) -> tuple[Plan | None, list[Problem]]:
    """The plan, or None where errors forbid one, and every problem found, the worst first."""
    planner = _Planner(pinned(recipe), examine)
    made = planner.make()
    return made, worst_first([*recipe.notes, *planner.findings.problems()])


class _Planner(Tensors):
    """The last step: the result as a whole."""

    def make(self) -> Plan | None:
        self.methods = self._methods()
        ready = self._ready()
        made = self._made() if ready else None
        # A parameter that is wrong stands in no other finding's way: what else is wrong is said with it.
        for problem in check_names(self.recipe, self.methods) if self.methods else ():
            self.findings.add(problem)
        for problem in () if ready else check_values(self.recipe, self.methods):
            self.findings.add(problem)
        if made is None or self.findings.fatal:
            return None
        return replace(made, problems=tuple(worst_first(self.findings.problems())))

    def _ready(self) -> bool:
        """Find and align what the tensors are made from."""
        self.checkpoints = self._open()
        if self.findings.fatal:
            return False
        self._check_architectures()
        self.stretches = self._stretches()
        if self.findings.fatal:
            return False
        self.vocabulary, self.written = self._vocabulary()
        return not self.findings.fatal

    def _made(self) -> Plan | None:
        tensors = tuple(self._tensors())
        self._check_reads(tensors)
        if self.findings.fatal:
            return None
        self._check_rows(tensors)
        config = self._config(tensors)
        depths = tuple(max(column) for s in self.stretches for column in zip(*map(_depths, s), strict=True))
        made = Plan(
            self.recipe,
            self.methods[0],
            self.checkpoints,
            self.labels,
            tensors,
            self.donor,
            config,
            depths,
            tokenizer=self.written,
            donor_layers={stack: tuple(own) for stack, own in self._donor_layers().items()},
        )
        for problem in advise(self.recipe, made):
            self.findings.add(problem)
        return made

    def _check_reads(self, tensors: tuple[TensorPlan, ...]) -> None:
        """Refuse merges of merges that would compute the same tensors thousands of times."""
        count, name = most_reads(tensors)
        if count > MOST_READS:
            what = (
                f"{name:.200} would be made from {count:,} stored tensors (at most {MOST_READS:,}), because the merges "
                "that feed this one take each other several times."
            )
            self.findings.error((), what, "Save one of those merges, and name its folder.")

    def _vocabulary(self) -> tuple[ByToken | BySize | None, Written | None]:
        """How embeddings and heads are aligned, and the tokenizer of the result where it is not simply the donor's."""
        first, last = ([i.ref for i in self._making(role)] for role in ("embedding", "head"))
        front, back = self.recipe.embedding_source, self.recipe.lm_head_source
        involved = [*([front] if front else first), *([back] if back else last)]
        made = vocabulary_of(
            self.recipe, self.checkpoints, self.labels, self.donor, involved, self.tokenizers, self.findings
        )
        return (None, made) if made is None or isinstance(made, Written) else (made, made.written)

    # --- the result as a whole ---

    def _making(self, role: str) -> tuple[Input, ...]:
        """The models that the result's token embedding, or its head, is made from."""
        donor = self.checkpoints[self.donor]
        named = donor.token_embedding if role == "embedding" else next(iter(donor.layout.outside("head")), None)
        module = self._claims(donor).get(named or donor.token_embedding)
        stretches = next((s for s in self.stretches if s[0].section.module == module), self.stretches[0])
        return stretches[0].pieces[0].inputs if role == "embedding" else stretches[-1].pieces[-1].inputs

    def _check_rows(self, tensors: tuple[TensorPlan, ...]) -> None:
        """Refuse an embedding and a head whose numbers of rows differ: no config describes both."""
        donor = self.checkpoints[self.donor]
        embedding = next((t for t in tensors if t.name == donor.token_embedding), None)
        for head in tensors if embedding is not None else ():
            own = donor.tensors.get(head.name)
            by_token = donor.tied if own is None else own.shape[:1] == (donor.vocabulary,)
            if head.kind == "head" and head.shape and by_token and head.shape[0] != embedding.shape[0]:
                where = ("lm_head_source",) if self.recipe.lm_head_source else ("embedding_source",)
                what = (
                    f"the result has a token embedding of {embedding.shape[0]} rows ({' + '.join(embedding.models)}) and a "
                    f"head of {head.shape[0]} rows ({head.name} of {' + '.join(head.models)}), which no model can load."
                )
                how = "Name the same model in embedding_source and lm_head_source, or choose tokenizer_source or vocabulary."
                self.findings.error(where, what, how)

    def _config(self, tensors: tuple[TensorPlan, ...]) -> dict:
        donor = self.checkpoints[self.donor]
        sizes: dict[str, int] = {}
        for tensor in tensors:
            sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.count
        vocabulary = next((t.shape[0] for t in tensors if t.name == donor.token_embedding), None)
        if vocabulary and donor.vocabulary and vocabulary != donor.vocabulary and self.written is None:
            what = f"the result has {vocabulary} embedding rows, but config and tokenizer come from {self.labels[self.donor]}"
            self.findings.warning(
                ("config_source",), f"{what}, which has {donor.vocabulary}.", "Set config_source to a model that fits."
            )
        head = any(t.kind == "head" and is_head(t.name, t.shape, vocabulary) for t in tensors)
        layers = self._donor_layers()
        for stack, own in layers.items():
            if len(own) != donor.layout.stacks[stack].depth and not depth_places(donor, stack):
                what = (
                    f"the config of {self.labels[self.donor]} does not say how many layers {stack} has; now {len(own)}."
                )
                self.findings.warning((), what, "Write the number into the result's config.json.")
        config, notes = fitted(donor, layers, max(sizes, key=sizes.get), vocabulary, head)
        for note in notes:
            what = f"the config of {self.labels[self.donor]} describes layers in a way that these slices break: {note}."
            self.findings.warning((), what, "Check config.json of the result, or choose other layers.")
        try:
            return self.written.renumbered(config) if self.written is not None else config
        except CheckpointError as error:
            self.findings.error((), str(error))
            return config

    def _donor_layers(self) -> dict[str, list[int]]:
        """For each layer of each stack of the result, the config donor's layer that it is or corresponds to."""
        layers: dict[str, list[int]] = {}
        for stretch in (s for stretches in self.stretches for s in stretches if s.stack is not None):
            for piece in stretch.pieces:
                own = next((i for i in piece.inputs if i.ref == self.donor), piece.inputs[0])
                layers.setdefault(stretch.stack, []).extend(range(own.first, own.first + piece.depth))
        return layers


def _depths(stretch: Stretch) -> list[int]:
    return [p.depth for p in stretch.pieces]
