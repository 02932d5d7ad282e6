"""The stack machine that runs the instructions of a pickle which a state dict needs, on descriptions instead of objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nbmerge.checkpoints.pickles.constructors import construct, is_known
from nbmerge.checkpoints.pickles.values import (
    ForeignImport,
    Global,
    Other,
    PickledTensor,
    Storage,
    UnpicklingError,
    dtype_of,
)

_MARK = object()


class Machine:
    """The stack machine. Keys of mappings are texts only: hashing other objects can be made arbitrarily slow."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.result: Any = None

    def step(self, name: str, argument: Any) -> None:
        """Run one instruction."""
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _LITERALS:
            self.stack.append(argument)
        elif name in _INSTRUCTIONS:
            _INSTRUCTIONS[name](self, argument)
        else:
            raise UnpicklingError(f"its pickle has the instruction {name}, which no model needs")

    def marked(self) -> list[Any]:
        """Take everything above the last mark, and the mark, from the stack."""
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
        """Copy the top of the stack to the memo."""
        index = len(self.memo) if index is None else int(index)
        if not 0 <= index < 2**32:
            raise OverflowError
        self.memo[index] = self.stack[-1]

    def get(self, index: Any) -> None:
        """Push an entry of the memo."""
        self.stack.append(self.memo[int(index)])

    def tuple(self, count: int) -> None:
        """Replace the last values by a tuple of them."""
        if len(self.stack) < count:
            raise IndexError
        self.stack[len(self.stack) - count :] = [tuple(self.stack[len(self.stack) - count :])]

    def append(self, values: list[Any]) -> None:
        """Extend the list on top of the stack."""
        target = self.stack[-1]
        if not isinstance(target, list):
            raise TypeError
        target.extend(values)

    def set_items(self, flat: list[Any]) -> None:
        """Set keys and values, one after another, in the mapping on top of the stack."""
        target = self.stack[-1]
        if isinstance(target, Other):
            return
        if type(target) is not dict or len(flat) % 2:
            raise TypeError
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            target[key if type(key) is str else Other(type(key).__name__)] = value

    def load(self, name: str) -> None:
        """Push a name that Python would import."""
        if not is_known(name):
            raise ForeignImport(name)
        self.stack.append(Global(name))

    def stack_global(self) -> None:
        """Push a name from a module and a name on the stack."""
        name, module = self.stack.pop(), self.stack.pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise TypeError
        self.load(f"{module}.{name}")

    def call(self) -> None:
        """Describe the result of a call."""
        arguments, what = self.stack.pop(), self.stack.pop()
        if not isinstance(what, Global) or not isinstance(arguments, tuple):
            raise TypeError
        self.stack.append(construct(what.name, arguments))

    def persistent(self) -> None:
        """A storage, which torch names by ``("storage", class, key, location, count)``."""
        kind, cls, key, *_ = self.stack.pop()
        if kind != "storage" or not isinstance(cls, Global) or not isinstance(key, str):
            raise TypeError
        dtype = dtype_of(cls.name)
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
        """Take the result from the stack."""
        self.result = self.stack.pop()

    def dict_of(self, flat: list[Any]) -> None:
        """Push a new mapping."""
        self.stack.append({})
        self.set_items(flat)

    def discard(self) -> None:
        """Remove the top of the stack."""
        self.stack.pop()

    def discard_marked(self) -> None:
        """Remove everything above the last mark, and the mark."""
        self.marked()

    def instance(self, name: str) -> None:
        """A call in the oldest protocol."""
        self.load(name.replace(" ", ".", 1))
        raise UnpicklingError("its pickle makes objects in a way that no model needs")


def _pairs(machine: Machine) -> list[Any]:
    value, key = machine.stack.pop(), machine.stack.pop()
    return [key, value]


_LITERALS = frozenset({
    "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "INT", "LONG", "FLOAT", "BINFLOAT", "UNICODE", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "BYTEARRAY8",
})  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "MARK": _MARK, "EMPTY_TUPLE": ()}
_INSTRUCTIONS: dict[str, Callable[[Machine, Any], None]] = {
    "PROTO": lambda m, a: None, "FRAME": lambda m, a: None, "STOP": lambda m, a: m.stop(),
    "EMPTY_LIST": lambda m, a: m.stack.append([]), "EMPTY_DICT": lambda m, a: m.stack.append({}),
    "EMPTY_SET": lambda m, a: m.stack.append(Other("a set")), "ADDITEMS": lambda m, a: m.discard_marked(),
    "FROZENSET": lambda m, a: m.discard_marked(),
    "PUT": Machine.put, "BINPUT": Machine.put, "LONG_BINPUT": Machine.put, "MEMOIZE": Machine.put,
    "GET": Machine.get, "BINGET": Machine.get, "LONG_BINGET": Machine.get,
    "TUPLE1": lambda m, a: m.tuple(1), "TUPLE2": lambda m, a: m.tuple(2), "TUPLE3": lambda m, a: m.tuple(3),
    "TUPLE": lambda m, a: m.stack.append(tuple(m.marked())), "LIST": lambda m, a: m.stack.append(m.marked()),
    "DICT": lambda m, a: m.dict_of(m.marked()),
    "APPEND": lambda m, a: m.append([m.stack.pop()]), "APPENDS": lambda m, a: m.append(m.marked()),
    "SETITEM": lambda m, a: m.set_items(_pairs(m)), "SETITEMS": lambda m, a: m.set_items(m.marked()),
    "GLOBAL": lambda m, a: m.load(a.replace(" ", ".", 1)), "STACK_GLOBAL": lambda m, a: m.stack_global(),
    "REDUCE": lambda m, a: m.call(), "NEWOBJ": lambda m, a: m.call(), "BINPERSID": lambda m, a: m.persistent(),
    "BUILD": lambda m, a: m.build(), "POP": lambda m, a: m.discard(), "POP_MARK": lambda m, a: m.discard_marked(),
    "DUP": lambda m, a: m.stack.append(m.stack[-1]), "INST": Machine.instance,
}  # fmt: skip
