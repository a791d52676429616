"""Rows for hetu_jax/ops/index.py."""

import numpy as np

from .case import Case, integers, normal

STEPS = "the value is a step function of float ids"
TABLE = normal(5, 3)
PERMUTATION = np.int32([3, 0, 4, 1, 2])


def one_hot(ids, classes):
    return (ids[..., None] == np.arange(classes)).astype(float)


def gather(x, dim, index):
    return np.take_along_axis(x, index.astype(int), dim)


def _torch_gather(x, dim, index):
    return x.gather(dim, index)


def scatter1d(x, ids):
    out = np.zeros_like(x)
    out[ids.astype(int)] = x
    return out


def scatter(target, index, source):
    target = target.copy()
    np.put_along_axis(target, index.astype(int), source, 1)
    return target


def _floats(case, note="float ids"):
    """The row with its integer arguments as floats."""
    args = [arg.astype(float) if isinstance(arg, np.ndarray) and arg.dtype.kind == "i" else arg for arg in case.args]
    return Case(case.op, args, case.reference, dtype=case.dtype, grad=STEPS, note=note)


BASIC = [
    Case("one_hot_op", [integers(4, 2, 3), 4], one_hot),
    Case("gather_op", [normal(2, 3, 4), 1, integers(3, 2, 5, 4)], gather, torch=_torch_gather),
    Case("indexing_op", [TABLE, PERMUTATION], lambda x, i: x[i.astype(int)], torch=lambda x, i: x[i]),
    Case("scatter1d_op", [normal(5), PERMUTATION], scatter1d),
    Case("scatter_op", [normal(2, 4), np.int32([[0, 3], [2, 1]]), normal(2, 2)], scatter),
    Case(
        "slice_by_matrix_op",
        [normal(3, 4, 2), np.int32([0, 2, 2]), np.int32([3, 1, 1])],
        lambda a, i, j: a[i.astype(int), j.astype(int)],
        torch=lambda a, i, j: a[i, j],
    ),
]

CASES = [
    *BASIC,
    *[_floats(case) for case in BASIC],
    Case("one_hot_op", [np.int32([-1, 0, 4, 7]), 4], one_hot, note="ids outside"),
    Case("one_hot_op", [np.array([0.5, 1.0, -1.0, 3.0]), 3], one_hot, grad=STEPS, note="ids not whole"),
    Case("one_hot_op", [np.array([[300, 16_777_215]]).astype(np.int32), 301], one_hot, note="large ids"),
    Case("one_hot_op", [np.int8([1, -1]), 200], one_hot, note="more classes than int8 holds"),
    Case("one_hot_op", [np.int32([0]), 1], one_hot, note="single"),
    Case("one_hot_op", [integers(3, 0, 2), 3], one_hot, note="empty"),
    Case("gather_op", [normal(2, 3, 4), -1, integers(4, 2, 3, 1)], gather, torch=_torch_gather, note="last axis"),
    Case("gather_op", [normal(4, 2), 0, integers(4, 6, 2)], gather, torch=_torch_gather, note="repeated"),
    Case("gather_op", [integers(9, 3, 2), 0, integers(3, 1, 2)], gather, dtype=np.int32, note="integers"),
    Case("gather_op", [normal(1), 0, np.int32([0, 0])], gather, torch=_torch_gather, note="single"),
    Case("gather_op", [normal(3, 2), 0, np.zeros((0, 2), np.int32)], gather, note="empty"),
    Case(
        "gather_op",
        [normal(3), 0, np.int32([-1, 3])],
        lambda x, dim, i: np.array([x[2], np.nan]),
        grad="NaN",
        onnx="an id outside",
        note="ids outside",
    ),
    Case("indexing_op", [TABLE, np.int32([1, 1, 0])], lambda x, i: x[i], torch=lambda x, i: x[i], note="repeated"),
    Case("indexing_op", [TABLE, np.zeros(0, np.int32)], lambda x, i: x[i], note="empty"),
    Case("scatter1d_op", [normal(1), np.int32([0])], scatter1d, note="single"),
    Case("scatter1d_op", [np.zeros(0), np.zeros(0, np.int32)], scatter1d, note="empty"),
    Case("scatter_op", [normal(2, 4), np.zeros((2, 0), np.int32), np.zeros((2, 0))], scatter, note="nothing"),
    Case(
        "scatter_op", [integers(9, 2, 2), np.int32([[1], [0]]), integers(9, 2, 1)], scatter, dtype=np.int32, note="int"
    ),
    Case(
        "slice_by_matrix_op",
        [normal(3, 4, 2), np.zeros(0, np.int32), np.zeros(0, np.int32)],
        lambda a, i, j: a[i, j],
        note="empty",
    ),
]
