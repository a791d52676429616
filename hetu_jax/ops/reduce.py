"""Reductions, norms, arg-reductions, sorting and scans."""

import operator

import jax
import jax.numpy as jnp
import numpy as np

from ..graph import op
from . import row_by_row
from .elementwise import constant, floats
from .index import cast_ids


def _reduce(function, node, axes, keepdims):
    """`function(node, axis=...)`, reshaped so that each reduced axis is kept or dropped as `keepdims` says."""
    axes = [axes] if np.ndim(axes) == 0 else list(axes)
    keepdims = [keepdims] * len(axes) if np.ndim(keepdims) == 0 else list(keepdims)
    if len(keepdims) != len(axes):
        raise ValueError(f"keepdims {keepdims} has {len(keepdims)} entries for the {len(axes)} axes {axes}")
    kept = {checked_axis(axis, node): keep for axis, keep in zip(axes, keepdims, strict=True)}
    if len(kept) != len(axes):
        raise ValueError(f"axes {axes} names an axis twice for an array of shape {node.shape}")
    shape = [1 if axis in kept else length for axis, length in enumerate(node.shape) if kept.get(axis, True)]
    return function(node, axis=tuple(kept)).reshape(shape or (1,))


def checked_axis(axis, node):
    """`axis` counted from the front.

    Raises ValueError where the array has no such axis.
    """
    axis = operator.index(axis)
    if not -node.ndim <= axis < node.ndim:
        raise ValueError(f"axis {axis} is out of range for an array of shape {node.shape}")
    return axis % node.ndim


def _magnitude(x):
    # jnp.abs has gradient 1 at 0, Hetu's is 0.
    return x * jax.lax.stop_gradient(jnp.sign(x))


def _root(sums, p):
    """The p-th root, with gradient 0 at 0."""
    safe = jnp.where(sums == 0, 1, sums)
    return jnp.where(sums == 0, 0, jnp.sqrt(safe) if p == 2 else safe ** (1 / p))


def _norm1(node, axis):
    return jnp.sum(_magnitude(node), axis=axis)


def _norm2(node, axis):
    return _root(jnp.sum(jnp.square(floats(node)), axis=axis), 2)


@op
def reduce_sum_op(node, axes, keepdims=False):
    """The sum over some axes.

    node: any shape.  axes: int or list of int, also negative.  keepdims: bool, or one for each of axes.
    Returns: the shape without the axes that are not kept, (1,) if none is left; the dtype of x.
    """
    return _reduce(jnp.sum, node, axes, keepdims)


@op
def reduce_mean_op(node, axes, keepdims=False):
    """The mean over some axes.

    node, axes, keepdims: as reduce_sum_op.  Returns: the same shape, float.
    """
    return _reduce(jnp.mean, node, axes, keepdims)


@op
def reduce_min_op(node, axes, keepdims=False):
    """The minimum over some axes; equal minima share the gradient.

    node, axes, keepdims: as reduce_sum_op.  Returns: as reduce_sum_op.
    """
    return _reduce(jnp.min, node, axes, keepdims)


@op
def reduce_mul_op(node, axes, keepdims=False):
    """The product over some axes.

    node, axes, keepdims: as reduce_sum_op.  Returns: as reduce_sum_op.
    """
    return _reduce(jnp.prod, node, axes, keepdims)


@op
def reduce_norm1_op(node, axes, keepdims=False):
    """The sum of |x| over some axes; gradient 0 where x is 0.

    node, axes, keepdims: as reduce_sum_op.  Returns: as reduce_sum_op.
    """
    return _reduce(_norm1, node, axes, keepdims)


@op
def reduce_norm2_op(node, axes, keepdims=False):
    """The square root of the sum of squares over some axes; gradient 0 where it is 0.

    node, axes, keepdims: as reduce_sum_op.  Returns: the same shape, float.
    """
    return _reduce(_norm2, node, axes, keepdims)


@op
def reducesumaxiszero_op(node):
    """The sum over axis 0.

    node: at least one axis.  Returns: the shape without its first axis, (1,) if none is left.
    """
    return _reduce(jnp.sum, node, 0, False)


@op
def norm_op(node, axis, p=2, keepdims=True):
    """The p-norm along one axis, (sum of |x|^p)^(1/p); gradient 0 where it is 0.

    node: any shape.  axis: int.  p: number above 0.  keepdims: whether the axis stays, with length 1.
    Returns: the reduced shape, (1,) if none is left; float.  Raises ValueError for another p.
    """
    if not 0 < p < float("inf"):
        raise ValueError(f"norm_op takes a finite p above 0, not {p!r}")
    if p == 1:
        return _reduce(_norm1, floats(node), axis, keepdims)
    if p == 2:
        return _reduce(_norm2, node, axis, keepdims)
    return _reduce(lambda x, axis: _root(jnp.sum(_magnitude(x) ** p, axis=axis), p), floats(node), axis, keepdims)


