"""Sums of outer products, left' @ right, which is what gradients of weights are, in forms that CPUs are fast at.

XLA's CPU backend leaves a product that runs over the rows of both sides to Eigen, and others to YNNPACK.  Eigen takes
twice as long where the left side is much wider than the right one, and ten times as long where the right one has ten
columns, as the last layer of a classifier.  So one side is turned first, and behind a barrier, or XLA would turn it
back.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

from .. import layout

SWITCH = "HETU_JAX_TURN"  # 0: products as they are written; 1: as below on any platform; by default on CPUs
# Measured with XLA of jax 0.10 and 0.12 on two cores of an AMD EPYC.  A right side that is this much narrower than the
# left one is turned, and so is the result, which pays from so many rows, or up to so many columns, on; a left side
# where the right one has so many columns that turning it is little next to the product.
NARROWER, ROWS, NARROW, WIDE = 2, 256, 64, 512


def wanted() -> bool:
    """Whether sides are turned."""
    return layout.wanted(jax.default_backend(), SWITCH)


def outer_sum(left: jax.Array, right: jax.Array) -> jax.Array:
    """The transpose of `left` times `right`, for each matrix of a batch.

    left: (..., rows, m).  right: (..., rows, n), of the same type.  Returns: (..., m, n).
    """
    (rows, m), n = left.shape[-2:], right.shape[-1]
    if not wanted():
        return jnp.swapaxes(left, -1, -2) @ right
    if m >= NARROWER * n and (rows >= ROWS or n <= NARROW):
        return jnp.swapaxes(lax.optimization_barrier(_turned(right) @ left), -1, -2)
    if left.ndim > 2 or n >= WIDE:
        return _turned(left) @ right
    return left.T @ right


def _turned(matrices: jax.Array) -> jax.Array:
    return lax.optimization_barrier(jnp.swapaxes(matrices, -1, -2))


@jax.custom_vjp
def product(rows: jax.Array, columns: jax.Array) -> jax.Array:
    """rows @ columns, whose gradient by the columns is an `outer_sum`.

    rows: (..., m, k), float.  columns: (k, n), or as many matrices as there are of rows, of the same type.
    Returns: (..., m, n).
    """
    return rows @ columns


def _backward(kept: tuple[jax.Array, jax.Array], moved: jax.Array) -> tuple[jax.Array, jax.Array]:
    rows, columns = kept
    sides = rows, moved
    if columns.ndim == 2:
        sides = (side.reshape(-1, side.shape[-1]) for side in sides)
    return moved @ jnp.swapaxes(columns, -1, -2), outer_sum(*sides)


product.defvjp(lambda rows, columns: (rows @ columns, (rows, columns)), _backward)
