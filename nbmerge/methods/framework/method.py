"""What a merge method is: one of two shapes, with the descriptions and ranges that explain it.

A *combination* is a weighted sum Σ cᵢWᵢ of whole tensors; the method is a function from numbers to the coefficients c.
An *element-wise* method first looks at the tensors (thresholds, norms), then mixes them block by block; it declares
whether a block must contain whole rows or a whole matrix.
The engine depends only on these two shapes, on no method; menus, checks and documentation are generated from the fields here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    import torch

    from nbmerge.methods.framework.input_blocks import InputBlocks

LARGEST = 3e38
"""Largest value of a parameter: about the largest float32."""

REQUIRED: Any = type("Required", (), {"__repr__": lambda self: "required"})()
"""Default of a parameter that a recipe must set."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number, flag or word that a method takes.

    Parameters
    ----------
    name : str
        As recipes write it.
    help : str
        One sentence for the person who sets it.
    default : scalar
        `REQUIRED` if a recipe must set it.
    scope : "input" or "global"
        Whether each input has its own value, or the merge has one.
    low, high : float, optional
        Values outside are refused.
    slider : (float, float)
        Range that an interface offers.
    kind : "number", "flag", "text" or tuple of str
        A tuple lists the words allowed.
    """

    name: str
    help: str
    default: Any = REQUIRED
    scope: Literal["input", "global"] = "global"
    low: float | None = None
    high: float | None = None
    slider: tuple[float, float] = (0.0, 1.0)
    kind: Literal["number", "flag", "text"] | tuple[str | bool, ...] = "number"

    def fault(self, value: Any) -> str | None:
        """What is wrong with a value, None if it is valid."""
        if value is None and self.default is None:
            return None
        if self.kind == "flag":
            return None if value in (True, False) else f"{self.name} must be true or false, not {value!r}."
        if isinstance(self.kind, tuple):
            known = ", ".join(map(str, self.kind))
            return None if value in self.kind else f"{self.name} must be one of {known}, not {value!r}."
        if self.kind == "text":
            return None if isinstance(value, str) and value else f"{self.name} must be a text, not {value!r}."
        if isinstance(value, str | bool):
            return f"{self.name} must be a number, not {value!r}."
        if abs(value) > LARGEST:
            return f"{self.name} = {value:g} is too large: weights have at most 32-bit range."
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            return f"{self.name} = {value:g} is out of range: {self.range}."
        return None

    @property
    def range(self) -> str:
        """The allowed values, in words."""
        if self.kind == "flag":
            return "true or false"
        if isinstance(self.kind, tuple):
            return " or ".join(map(str, self.kind))
        if self.kind == "text":
            return "a text"
        if self.low is None and self.high is None:
            return "any number"
        if self.high is None:
            return f"{self.low:g} or more"
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True, slots=True)
class Values:
    """The numbers of one tensor's merge.

    Parameters
    ----------
    shared : mapping of str to scalar
        Parameters of the whole merge.
    each : mapping of str to tuple of scalars
        Per-input parameters, in the order of the inputs. The base model's entry is None in methods with a base.
    streams : tuple of str
        One key per input for random numbers, see `nbmerge.methods.numerics.random_streams`.
    position : float
        Position of the tensor: 0 at the first layer of its slice and before it, 1 at the last and after it.
    matrix : bool
        Whether the tensor is a weight matrix (or a stack of them) inside a layer, and not a vector, embedding or head.
    inputs_first : bool
        Whether its rows correspond to the layer's inputs, as in GPT-2, instead of its columns, as nearly everywhere.
    """

    shared: Mapping[str, Any]
    each: Mapping[str, tuple[Any, ...]]
    streams: tuple[str, ...] = ()
    position: float = 0.0
    matrix: bool = False
    inputs_first: bool = False

    def __getitem__(self, name: str) -> Any:
        return self.shared[name]


Base = Literal["required", "optional", "first", "none"]
Whole = Literal["element", "row", "matrix"]
Variant = Callable[[Values], "Combination | Elementwise | None"]
Check = Callable[[Values], "str | None"]
Coefficients = Callable[[Values, Any], Sequence[float]]
Note = Callable[[Values, Any], "str | None"]
Look = Callable[["InputBlocks", Values], Any]
HeldBytes = Callable[[Values, "tuple[int, ...]", int], int]
Mix = Callable[["list[torch.Tensor]", int, Any, Values], "torch.Tensor"]


class MethodFields(TypedDict):
    """Fields that the shapes of a method with several of them share; see `Method` for each."""

    name: str
    title: str
    words: str
    formula: str
    reference: str
    parameters: tuple[Parameter, ...]
    base: Base
    inputs: tuple[int, int | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A merge method's description; see `Combination` and `Elementwise` for what it does.

    Parameters
    ----------
    name : str
        As recipes write it.
    title : str
        Its usual name.
    words : str
        Description in two sentences.
    formula : str
        LaTeX, without dollar signs.
    reference : str
        Publication or other source.
    parameters : tuple of Parameter
    base : "required", "optional", "first" or "none"
        "required": inputs are task vectors relative to `base_model`. "optional": the same if a base model is named, else
        inputs are whole weights. "first": `base_model`, or else the first model named, is the first end. "none": a base
        model is an input like any other, if it is listed.
    inputs : (int, int or None)
        Minimum and maximum number of inputs, including a required base but not an optional one. A required base without
        other inputs is copied, without calling the method.
    variant : callable, optional
        ``(values) -> Method or None``: the method of another shape that some values or tensors require.
    check : callable, optional
        ``(values) -> str or None``: why values cannot be combined.
    require : callable, optional
        ``(values) -> str or None``: which statistics of texts that they name are not there, see `nbmerge.gather_statistics`.
    advise : callable, optional
        ``(values) -> str or None``: a warning about values that can be combined, but seldom are on purpose.
    is_random : bool
        Whether it draws random masks, which a recipe's `random_seed` decides.
    """

    name: str
    title: str
    words: str
    formula: str
    reference: str
    parameters: tuple[Parameter, ...] = ()
    base: Base = "none"
    inputs: tuple[int, int | None] = (1, None)
    variant: Variant | None = None
    check: Check | None = None
    require: Check | None = None
    advise: Check | None = None
    is_random: bool = False

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of that name, None when the method has none."""
        return next((p for p in self.parameters if p.name == name), None)

    def fault(self, values: Values) -> str | None:
        """Why a set of values cannot be combined, None if it can."""
        return (self.check(values) if self.check else None) or self.missing(values)

    def missing(self, values: Values) -> str | None:
        """Which statistics of texts are missing, None if they are there or none are needed."""
        return self.require(values) if self.require else None

    def resolve(self, values: Values) -> Combination | Elementwise:
        """The method that is run for these values: this one, or its variant of another shape."""
        method = (self.variant(values) if self.variant else None) or self
        if not isinstance(method, (Combination, Elementwise)):
            raise TypeError(f"the merge method {method.name!r} must be a Combination or an Elementwise")
        return method

    @property
    def passes(self) -> int:
        """How often the inputs are read."""
        return 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination(Method):
    """A method whose result is Σ cᵢWᵢ.

    Parameters
    ----------
    coefficients : callable
        ``(values, gram) -> sequence of float``: c, one per input. `gram` is the float64 Gram matrix, shape (n, n), over
        [W₀, W₁−W₀, …], or None where `needs_gram` is false.
    needs_gram : bool
        Whether the coefficients depend on the weights.
    note : callable, optional
        ``(values, gram) -> str or None``: a special case that applies to this tensor, to be counted and shown.
    """

    coefficients: Coefficients
    needs_gram: bool = False
    note: Note | None = None

    @property
    def passes(self) -> int:
        """How often the inputs are read."""
        return 2 if self.needs_gram else 1

    @property
    def portable(self) -> bool:
        """Whether all processors give the same bytes."""
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Elementwise(Method):
    """A method that treats each element (or row, or matrix) separately, after it has looked at the tensors.

    Parameters
    ----------
    mix : callable
        ``(inputs, start, state, values) -> Tensor``. `inputs` are 1-D tensors of equal length in the working
        dtype (float32, or float64 for float64 models), elements start, start+1, … of the flattened tensors; the base is
        first. They may be overwritten and one of them may be the result.
    look : callable, optional
        ``(tensors, values) -> state``. `tensors` (`InputBlocks`) yields all inputs block by block, as often as
        needed.
    held_bytes : callable, optional
        ``(values, shape, inputs) -> int``: memory that `look` needs for a tensor besides blocks, where that is not little.
    whole : "element", "row" or "matrix"
        What is never split between blocks. With "row" (of the last dimension; a vector is one row) and "matrix" (of the last two),
        `inputs` have the shape (rows, columns). A worker keeps one block of all inputs in memory, at least one such unit.
    anywhere : bool
        Whether `mix` accepts tensors on any device and stays there: plain torch, no conversion to NumPy.
    portable : bool
        Whether all processors give the same bytes: `mix` and `look` add, multiply, divide and compare single elements, and
        sum with `nbmerge.methods.numerics`. Sums, products of matrices, decompositions, roots and exponentials of torch are
        rounded as the processor and torch's libraries prefer.
    """

    mix: Mix
    look: Look | None = None
    held_bytes: HeldBytes | None = None
    whole: Whole = "element"
    anywhere: bool = False
    portable: bool = False

    @property
    def passes(self) -> int:
        """How often the inputs are read, at least."""
        return 2 if self.look else 1
