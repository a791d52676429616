"""Running sums and the few largest of many rows, by a loop, which XLA's CPU backend compiles into one kernel.

Its own ways, windows of sums and a sort of each row, take up to seventeen and eight times as long.
"""

import jax
import jax.numpy as jnp

from .. import layout

SWITCH = "HETU_JAX_ROW_BY_ROW"  # 0: as XLA does it; by default 1 on CPUs
MANY = 1024  # rows whose largest numbers are chosen, from which the loop is faster
FEW = 4  # numbers to choose, up to which it is


def running_sum(node, axis):
    """jnp.cumsum of any array along an axis.

    One column is left to the windows, which are as fast, and so are 16-bit numbers: their sums, which would stop
    growing in a loop, go on where like is added to like.
    """
    if node.size <= node.shape[axis] or node.dtype.itemsize < 4 or not layout.wanted(jax.default_backend(), SWITCH):
        return jnp.cumsum(node, axis, node.dtype)

    def add(total, row):
        return total + row, total + row

    rows = jnp.moveaxis(node, axis, 0)
    return jnp.moveaxis(jax.lax.scan(add, jnp.zeros(rows.shape[1:], node.dtype), rows)[1], 0, axis)


def can_choose(node, count):
    """Whether `largest` is for choosing `count` numbers of each row of an array, and faster than a sort."""
    many = 0 < count <= FEW and node.size >= MANY * node.shape[-1]
    return many and node.dtype == jnp.float32 and layout.wanted(jax.default_backend(), SWITCH)


def largest(node, count, least):
    """The places of the largest numbers along the last axis, largest first; of equal ones the later comes first.

    node: (..., n) float32.  count: how many, a small number.  least: -1 stands in place of smaller ones.
    Returns: (..., count) int32.
    """
    columns = jnp.moveaxis(_in_order(node), -1, 0)

    def insert(chosen, column):
        key, place = column
        place, after = jnp.full(key.shape, place), []
        for held, at in chosen:
            larger = key >= held
            after.append((jnp.where(larger, key, held), jnp.where(larger, place, at)))
            key, place = jnp.where(larger, held, key), jnp.where(larger, at, place)
        return after, None

    none = jnp.full(columns.shape[1:], _in_order(jnp.float32(least))), jnp.full(columns.shape[1:], -1)
    chosen, _ = jax.lax.scan(insert, [none] * count, (columns, jnp.arange(node.shape[-1])))
    return jnp.stack([at for _, at in chosen], -1)


def _in_order(numbers):
    """int32 that are ordered as jax.lax.top_k orders float32: -NaN, numbers with -0 below 0, NaN."""
    bits = jax.lax.bitcast_convert_type(numbers, jnp.int32)
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)
