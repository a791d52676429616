"""The ONNX forms of `ops/reduce.py`."""

import numpy as np

from .registry import exporter


def _reduce(g, operator, node, axes, keepdims):
    """A reduction in which each axis is kept or dropped as `keepdims` says."""
    axes = node.axes(axes)
    if not axes:
        return g.reduce(operator, g.Unsqueeze(node, [node.rank]), [node.rank], False)
    kept = [bool(keepdims)] * len(axes) if np.ndim(keepdims) == 0 else list(keepdims)
    if len(axes) == node.rank and not any(kept):
        reduced = g.reduce(operator, node, axes, node.rank == 1)
        return reduced if node.rank == 1 else g.reshape(reduced, [1])
    dropped = [axis for axis, keep in zip(axes, kept, strict=True) if not keep]
    reduced = g.reduce(operator, node, axes, any(kept))
    return g.Squeeze(reduced, sorted(dropped)) if any(kept) and dropped else reduced


@exporter
def reduce_sum_op(g, node, axes, keepdims):
    return _reduce(g, "ReduceSum", node, axes, keepdims)


@exporter
def reduce_mean_op(g, node, axes, keepdims):
    return _reduce(g, "ReduceMean", g.floats(node), axes, keepdims)


@exporter
def reduce_min_op(g, node, axes, keepdims):
    return _reduce(g, "ReduceMin", node, axes, keepdims)


@exporter
def reduce_mul_op(g, node, axes, keepdims):
    return _reduce(g, "ReduceProd", node, axes, keepdims)


@exporter
def reduce_norm1_op(g, node, axes, keepdims):
    return _reduce(g, "ReduceL1", node, axes, keepdims)


@exporter
def reduce_norm2_op(g, node, axes, keepdims):
    return _reduce(g, "ReduceL2", g.floats(node), axes, keepdims)


@exporter
def reducesumaxiszero_op(g, node):
    return _reduce(g, "ReduceSum", node, 0, False)


@exporter
def norm_op(g, node, axis, p, keepdims):
    node = g.floats(node)
    if p in (1, 2):
        return _reduce(g, f"ReduceL{p}", node, axis, keepdims)
    powers = g.Pow(g.Abs(node), float(p))
    powers.shape = node.shape
    return g.Pow(_reduce(g, "ReduceSum", powers, axis, keepdims), 1 / p)


@exporter
def max_op(g, node_A, node_B, dim, keepdim):
    return _reduce(g, "ReduceMax", node_A, dim, keepdim) if node_B is None else g.Max(node_A, node_B)


@exporter
def min_op(g, node_A, node_B, dim, keepdim):
    return _reduce(g, "ReduceMin", node_A, dim, keepdim) if node_B is None else g.Min(node_A, node_B)


@exporter
def argmax_op(g, node, dim):
    places = g.ArgMax(node, axis=int(dim), keepdims=0)
    return g.scalar_as_one(places, node.rank - 1)


@exporter
def argmax_partial_op(g, node, use_full, topk, dim):
    (axis,) = node.axes(dim)
    shape = [-1 if i == axis else 1 for i in range(node.rank)]
    early = g.Reshape(g.Less(g.iota(node, axis), topk), shape)
    full = g.Reshape(g.cast(use_full, bool), [-1, *[1] * (node.rank - 1)])
    least = -np.inf if np.issubdtype(node.dtype, np.floating) else np.iinfo(node.dtype).min
    return g.ArgMax(g.Where(g.Or(early, full), node, least), axis=axis, keepdims=0)


@exporter
def argsort_op(g, node, dim, descending):
    (axis,) = node.axes(dim)
    _, places = g.TopK(node, g.length(node, axis), axis=axis, largest=int(descending), outputs=2)
    return places


@exporter
def topk_idx_op(g, node, topk):
    least = np.iinfo(node.dtype).min if np.issubdtype(node.dtype, np.integer) else -np.inf
    eligible = g.shaped(g.Where(g.Less(node, -10000), least, node), node.shape)
    values, places = top_k(g, eligible, topk)
    return g.Where(g.Less(values, -10000), -1, places)


def top_k(g, node, k):
    """The k largest along the last axis and where they are; of equal ones the later comes first."""
    flipped = g.Slice(node, [-1], [np.iinfo(np.int64).min], [-1], [-1])
    values, places = g.TopK(flipped, [k], axis=-1, outputs=2)
    return values, g.Sub(g.last(node, -1), places)


@exporter
def topk_val_op(g, nodeA, nodeB):
    places = g.ids(nodeB)
    values = g.GatherElements(nodeA, g.Max(places, 0), axis=nodeA.rank - 1)
    return g.Where(g.Less(places, 0), 0, values)


@exporter
def cumsum_with_bias_op(g, node, bias, dim):
    total = g.CumSum(node, g.constant(dim))
    return g.Add(total, bias) if bias else total
