"""The parts of a recipe: sources, slices, modules, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from nbmerge.checkpoints.dtypes import FLOATS
from nbmerge.model_ref import ModelRef
from nbmerge.problems import nearest
from nbmerge.recipe.setting import Setting

DTYPES = FLOATS
"""Dtypes that a recipe may set."""
MOST_PADDING = 65_536
"""Largest `pad_to_multiple_of`; hardware needs a few hundred at most."""
_SHORT = {"bf16": "bfloat16", "fp16": "float16", "half": "float16", "fp32": "float32", "float": "float32"}


def _dtype(raw: Any) -> str:
    name = str(raw).removeprefix("torch.").lower()
    name = _SHORT.get(name, name)
    if name not in DTYPES:
        raise ValueError(f"'{raw}' is not a supported dtype. {nearest(name, DTYPES)}")
    return name


def _layer_range(raw: Any) -> tuple[int, int]:
    ok = isinstance(raw, list | tuple) and len(raw) == 2 and all(type(x) is int for x in raw)
    if not ok:
        raise ValueError(f"a layer range is two whole numbers [first, end), such as [0, 16], not {raw!r:.200}.")
    first, end = raw
    if first < 0 or end <= first:
        raise ValueError(
            f"the layer range [{first}, {end}) contains no layer. Layers are counted from 0, and the end is not included."
        )
    return first, end


def _parameters(raw: Any) -> dict[str, Any]:
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        raise ValueError(f"parameters are a mapping of names to values, not {raw!r:.200}.")
    return {str(k): v for k, v in raw.items() if v is not None}


def _names(raw: Any) -> tuple[str, ...]:
    names = [raw] if isinstance(raw, str) else raw
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) and n for n in names):
        raise ValueError(f"this is a name or a list of names, not {raw!r:.200}.")
    return tuple(dict.fromkeys(n.strip().strip(".") for n in names))


def _named(raw: Any) -> Any:
    """Accept a bare name as an entry of `models`."""
    if not isinstance(raw, list | tuple):
        return raw
    return [x if isinstance(x, Mapping | Source) else {"model": x} for x in raw]


def _prompts(raw: Any) -> Any:
    if not isinstance(raw, list | tuple) or not all(isinstance(text, str) for text in raw):
        raise ValueError(f"prompts are a list of texts, not {raw!r:.200}. Write each as an entry of a list.")
    for i, text in enumerate(raw):
        if not text.strip():
            raise ValueError(f"prompt {i + 1} of the list is empty. Write a text, or remove it.")
    return raw


Model = Annotated[ModelRef, BeforeValidator(ModelRef.of)]
Prompts = Annotated[tuple[str, ...], BeforeValidator(_prompts)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Dtype = Annotated[str, BeforeValidator(_dtype)]
Range = Annotated[tuple[int, int], BeforeValidator(_layer_range)]
Parameters = Annotated[dict[str, Annotated[Setting, BeforeValidator(Setting.of)]], BeforeValidator(_parameters)]


class Part(BaseModel):
    """Base class of all parts: immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        return {k: v for k, v in data.items() if v is not None} if isinstance(data, Mapping) else data


class Source(Part):
    """One model's share in a slice.

    Parameters
    ----------
    model : ModelRef
    layer_range : (int, int), optional
        First layer and the one after the last. None means all layers.
    parameters : dict of str to Setting
        Parameters of this model only.
    """

    model: Model
    layer_range: Range | None = None
    parameters: Parameters = Field(default_factory=dict)


Models = Annotated[tuple[Source, ...], BeforeValidator(_named)]


class Slice(Part):
    """Layers of the output, made from the layers of its sources.

    Parameters
    ----------
    sources : tuple of Source
    base_model : ModelRef, optional
        The base model of these layers, instead of the recipe's own.
    parameters : dict of str to Setting
        Parameters of these layers.
    """

    sources: tuple[Source, ...] = Field(min_length=1)
    base_model: Model | None = None
    parameters: Parameters = Field(default_factory=dict)


