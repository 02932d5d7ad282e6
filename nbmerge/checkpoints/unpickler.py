"""The pickle inside a torch file, read as data: tensors and the positions of their elements. Nothing is imported or called.

A pickle is a program for a stack machine [1]_. This one knows the instructions that a state dict needs; what Python would
import is only a name here, and the few names that rebuild tensors are replaced by descriptions of the tensors. So a file
can neither run anything nor make Python allocate what is not in the file, and the number of instructions bounds the time.

.. [1] CPython, Lib/pickletools.py.
"""

from __future__ import annotations

import gc
import io
import math
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MAX_BYTES = 16_000_000
"""Maximum bytes of a pickle, which contains names and shapes; real ones have a few hundred kilobytes."""
MAX_INSTRUCTIONS = 700_000
"""A tensor takes about 40, so this is 17,000 tensors in one file; a larger model is sharded."""
MAX_NUMBER = 2**62
MAX_DIMENSIONS = 32

_DTYPES = {
    "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64", "Int": "int32",
    "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool", "ComplexFloat": "complex64",
    "ComplexDouble": "complex128", "QInt8": "qint8", "QUInt8": "quint8", "QInt32": "qint32",
}  # fmt: skip
"""torch's storage classes (``torch.HalfStorage``) and the dtypes of what they hold."""
_ELEMENT_BYTES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint64": 8,
    "uint32": 4, "uint16": 2, "uint8": 1, "bool": 1, "complex64": 8, "complex128": 16, "float8_e4m3fn": 1,
    "float8_e5m2": 1, "float8_e8m0fnu": 1, "float8_e4m3fnuz": 1, "float8_e5m2fnuz": 1, "qint8": 1, "quint8": 1,
    "qint32": 4,
}  # fmt: skip
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
"""What torch itself would load beside tensors, and what it is called where a tensor should be."""


class UnpicklingError(ValueError):
    """The pickle is damaged, too large, or does not contain tensors."""


class ForeignImport(UnpicklingError):
    """The pickle would import something that no tensor needs; `args` has its name."""


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of elements in the archive.

    Parameters
    ----------
    dtype : str
        ``"bytes"`` where the tensor itself has the dtype.
    key : str
        Name of the archive's member below ``data/``.
    """

    dtype: str
    key: str


@dataclass(frozen=True, slots=True)
class PickledTensor:
    """A tensor as the pickle describes it.

    Parameters
    ----------
    storage : Storage
    dtype : str
        torch's name of it.
    offset : int
        First element in the storage.
    shape, strides : tuple of int
        In elements.
    """

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements are in the order of their indices, without gaps."""
        step = 1
        for size, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if size != 1 and stride != step and 0 not in self.shape:
                return False
            step *= size
        return True

    @property
    def element_bytes(self) -> int:
        """Bytes of one element."""
        return _ELEMENT_BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class Other:
    """Anything else that torch would make of a pickle, by its kind in words."""

    kind: str


@dataclass(frozen=True, slots=True)
class _Global:
    """What Python would import, by name."""

    name: str


_MARK = object()


def unpickle(raw: bytes) -> Any:
    """What a pickle describes: plain data, with every tensor as a `PickledTensor`.

    Raises
    ------
    ForeignImport
        When it would import anything but what rebuilds tensors.
    UnpicklingError
        When it is damaged, too large, or no state dict.
    """
    if len(raw) > MAX_BYTES:
        raise UnpicklingError(f"its pickle is {len(raw):,} bytes long, more than any model needs")
    return _run(io.BytesIO(raw))


def foreign_import(raw: bytes) -> str | None:
    """The first thing that a file which is not a torch archive would import, None if it imports nothing.

    Files from before torch 1.6 are several pickles, one after another.
    """
    file = io.BytesIO(raw[:MAX_BYTES])
    try:
        while file.tell() < len(raw):
            _run(file)
    except ForeignImport as error:
        return str(error)
    except UnpicklingError:
        pass
    return None


