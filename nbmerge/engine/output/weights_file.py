"""Bare weights as one file: built in a hidden folder like every result, with its checksums in its own header.

The header is written before the tensors, so room for the checksums is left in it: 16 digits per tensor in the order of the
file, which are written once the last tensor is complete. How the machine rounds is not recorded there, as it is in folders: the
bytes of a file are the same wherever its numbers are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from nbmerge.checkpoints import bare
from nbmerge.checkpoints.checkpoint import SINGLE
from nbmerge.checkpoints.header import read_header
from nbmerge.engine.compute.positioned_io import BINARY, sync, write_all
from nbmerge.engine.output.commit import beside, remove, reserved
from nbmerge.engine.planning.plans import Plan
from nbmerge.errors import RESUME, CheckpointError, MergeError, NbmergeError, OutputError, advice

CHECKSUMS = "nbmerge_checksums"
"""Key of the checksums in the metadata of the header: XXH3 (64 bits) of each tensor, 16 hexadecimal digits."""
_DIGITS = 16
_MOST_HEADER = 100_000_000


def is_one_file(plan: Plan, out: Path) -> bool:
    """Whether a result is written as one file: bare weights, to a path that is named like one.

    Raises
    ------
    OutputError
        When bare weights are to be written in another format.
    """
    if plan.bare and out.suffix in bare.PICKLED:
        raise OutputError(
            f"{out} would be a pickle. Only safetensors are written: name it {out.with_suffix('.safetensors')}."
        )
    return plan.bare and out.suffix == bare.SAFETENSORS


def may_take_file(out: Path, overwrite: bool) -> None:
    """Refuse a path at which something is that may not be replaced.

    Raises
    ------
    OutputError
        When it exists, and is not a file or `overwrite` is not set.
    """
    if out.is_symlink() or (out.exists() and not out.is_file()):
        raise OutputError(f"{out} exists and is not a file. Choose another name.")
    if out.exists() and not overwrite:
        raise OutputError(f"{out} exists. Choose another name, or pass overwrite=True (--overwrite) to replace it.")


@contextmanager
def building_file(out: Path, overwrite: bool = False) -> Iterator[Path]:
    """Yield a folder to build in, and give the file `SINGLE` in it the path `out` at the end, in one step.

    As with `folder.building`, there is never anything incomplete at `out`, and what an unfinished merge built stays for the next
    run.
    """
    try:
        with reserved(out) as partial:
            may_take_file(out, overwrite)
            yield partial
            may_take_file(out, overwrite)
            sync(partial / SINGLE)
            os.replace(partial / SINGLE, out)
            with suppress(OSError):  # where folders cannot be flushed, the file is complete as well
                sync(out.parent)
            remove(partial)
            with suppress(OSError):
                beside(out, "journal").unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, NbmergeError):
            raise
        raise MergeError(f"cannot write to {out}: {advice(error)} {RESUME}") from error


def room_for_checksums(plan: Plan) -> dict[str, str]:
    """Metadata for the header with zeros in place of the checksums."""
    return {CHECKSUMS: "0" * (_DIGITS * len(plan.tensors))}


def write_checksums(file: Path, checksums: Mapping[str, str]) -> None:
    """Put the checksums of all tensors, in the order of the file, into the room that its header has for them."""
    start = f'"{CHECKSUMS}":"'.encode()
    descriptor = os.open(file, os.O_RDWR | BINARY)
    try:
        with open(descriptor, "rb", closefd=False) as stream:
            head = stream.read(min(8 + int.from_bytes(stream.read(8), "little"), _MOST_HEADER))
        place = head.index(start) + len(start) + 8
        write_all(descriptor, "".join(checksums.values()).encode(), place)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def recorded_checksums(file: Path) -> dict[str, str]:
    """The checksums in the header of a file, by tensor.

    Raises
    ------
    CheckpointError
        When nbmerge did not write it.
    """
    tensors, metadata = read_header(file)
    digits = metadata.get(CHECKSUMS, "")
    if not digits or len(digits) != _DIGITS * len(tensors):
        raise CheckpointError(
            f"{file} cannot be verified: its header has no checksums of its tensors. Only files that nbmerge wrote can be verified."
        )
    return {name: digits[_DIGITS * i : _DIGITS * (i + 1)] for i, name in enumerate(tensors)}