class Module(Part):
    """A part of a model, such as a decoder or a vision tower.

    Parameters
    ----------
    models : tuple of Source
        Models merged over the whole depth of this part. Either this or `slices`.
    slices : tuple of Slice
        The layers of this part, piece by piece.
    parameters : dict of str to Setting
        Parameters of this part.
    """

    models: Models | None = None
    slices: tuple[Slice, ...] | None = None
    parameters: Parameters = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_form(self) -> Module:
        if not (self.models or self.slices) or (self.models is not None and self.slices is not None):
            raise ValueError("a module has either 'models' or 'slices', with at least one model.")
        return self


class Expert(Part):
    """A model whose MLPs are an expert of a mixture.

    Parameters
    ----------
    source_model : ModelRef
    positive_prompts, negative_prompts : tuple of str
        Texts that are to be routed to this expert, and texts that are not.
    residual_scale : float, optional
        Factor on what the expert adds to the residual stream: its down projection.
    noise_scale : float, optional
        Standard deviation of normal noise that is added to its weights, so that equal experts can be trained apart.
    """

    source_model: Model
    positive_prompts: Prompts = ()
    negative_prompts: Prompts = ()
    residual_scale: float | None = Field(default=None, allow_inf_nan=False)
    noise_scale: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class DtypeRule(Part):
    """A dtype for the output tensors whose names contain a string."""

    filter: str
    dtype: Dtype


class TokenSource(Part):
    """Where a token's embedding comes from: a model's token by text or id, zeros, or the mean over models that have it."""

    kind: Literal["model_token", "zero", "mean"]
    model: Model | None = None
    token: str | None = None
    token_id: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _complete(self) -> TokenSource:
        if self.kind == "model_token" and (self.model is None or (self.token is None) == (self.token_id is None)):
            raise ValueError("a model_token has a 'model' and either 'token' or 'token_id'.")
        return self


def _token_source(raw: Any) -> Any:
    return raw if isinstance(raw, Mapping | TokenSource) else ModelRef.of(raw)


class TokenRule(Part):
    """How one token's embedding is made."""

    source: Annotated[TokenSource | ModelRef | None, BeforeValidator(_token_source)] = None
    force: bool = False


class Tokenizer(Part):
    """The vocabulary of the result: which tokens it has, and how their rows are made."""

    source: str = "union"
    tokens: dict[str, TokenRule] = Field(default_factory=dict)
    pad_to_multiple_of: int | None = Field(default=None, ge=1, le=MOST_PADDING)
    rows: Literal["method", "owners"] = "method"
    """How a row is made: by the merge method once missing rows are filled in, or as the weighted mean over the models that
    have the token, as mergekit did before 0.1."""
    approximate: Literal["pieces", "pursuit"] = "pieces"
    """Rows for tokens that no model has: the mean of the tokens that it is split into, or matching pursuit over shared tokens."""


def plain(
    value: Any, setting: Callable[[Setting], Any] = Setting.plain, model: Callable[[ModelRef], Any] = ModelRef.plain
) -> Any:
    """Any part as plain data, without what is left at its default; `setting` and `model` write those two in it."""
    if isinstance(value, Setting):
        return setting(value)
    if isinstance(value, ModelRef):
        return model(value)
    if isinstance(value, Part):
        # A tokenizer's source is written even if it is the default: the key alone means something.
        written = {
            n: v
            for n, default in _defaults(type(value)).items()
            if (v := getattr(value, n)) != default or (isinstance(value, Tokenizer) and n == "source")
        }
        return {n: p for n, v in written.items() if (p := plain(v, setting, model)) not in (None, {}, [])}
    if isinstance(value, Mapping):
        return {k: plain(v, setting, model) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v, setting, model) for v in value]
    return value


@cache  # pydantic inspects the signature of a factory whenever it is asked for a default
def _defaults(kind: type[Part]) -> dict[str, Any]:
    return {n: field.get_default(call_default_factory=True) for n, field in kind.model_fields.items()}
