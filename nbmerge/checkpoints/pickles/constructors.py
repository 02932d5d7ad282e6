"""The calls that a state dict needs, replaced by descriptions of their results. Nothing is imported."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from nbmerge.checkpoints.pickles.values import ELEMENT_BYTES, Other, PickledTensor, Storage, UnpicklingError, dtype_of

MAX_NUMBER = 2**62
"""Sizes and positions from here on are impossible."""
MAX_DIMENSIONS = 32
_TYPES = ("torch.Tensor", "torch.nn.parameter.Parameter", "torch.storage.UntypedStorage")
_OTHER_TENSORS = {
    "torch._utils._rebuild_sparse_tensor": "a sparse tensor",
    "torch._utils._rebuild_sparse_csr_tensor": "a sparse tensor",
    "torch._utils._rebuild_qtensor": "a quantised tensor",
    "torch._utils._rebuild_nested_tensor": "a nested tensor",
    "torch._utils._rebuild_meta_tensor_no_storage": "a tensor without values",
    "torch._utils._rebuild_wrapper_subclass": "a tensor of a class of its own",
    "torch._utils._rebuild_device_tensor_from_numpy": "a tensor of another device",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": "a tensor of another device",
}
_HARMLESS = {
    "torch.serialization._get_layout": "a layout", "torch.device": "a device", "collections.Counter": "a Counter",
    "builtins.set": "a set", "__builtin__.set": "a set", "builtins.bytearray": "a bytearray",
    "__builtin__.bytearray": "a bytearray", "_codecs.encode": "bytes", "torch.per_tensor_affine": "a scheme",
    "torch.per_channel_affine": "a scheme",
}  # fmt: skip
"""Other objects that torch itself loads, and their kinds in words."""


def is_known(name: str) -> bool:
    """Whether a state dict can need what Python would import by this name."""
    return name in _CALLS or name in _HARMLESS or name in _OTHER_TENSORS or name in _TYPES or dtype_of(name) is not None


def construct(name: str, arguments: tuple[Any, ...]) -> Any:
    """Describe the result of a call.

    Raises
    ------
    UnpicklingError
        When no model needs it.
    """
    if name in _CALLS:
        return _CALLS[name](*arguments)
    if kind := _OTHER_TENSORS.get(name) or _HARMLESS.get(name):
        return Other(kind)
    raise UnpicklingError(f"its pickle calls {name}, which no model needs")


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any, dtype: Any = None) -> PickledTensor:
    if not isinstance(storage, Storage):
        raise TypeError
    fits = len(shape) == len(strides) <= MAX_DIMENSIONS  # first: the same long tuple may occur a thousand times
    if not fits or not all(map(_possible, (offset, *shape, *strides))) or math.prod(shape) >= MAX_NUMBER:
        raise UnpicklingError("its pickle has a tensor of impossible shape")
    named = storage.dtype if dtype is None else dtype_of(dtype.name)
    if named not in ELEMENT_BYTES:
        raise UnpicklingError("its pickle has a tensor of unknown dtype")
    return PickledTensor(storage, named, offset, tuple(shape), tuple(strides))


def _possible(number: Any) -> bool:
    return type(number) is int and 0 <= number < MAX_NUMBER


def _typed_tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, grad: Any, hooks: Any, dtype: Any, *rest: Any
) -> Any:
    return _tensor(storage, offset, shape, strides, dtype=dtype)


def _parameter(tensor: Any, *rest: Any) -> Any:
    if not isinstance(tensor, PickledTensor | Other):
        raise TypeError
    return tensor


def _of_type(function: Any, cls: Any, arguments: Any, *state: Any) -> Any:
    if cls.name not in _TYPES:
        raise UnpicklingError(f"its pickle has a tensor of the class {cls.name}")
    return construct(function.name, arguments)


def _ordered(*pairs: Any) -> dict[str, Any]:
    if pairs:  # only Python 2 wrote them like this
        raise TypeError
    return {}


def _size(shape: Any) -> tuple[Any, ...]:
    if not isinstance(shape, tuple):
        raise TypeError
    return shape


_CALLS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered,
    "torch.Size": _size,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _typed_tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._tensor._rebuild_from_type_v2": _of_type,
}
