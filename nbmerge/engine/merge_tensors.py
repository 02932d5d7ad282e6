"""A merge method run on a few tensors in memory, as a merge runs it on each tensor of its models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbmerge.checkpoints.dtypes import FLOATS
from nbmerge.engine.planning.plans import TensorPlan
from nbmerge.errors import ArgumentError
from nbmerge.methods import REQUIRED, Method, Parameter, Values, methods
from nbmerge.problems import nearest

if TYPE_CHECKING:
    import torch


def merge_tensors(
    method: str,
    tensors: Sequence[torch.Tensor],
    *,
    base: torch.Tensor | None = None,
    parameters: Mapping[str, Any] | None = None,
    seed: int = 0,
    position: float = 0.0,
    matrix: bool | None = None,
    dtype: torch.dtype | None = None,
    name: str = "tensor",
) -> torch.Tensor:
    """Merge a few tensors by one method: the same code and the same bytes as in the merge of whole models.

    Parameters
    ----------
    method : str
        Name of a registered method, also of your own: see `nbmerge.methods`.
    tensors : sequence of torch.Tensor
        The models' tensors, of equal shape, float16, bfloat16, float32 or float64.
    base : torch.Tensor, optional
        The base model's tensor, for methods that need or accept one; for slerp, the end at t = 0.
    parameters : mapping of str to value, optional
        The method's parameters. Those that each model has are a list with one value per tensor, or one value for all.
    seed : int
        As a recipe's `random_seed`, for methods that draw random masks.
    position : float
        Position of the tensor's layer in the model, 0 (first) to 1 (last), for methods that depend on it.
    matrix : bool, optional
        Whether the tensor is a weight matrix of a layer, which some methods treat differently from vectors, embeddings
        and heads. By default, tensors of two or more dimensions are.
    dtype : torch.dtype, optional
        The dtype of the result. By default, the dtype of the first tensor.
    name : str
        The tensor's name. Random masks depend on it, on the seed, and on the model's position among the inputs.

    Returns
    -------
    torch.Tensor
        The merged tensor, in the shape of the inputs.

    Raises
    ------
    ArgumentError
        If the method or a parameter is not known, a value is out of range, a tensor does not fit, or a base is missing.

    Examples
    --------
    >>> import torch
    >>> base = torch.zeros(4)
    >>> first, second = torch.tensor([1.0, 0.1, -2.0, 0.0]), torch.tensor([3.0, 0.2, 1.0, 0.1])
    >>> nbm.merge_tensors("ties", [first, second], base=base, parameters={"weight": 1, "density": 0.5})
    tensor([ 2.,  0., -2.,  0.])
    """
    import torch

    from nbmerge.engine.compute.blocks import Blocks
    from nbmerge.engine.compute.input_files import InputFiles
    from nbmerge.engine.compute.read_memory import TensorInMemory
    from nbmerge.engine.compute.tensor import compute
    from nbmerge.engine.compute.workspace import Workspace

    if method not in methods():
        raise ArgumentError(f"There is no merge method {method!r}. {nearest(method, methods())}")
    inputs = _check_inputs(methods()[method], tensors, base)
    shape = tuple(inputs[0].shape)
    matrix = len(shape) > 1 if matrix is None else matrix
    values = values_for(
        methods()[method], len(inputs), base is not None, parameters or {}, seed, position, matrix, name
    )
    sources = tuple(TensorInMemory(name, t.detach().cpu().contiguous()) for t in inputs)
    labels = tuple(str(i) for i in range(len(inputs)))
    text = str(dtype or tensors[0].dtype).removeprefix("torch.")
    if text not in FLOATS:
        raise ArgumentError(f"dtype must be a floating-point type of 16 bits or more, not {text}.")
    plan = TensorPlan(name, shape, text, 0, "rest", method, sources, labels, values)
    result = torch.empty(plan.count, dtype=getattr(torch, text))

    def store(start: int, block: torch.Tensor) -> None:
        result[start : start + block.numel()] = block

    with InputFiles() as files:
        compute(plan, Blocks(plan, Workspace(files)), store)
    return result.view(shape)


def _check_inputs(method: Method, tensors: Sequence[torch.Tensor], base: torch.Tensor | None) -> list[torch.Tensor]:
    """All inputs, the base first; an error if they cannot be merged by the method."""
    if base is None and method.base == "required":
        raise ArgumentError(f"{method.name} needs the base model's tensor: pass base=.")
    if base is not None and method.base == "none":
        raise ArgumentError(f"{method.name} has no base model: pass all tensors in one list.")
    inputs = [*tensors] if base is None else [base, *tensors]
    fewest, most = method.inputs
    count = len(tensors) if method.base == "optional" else len(inputs)
    if not tensors or count < fewest or (most is not None and count > most):
        needed = str(fewest) if most == fewest else f"{fewest} or more" if most is None else f"{fewest} to {most}"
        counted = "tensors, the base included" if method.base == "required" else "tensors"
        raise ArgumentError(f"{method.name} merges {needed} {counted}, not {count}.")
    for tensor in inputs:
        dtype = str(tensor.dtype).removeprefix("torch.")
        if dtype not in FLOATS:
            raise ArgumentError(f"Tensors of dtype {dtype} cannot be merged; convert them to float32 first.")
        if tensor.shape != inputs[0].shape:
            raise ArgumentError(f"Tensors must have equal shapes, not {_shape(inputs[0])} and {_shape(tensor)}.")
    return inputs


def values_for(
    method: Method,
    count: int,
    has_base: bool,
    given: Mapping[str, Any],
    seed: int = 0,
    position: float = 0.0,
    matrix: bool = False,
    name: str = "tensor",
) -> Values:
    """The method's parameters for `count` inputs, the base included: those given, and the defaults of the others."""
    for key in given:
        if method.parameter(key) is None:
            known = nearest(key, [p.name for p in method.parameters])
            raise ArgumentError(f"{method.name} has no parameter {key!r}. {known}")
    relative = has_base and method.base in ("required", "optional")  # the base has no weight
    shared, each = {}, {}
    for parameter in method.parameters:
        value = given.get(parameter.name, parameter.default)
        if parameter.scope == "global":
            shared[parameter.name] = _checked(parameter, value)
        else:
            each[parameter.name] = ((None,) if relative else ()) + _row(parameter, value, count - relative)
    # A recipe counts its models as they are listed; a base that is not among them draws no mask.
    streams = tuple(f"{seed}/{i - relative}/{name}" for i in range(count))
    values = Values(shared, each, streams, position, matrix)
    if fault := method.fault(values):
        raise ArgumentError(fault)
    return values


def _row(parameter: Parameter, value: Any, count: int) -> tuple[Any, ...]:
    """A parameter's value for each model."""
    row = tuple(value) if isinstance(value, list | tuple) else (value,) * count
    if len(row) != count:
        raise ArgumentError(f"{parameter.name} has {len(row)} values for {count} models.")
    return tuple(_checked(parameter, v) for v in row)


def _checked(parameter: Parameter, value: Any) -> Any:
    if value is REQUIRED:
        raise ArgumentError(f"{parameter.name} must be given: {parameter.help}")
    if fault := parameter.fault(value):
        raise ArgumentError(fault)
    return value


def _shape(tensor: torch.Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a single number"
