"""mergekit's YAML, from which its release 0.1.5 makes the same model, and a list of what it cannot express."""

from __future__ import annotations

from typing import Any

from nbmerge.methods import methods
from nbmerge.model_ref import ModelRef
from nbmerge.problems import Problem, Severity, Where, worst_first
from nbmerge.recipe.documents import order_merges
from nbmerge.recipe.end_values import spell_out_ends
from nbmerge.recipe.layer_values import Scalar
from nbmerge.recipe.parts import plain
from nbmerge.recipe.recipe import Recipe
from nbmerge.recipe.sections import Section, levels
from nbmerge.recipe.setting import Rule, Setting
from nbmerge.recipe.writers.donors import write_donors_as_rules
from nbmerge.recipe.writers.export import Export
from nbmerge.recipe.writers.layer_lists import write_layers_as_lists
from nbmerge.recipe.writers.mergekit_limits import check_method, check_stored_models, stored_dtype
from nbmerge.recipe.writers.mergekit_moe import write_mixture
from nbmerge.recipe.yaml_text import dump_yaml

METHODS = (
    "linear", "slerp", "nuslerp", "multislerp", "karcher", "task_arithmetic", "ties", "dare_linear", "dare_ties",
    "della", "della_linear", "breadcrumbs", "breadcrumbs_ties", "sce", "model_stock", "nearswap", "arcee_fusion",
    "passthrough", "ram", "ramplus_tl",
)  # fmt: skip
"""Methods of mergekit 0.1.5."""
RANDOM = ("dare_linear", "dare_ties", "della", "della_linear")
"""Those that draw random masks."""
OURS = ("consensus", "method", "zero_tensors", "embed_slerp")
"""Parameters that mergekit does not have."""


def to_mergekit(recipe: Recipe) -> Export:
    """See `Recipe.to_mergekit`."""
    everyone = order_merges(recipe)
    writers = [_Writer(r) for r in everyone]
    text = "---\n".join(dump_yaml(w.document(named=len(everyone) > 1)) for w in writers)
    lost = [p for w in writers for p in w.lost]
    if len(everyone) > 1:
        what = f"mergekit-yaml reads a single recipe; this export has {len(everyone)} that feed each other."
        lost.append(Problem("error", (), what, "Run it with mergekit-multi, which saves the intermediate models."))
    return Export(text, tuple(worst_first(lost)))


