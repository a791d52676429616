"""Rows for hetu_jax/ops/reduce.py."""

import numpy as np

from .case import Case, integers, normal, positive

X = normal(2, 3, 4)
TIES = np.array([[1.0, 3, 3, -2], [0, 0, 0, 0], [5, -1, 5, 5]])
INDICES = "indices"


def _one(value):
    """Hetu's scalar."""
    return np.reshape(value, (1,)) if np.ndim(value) == 0 else value


def _along(function):
    return lambda x, axes, keepdims=False: _one(function(x, axis=tuple(np.atleast_1d(axes)), keepdims=keepdims))


def _torch(name):
    """A reduction of torch by name; over several axes one after the other."""

    def call(x, axes, keepdims=False):
        for axis in sorted((a % x.ndim for a in np.atleast_1d(axes)), reverse=True):
            x = getattr(x, name)(int(axis), keepdim=keepdims)
        return x if x.ndim else x.reshape(1)

    return call


def _norm2(x, axis, keepdims):
    return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))


def _norm1(x, axis, keepdims):
    return np.sum(np.abs(x), axis=axis, keepdims=keepdims)


REDUCTIONS = [
    ("reduce_sum_op", np.sum, "sum"),
    ("reduce_mean_op", np.mean, "mean"),
    ("reduce_min_op", np.min, "amin"),
    ("reduce_mul_op", np.prod, "prod"),
    ("reduce_norm1_op", _norm1, None),
    ("reduce_norm2_op", _norm2, None),
]


def _rows(op, function, name):
    reference, torch = _along(function), name and _torch(name)
    yield Case(op, [X, 1], reference, torch=torch, note="one axis")
    yield Case(op, [X, [0, 2]], reference, torch=torch, note="two axes")
    yield Case(op, [X, [-1, 0]], reference, kwargs={"keepdims": True}, torch=torch, note="kept")
    yield Case(op, [X, [0, 1, 2]], reference, torch=torch, note="all")
    yield Case(
        op,
        [X, [2, 0]],
        lambda x, axes, keepdims: function(x, axis=(0, 2), keepdims=True)[:, :, 0],
        kwargs={"keepdims": [False, True]},
        note="mixed",
    )
    yield Case(op, [normal(3, 1), [1]], reference, note="length 1")
    yield Case(op, [np.zeros((2, 0, 3)), [0]], reference, note="empty")
    yield Case(op, [normal(1), 0], reference, note="single")


def _norm(x, axis, p=2, keepdims=True):
    return _one(np.sum(np.abs(x) ** p, axis=axis, keepdims=keepdims) ** (1 / p))


def _norm_gradient(g, x, axis, p=2, keepdims=True):
    n = _norm(x, axis, p)
    return [
        np.where(n == 0, 0, x * np.abs(x) ** (p - 2.0 if p > 1 else 0) * g / np.where(n == 0, 1, n) ** (p - 1))
        if p > 1
        else np.sign(x) * g
    ]


def _argmax_partial(x, use_full, topk, dim):
    return np.stack(
        [
            np.argmax(row if full else np.take(row, range(topk), dim - 1), dim - 1)
            for row, full in zip(x, use_full, strict=True)
        ]
    )


def _topk_idx(x, k):
    order = np.flip(np.argsort(x, axis=-1, kind="stable"), -1)[..., :k]
    return np.where(np.take_along_axis(x, order, -1) < -10000, -1, order)


ZEROS = np.array([[0.0, 0, 0], [3, 0, -4]])


