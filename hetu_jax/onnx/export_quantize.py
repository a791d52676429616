"""The ONNX forms of `ops/quantize.py`."""

import numpy as np

from .export_embedding import guarded
from .registry import exporter


@exporter
def dequantize_op(g, node, digit, scale, minele):
    return g.Add(g.Mul(g.floats(node), scale), minele)


def _looked_up(g, embed, indices, grid):
    """The numbers behind the rows of codes; zeros for an id outside the table."""
    inside, valid = guarded(g, embed, g.ids(indices), indices.rank)
    scale, origin = grid(inside)
    codes = g.cast(g.Gather(embed, inside), getattr(scale, "dtype", np.float32))
    return g.Where(valid, g.Add(g.Mul(codes, scale), origin), 0)


@exporter
def unified_quantized_embedding_lookup_op(g, embed, indices, scale, zero_point, digit):
    return _looked_up(g, embed, indices, lambda ids: (scale, zero_point - 2 ** (digit - 1) * scale))


@exporter
def quantized_embedding_lookup_op(g, embed, indices, qparams, digit):
    def grid(ids):
        own = g.Gather(qparams, ids)
        return [g.Slice(own, [first], [first + 1], [indices.rank]) for first in (0, 1)]

    return _looked_up(g, embed, indices, grid)


@exporter
def alpt_embedding_lookup_op(g, embed, indices, scale, zero_point, digit):
    return _looked_up(g, embed, indices, lambda ids: (g.Gather(scale, ids), zero_point))


@exporter
def alpt_rounding_op(g, lookup, scale, middle, digit):
    least, most = -(2 ** (digit - 1)), 2 ** (digit - 1) - 1
    codes = g.Clip(g.Floor(g.Add(lookup, 0.5)), g.constant(least, lookup.dtype), g.constant(most, lookup.dtype))
    shape = [dim if isinstance(dim, int) else -1 for dim in lookup.shape[:-1]] + [1]
    scale = g.cast(g.reshape(scale, shape), lookup.dtype)
    return g.Add(g.Mul(codes, scale), middle)
