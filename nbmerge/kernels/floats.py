"""Numbers in memory as float32: bfloat16, float16 and float32 are widened when they are read and rounded when they are written.

Conversions are made of integer operations and exact multiplications, which are the same on every processor. Rounding is to the
nearest number, to the even one of two, as torch rounds. How numbers are stored is a constant of a loop, so that the compiler
removes the other cases.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from nbmerge.kernels.compiler import intrinsic, part

BFLOAT16, FLOAT16, FLOAT32 = 0, 1, 2
"""How numbers are stored."""

ZERO, ONE = np.float32(0), np.float32(1)
_1, _13, _16 = np.uint32(1), np.uint32(13), np.uint32(16)
_BYTE, _SHORT, _FLOAT = ir.IntType(8), ir.IntType(16), ir.FloatType()


@intrinsic
def float_of(context: Any, bits: Any) -> Any:
    """The float32 with these bits."""
    return types.float32(types.uint32), lambda c, builder, s, a: builder.bitcast(a[0], ir.FloatType())


@intrinsic
def bits_of(context: Any, value: Any) -> Any:
    """The bits of a float32."""
    return types.uint32(types.float32), lambda c, builder, s, a: builder.bitcast(a[0], ir.IntType(32))


@intrinsic
def multiply_add(context: Any, a: Any, b: Any, c: Any) -> Any:
    """a·b + c, rounded once."""
    own = types.float32
    return own(own, own, own), lambda _, builder, s, arguments: builder.fma(*arguments)


def _loader(kind: Any, result: Any) -> Any:
    def load(context: Any, address: Any, index: Any) -> Any:
        def generate(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array = builder.inttoptr(arguments[0], kind.as_pointer())
            return builder.load(builder.gep(array, [arguments[1]]))

        return result(types.int64, types.int64), generate

    return intrinsic(load)


def _storer(kind: Any, value: Any) -> Any:
    def store(context: Any, address: Any, index: Any, number: Any) -> Any:
        def generate(compiler: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array = builder.inttoptr(arguments[0], kind.as_pointer())
            builder.store(arguments[2], builder.gep(array, [arguments[1]]))
            return compiler.get_dummy_value()

        return types.void(types.int64, types.int64, value), generate

    return intrinsic(store)


load_byte = _loader(_BYTE, types.uint8)
"""``(address, index)``: an unsigned byte of an array in memory."""
_load_short, _load_float = _loader(_SHORT, types.uint16), _loader(_FLOAT, types.float32)
_store_short, _store_float = _storer(_SHORT, types.uint16), _storer(_FLOAT, types.float32)


@part
def load(address: int, index: int, stored: int) -> float:
    """A number of an array in memory, in float32."""
    if stored == BFLOAT16:
        return float_of(np.uint32(_load_short(address, index)) << _16)
    if stored == FLOAT16:
        return _widen_half(np.uint32(_load_short(address, index)))
    return _load_float(address, index)


@part
def store(address: int, index: int, stored: int, value: float) -> None:
    """Round a float32 and write it; what is written for NaN means nothing."""
    if stored == BFLOAT16:
        bits = bits_of(value)
        _store_short(address, index, np.uint16((bits + np.uint32(0x7FFF) + ((bits >> _16) & _1)) >> _16))
    elif stored == FLOAT16:
        _store_short(address, index, _round_to_half(value))
    else:
        _store_float(address, index, value)


@part
def larger(largest: int, value: float) -> int:
    """The larger of a magnitude's bits and those of another number; NaN is larger than infinity."""
    magnitude = np.uint32(bits_of(value) & np.uint32(0x7FFFFFFF))
    return magnitude if magnitude > largest else largest


@part
def is_finite(largest: int, stored: int) -> bool:
    """Whether numbers up to this magnitude, as `larger` returns it, are finite once they are rounded."""
    if stored == BFLOAT16:
        return largest < np.uint32(0x7F7F8000)
    if stored == FLOAT16:
        return largest < np.uint32(0x477FF000)
    return largest < np.uint32(0x7F800000)


@part
def _widen_half(half: int) -> float:
    """Move exponent and mantissa to their places, and scale by 2¹¹² for the difference of the biases; subnormals included."""
    magnitude = float_of((half & np.uint32(0x7FFF)) << _13) * np.float32(2.0**112)
    bits = bits_of(magnitude) | (np.uint32(0x7F800000) if magnitude >= np.float32(65536.0) else np.uint32(0))
    return float_of(bits | ((half & np.uint32(0x8000)) << _16))


@part
def _round_to_half(value: float) -> int:
    """Let an addition round: to a number 2¹³ times larger than the last place that remains."""
    bits = bits_of(value)
    place = np.uint32(np.uint32(bits + bits) & np.uint32(0xFF000000))
    place = place if place > np.uint32(0x71000000) else np.uint32(0x71000000)
    size = abs(value) * np.float32(2.0**112) * np.float32(2.0**-110)  # too large ones become infinite
    rounded = bits_of(float_of((place >> _1) + np.uint32(0x07800000)) + size)
    half = ((rounded >> _13) & np.uint32(0x7C00)) + (rounded & np.uint32(0x0FFF))
    return np.uint16(((bits >> _16) & np.uint32(0x8000)) | half)
