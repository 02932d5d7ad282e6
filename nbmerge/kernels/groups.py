"""Comparisons of a few numbers at once, each of them a bit of an integer.

Compilers turn loops into vectors by themselves where each element is treated alike. Where something rare is done with few of
them, they do not: there, the elements of a group are found by the bits that are 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types

from nbmerge.kernels.compiler import intrinsic

GROUP = 16
"""Numbers that are compared at once: one vector on large processors, two or four on others."""

_FLOAT, _INDEX = ir.FloatType(), ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, GROUP)
_FIRST, _ALL_FIRST = ir.Constant(_INDEX, 0), ir.Constant(ir.VectorType(_INDEX, GROUP), [0] * GROUP)


def _comparison(operator: str) -> Callable[..., Any]:
    def compare(context: Any, address: Any, index: Any, value: Any) -> Any:
        def generate(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            start, place, one = arguments
            first = builder.gep(builder.inttoptr(start, _FLOAT.as_pointer()), [place])
            numbers = builder.load(builder.bitcast(first, _VECTOR.as_pointer()), align=4)
            lane = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), one, _FIRST)
            values = builder.shuffle_vector(lane, lane, _ALL_FIRST)
            bits = builder.bitcast(builder.fcmp_ordered(operator, numbers, values), ir.IntType(GROUP))
            return builder.zext(bits, ir.IntType(32))

        return types.uint32(types.int64, types.int64, types.float32), generate

    return intrinsic(compare)


are_above, are_from, are_equal = (_comparison(operator) for operator in (">", ">=", "=="))
"""``(address, index, value)``: which of the float32 numbers from an index on are larger than a value, at least that, or equal to it;
the first is the lowest bit. None of that is true of NaN."""


@intrinsic
def count_bits(context: Any, bits: Any) -> Any:
    """How many bits are 1."""
    return types.int64(types.uint32), lambda _, builder, s, a: builder.zext(builder.ctpop(a[0]), ir.IntType(64))


@intrinsic
def find_first(context: Any, bits: Any) -> Any:
    """The place of the lowest bit that is 1; there must be one."""

    def generate(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.zext(builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1)), ir.IntType(64))

    return types.int64(types.uint32), generate
