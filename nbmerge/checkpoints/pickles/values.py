"""The values that a pickle describes: tensors and their storages, and names for everything else."""

from __future__ import annotations

from dataclasses import dataclass

_STORAGE_DTYPES = {
    "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64", "Int": "int32",
    "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool", "ComplexFloat": "complex64",
    "ComplexDouble": "complex128", "QInt8": "qint8", "QUInt8": "quint8", "QInt32": "qint32",
}  # fmt: skip
"""torch's storage classes (``torch.HalfStorage``) and the dtypes of their elements."""
ELEMENT_BYTES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint64": 8,
    "uint32": 4, "uint16": 2, "uint8": 1, "bool": 1, "complex64": 8, "complex128": 16, "float8_e4m3fn": 1,
    "float8_e5m2": 1, "float8_e8m0fnu": 1, "float8_e4m3fnuz": 1, "float8_e5m2fnuz": 1, "qint8": 1, "quint8": 1,
    "qint32": 4,
}  # fmt: skip


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
        return ELEMENT_BYTES[self.dtype]


@dataclass(frozen=True, slots=True)
class Other:
    """Any other object that torch would create from a pickle, by its kind in words."""

    kind: str


@dataclass(frozen=True, slots=True)
class Global:
    """A name that Python would import."""

    name: str


def dtype_of(name: str) -> str | None:
    """The dtype of a storage class, or the dtype of that name; None for other names."""
    module, _, last = name.rpartition(".")
    if module != "torch":
        return None
    return last if last in ELEMENT_BYTES else _STORAGE_DTYPES.get(last.removesuffix("Storage"))
