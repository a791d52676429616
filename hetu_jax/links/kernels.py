"""What direct kernels compute where no op does it alone: pure functions of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import initializers, random
from ..graph import OPS
from ..ndarray import IndexedSlices, as_value
from ..ops.embedding import cast_ids, put_rows, rows

__all__ = [
    "add_all",
    "add_rows",
    "at",
    "avg_pooled",
    "batch_normalisation",
    "batch_normalised",
    "block",
    "counted_below",
    "dense",
    "dequantised",
    "drawn",
    "experts",
    "extent",
    "fewer",
    "for_dims",
    "for_leader",
    "for_members",
    "in_order",
    "instance_slope",
    "last_draw",
    "last_key",
    "layer_normalised",
    "max_pooled",
    "new_key",
    "norm_at",
    "nth_run",
    "packed",
    "put",
    "put_along",
    "quantised",
    "quantised_rows",
    "repeats",
    "rows_of_groups",
    "same",
    "scaled_by_group",
    "total_norm",
    "variance",
    "whole_matrix",
    "workspace_bytes",
]


def new_key(seed: int | None = None) -> jax.Array:
    """The random key of a seed, or of the next draw."""
    number = random.next_seqnum() if seed is None else np.uint32(int(seed) % 2**32)
    return random.step_key(random.base_key(), number)


def last_draw() -> int:
    """The number of the last draw."""
    return random.get_seed_seqnum()


def last_key(seed: int | None = None) -> jax.Array:
    """The key that the draw `seed`, or the last one, was made with."""
    return new_key(last_draw() if seed is None else seed)


def drawn(initializer: str, target: Any, *numbers: Any, seed: int | None = None) -> jax.Array:
    """An array shaped as `target` from an initializer of `hetu_jax.initializers`, by the name of its class."""
    return getattr(initializers, initializer)(*numbers, target.shape)(new_key(seed))


def same(array: Any) -> Any:
    """The array itself."""
    return array


def extent(begin: Sequence[int], end: Sequence[int]) -> list[int]:
    """The size of the block from `begin` to `end`."""
    return [int(stop) - int(start) for start, stop in zip(begin, end, strict=True)]


def nth_run(buffer: Any, part: int, rank: int) -> list[int]:
    """The `part`-th of the runs of `rank` integers in a buffer that Hetu keeps on the device."""
    return [int(n) for n in np.asarray(buffer).reshape(-1)[part * rank : (part + 1) * rank]]


def for_dims(array: jax.Array, dims: Any, target: jax.Array) -> jax.Array:
    """`array` in the shape `dims`, repeated to the shape of `target`."""
    return jnp.broadcast_to(array.reshape([int(n) for n in np.asarray(dims).reshape(-1)]), target.shape)


def repeats(array: jax.Array, target: jax.Array) -> list[int]:
    """How often `array` is repeated along each axis of `target`."""
    missing = target.ndim - array.ndim
    return [n // max(m, 1) for n, m in zip(target.shape, (1,) * missing + array.shape, strict=True)]


def experts(table: jax.Array, capacity: float) -> int:
    """The number of experts that a table of `capacity` slots for each has room for."""
    return round(table.shape[0] / capacity)


def _pooled(op: str, array: jax.Array, height: int, width: int, padding: Any, stride: Any, like: Any) -> jax.Array:
    rows, columns = like.shape[2:]
    return OPS[op].fn(array, height, width, padding, stride)[:, :, :rows, :columns]


def avg_pooled(*arguments: Any) -> jax.Array:
    """`avg_pool2d_op`, of as many windows as there is room for in the last argument: a kernel reads no others."""
    return _pooled("avg_pool2d_op", *arguments)


def max_pooled(*arguments: Any) -> jax.Array:
    """`max_pool2d_op`, of as many windows as there is room for in the last argument: a kernel reads no others."""
    return _pooled("max_pool2d_op", *arguments)


def block(array: jax.Array, shape: tuple[int, ...], axis: int, offset: int) -> jax.Array:
    """The part of `array` from `offset` on along an axis, as long there as `shape`."""
    return jax.lax.slice_in_dim(array, offset, offset + shape[axis], axis=axis)


def put_along(target: jax.Array, index: jax.Array, source: jax.Array, axis: int) -> jax.Array:
    """`target` with the elements that `index` points at along an axis replaced."""
    return jnp.put_along_axis(target, cast_ids(index), source, axis=axis, inplace=False)


def put(table: jax.Array, ids: jax.Array, new: jax.Array) -> jax.Array:
    """`table` with new rows at `ids`; ids outside are left out."""
    return put_rows(table, cast_ids(ids), new)


def dense(gradient: Any, like: jax.Array) -> jax.Array:
    """A gradient as an array; of IndexedSlices the rows are added up."""
    return gradient.to_dense().value if isinstance(gradient, IndexedSlices) else gradient.reshape(like.shape)


def add_rows(total: jax.Array, ids: jax.Array, values: jax.Array) -> jax.Array:
    """`total` plus rows added at their ids; ids outside are left out."""
    ids = cast_ids(ids).reshape(-1)
    return total.at[jnp.where(ids < 0, len(total), ids)].add(values.reshape(-1, *total.shape[1:]), mode="drop")


def rows_of_groups(idoffsets: jax.Array, values: jax.Array) -> jax.Array:
    """For each id its group's row: what undoes `deduplicate_lookup_op`.

    idoffsets: (2n + 2,) from `unique_indices_offsets_op`.  values: n rows.  Returns: n rows.
    """
    n = idoffsets.size // 2 - 1
    values, starts = values.reshape(n, -1), idoffsets[n + 1 :]
    group = jnp.searchsorted(starts[: n + 1], jnp.arange(n), side="right") - 1
    return jnp.zeros_like(values).at[idoffsets[1 : n + 1]].set(values[group])


def workspace_bytes(count: int) -> int:
    """Bytes that Hetu's kernel would need beside `count` ids; here it needs none, so any number will do."""
    return 4 * int(count)


