"""The ONNX forms of `ops/compress.py`."""

import numpy as np

from .registry import exporter


def _ids(g, node):
    return g.cast(node, np.int32)


def _quotient(g, ids, number):
    """ids // number: ONNX's Div rounds to zero."""
    return g.Div(g.Sub(ids, g.Mod(ids, number)), number)


@exporter
def mod_hash_op(g, node, nembed):
    return g.Mod(_ids(g, node), nembed)


@exporter
def mod_hash_negative_op(g, node, nembed):
    rare = g.Sub(-1, _ids(g, node))
    return g.Where(g.Less(rare, 0), rare, g.Mod(rare, nembed))


@exporter
def div_hash_op(g, node, nembed):
    return _quotient(g, _ids(g, node), nembed)


@exporter
def compo_hash_op(g, node, ntable, nembed):
    rest, digits = _ids(g, node), []
    for _ in range(ntable):
        digits.append(g.Unsqueeze(g.Mod(rest, nembed), [-1]))
        rest = _quotient(g, rest, nembed)
    return g.Concat(*digits, axis=-1)


@exporter
def learn_hash_op(g, node, slope, bias, prime, nbucket, dist):
    slope, bias, prime = (_ids(g, value) for value in (slope, bias, prime))
    hashed = g.Mod(g.Mod(g.Add(g.Mul(g.Unsqueeze(_ids(g, node), [-1]), slope), bias), prime), nbucket)
    part = g.Div(g.cast(hashed, np.float32), nbucket - 1)
    return g.Sub(g.Mul(part, 2), 1) if dist == "uniform" else _box_muller(g, part, node.rank, slope.dim(0))


def _box_muller(g, part, rank, count):
    even, odd = (g.Slice(part, [first], [count], [rank], [2]) for first in (0, 1))
    radius = g.Sqrt(g.Mul(g.Log(g.Max(even, 1e-12)), -2))
    angle = g.Mul(odd, 2 * np.pi)
    pairs = [g.Unsqueeze(g.Mul(radius, part), [-1]) for part in (g.Cos(angle), g.Sin(angle))]
    return g.Reshape(g.Concat(*pairs, axis=-1), [0] * rank + [-1])


def _robe(g, rands, offset, terms):
    """The sum of rands[offset] and rands[i] * x over the terms (i, x), modulo rands[0], in 64 bits.

    A term (None, x) is x itself.
    """
    rands = g.cast(rands, np.int64)
    modulus = g.Gather(rands, g.constant(0))
    reduced = g.Mod(rands, modulus)
    total = g.Gather(reduced, g.constant(offset))
    for i, x in terms:
        x = x if i is None else g.Mul(g.Gather(reduced, g.constant(i)), g.Mod(x, modulus))
        total = g.Mod(g.Add(total, x), modulus)
    return total


def _last(g, indices):
    return g.Unsqueeze(g.cast(indices, np.int64), [-1])


def _column(g, indices):
    """The numbers of the slots, (slots, 1)."""
    return g.Unsqueeze(g.iota(indices, 1), [-1])


@exporter
def robe_hash_op(g, indices, rands, length, dim, Z, use_slot_coef):
    element, group = np.arange(dim), dim // Z
    terms = [(3, _last(g, indices)), (2, g.constant(element // group)), (None, g.constant(element % group))]
    terms += [(4, _column(g, indices))] if use_slot_coef else []
    return g.Mod(_robe(g, rands, 1, terms), length)


@exporter
def robe_sign_op(g, indices, rands, dim, use_slot_coef):
    terms = [(7, _last(g, indices)), (6, g.constant(np.arange(dim)))]
    terms += [(8, _column(g, indices))] if use_slot_coef else []
    return g.Sub(g.Mul(g.cast(g.Mod(_robe(g, rands, 5, terms), 2), np.float32), 2), 1)


@exporter
def min_dist_op(g, query, key, codebook, indices, mode):
    query = g.Unsqueeze(query, [query.rank - 1])
    if mode.startswith("eu"):
        distance = g.Sub(query, key)
        score = g.ReduceSum(g.Mul(distance, distance), [-1], keepdims=0)
    else:
        score = g.ReduceSum(g.Mul(query, key), [-1], keepdims=0)
    return g.Gather(key, g.ArgMin(score, axis=-1, keepdims=0))