class _Writer:
    """Writes one document."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self.lost: list[Problem] = []

    def lose(self, severity: Severity, where: Where, what: str, how: str = "") -> None:
        self.lost.append(Problem(severity, where, what, how, self.recipe.line(where)))

    def document(self, named: bool) -> dict[str, Any]:
        recipe = self.recipe
        if recipe.experts is not None:
            mixture, problems = write_mixture(recipe)
            self.lost += problems
            return mixture
        if recipe.merge_method not in METHODS:
            self.lose("error", ("merge_method",), f"mergekit has no method '{recipe.merge_method}'.")
        if recipe.modules is not None:
            what = "mergekit has its own module names for each architecture, and omits modules that are not listed."
            how = (
                "Tensors outside the modules are named 'shared' (T5) or 'default' (architectures unknown to mergekit)."
            )
            self.lose("warning", ("modules",), what, how)
        self._check_parameters()
        recipe, problems = write_layers_as_lists(recipe)
        for problem in problems:
            self.lose(problem.severity, problem.where, problem.what, problem.how)
        recipe = self._parameters(recipe)
        recipe = self._base(recipe)
        recipe, lost = write_donors_as_rules(recipe)
        for field in lost:
            donor = getattr(self.recipe, field)
            what = f"mergekit cannot take these tensors from {donor} in a {recipe.merge_method} merge."
            self.lose("error", (field,), what)
        self._check_slices(recipe)
        recipe = self._without_ours(recipe)
        recipe = self._dtypes(recipe)
        recipe = self._settings(recipe, named)
        data = plain(spell_out_ends(recipe), model=_model)
        return {k: v for k, v in data.items() if k != "merges"}

    def _without_ours(self, recipe: Recipe) -> Recipe:
        """The recipe without keys of nbmerge: for bare weights, and for results that are filled in."""
        if recipe.stacks:
            what = "mergekit-pytorch has no layers: it uses the first value of a gradient for all tensors."
            self.lose("error", ("stacks",), what, "Give one value for each filter.")
        if recipe.missing_tensors != "refuse":
            option = {"leave-out": "--tensor-intersection", "merge-rest": "--tensor-union"}[recipe.missing_tensors]
            what = "mergekit-pytorch has an option for tensors that some models lack, and no key."
            self.lose("warning", ("missing_tensors",), what, f"Pass {option}.")
        if recipe.fill_from is not None:
            what = f"mergekit's recipes cannot fill in the rest of {recipe.fill_from.name}."
            self.lose("error", ("fill_from",), what, "Merge first, then fill in with 'nbmerge fill-missing'.")
        left_out = {"stacks": (), "missing_tensors": "refuse", "fill_from": None, "fill_prefix": None}
        return recipe.model_copy(update=left_out)

    # --- parameters ---

    def _given(self, name: str) -> list[Scalar]:
        """Every value of a parameter, at any level."""
        return [v for _, level, _, _ in levels(self.recipe) if name in level for v in level[name].values()]

    def _check_parameters(self) -> None:
        recipe = self.recipe
        if self._given("method"):
            self.lose("error", ("parameters", "method"), "mergekit has one method for all tensors.")
        if "count" in self._given("consensus"):
            self.lose("error", ("parameters", "consensus"), "mergekit elects signs by weighted sum only.")
        if recipe.merge_method == "slerp" and recipe.parameters.get("zero_tensors") != Setting.of("formula"):
            what = "where one of two tensors is zero, mergekit follows the formula instead of keeping the other."
            self.lose("info", ("parameters", "zero_tensors"), what)
        for severity, what in check_method(recipe):
            self.lose(severity, ("merge_method",), what)
        if recipe.merge_method in RANDOM and any(d != 1.0 for d in self._given("density")):
            what = "mergekit draws different random masks, so the weights differ element by element."
            self.lose("error", ("random_seed",), what)
            rescale = self._given("rescale")
            if not rescale or any(v in (True, 1.0) for v in rescale):
                what = "mergekit rescales what a mask leaves to the same sum of absolute values, not by 1/density."
                self.lose("warning", ("parameters", "rescale"), what)

    def _parameters(self, recipe: Recipe) -> Recipe:
        """The recipe with parameters that mergekit has, in its values."""

        def change(name: str, setting: Setting) -> Setting:
            if name != "rescale":
                return setting
            return Setting(tuple(Rule(r.value not in (False, 0.0), r.filter) for r in setting.canonical().rules))

        data = recipe.each_setting(change).plain()
        for level in _plain_levels(data):
            for name in OURS:
                level.get("parameters", {}).pop(name, None)
        return Recipe.of(data).with_origin(like=recipe)

    # --- models ---

    def _base(self, recipe: Recipe) -> Recipe:
        """Name and list the base model as mergekit needs it."""
        method = methods().get(recipe.merge_method)
        kind = method.base if method else "required"
        donor = recipe.config_source or recipe.base_model or recipe.references[0]
        if kind == "none":
            # Here a base model only provides config and tokenizer; in mergekit it must be an input.
            listed = all(donor in [s.model for s in p.sources] for p in recipe.pieces)
            if not listed:
                what = f"mergekit takes config and tokenizer from any of the models, not necessarily from {donor}."
                self.lose("info", ("config_source",), what)
            return recipe.replace(base_model=donor if listed else None, config_source=None)
        if kind == "first" and recipe.base_model is None:
            recipe = recipe.replace(base_model=recipe.pieces[0].sources[0].model)
        if recipe.config_source not in (None, recipe.base_model):
            what = f"mergekit takes config and tokenizer from the base model, not from {recipe.config_source}."
            self.lose("warning", ("config_source",), what)
        recipe = recipe.replace(config_source=None)
        return recipe if kind == "optional" and recipe.base_model is None else _with_base_in_slices(recipe)

    def _check_slices(self, recipe: Recipe) -> None:
        for section in recipe.sections:
            for k, piece in enumerate(section.slices):
                where: Where = section.slice_place(k) or ("models",)
                models = [s.model for s in piece.sources]
                if len(set(models)) < len(models):
                    self.lose("error", where, "mergekit does not accept the same model twice in one slice.")
                if not section.whole and any(s.layer_range is None for s in piece.sources):
                    self.lose("error", where, "mergekit needs a layer_range for every source of a slice.")
            self._check_ends(section)
        if any("@" in r.path or "+" in r.path for r in recipe.references):
            self.lose("info", (), "mergekit before 0.1 cannot read model names that contain '@' or '+'.")

    def _check_ends(self, section: Section) -> None:
        """Mergekit builds final norm and head from as many models as the first slice has."""
        first, last = section.slices[0].sources, section.slices[-1].sources
        if len(last) > len(first) and not (self.recipe.final_norm_source and self.recipe.lm_head_source):
            what = (
                f"mergekit 0.1.5 merges final norm and head from only the first {len(first)} models of the last slice."
            )
            how = "Give the first slice as many sources as the last."
            self.lose("error", section.slice_place(len(section.slices) - 1), what, how)

    # --- the rest ---

    def _dtypes(self, recipe: Recipe) -> Recipe:
        """Arithmetic in float32 and the result's own dtype, as ours is."""
        if recipe.dtype_overrides:
            self.lose("warning", ("dtype_overrides",), "mergekit writes all tensors in one dtype.")
        result = recipe.out_dtype or recipe.dtype or stored_dtype(recipe)
        if result is None:
            what = "without a dtype, mergekit computes in the stored dtype; nbmerge computes in float32."
            self.lose("info", ("dtype",), what)
            return recipe.replace(dtype_overrides=None)
        work = "float64" if result == "float64" else "float32"
        return recipe.replace(dtype=work, out_dtype=None if result == work else result, dtype_overrides=None)

    def _settings(self, recipe: Recipe, named: bool) -> Recipe:
        for problem in check_stored_models(self.recipe):
            self.lose(problem.severity, problem.where, problem.what, problem.how)
        recipe = self._tokenizer(recipe)
        if any(len(r.lora) > 1 for r in recipe.references):
            self.lose("error", (), "mergekit applies only one adapter to a model.")
        elif any(r.lora for r in recipe.references):
            self.lose("info", (), "mergekit applies adapters only with --lora-merge-cache.")
        return recipe.replace(vocabulary=None, random_seed=None, name=recipe.name if named else None)

    def _tokenizer(self, recipe: Recipe) -> Recipe:
        wanted = recipe.wanted_tokenizer
        if wanted is None:
            return recipe
        where: Where = ("tokenizer",)
        if wanted.rows == "owners":
            what = "mergekit 0.1 fills in rows of missing tokens and merges them; here rows are means over the models that have the token."
            self.lose("error", (*where, "rows"), what, "Remove 'rows' to get the same rows as mergekit.")
        if wanted.approximate != "pieces":
            self.lose(
                "error", (*where, "approximate"), "mergekit does not approximate rows of missing tokens during a merge."
            )
        for token, rule in wanted.tokens.items():
            if getattr(rule.source, "kind", "") == "mean":
                what = "mergekit cannot take the mean over the models that have a token."
                self.lose("error", (*where, "tokens", token, "source"), what)
        source = self._tokenizer_source(recipe, wanted.source)
        changed = {"source": source, "rows": "method", "approximate": "pieces"}
        return recipe.replace(tokenizer_source=None, tokenizer=plain(wanted.model_copy(update=changed)))

    def _tokenizer_source(self, recipe: Recipe, wish: str) -> str:
        """The tokenizer's source by a name that mergekit resolves; it ignores models that are named but not merged."""
        gone = [r for r in self.recipe.references if r not in recipe.references]
        if wish == "base":
            base = self.recipe.base_model
            return wish if base in (None, recipe.base_model) else self._tokenizer_source(recipe, str(base))
        if wish == "union":
            if gone:
                what = f"mergekit leaves the tokens of {', '.join(r.name for r in gone)} out of the union."
                self.lose("error", ("tokenizer", "source"), what)
            return wish
        path = wish.removeprefix("model:")
        source = next((r for r in recipe.references if path in (str(r), r.path)), None)
        source = source or next((r for r in recipe.references if r.name == path), None)
        if source is None:
            what = (
                f"{path} is not merged: its tokens that no merged model has are zero in mergekit and approximated here."
            )
            self.lose("error", ("tokenizer", "source"), what)
            return path
        return str(source)


