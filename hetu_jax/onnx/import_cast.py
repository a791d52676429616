"""Import of ai.onnx: changing and reading element types, and constants."""

import jax.numpy as jnp
import ml_dtypes
import numpy as np
from onnx import TensorProto

from .arrays import FOUR_BIT, astype, bitcast, dtype_of, full, host, ints, is_float, is_text, number, small, xp
from .operators import operator

_SATURATING = tuple(
    np.dtype(t)
    for t in (
        ml_dtypes.float8_e4m3fn,
        ml_dtypes.float8_e4m3fnuz,
        ml_dtypes.float8_e5m2,
        ml_dtypes.float8_e5m2fnuz,
        ml_dtypes.float4_e2m1fn,
    )
)
_E8M0 = np.dtype(ml_dtypes.float8_e8m0fnu)


def cast(value, dtype, saturate=1, round_mode="up"):
    """`value` in another element type.

    saturate: whether narrow floats take their largest number for what is beyond it, rather than NaN or infinity.
    round_mode: "up", "down" or "nearest", to powers of two.
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "O":
        return host(value, "what is cast to strings").astype(np.str_).astype(object)
    if is_text(value):
        return np.array([_parsed(item, dtype) for item in value.reshape(-1)], dtype).reshape(value.shape)
    if dtype == _E8M0:
        return _power_of_two(value, saturate, round_mode)
    if dtype in _SATURATING and saturate:
        limit = float(ml_dtypes.finfo(dtype).max)
        return astype(xp.clip(astype(value, np.float32), -limit, limit), dtype)
    if dtype in FOUR_BIT and is_float(value):
        value = astype(value, np.int32)
    return astype(value, dtype)


def _parsed(text, dtype):
    return float(text) if dtype.kind != "i" and dtype.kind != "u" else int(float(text))


def _power_of_two(value, saturate, round_mode):
    """The exponents of float32 numbers as float8_e8m0fnu."""
    bits = bitcast(astype(value, np.float32), np.uint32)
    exponent, fraction = (bits >> 23) & 0xFF, bits & 0x7FFFFF
    half = 0x400000
    up = {
        "up": fraction > 0,
        "down": fraction < 0,
        "nearest": (fraction > half) | ((fraction == half) & (exponent > 0)),
    }[round_mode]
    up &= exponent != 0xFF
    if saturate:
        up &= exponent != 0xFE
    return bitcast(astype((exponent + up) & 0xFF, np.uint8), _E8M0)


@operator
def Cast(input, *, to, saturate=1, round_mode="up"):
    dtype = dtype_of(TensorProto.DataType.Value(to) if isinstance(to, str) else to)
    return cast(input, dtype, saturate, round_mode)


@operator
def CastLike(input, target_type, *, saturate=1, round_mode="up"):
    return cast(input, target_type.dtype, saturate, round_mode)


@operator
def BitCast(input, *, to):
    dtype = dtype_of(to)
    if "b" in (input.dtype.kind, dtype.kind):
        return astype(input, dtype)
    return bitcast(input, dtype)


@operator
def Constant(
    *,
    value=None,
    value_float=None,
    value_floats=None,
    value_int=None,
    value_ints=None,
    value_string=None,
    value_strings=None,
    sparse_value=None,
):
    given = [v for v in (value, sparse_value) if v is not None]
    given += [np.array(v, np.float32) for v in (value_float, value_floats) if v is not None]
    given += [np.array(v, np.int64) for v in (value_int, value_ints) if v is not None]
    given += [np.array(v, object) for v in (value_string, value_strings) if v is not None]
    if len(given) != 1:
        raise ValueError(f"Constant needs one value, not {len(given)}")
    return given[0]


@operator
def ConstantOfShape(input, *, value=None):
    value = np.zeros(1, np.float32) if value is None else value
    return full(ints(input, "the shape"), value.reshape(())[()], value.dtype)


@operator
def EyeLike(input, *, dtype=None, k=0):
    return astype(jnp.eye(*input.shape, k=k), dtype_of(dtype) if dtype else input.dtype)


@operator
def Range(start, limit, delta, *, stash_type=1):
    """start, start + delta, ... below `limit`.  `stash_type` says how narrow floats are summed: here, never by sums."""
    first, last, step = (number(value, "a bound of the range") for value in (start, limit, delta))
    count = max(int(np.ceil((last - first) / step)), 0)
    places = np.arange(count) if small([count]) else jnp.arange(count)
    return astype(first + places * step, start.dtype)


@operator
def Shape(data, *, start=0, end=None):
    return np.array(data.shape[start:end], np.int64)


@operator
def Size(data):
    return np.array(data.size, np.int64)