def _run(file: io.BytesIO) -> Any:
    """Carry out the pickle that begins here."""
    machine = _Machine()
    collects = gc.isenabled()
    gc.disable()  # going through half a million small objects again and again takes ten times as long as making them
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if count >= MAX_INSTRUCTIONS:
                raise UnpicklingError(
                    f"its pickle has more than {MAX_INSTRUCTIONS:,} instructions, more than any model needs"
                )
            machine.step(opcode.name, argument)
        return machine.result
    except UnpicklingError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError, RecursionError) as error:
        raise UnpicklingError(f"its pickle is damaged ({type(error).__name__})") from error
    finally:
        if collects:
            gc.enable()


class _Machine:
    """The stack machine. Keys of mappings are texts only: hashing anything else can be made to take for ever."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.result: Any = None

    def step(self, name: str, argument: Any) -> None:
        """Carry out one instruction."""
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _LITERALS:
            self.stack.append(argument)
        elif name in _INSTRUCTIONS:
            _INSTRUCTIONS[name](self, argument)
        else:
            raise UnpicklingError(f"its pickle has the instruction {name}, which no model needs")

    def marked(self) -> list[Any]:
        """What lies above the last mark, which goes with it."""
        stack = self.stack
        at = len(stack) - 1
        while stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise IndexError
        found = stack[at + 1 :]
        del stack[at:]
        return found

    def put(self, index: Any) -> None:
        index = len(self.memo) if index is None else int(index)
        if not 0 <= index < 2**32:
            raise OverflowError
        self.memo[index] = self.stack[-1]

    def get(self, index: Any) -> None:
        self.stack.append(self.memo[int(index)])

    def tuple(self, count: int) -> None:
        if len(self.stack) < count:
            raise IndexError
        self.stack[len(self.stack) - count :] = [tuple(self.stack[len(self.stack) - count :])]

    def append(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise TypeError
        target.extend(values)

    def set_items(self, flat: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Other):
            return
        if type(target) is not dict or len(flat) % 2:
            raise TypeError
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            target[key if type(key) is str else Other(type(key).__name__)] = value

    def load(self, name: str) -> None:
        """Note what Python would import."""
        known = name in _CALLS or name in _HARMLESS or name in _OTHER_TENSORS or name in _TYPES
        if not (known or _dtype_of(name)):
            raise ForeignImport(name)
        self.stack.append(_Global(name))

    def stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise TypeError
        self.load(f"{module}.{name}")

    def call(self) -> None:
        """Describe what a call would give."""
        arguments, what = self.stack.pop(), self.stack.pop()
        if not isinstance(what, _Global) or not isinstance(arguments, tuple):
            raise TypeError
        self.stack.append(_called(what.name, arguments))

    def persistent(self) -> None:
        """A storage, which torch names by ``("storage", class, key, location, count)``."""
        kind, cls, key, *_ = self.stack.pop()
        if kind != "storage" or not isinstance(cls, _Global) or not isinstance(key, str):
            raise TypeError
        dtype = _dtype_of(cls.name)
        if cls.name == "torch.storage.UntypedStorage":
            dtype = "bytes"
        if dtype is None:
            raise UnpicklingError("its pickle has a storage of an unknown class")
        self.stack.append(Storage(dtype, key))

    def build(self) -> None:
        """Attributes, such as the ``_metadata`` of a state dict: nothing that concerns tensors."""
        self.stack.pop()
        if not isinstance(self.stack[-1], dict | PickledTensor | Other):
            raise TypeError

    def stop(self) -> None:
        self.result = self.stack.pop()

    def dict_of(self, flat: list[Any]) -> None:
        self.stack.append({})
        self.set_items(flat)

    def discard(self) -> None:
        self.stack.pop()

    def discard_marked(self) -> None:
        self.marked()

    def instance(self, name: str) -> None:
        """The oldest protocol's way to call something."""
        self.load(name.replace(" ", ".", 1))
        raise UnpicklingError("its pickle makes objects in a way that no model needs")