def _model(ref: ModelRef) -> Any:
    """A model as mergekit writes one whose name contains '@' or '+'."""
    if not any(c in ref.path for c in "@+"):
        return str(ref)
    model = {"path": ref.path, **({"revision": ref.revision} if ref.revision else {})}
    return {"model": model, **({"lora": {"path": ref.lora[0]}} if ref.lora else {})}


def _with_base_in_slices(recipe: Recipe) -> Recipe:
    """The recipe with its base model, which need not be listed here, among the sources of every slice."""
    data = recipe.plain()
    for section in recipe.sections:
        if section.whole:
            continue
        part = data if section.module is None else data["modules"][section.module]
        for piece, written in zip(section.slices, part["slices"], strict=True):
            base = piece.base_model or recipe.base_model
            if base is not None and base not in [s.model for s in piece.sources]:
                layers = written["sources"][0].get("layer_range")
                written["sources"].append({"model": base.plain(), **({"layer_range": layers} if layers else {})})
    return Recipe.of(data).with_origin(like=recipe)


def _plain_levels(data: dict[str, Any]) -> list[dict[str, Any]]:
    """Every mapping of a plain recipe that can contain parameters."""
    pieces = data.get("slices", [])
    inner = [level for module in data.get("modules", {}).values() for level in _plain_levels(module)]
    return [data, *data.get("models", []), *pieces, *(s for p in pieces for s in p["sources"]), *inner]