CASES = [
    *[case for row in REDUCTIONS for case in _rows(*row)],
    Case("reduce_sum_op", [X, []], lambda x, axes: x, note="no axis"),
    Case("reduce_sum_op", [integers(9, 3, 4), [0]], lambda x, axes: x.sum(0), dtype=np.int32, note="integers"),
    Case("reduce_mean_op", [integers(9, 3, 4), [0]], lambda x, axes: x.mean(0), note="integers"),
    Case(
        "reduce_min_op",
        [TIES, [1]],
        lambda x, axes: x.min(1),
        torch=lambda x, axes: x.amin(1),
        grads=lambda g, x, axes: [
            g[:, None] * (x == x.min(1, keepdims=True)) / (x == x.min(1, keepdims=True)).sum(1, keepdims=True)
        ],
        note="ties",
    ),
    Case(
        "reduce_mul_op",
        [np.array([[2.0, 0, 3], [0, 0, 5], [1, 2, 3]]), [1]],
        lambda x, axes: x.prod(1),
        torch=lambda x, axes: x.prod(1),
        note="zeros",
    ),
    Case(
        "reduce_norm1_op",
        [ZEROS, [1]],
        lambda x, axes: np.abs(x).sum(1),
        grads=lambda g, x, axes: [g[:, None] * np.sign(x)],
        note="zeros",
    ),
    Case(
        "reduce_norm2_op",
        [ZEROS, [1]],
        lambda x, axes: np.sqrt((x * x).sum(1)),
        grads=lambda g, x, axes: [g[:, None] * x / 5],
        note="zeros",
    ),
    Case("reducesumaxiszero_op", [normal(3, 4)], lambda x: x.sum(0), torch=lambda x: x.sum(0)),
    Case("reducesumaxiszero_op", [normal(3)], lambda x: x.sum(0, keepdims=True), note="vector"),
    *[
        Case("norm_op", [X, 1, p], _norm, torch=lambda x, axis, p: x.norm(p, axis, keepdim=True), note=f"p {p}")
        for p in (1, 2, 3, 4)
    ],
    Case("norm_op", [X, -1], _norm, kwargs={"keepdims": False}, note="dropped"),
    Case("norm_op", [normal(4), 0, 2, False], _norm, note="vector"),
    Case("norm_op", [positive(2, 3), 0, 1.5], _norm, note="p 1.5"),
    *[Case("norm_op", [ZEROS, 1, p], _norm, grads=_norm_gradient, note=f"zeros p {p}") for p in (1, 2, 3)],
    Case("norm_op", [np.zeros((2, 0)), 1], _norm, note="empty"),
    Case("max_op", [normal(3, 4), normal(3, 4, seed=1)], np.maximum, torch=lambda a, b: a.maximum(b)),
    Case(
        "max_op",
        [TIES, TIES[::-1]],
        np.maximum,
        torch=lambda a, b: a.maximum(b),
        grads=lambda g, a, b: [g * ((a > b) + (a == b) / 2), g * ((a < b) + (a == b) / 2)],
        note="ties",
    ),
    Case("max_op", [normal(3, 4), normal(4)], np.maximum, note="broadcast"),
    Case("max_op", [normal(3, 4)], lambda x: x.max(0), torch=lambda x: x.amax(0), note="axis"),
    Case(
        "max_op",
        [X],
        lambda x, dim, keepdim: x.max(dim, keepdims=keepdim),
        kwargs={"dim": -1, "keepdim": True},
        note="kept",
    ),
    Case("max_op", [normal(4)], lambda x: x.max(0, keepdims=True), note="vector"),
    Case("min_op", [normal(3, 4), normal(3, 4, seed=1)], np.minimum, torch=lambda a, b: a.minimum(b)),
    Case("min_op", [X], lambda x, dim: x.min(dim), kwargs={"dim": 1}, torch=lambda x, dim: x.amin(dim), note="axis"),
    Case("argmax_op", [X], lambda x: x.argmax(0), dtype=np.int32),
    Case("argmax_op", [TIES, -1], lambda x, dim: x.argmax(1), dtype=np.int32, note="ties"),
    Case("argmax_op", [normal(5)], lambda x: x.argmax(0).reshape(1), dtype=np.int32, note="vector"),
    Case("argmax_partial_op", [normal(4, 9), integers(2, 4), 3, 1], _argmax_partial, dtype=np.int32),
    Case(
        "argmax_partial_op",
        [normal(2, 3, 9), np.int32([1, 0]), 2, 2],
        _argmax_partial,
        dtype=np.int32,
        note="last of three",
    ),
    Case(
        "argmax_partial_op",
        [integers(9, 2, 6), np.int32([0, 0]), 1, 1],
        lambda x, *_: np.zeros(2),
        dtype=np.int32,
        note="one competes",
    ),
    Case("argsort_op", [normal(3, 5)], lambda x: np.argsort(x, 1), grad=INDICES),
    Case(
        "argsort_op",
        [TIES],
        lambda x, dim, descending: np.argsort(-x, dim, kind="stable"),
        kwargs={"dim": -1, "descending": True},
        grad=INDICES,
        note="descending ties",
    ),
    Case("argsort_op", [TIES, 0], lambda x, dim: np.argsort(x, dim, kind="stable"), grad=INDICES, note="rows"),
    Case("topk_idx_op", [normal(3, 6), 2], _topk_idx, grad=INDICES),
    Case("topk_idx_op", [TIES, 3], _topk_idx, grad=INDICES, note="ties"),
    Case(
        "topk_idx_op",
        [np.array([[-1e5, 2.0, -2e4, -10000.0], [-1e5, -1e6, -np.inf, -3e4]]), 3],
        lambda x, k: np.array([[1, 3, -1], [-1, -1, -1]]),
        grad=INDICES,
        note="never chosen",
    ),
    Case("topk_idx_op", [integers(9, 2, 5), 5], _topk_idx, note="integers"),
    Case(
        "topk_val_op",
        [normal(3, 6), np.int32([[5, 0], [1, 1], [2, 3]])],
        lambda x, i: np.take_along_axis(x, i, -1),
        torch=lambda x, i: x.gather(1, i),
    ),
    Case(
        "topk_val_op",
        [normal(2, 3), np.array([[0.0, -1], [2, 1]])],
        lambda x, i: np.where(i < 0, 0, np.take_along_axis(x, i.astype(int), -1)),
        grads=lambda g, x, i: [np.array([[g[0, 0], 0, 0], [0, g[1, 1], g[1, 0]]]), 0 * i],
        note="float indices",
    ),
    Case("cumsum_with_bias_op", [normal(4, 3)], lambda x: np.cumsum(x, 0) - 1, torch=lambda x: x.cumsum(0) - 1),
    Case(
        "cumsum_with_bias_op",
        [X],
        lambda x, bias, dim: np.cumsum(x, dim) + bias,
        kwargs={"bias": 2.5, "dim": -1},
        note="arguments",
    ),
    Case("cumsum_with_bias_op", [integers(9, 4)], lambda x: np.cumsum(x) - 1, dtype=np.int32, note="integers"),
    Case(
        "cumsum_with_bias_op",
        [integers(9, 4), 0.5],
        lambda x, b: np.cumsum(x) + b,
        note="a fraction",
    ),
    Case(
        "cumsum_with_bias_op",
        [np.array([2, 3], np.uint8)],
        lambda x: np.cumsum(x) - 1,
        dtype=np.int32,
        onnx="ONNX has no CumSum of bytes",
        note="bytes",
    ),
    Case("cumsum_with_bias_op", [np.zeros((0, 2))], lambda x: x, note="empty"),
]
