"""Pickles: the pickle inside a torch file, read as data. Nothing is imported or called."""

from nbmerge.checkpoints.pickles.unpickler import MAX_BYTES, MAX_INSTRUCTIONS, foreign_import, unpickle
from nbmerge.checkpoints.pickles.values import ForeignImport, Other, PickledTensor, Storage, UnpicklingError

__all__ = [
    "MAX_BYTES",
    "MAX_INSTRUCTIONS",
    "ForeignImport",
    "Other",
    "PickledTensor",
    "Storage",
    "UnpicklingError",
    "foreign_import",
    "unpickle",
]
