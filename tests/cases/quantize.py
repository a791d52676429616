"""Rows for hetu_jax/ops/quantize.py."""

import numpy as np

from .case import Case, normal
from .embedding import looked_up

STRAY = np.array([[-1, 2, 5], [6, 0, -7]], np.int32)
X = normal(50, 40)
GRID = {"scale": 0.1, "minele": -2.0}


def codes(dtype, *shape):
    limits = np.iinfo(dtype)
    return np.random.default_rng([limits.bits, *shape]).integers(limits.min, limits.max + 1, shape).astype(dtype)


def rounded(expected, step=1.0, spread=1e-6):
    """What checks numbers rounded at random to whole steps: next to the expected ones, and equal to them on average."""

    def holds(value):
        value = np.asarray(value, np.float64)
        assert np.all(np.abs(value - expected) <= step + spread)
        assert np.all(np.abs(value / step - np.round(value / step)) < 1e-3)
        assert abs(np.mean(value - expected)) < 5 * step / np.sqrt(value.size)

    return holds


def steps(digit, scale, minele):
    return np.clip((np.float64(np.float32(X)) - minele) / scale, 0, 2**digit - 1)


def unified(table, ids, scale, zero_point, digit):
    return looked_up(table * scale + zero_point - 2 ** (digit - 1) * scale, ids)


def by_row(table, ids, qparams, digit):
    return looked_up(table * qparams[:, :1] + qparams[:, 1:], ids)


def alpt(table, ids, scale, zero_point, digit):
    return looked_up(table * scale + zero_point, ids)


def none(*arrays):
    """No gradient to the float arguments at these places."""
    return lambda g, *args: [np.zeros_like(args[i]) for i in arrays]


def slope(v, digit):
    end = 2 ** (digit - 1)
    return np.where(v >= end - 1, end - 1, np.where(v <= -end, -end, np.floor(v + 0.5) - v))


def alpt_rounded(v, scale, middle, digit):
    q = np.clip(np.floor(v + 0.5), -(2 ** (digit - 1)), 2 ** (digit - 1) - 1)
    return q * scale.reshape(*v.shape[:-1], 1) + middle


def alpt_rounded_grads(g, v, scale, middle, digit):
    return [np.zeros_like(v), np.sum(g * slope(v, digit), -1).reshape(scale.shape)]


TABLE, SIGNED = codes(np.uint8, 6, 3), codes(np.int8, 6, 3)
LATTICE = np.tile([0.5, -1.0], (6, 1))  # every row's scale and least number
NEW = np.array([[[0.5, 1.0, -1.0], [4, 4, 4]], [[126.5, -2, 1000], [9, 9, 9]]])
AT = np.array([[0, -1], [4, 6]], np.int32)


def assigned(offset, low, high):
    """Rows 0 and 4 replaced by codes of step 0.5, which all of NEW's numbers are exactly."""

    def new(table, ids, rows, *_, **__):
        table = table.copy()
        for i, row in ((0, NEW[0, 0]), (4, NEW[1, 0])):
            table[i] = np.clip((row - offset) / 0.5, low, high)
        return table

    return new


RANDOM = "the gradient is rounded at random"
EDGES = np.array([[-200.0, -128, -127.6, -0.5, 0], [0.25, 0.5, 126.9, 127, 300]])

CASES = [
    Case(
        "quantize_op",
        [X, 8, 0.1, -2.0],
        check=rounded(steps(8, 0.1, -2.0)),
        grads=lambda g, x, digit, scale, minele: [g * scale + minele],
    ),
    Case(
        "quantize_op",
        [X, 16],
        check=rounded(steps(16, 1e-4, -2.0)),
        kwargs={"scale": 1e-4, "minele": -2.0},
        grad=RANDOM,
    ),
    Case("dequantize_op", [X, 8, 0.1, -2.0], lambda q, digit, scale, minele: q * scale + minele, grad=RANDOM),
    Case("dequantize_op", [TABLE, 8], lambda q, digit, scale, minele: q * scale + minele, kwargs=GRID, note="codes"),
    Case("unified_quantized_embedding_lookup_op", [TABLE, STRAY, 0.1, 0.3, 8], unified),
    Case("unified_quantized_embedding_lookup_op", [codes(np.uint16, 6, 3), STRAY, 1e-3, 0.3, 16], unified, note="16"),
    Case("quantized_embedding_lookup_op", [TABLE, STRAY, normal(6, 2), 8], by_row, grads=none(2)),
    Case("alpt_embedding_lookup_op", [codes(np.int8, 6, 3), STRAY, normal(6, 1), 0.3, 8], alpt, grads=none(2)),
    Case(
        "alpt_embedding_lookup_op",
        [codes(np.int16, 6, 3), STRAY, normal(6, 1), 0.3, 16],
        alpt,
        grads=none(2),
        note="16",
    ),
    Case("alpt_rounding_op", [EDGES, normal(2, 1), 0.3, 8], alpt_rounded, grads=alpt_rounded_grads),
    Case(
        "alpt_rounding_op",
        [normal(2, 3, 4), normal(6), 0.3, 16],
        alpt_rounded,
        grads=alpt_rounded_grads,
        note="flat scale",
    ),
    Case("alpt_scale_gradient_op", [EDGES, 8], slope, grad="steps"),
    Case("alpt_scale_gradient_op", [normal(4, 3), 16], slope, note="16"),
    *[
        Case(
            "assign_quantized_embedding_op",
            [table, AT, NEW, 8],
            assigned(offset, low, high),
            grid,
            dtype=table.dtype,
            note=note,
        )
        for table, offset, low, high, grid, note in (
            (TABLE, -1, 0, 255, {"scale": 0.5, "minele": -1}, "minele"),
            (TABLE, -1, 0, 255, {"scale": 0.5, "middle": 63}, "middle"),
            (TABLE, -1, 0, 255, {"scale": np.full((6, 1), 0.5), "minele": -1}, "scale of each row"),
            (TABLE, -1, 0, 255, {"qparam": LATTICE}, "qparam"),
            (SIGNED, 63, -128, 127, {"scale": 0.5, "minele": -1}, "signed minele"),
            (SIGNED, 63, -128, 127, {"scale": 0.5, "middle": 63}, "signed middle"),
            (SIGNED, 63, -128, 127, {"qparam": LATTICE}, "signed qparam"),
        )
    ],
    Case(
        "assign_quantized_embedding_op",
        [codes(np.uint16, 6, 3), AT, NEW, 16, 0.5, -1],
        assigned(-1, 0, 65535),
        dtype=np.uint16,
        note="16",
    ),
]
