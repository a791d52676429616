"""The ONNX forms of JAX's primitives on the bits of numbers."""

from __future__ import annotations

import numpy as np
from onnx import helper

from .builder import Builder, Value
from .export_jaxpr import FUNCTIONS, primitive


def _width(dtype: np.dtype) -> int:
    return dtype.itemsize * 8


def _unsigned(g: Builder, x: Value) -> Value:
    """The same bits as a number that is not negative, int64."""
    return g.cast(g.cast(x, np.dtype(f"uint{_width(x.dtype)}")), np.int64)


def _bits(g: Builder, x: Value) -> Value:
    """The bits, from the lowest on, along a further axis: 0 and 1, int64."""
    powers = 2 ** np.arange(_width(x.dtype))
    return g.Mod(g.Div(g.Unsqueeze(_unsigned(g, x), [-1]), powers), 2)


@primitive("population_count")
def _population_count(g, e, x):
    return g.ReduceSum(_bits(g, x), [-1], keepdims=0)


@primitive("clz")
def _clz(g, e, x):
    width = _width(x.dtype)
    return g.Sub(width, g.reduce("ReduceMax", g.Mul(_bits(g, x), np.arange(1, width + 1)), [-1], False))


_JOINED = {"reduce_and": "ReduceMin", "reduce_or": "ReduceMax", "reduce_xor": "ReduceSum"}


@primitive(*_JOINED)
def _joined(g, e, x):
    if not e.params["axes"]:
        return x
    numbers = g.cast(x, np.int64) if x.dtype == bool else _bits(g, x)
    joined = g.reduce(_JOINED[e.name], numbers, list(e.params["axes"]), False)
    joined = g.Mod(joined, 2) if e.name == "reduce_xor" else joined
    if x.dtype == bool:
        return joined
    return g.ReduceSum(g.Mul(joined, 2 ** np.arange(_width(x.dtype))), [-1], keepdims=0)


def _places(g: Builder, places: Value) -> Value:
    """By how many bits to shift; from 63 on nothing is left of any number, and JAX takes negative ones as large."""
    return g.cast(g.Min(_unsigned(g, places), 63), np.uint64)


def _shifted(g: Builder, x: Value, places: Value, direction: str) -> Value:
    """A number of 64 bits, shifted."""
    return g.cast(g.BitShift(g.cast(x, np.uint64), _places(g, places), direction=direction), np.int64)


@primitive("shift_left")
def _shift_left(g, e, x, places):
    return _shifted(g, _unsigned(g, x), places, "LEFT")


@primitive("shift_right_logical")
def _shift_right_logical(g, e, x, places):
    return _shifted(g, _unsigned(g, x), places, "RIGHT")


@primitive("shift_right_arithmetic")
def _shift_right_arithmetic(g, e, x, places):
    x = g.cast(x, np.int64)
    negative = g.Less(x, 0)
    shifted = _shifted(g, g.Where(negative, g.Sub(-1, x), x), places, "RIGHT")  # -1 - x has the bits of x, inverted
    return g.Where(negative, g.Sub(-1, shifted), shifted)


@primitive("bitcast_convert_type")
def _bitcast_convert_type(g, e, x):
    dtype = e.dtypes[0]
    if bool in (x.dtype, dtype) or x.dtype.itemsize != dtype.itemsize:
        g.refuse(f"it takes the bits of {x.dtype} as {dtype}, and ONNX does so for equal widths only")
    return _cast_bits(g, x, dtype)


def _cast_bits(g: Builder, x: Value, dtype: np.dtype) -> Value:
    if x.dtype == dtype:
        return x
    return g.shaped(g.BitCast(x, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype))), x.shape)


@primitive("nextafter")
def _nextafter(g, e, x, y):
    if x.dtype != np.float32:
        g.refuse(f"it steps to the next number in {x.dtype}, and only float32 is written")
    bits = _cast_bits(g, x, np.int32)
    outwards = g.Equal(g.Less(x, y), g.Greater(x, 0))
    moved = _cast_bits(g, g.Add(bits, g.Where(outwards, g.constant(1, np.int32), g.constant(-1, np.int32))), np.float32)
    smallest = g.constant(np.finfo(np.float32).smallest_subnormal, np.float32)
    moved = g.Where(g.Equal(x, 0), g.Mul(g.Sign(y), smallest), moved)
    return g.Where(g.Equal(x, y), y, g.Where(g.Or(g.IsNaN(x), g.IsNaN(y)), g.Add(x, y), moved))


def _signbit(g, e, x):
    return g.Less(g.Where(g.Equal(x, 0), g.Reciprocal(x), x), 0)  # zeros have a sign, too


def _copysign(g, e, x, y):
    size = g.Abs(x)
    return g.Where(_signbit(g, e, y), g.Neg(size), size)


FUNCTIONS.update(signbit=_signbit, copysign=_copysign)