def for_leader(array: jax.Array, nodes: int, local: int) -> jax.Array:
    """What a machine's leader collected, by sender and receiver, in the order of the receivers' machines."""
    parts = array.reshape(local, nodes, local, -1)
    return parts.transpose(1, 0, 2, 3).reshape(array.shape)


def for_members(array: jax.Array, nodes: int, local: int) -> jax.Array:
    """What a leader received, by sender's machine, sender and receiver, in the order of its own receivers."""
    parts = array.reshape(nodes, local, local, -1)
    return parts.transpose(2, 0, 1, 3).reshape(array.shape)


def fewer(array: jax.Array, threshold: Any) -> jax.Array:
    """1 where the magnitude is below the threshold, else 0."""
    return (jnp.abs(array) < threshold).astype(array.dtype)


def counted_below(
    array: jax.Array, threshold: Any, middle: Any, axes: Sequence[int] | None = None
) -> tuple[jax.Array, jax.Array]:
    """Which magnitudes are below the threshold, and how many over some axes or all.

    middle: as the first of them; of one axis, it gets the numbers in so many equal runs of elements instead.
    """
    below = fewer(array, threshold)
    if np.ndim(middle) == 1:
        below = below.reshape(len(middle), -1).sum(1)
    return below, below.sum(None if axes is None else tuple(np.atleast_1d(axes)))


def norm_at(array: jax.Array, total: jax.Array, offset: int) -> jax.Array:
    """`total` with the root of the sum of squares of `array` at a flat position."""
    return total.reshape(-1).at[offset].set(total_norm([array]))


def _values(array: Any) -> jax.Array:
    """An array, or the rows that IndexedSlices hold."""
    return as_value(array.values) if isinstance(array, IndexedSlices) else array


def total_norm(arrays: Sequence[Any]) -> jax.Array:
    """The root of the sum of all squares in a list of arrays; of IndexedSlices, those of the rows."""
    return jnp.sqrt(sum(jnp.sum(jnp.square(_values(array))) for array in arrays))


def add_all(arrays: Sequence[jax.Array], others: Sequence[Any], factor: Any) -> list[jax.Array]:
    """Each array plus the factor times its partner; of IndexedSlices, times the rows."""
    return [array + factor * _values(other) for array, other in zip(arrays, others, strict=True)]


def scaled_by_group(table: jax.Array, groups: jax.Array, factors: jax.Array) -> jax.Array:
    """Each row of a table times the factors of its group."""
    return table * factors[cast_ids(groups).reshape(-1)].reshape(len(table), -1)


def variance(inverse_deviation: jax.Array, eps: float) -> jax.Array:
    """The variance behind 1 / sqrt(variance + eps), which is what GPU kernels keep."""
    return inverse_deviation**-2 - eps


def _through(statistic: jax.Array, computed: jax.Array) -> jax.Array:
    """The given statistic, differentiated as the computed one."""
    return statistic.reshape(computed.shape) + computed - jax.lax.stop_gradient(computed)


def _normalised(x: Any, scale: Any, bias: Any, mean: Any, var: Any, eps: float, axes: tuple[int, ...]) -> jax.Array:
    mean = _through(mean, x.mean(axes, keepdims=True))
    var = _through(var, jnp.square(x - mean).mean(axes, keepdims=True))
    return (x - mean) * jax.lax.rsqrt(var + eps) * scale + bias


def layer_normalised(x: Any, scale: Any, bias: Any, mean: Any, var: Any, eps: float) -> jax.Array:
    """Layer normalisation with given statistics of the last axis, which gradients take for the input's own."""
    return _normalised(x, scale, bias, mean, var, eps, (-1,))


