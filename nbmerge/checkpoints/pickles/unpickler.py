"""The pickle inside a torch file, read as data: tensors and the positions of their elements. Nothing is imported or called.

A pickle is a program for a stack machine [1]_. `machine` runs the instructions that a state dict needs; what
Python would import is only a name, and calls of the few names that rebuild tensors are replaced by descriptions of the
tensors (`constructors`). A file can therefore neither run code nor make Python allocate what is not in the file, and the
number of instructions bounds the time.

.. [1] CPython, Lib/pickletools.py.
"""

from __future__ import annotations

import gc
import io
import pickletools
from typing import Any

from nbmerge.checkpoints.pickles.machine import Machine
from nbmerge.checkpoints.pickles.values import ForeignImport, UnpicklingError
from nbmerge.sizes import human

MAX_BYTES = 16_000_000
"""Maximum bytes of a pickle, which contains names and shapes; real ones have a few hundred kilobytes."""
MAX_INSTRUCTIONS = 700_000
"""A tensor takes about 40, so this is 17,000 tensors in one file; a larger model is sharded."""


def unpickle(raw: bytes) -> Any:
    """Read a pickle as plain data, with every tensor as a `PickledTensor`.

    Raises
    ------
    ForeignImport
        When it would import anything that does not rebuild tensors.
    UnpicklingError
        When it is damaged, too large, or no state dict.
    """
    if len(raw) > MAX_BYTES:
        raise UnpicklingError(f"its pickle is {human(len(raw))} long, more than any model needs")
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
    """Run the pickle that begins at the position of a file."""
    machine = Machine()
    collects = gc.isenabled()
    gc.disable()  # collecting half a million small objects again and again takes ten times as long as creating them
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