@op
def max_op(node_A, node_B=None, dim=0, keepdim=False):
    """The larger of two arrays, or the maximum along one axis; equal maxima share the gradient.

    node_A: any shape.  node_B: None, or an array that broadcasts with node_A.
    dim: the axis, for one array.  keepdim: whether it stays, with length 1.  Both matter only without node_B.
    Returns: the common or the reduced shape, (1,) if none is left.
    """
    return _reduce(jnp.max, node_A, dim, keepdim) if node_B is None else jnp.maximum(node_A, node_B)


@op
def min_op(node_A, node_B=None, dim=0, keepdim=False):
    """The smaller of two arrays, or the minimum along one axis; equal minima share the gradient.

    node_A, node_B, dim, keepdim: as max_op.  Returns: as max_op.
    """
    return _reduce(jnp.min, node_A, dim, keepdim) if node_B is None else jnp.minimum(node_A, node_B)


@op
def argmax_op(node, dim=0):
    """The index of the first maximum along one axis.

    node: any shape.  dim: int, also negative.  Returns: the shape without the axis, (1,) if none is left; int32.
    """
    return _reduce(lambda x, axis: jnp.argmax(x, axis=axis[0]), node, dim, False).astype(jnp.int32)


@op
def argmax_partial_op(node, use_full, topk, dim):
    """The index of the first maximum along one axis, for some rows among the first entries only.

    node: any shape.  use_full: (rows of axis 0,), int; where it is 0, only the first topk entries compete.
    topk: int above 0.  dim: int, not axis 0.  Returns: the shape without the axis; int32.
    Raises ValueError for another topk or dim.
    """
    axis = checked_axis(dim, node)
    if axis == 0 or topk < 1:
        raise ValueError(f"argmax_partial_op needs topk above 0 and another dim than axis 0, not {topk} and {dim}")
    competes = jax.lax.broadcasted_iota(jnp.int32, node.shape, axis) < topk
    competes |= use_full.reshape(-1, *[1] * (node.ndim - 1)) != 0
    least = -jnp.inf if jnp.issubdtype(node.dtype, jnp.inexact) else jnp.iinfo(node.dtype).min
    return jnp.argmax(jnp.where(competes, node, least), axis=axis).astype(jnp.int32)


@op
def argsort_op(node, dim=1, descending=False):
    """The indices that sort along one axis; equal elements keep their order.

    node: any shape.  dim: int, also negative.  descending: bool.  Returns: the same shape, float32.
    """
    axis = checked_axis(dim, node)
    return jnp.argsort(node, axis=axis, stable=True, descending=bool(descending)).astype(jnp.float32)


@op
def topk_idx_op(node, topk, *, alone=False):
    """The indices of the largest elements along the last axis, largest first; of equal ones the later comes first.

    node: (..., n).  topk: int, at most n.  Elements below -10000 are never chosen: their places hold -1.
    Returns: (..., topk), float32.  Raises ValueError for a topk above n.
    """
    if not 0 <= topk <= node.shape[-1]:
        raise ValueError(f"topk_idx_op cannot choose {topk} of {node.shape[-1]} elements (shape {node.shape})")
    if alone and row_by_row.can_choose(node, topk):
        return row_by_row.largest(node, topk, -10000).astype(jnp.float32)
    least = jnp.iinfo(node.dtype).min if jnp.issubdtype(node.dtype, jnp.integer) else -jnp.inf
    values, places = top_k(jnp.where(node < -10000, least, node), topk)
    return jnp.where(values < -10000, -1, places).astype(jnp.float32)


def top_k(values, k):
    """The k largest along the last axis and where they are; of equal ones the later comes first."""
    largest, places = jax.lax.top_k(values[..., ::-1], k)
    return largest, values.shape[-1] - 1 - places


@op
def topk_val_op(nodeA, nodeB):
    """The elements of A at the indices B along the last axis; 0 where an index is negative.

    nodeA: (..., n).  nodeB: (..., k), indices as topk_idx_op gives them.  Returns: (..., k), the dtype of A.
    """
    places = cast_ids(nodeB)
    values = jnp.take_along_axis(nodeA, jnp.maximum(places, 0), axis=-1)
    return jnp.where(places < 0, 0, values)


@op
def cumsum_with_bias_op(node, bias=-1, dim=0, *, alone=False):
    """The running sum along one axis, this element included, plus a constant.

    node: any shape.  bias: number.  dim: int, also negative.  Returns: as addbyconst_op.
    """
    axis = checked_axis(dim, node)
    total = row_by_row.running_sum(node, axis) if alone else jnp.cumsum(node, axis, node.dtype)
    return total + constant(bias, node)