def batch_normalised(x: Any, scale: Any, bias: Any, mean: Any, var: Any, eps: float) -> jax.Array:
    """Batch normalisation with given statistics of each channel, which gradients take for the input's own."""
    shape = (1, -1) + (1,) * (x.ndim - 2)
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    return _normalised(x, scale.reshape(shape), bias.reshape(shape), mean, var, eps, axes)


def _levels(digit: int, signed: bool) -> tuple[int, int]:
    if digit not in (8, 16):
        raise ValueError(f"tables are quantised to 8 or 16 bits, not {digit}")
    return (-(2 ** (digit - 1)), 2 ** (digit - 1) - 1) if signed else (0, 2**digit - 1)


def quantised(x: Any, digit: int, scale: Any, zero: Any, signed: bool = False, stochastic: bool = True) -> jax.Array:
    """floor(clip((x - zero) / scale + u)), u uniform for each element, or 1/2 where not stochastic."""
    return _rounded(x, digit, scale, zero, signed, x.shape if stochastic else None)


def quantised_rows(x: Any, digit: int, scale: Any, zero: Any, signed: bool = False) -> jax.Array:
    """The same with one u for each row."""
    return _rounded(x, digit, scale, zero, signed, (*x.shape[:-1], 1))


def _rounded(x: Any, digit: int, scale: Any, zero: Any, signed: bool, draws: Any) -> jax.Array:
    low, high = _levels(digit, signed)
    up = 0.5 if draws is None else 1 - jax.random.uniform(new_key(), draws)
    kind = np.dtype(f"{'int' if signed else 'uint'}{digit}")
    return jnp.floor(jnp.clip((x - zero) / scale + up, low, high)).astype(kind)


def dequantised(table: jax.Array, ids: jax.Array, scale: Any, zero: Any) -> jax.Array:
    """The rows of a quantised table times their scale plus their zero; a row of zeros for an id outside.

    scale, zero: numbers, or arrays with one number a row of the table.
    """
    ids = cast_ids(ids)
    scale, zero = (rows(part.reshape(-1, 1), ids) if np.size(part) > 1 else part for part in (scale, zero))
    inside = ((ids >= 0) & (ids < len(table)))[..., None]
    return jnp.where(inside, rows(table, ids).astype(jnp.float32) * scale + zero, 0)


def packed(table: jax.Array, digit: int) -> tuple[jax.Array, jax.Array]:
    """A float table quantised row by row, and for each row the scale and zero that spread it over all levels."""
    low, high = table.min(1, keepdims=True), table.max(1, keepdims=True)
    scale = (high - low) / _levels(digit, signed=False)[1]
    scale = jnp.where(scale > 0, scale, 1)
    return quantised_rows(table, digit, scale, low), jnp.concatenate([scale, low], 1)


def at(numbers: jax.Array, ids: jax.Array) -> jax.Array:
    """One number for each id, ready to broadcast against its row."""
    return rows(numbers.reshape(-1, 1), cast_ids(ids))


def whole_matrix(start: int, end: int, product: jax.Array) -> jax.Array:
    """The product, where it is asked for as a whole."""
    if (start, end) != (-1, -1):
        raise ValueError(
            f"only products with the whole matrix are available: start_pos {start} and end_pos {end} are not"
        )
    return product


def in_order(array: jax.Array, order: jax.Array, dim: int) -> tuple[jax.Array, ...]:
    """The elements in an order along an axis, their old positions there, and the order itself."""
    positions = jax.lax.broadcasted_iota(jnp.int32, array.shape, dim % array.ndim)
    return jnp.take_along_axis(array, cast_ids(order), dim), positions, order


def batch_normalisation(
    x: Any, scale: Any, bias: Any, mean: Any, var: Any, momentum: float, eps: float, inverse: bool
) -> tuple[Any, ...]:
    """Batch normalisation in training: the value, the moved statistics, and the batch's own.

    inverse: whether the batch's variance is given as 1 / sqrt(variance + eps), as GPU kernels keep it.
    """
    op = OPS["batch_normalization_op"].fn
    new = op(x, scale, bias, momentum, eps, running_mean=mean, running_var=var, training=True)
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    spread = x.var(axes)
    return *new, x.mean(axes), jax.lax.rsqrt(spread + eps) if inverse else spread


def instance_slope(g: Any, x: Any, mean: Any, var: Any, eps: float) -> jax.Array:
    """g (1 - 1/n - y^2) / sqrt(var + eps) for the normalised y over n pixels: the diagonal of the derivative."""
    mean, deviation = (part.reshape(*x.shape[:2], 1, 1) for part in (mean, jnp.sqrt(var + eps)))
    y = (x - mean) / deviation
    return g * (1 - 1 / (x.shape[2] * x.shape[3]) - y * y) / deviation
