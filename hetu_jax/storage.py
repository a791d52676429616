"""What dtype a value is kept in, and its conversion, with a message that names what could not be converted."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .ndarray import ND_Sparse_Array, NDArray, as_value
from .valueless import Valueless

_STORED = {"i": np.int32, "u": np.uint32, "f": np.float32, "b": np.float32}


def storage_dtype(dtype: Any) -> np.dtype:
    """The dtype that Hetu keeps values of `dtype` in: 64-bit kinds in 32 bits, bool as float32, others as they are."""
    try:
        dtype = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"{dtype!r} is no dtype: write np.float32 or np.int32") from None
    if dtype.itemsize < 4 and dtype.kind != "b":
        return dtype
    if dtype.kind not in _STORED:
        raise TypeError(f"hetu_jax has no storage for dtype {dtype}: use a float or integer dtype")
    return np.dtype(_STORED[dtype.kind])


def stored(value: Any, dtype: np.dtype, what: str, device: bool = True) -> Any:
    """`value` as an array of `dtype`.

    what: names the value in messages.  device: a `jax.Array` of its own, else NumPy where it came as NumPy.
    Raises TypeError for a value that is no array, ValueError for numbers that `dtype` cannot hold: integers out of its
    range, fractions beside integers.  What is on a device already is not looked at, as that would wait for it.
    """
    if ND_Sparse_Array.accepts(value):
        return ND_Sparse_Array.of(value).astype(dtype)
    if isinstance(value, NDArray):
        value = value.value
    if not isinstance(value, jax.Array):
        value = numbers(value, what)
        _check_range(value, dtype, what)
        value = value.astype(dtype, copy=False)
    return jnp.array(value, dtype, copy=True) if device else value.astype(dtype)


def _check_range(value: np.ndarray, dtype: np.dtype, what: str) -> None:
    exact = dtype.kind in "iu" or (dtype == np.float32 and value.dtype.kind in "iu")
    if not exact or not value.size or value.dtype.kind not in "iuf" or np.can_cast(value.dtype, dtype):
        return
    low, high = value.min(), value.max()
    if dtype == np.float32:
        if not -(2**24) <= low <= high <= 2**24:
            raise ValueError(f"{what} has integers above 16,777,216, which float32 cannot hold: give it dtype=np.int32")
        return
    if value.dtype.kind == "f" and not np.array_equal(value, np.trunc(value)):
        raise ValueError(
            f"{what} has numbers that are not whole, as {dtype} wants them: round them, or give it a float dtype"
        )
    info = np.iinfo(dtype)
    if not info.min <= low <= high <= info.max:
        raise ValueError(
            f"{what} has numbers from {low} to {high}, and {dtype} holds those from {info.min} to {info.max}: give it "
            "a wider dtype; integers are kept in 32 bits at most"
        )


def numbers(value: Any, what: str) -> np.ndarray:
    """`value` as an array of NumPy's.  Raises TypeError where it is none of numbers."""
    if isinstance(value, Valueless):
        raise TypeError(f"{what} must be an array of numbers, not {value!r}: fetch that in a run first, and feed it")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"{what} must be an array of numbers: lists in it differ in length ({error})") from None
    if array.dtype == object and isinstance(value, int):  # beyond 64 bits
        array = np.asarray(float(value))
    if array.dtype.kind in "iufb" or array.dtype.name in ("bfloat16", "float16"):
        return array
    kind = type(value).__name__ if array.shape == () else f"{array.dtype} (shape {array.shape})"
    raise TypeError(f"{what} must be an array of numbers, not {kind}")


def operand(node: Any, other: Any) -> Any:
    """The other side of an operator on a node.  Raises TypeError where it is neither a node nor made of numbers."""
    other = as_value(other)
    if isinstance(other, Valueless | jax.Array):
        return other
    array = numbers(other, f"what {node.describe()} is combined with")
    return array if array.ndim else other


def negative(constant: Any) -> Any:
    """-constant, also where its own dtype has no such number."""
    exact = getattr(constant, "dtype", None) is not None and constant.dtype.kind in "iub"
    return -np.asarray(constant, np.int64) if exact else -constant
