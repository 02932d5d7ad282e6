"""Sample several models with the same prompts and show their texts side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from nbmerge.presentation import Displayed
from nbmerge.progress_bars import show_progress
from nbmerge.sampling.generate import sample
from nbmerge.sampling.result import Sample
from nbmerge.sampling.token_progress import TokenProgress

if TYPE_CHECKING:
    import pandas as pd

    from nbmerge.typing import Askable, ProgressLike, StopSignal


@dataclass(frozen=True)
class Comparison(Displayed):
    """Texts of several models on the same prompts.

    Parameters
    ----------
    prompts : tuple of str
    samples : dict of str to tuple of Sample
        Model's name to its samples, in the order of the prompts.
    """

    prompts: tuple[str, ...]
    samples: dict[str, tuple[Sample, ...]]

    @property
    def table(self) -> pd.DataFrame:
        """The continuations: one row per prompt, one column per model."""
        import pandas as pd

        texts = {name: [s.text for s in row] for name, row in self.samples.items()}
        return pd.DataFrame(texts, index=pd.Index(self.prompts, name="prompt"))

    def __str__(self) -> str:
        width = max(map(len, self.samples), default=0)
        blocks = []
        for i, prompt in enumerate(self.prompts):
            lines = [f"  {name:<{width}}  {_visible(row[i].text)}" for name, row in self.samples.items()]
            blocks.append("\n".join([_visible(prompt), *lines]))
        return "\n\n".join(blocks)

    __repr__ = __str__


def compare(
    models: Mapping[str, Askable],
    prompts: str | Sequence[str],
    *,
    tokenizer: Any = None,
    max_new_tokens: int = 40,
    temperature: float = 0.0,
    seed: int = 0,
    cancel: StopSignal | None = None,
    on_token: Callable[[str, int, str, tuple[int, ...]], Any] | None = None,
    progress: ProgressLike = None,
) -> Comparison:
    """Sample several models with the same prompts, seed and settings.

    Parameters
    ----------
    models : mapping of str to model
        Name to anything that `sample` takes. Folders are loaded one after the other, never together.
    prompts : str or sequence of str
    tokenizer, max_new_tokens, temperature, seed, cancel
        As in `sample`.
    on_token : callable, optional
        ``(name, prompt, text, tokens)``: as in `sample`, with the name of the model before it.
    progress : callable or bool, optional
        As in `sample`.

    Raises
    ------
    SampleError, ArgumentError, MergeStopped
        As in `sample`.
    """
    prompts = (prompts,) if isinstance(prompts, str) else tuple(prompts)
    samples = {}
    with (
        show_progress(progress, "Comparing models") as listener,
        TokenProgress(listener, len(models) * len(prompts), max_new_tokens) as counter,
    ):
        for number, (name, model) in enumerate(models.items()):
            told = on_token and partial(on_token, str(name))
            samples[str(name)] = tuple(
                sample(
                    model,
                    prompts,
                    tokenizer=tokenizer,
                    max_new_tokens=max_new_tokens,
                    temperature=temperature,
                    seed=seed,
                    cancel=cancel,
                    on_token=counter.watch(told, number * len(prompts)),
                    progress=False,
                )
            )
    return Comparison(prompts, samples)


def _visible(text: str) -> str:
    """One line for a terminal: line breaks and control characters written out, so that no text can control it."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
