"""Which experts the tokens of some text are routed to, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nbmerge.engine.planning import number_repeats
from nbmerge.errors import ArgumentError, MergeStopped, RecipeError
from nbmerge.presentation import Displayed, draw
from nbmerge.recipe import RECIPE_FILE, Recipe
from nbmerge.sampling import Loaded, evaluation_mode
from nbmerge.sampling.likelihood import split_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from nbmerge.typing import Askable, StopSignal


@dataclass(frozen=True, eq=False)
class Routing(Displayed):
    """How a mixture routes the tokens of some texts; returned by `measure_routing`.

    Parameters
    ----------
    experts : tuple of str
        Names of the experts.
    texts : tuple of str
    tokens : tuple of int
        Tokens of each text that are counted.
    per_token : int
        Number of experts that a token is routed to.
    weights : ndarray of float64, shape (texts, layers, experts)
        Mean weight of each expert in what a layer computes: 0 where a token is not routed to it.
    chosen : ndarray of float64, shape (texts, layers, experts)
        Share of tokens that are routed to each expert.
    """

    experts: tuple[str, ...]
    texts: tuple[str, ...]
    tokens: tuple[int, ...]
    per_token: int
    weights: np.ndarray
    chosen: np.ndarray

    @property
    def table(self) -> pd.DataFrame:
        """One row per text, layer and expert: ``weight`` and ``chosen``."""
        import pandas as pd

        places = [
            (text, layer, e) for text in self.texts for layer in range(self.weights.shape[1]) for e in self.experts
        ]
        numbers = {"weight": self.weights.ravel(), "chosen": self.chosen.ravel()}
        return pd.DataFrame(places, columns=["text", "layer", "expert"]).assign(**numbers)

    @property
    def summary(self) -> pd.DataFrame:
        """Mean weight over the layers: one row per text, one column per expert."""
        import pandas as pd

        return pd.DataFrame(self.weights.mean(1), index=pd.Index(self.texts, name="text"), columns=list(self.experts))

    def plot(
        self,
        what: Literal["weight", "chosen"] = "weight",
        *,
        theme: Literal["auto", "light", "dark"] = "auto",
        width: float = 20 / 3,
        font_size: float = 9.0,
    ) -> Figure:
        """Plot the shares of the experts by layer, one row for each text.

        Parameters
        ----------
        what : "weight" or "chosen"
            Column of `table`.
        theme, width, font_size
            As in `Recipe.plot`.
        """
        if what not in ("weight", "chosen"):
            raise ArgumentError(f"what must be 'weight' or 'chosen', not {what!r}.")
        return draw("routing", self, what, theme=theme, width=width, font_size=font_size)

    def __repr__(self) -> str:
        count, layers, experts = self.weights.shape
        return f"<Routing: {count} texts, {layers} layers, {self.per_token} of {experts} experts for each token>"


def measure_routing(
    model: Askable, text: str | Sequence[str], *, tokenizer: Any = None, cancel: StopSignal | None = None
) -> Routing:
    """Measure which experts of a mixture the tokens of texts are routed to.

    Parameters
    ----------
    model : path, Hub id, LiveMerge, Pin, `Loaded` or PreTrainedModel
        A mixture of experts.
    text : str or sequence of str
        The first token of each, which is usually the mark of a beginning, is not counted.
    tokenizer : PreTrainedTokenizerBase, optional
        Required with a bare transformers model.
    cancel : StopSignal, optional
        Stops the work once it is set.

    Raises
    ------
    ArgumentError
        When the model is not a mixture, or no text is given.
    SampleError
        When a text has fewer than two tokens.
    MergeStopped
        When `cancel` was set.

    Examples
    --------
    >>> import nbmerge as nbm
    >>> family = nbm.demo.family()
    >>> prompts = {"shouter": ["upper: dog"], "reverser": ["reverse: dog"]}
    >>> experts = [{"source_model": family.experts[n], "positive_prompts": p} for n, p in prompts.items()]
    >>> with nbm.live({"base_model": family.base, "experts": experts}, progress=False) as live:
    ...     routing = nbm.measure_routing(live, ["upper: red", "reverse: red"])
    >>> list(routing.summary.columns)
    ['shouter', 'reverser']
    """
    texts = (text,) if isinstance(text, str) else tuple(text)
    if not texts:
        raise ArgumentError("text is empty. Pass a text, or several.")
    with evaluation_mode(model, tokenizer, cancel=cancel) as loaded:
        found = [_route(loaded, one, cancel) for one in texts]
        per_token = int(loaded.model.config.num_experts_per_tok)
    weights, chosen = (np.stack([part[i] for part in found]) for i in (0, 1))
    names = _names(model, weights.shape[-1])
    return Routing(names, texts, tuple(part[2] for part in found), per_token, weights, chosen)


def _route(loaded: Loaded, text: str, cancel: StopSignal | None) -> tuple[np.ndarray, np.ndarray, int]:
    """Mean weights and shares of a text, shape (layers, experts), and the number of its tokens."""
    import torch

    weights = chosen = np.zeros(())
    tokens = 0
    for window in split_text(loaded, text):
        if cancel is not None and cancel.is_set():
            raise MergeStopped("It was stopped before all tokens were routed. Run it again for a result.")
        logits = _router_logits(loaded, torch.tensor([window.ids], device=loaded.model.device))[:, window.begin :]
        probabilities = logits.double().softmax(-1)
        best, experts = probabilities.topk(loaded.model.config.num_experts_per_tok, dim=-1)
        if getattr(loaded.model.config, "norm_topk_prob", True):
            best = best / best.sum(-1, keepdim=True)
        empty = torch.zeros_like(probabilities)
        weights = weights + empty.scatter(-1, experts, best).sum(1).cpu().numpy()
        chosen = chosen + empty.scatter(-1, experts, 1.0).sum(1).cpu().numpy()
        tokens += logits.shape[1]
    return weights / tokens, chosen / tokens, tokens


def _router_logits(loaded: Loaded, ids: Any) -> Any:
    """Logits of the routers of all layers, shape (layers, tokens, experts)."""
    import torch

    kind = type(loaded.model).__name__
    config = loaded.model.config
    if not hasattr(config, "num_experts_per_tok") or not hasattr(config, "output_router_logits"):
        raise ArgumentError(f"{kind} is not a mixture of experts whose routing transformers reports.")
    found = loaded.model(ids, output_router_logits=True, use_cache=False).router_logits
    return torch.stack([layer.reshape(ids.shape[1], -1) for layer in found])


def _names(model: Askable, count: int) -> tuple[str, ...]:
    """Names of the experts, from the recipe where there is one."""
    recipe = getattr(model, "recipe", None)
    if isinstance(model, str | PathLike) and (Path(model) / RECIPE_FILE).is_file():
        try:
            recipe = Recipe.load(Path(model))
        except RecipeError:  # it may have been edited; the model has not
            recipe = None
    experts = recipe.experts or () if isinstance(recipe, Recipe) else ()
    if len(experts) != count:
        return tuple(f"expert {i}" for i in range(count))
    return tuple(number_repeats([expert.source_model.name for expert in experts]))