def _pairs(machine: _Machine) -> list[Any]:
    value, key = machine.stack.pop(), machine.stack.pop()
    return [key, value]


_LITERALS = frozenset({
    "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "INT", "LONG", "FLOAT", "BINFLOAT", "UNICODE", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "BYTEARRAY8",
})  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "MARK": _MARK, "EMPTY_TUPLE": ()}
_INSTRUCTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": lambda m, a: None, "FRAME": lambda m, a: None, "STOP": lambda m, a: m.stop(),
    "EMPTY_LIST": lambda m, a: m.stack.append([]), "EMPTY_DICT": lambda m, a: m.stack.append({}),
    "EMPTY_SET": lambda m, a: m.stack.append(Other("a set")), "ADDITEMS": lambda m, a: m.discard_marked(),
    "FROZENSET": lambda m, a: m.discard_marked(),
    "PUT": _Machine.put, "BINPUT": _Machine.put, "LONG_BINPUT": _Machine.put, "MEMOIZE": _Machine.put,
    "GET": _Machine.get, "BINGET": _Machine.get, "LONG_BINGET": _Machine.get,
    "TUPLE1": lambda m, a: m.tuple(1), "TUPLE2": lambda m, a: m.tuple(2), "TUPLE3": lambda m, a: m.tuple(3),
    "TUPLE": lambda m, a: m.stack.append(tuple(m.marked())), "LIST": lambda m, a: m.stack.append(m.marked()),
    "DICT": lambda m, a: m.dict_of(m.marked()),
    "APPEND": lambda m, a: m.append([m.stack.pop()]), "APPENDS": lambda m, a: m.append(m.marked()),
    "SETITEM": lambda m, a: m.set_items(_pairs(m)), "SETITEMS": lambda m, a: m.set_items(m.marked()),
    "GLOBAL": lambda m, a: m.load(a.replace(" ", ".", 1)), "STACK_GLOBAL": lambda m, a: m.stack_global(),
    "REDUCE": lambda m, a: m.call(), "NEWOBJ": lambda m, a: m.call(), "BINPERSID": lambda m, a: m.persistent(),
    "BUILD": lambda m, a: m.build(), "POP": lambda m, a: m.discard(), "POP_MARK": lambda m, a: m.discard_marked(),
    "DUP": lambda m, a: m.stack.append(m.stack[-1]), "INST": _Machine.instance,
}  # fmt: skip


def _dtype_of(name: str) -> str | None:
    """The dtype that a storage class holds, or that is meant by itself; None for other names."""
    room, _, last = name.rpartition(".")
    if room != "torch":
        return None
    return last if last in _ELEMENT_BYTES else _DTYPES.get(last.removesuffix("Storage"))


def _called(name: str, arguments: tuple[Any, ...]) -> Any:
    if name in _CALLS:
        return _CALLS[name](*arguments)
    if kind := _OTHER_TENSORS.get(name) or _HARMLESS.get(name):
        return Other(kind)
    raise UnpicklingError(f"its pickle calls {name}, which no model needs")


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *rest: Any, dtype: Any = None) -> PickledTensor:
    if not isinstance(storage, Storage):
        raise TypeError
    fits = len(shape) == len(strides) <= MAX_DIMENSIONS  # first: the same long tuple may be here a thousand times
    if not fits or not all(map(_possible, (offset, *shape, *strides))) or math.prod(shape) >= MAX_NUMBER:
        raise UnpicklingError("its pickle has a tensor of impossible shape")
    named = storage.dtype if dtype is None else _dtype_of(dtype.name)
    if named not in _ELEMENT_BYTES:
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
    return _called(function.name, arguments)


def _ordered(*pairs: Any) -> dict[str, Any]:
    if pairs:  # only Python 2 wrote them so
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
