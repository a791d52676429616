"""The ONNX forms of `ops/select.py`."""

import numpy as np

from .registry import exporter, identity

identity("stop_gradient_op")


@exporter
def clamp_op(g, node_A, min_mat, max_mat, min, max):
    ordered = min is None or max is None or min <= max
    if (min is not None or max is not None) and ordered:
        return g.Clip(node_A, min, max)
    for operator, bound in (("Max", min_mat if min is None else min), ("Min", max_mat if max is None else max)):
        node_A = node_A if bound is None else g.add(operator, [node_A, bound])
    return node_A


_COMPARISONS = (
    lambda g, difference: g.Less(g.Abs(difference), 1e-6),
    lambda g, difference: g.Less(difference, -1e-6),
    lambda g, difference: g.Greater(difference, 1e-6),
    lambda g, difference: g.Less(difference, 1e-6),
    lambda g, difference: g.Greater(difference, -1e-6),
)


@exporter
def bool_op(g, node, input, val, cond):
    if input is None and val is None:
        return g.cast(g.Greater(node, 0), np.float32)
    difference = g.Sub(g.floats(node), g.floats(val if input is None else input))
    return g.cast(_COMPARISONS[cond](g, difference), np.float32)


@exporter
def where_op(g, cond, node_A, node_B):
    return g.Where(g.cast(cond, bool), node_A, node_B)


@exporter
def where_const_op(g, cond, node_A, const_attr):
    return g.Where(g.cast(cond, bool), node_A, const_attr)


@exporter
def mask_op(g, input, mask):
    if mask.shape != input.shape and _count(mask) == _count(input):
        mask = g.Reshape(mask, g.shape_of(input))
    return g.Where(g.cast(mask, bool), input, 0)


def _count(value):
    """The number of elements for each sample of an open batch."""
    return [dim for dim in value.shape if isinstance(dim, str)], np.prod([d for d in value.shape if isinstance(d, int)])


@exporter
def masked_fill_op(g, input, mask, val):
    return g.Where(g.Equal(mask, 1), val, input)


@exporter
def binary_step_op(g, node):
    return g.cast(g.Greater(node, 0), np.float32)
