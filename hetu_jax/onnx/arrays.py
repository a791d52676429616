"""Values inside imported graphs: NumPy's are known while a step is traced, JAX's may not be.

Shape arithmetic stays on the host, so that a graph of any batch size compiles to one program: `Shape` gives NumPy
numbers, and `xp` computes with NumPy as long as every array is NumPy's.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.extend
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from onnx import helper

from ..errors import HostValueError

FAR = 2.0**62  # integers from here on mean "as far as there is"
KNOWN_SIZE = 2**14  # more elements than this are not computed on the host


class _Arrays:
    """`jax.numpy`, or `numpy` where no argument is an array of JAX's."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        on_host, on_device = getattr(np, name), getattr(jnp, name)

        @functools.wraps(on_host)
        def call(*args: Any, **kwargs: Any) -> Any:
            if not traced(args, kwargs):
                return on_host(*args, **kwargs)
            args, kwargs = jax.tree.map(narrow, (args, kwargs))
            return on_device(*args, **kwargs)

        setattr(self, name, call)
        return call


xp = _Arrays()


def traced(*values: Any) -> bool:
    """Whether an array of JAX's is among the values or in lists of them."""
    return any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(values))


def narrow(value: Any) -> Any:
    """A NumPy array in a dtype that JAX holds: 64-bit integers are cut to the range of 32 bits, not wrapped."""
    if not isinstance(value, np.ndarray | np.generic) or value.dtype.kind not in "iufc":
        return value
    dtype = jax.dtypes.canonicalize_dtype(value.dtype)
    if dtype == value.dtype:
        return value
    if dtype.kind in "iu":
        lost = np.asarray(value)[_beyond(value, dtype)].astype(np.float64)
        if lost.size and np.abs(lost).min() < FAR:
            warnings.warn(
                f"integers of an imported model, such as {lost[0]:.0f}, do not fit into 32 bits and are cut: call "
                "jax.config.update('jax_enable_x64', True) first",
                stacklevel=2,
            )
        value = np.clip(value, np.iinfo(dtype).min, np.iinfo(dtype).max)
    return value.astype(dtype)


def fits(value: np.ndarray) -> bool:
    """Whether JAX holds all integers among the elements, as it is configured."""
    if value.dtype.kind not in "iu":
        return True
    return not _beyond(value, jax.dtypes.canonicalize_dtype(value.dtype)).any()


def _beyond(value: np.ndarray, dtype: np.dtype) -> np.ndarray:
    limits = np.iinfo(dtype)
    return (value < limits.min) | (value > limits.max)


def device(value: Any) -> jax.Array:
    """`value` as an array of JAX's."""
    return jnp.asarray(narrow(value))


def owned(value: np.ndarray) -> jax.Array:
    """`value` as an array of JAX's in memory of its own, whatever becomes of the memory, or the file, under `value`."""
    value = narrow(value)
    made = jax.device_put(value)
    shared = made.unsafe_buffer_pointer() == value.ctypes.data  # on CPUs, where the alignment permits
    return jnp.copy(made) if shared else made


def host(value: Any, what: str = "a value") -> np.ndarray:
    """`value` as a NumPy array.

    what: names it in the message.  Raises HostValueError in a compiled step, where it is not known yet.
    """
    if not isinstance(value, jax.Array):
        return np.asarray(value)
    try:
        return jax.extend.core.concrete_or_error(np.asarray, value)
    except jax.errors.JAXTypeError:
        raise HostValueError(f"{what} must be known before the step is compiled") from None


def ints(value: Any, what: str = "a value") -> list[int]:
    """A vector or a number, known on the host, as ints."""
    return [int(number) for number in host(value, what).reshape(-1)]


def number(value: Any, what: str = "a value") -> Any:
    """An array of one element, known on the host, as a Python number."""
    return host(value, what).reshape(()).item()


def small(shape: Iterable[int]) -> bool:
    """Whether an array of this shape may be computed on the host."""
    return int(np.prod([int(length) for length in shape], dtype=object)) <= KNOWN_SIZE


def is_float(value: Any) -> bool:
    """Whether the elements are floats, narrow ones included."""
    return jnp.issubdtype(np.dtype(value.dtype), jnp.floating)


def axis_of(axis: int, rank: int) -> int:
    """`axis` counted from the front.  Raises ValueError where there is no such axis."""
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} is out of range for an array of {rank} axes")
    return axis % rank


@functools.cache
def dtype_of(kind: int) -> np.dtype:
    """The NumPy dtype of an ONNX element type; strings are objects.  Raises ValueError for an unknown one."""
    try:
        return np.dtype(helper.tensor_dtype_to_np_dtype(kind))
    except KeyError:
        raise ValueError(f"{kind} is no element type of ONNX") from None


def astype(value: Any, dtype: Any) -> Any:
    """`value` in a dtype, or in the one that stands for it where JAX has 32 bits only."""
    if not isinstance(value, jax.Array):
        return np.asarray(value).astype(dtype)
    return value.astype(jax.dtypes.canonicalize_dtype(dtype))


def wide(value: Any) -> Any:
    """`value`, in float32 where it holds narrower floats."""
    return astype(value, np.float32) if is_float(value) and np.dtype(value.dtype).itemsize < 4 else value


def full(shape: Iterable[int], fill: Any, dtype: Any) -> Any:
    """An array of one repeated number; on the host where it is small."""
    shape = tuple(int(length) for length in shape)
    if small(shape):
        return np.full(shape, fill, dtype)
    made = jnp.full(shape, narrow(np.asarray(fill, dtype)), jax.dtypes.canonicalize_dtype(dtype))
    # XLA 0.10 to 0.12 computes garbage on CPUs from convolutions whose filters are one repeated number.
    return jax.lax.optimization_barrier(made)


def is_text(value: Any) -> bool:
    """Whether `value` is an array of strings."""
    return isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "OUST"


FOUR_BIT = tuple(np.dtype(t) for t in (ml_dtypes.int4, ml_dtypes.uint4, ml_dtypes.int2, ml_dtypes.uint2))


def bitcast(value: Any, dtype: Any) -> Any:
    """The same bits as another dtype of the same width."""
    if isinstance(value, jax.Array):
        return jax.lax.bitcast_convert_type(value, dtype)
    return np.asarray(value).view(dtype)
