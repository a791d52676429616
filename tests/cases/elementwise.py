"""Rows for hetu_jax/ops/elementwise.py and select.py."""

import math

import numpy as np

from .case import Case, integers, normal, positive

KINKS = np.array([-2.0, -0.5, 0.0, 0.25, 3.0])
EMPTY = np.zeros((0, 3))


def _erf(x):
    return np.vectorize(math.erf, otypes=[float])(x)


def _torch(name, *args):
    """The function of this name in torch, imported only when called."""

    def call(*tensors):
        import torch

        return getattr(torch, name)(*tensors, *args)

    return call


# op, reference, the function in torch, arguments on which it is smooth
UNARY = [
    ("abs_op", np.abs, "abs", normal(3, 4)),
    ("sign_op", np.sign, "sign", normal(3, 4)),
    ("floor_op", np.floor, "floor", 3 * normal(3, 4)),
    ("exp_op", np.exp, "exp", normal(3, 4)),
    ("sqrt_op", np.sqrt, "sqrt", positive(3, 4)),
    ("rsqrt_op", lambda x: 1 / np.sqrt(x), "rsqrt", positive(3, 4)),
    ("sin_op", np.sin, "sin", normal(3, 4)),
    ("cos_op", np.cos, "cos", normal(3, 4)),
    ("sigmoid_op", lambda x: 1 / (1 + np.exp(-x)), "sigmoid", normal(3, 4)),
    ("tanh_op", np.tanh, "tanh", normal(3, 4)),
    ("relu_op", lambda x: np.maximum(x, 0), "relu", normal(3, 4)),
    ("gelu_op", lambda x: x / 2 * (1 + _erf(x / np.sqrt(2))), None, normal(3, 4)),
    ("opposite_op", np.negative, "neg", normal(2, 3, 4)),
    ("log_op", lambda x: np.log(np.maximum(x, 1e-7)), "log", positive(3, 4)),
]

# op, two arguments, reference; broadcasting both ways, (1,) and size 0 included
PAIRS = [
    (normal(3, 4), normal(3, 4, seed=1)),
    (normal(3, 1), normal(1, 4)),
    (normal(2, 3, 4), normal(4)),
    (normal(1), normal(2, 3)),
    (EMPTY, normal(3)),
]


def _pairs(op, reference, name):
    names = ["same", "both", "right", "single", "empty"]
    return [
        Case(op, [a, b if op != "div_op" else np.abs(b) + 0.5], reference, torch=_torch(name), note=note)
        for (a, b), note in zip(PAIRS, names, strict=True)
    ]


def _binary_step_slope(x):
    return np.where(np.abs(x) <= 0.4, 2 - 4 * np.abs(x), np.where(np.abs(x) <= 1, 0.4, 0))


def _sum_of_rows(items):
    indices = np.concatenate([np.ravel(i) for i, *_ in items])
    rows = np.concatenate([r[-1].reshape(-1, r[-1].shape[-1]) for r in items])
    distinct = sorted({int(i) for i in indices if i >= 0})
    sums = [rows[indices == i].sum(axis=0) for i in distinct]
    short = len(indices) - len(distinct)
    return np.array(distinct + [-1] * short), np.concatenate([sums, np.zeros((short, rows.shape[1]))])


STEPS = np.array([-2, -1, -0.75, -0.4, -0.25, 0, 0.25, 0.4, 0.5, 1, 1.5])
X, Y, INT = normal(3, 4), normal(3, 4, seed=2), integers(9, 3, 4, low=-4)
MASK = integers(2, 3, 4)
A, B = np.array([1, 2, 2, 5, 7]), np.array([1.0, 3, 1, 5 + 5e-7, 6])


CASES = [
    *[Case(op, [x], reference, torch=name and _torch(name)) for op, reference, name, x in UNARY],
    *[Case(op, [EMPTY], reference, note="empty") for op, reference, _, _ in UNARY],
    *[Case(op, [np.abs(x[:1, 0])], reference, note="single") for op, reference, _, x in UNARY],
    *_pairs("add_op", np.add, "add"),
    *_pairs("minus_op", np.subtract, "sub"),
    *_pairs("mul_op", np.multiply, "mul"),
    *_pairs("div_op", np.divide, "div"),
    Case("add_op", [INT, INT], np.add, dtype=np.int32, note="integers"),
    Case("minus_op", [INT, INT], np.subtract, dtype=np.int32, note="integers"),
    Case("mul_op", [INT, INT], np.multiply, dtype=np.int32, note="integers"),
    Case("div_op", [INT, integers(4, 3, 4, low=1)], np.divide, note="integers"),
    Case("div_op", [X, 4.0], np.divide, note="by a number"),
    Case(
        "div_op",
        [np.array([1.0, -1, 0]), np.zeros(3)],
        lambda a, b: a * np.array([np.inf, np.inf, np.nan]),
        grad="infinite",
        note="by zero",
    ),
    Case("opposite_op", [INT], np.negative, dtype=np.int32, note="integers"),
    Case("relu_op", [INT], lambda x: np.maximum(x, 0), dtype=np.int32, note="integers"),
    Case("exp_op", [integers(4, 3)], np.exp, note="integers"),
    Case("sigmoid_op", [np.array([-200.0, 200.0])], lambda x: np.array([0.0, 1.0]), note="far out"),
    Case("abs_op", [KINKS], np.abs, grads=lambda g, x: [g * np.sign(x)], note="kink"),
    Case("relu_op", [KINKS], lambda x: np.maximum(x, 0), grads=lambda g, x: [g * (np.sign(x) + 1) / 2], note="kink"),
    Case("sign_op", [KINKS], np.sign, grads=lambda g, x: [0 * g], note="kink"),
    Case("floor_op", [np.array([-1.0, 0, 2, -1.5])], np.floor, grads=lambda g, x: [0 * g], note="kink"),
    Case("addbyconst_op", [X, 2.5], lambda x, c: x + c, torch=lambda x, c: x + c),
    Case("addbyconst_op", [INT, 2], lambda x, c: x + c, dtype=np.int32, note="integers"),
    Case("addbyconst_op", [INT, 0.5], lambda x, c: x + c, note="a fraction to integers"),
    Case("minus_byconst_op", [X, 2.5], lambda x, c: c - x, torch=lambda x, c: c - x),
    Case("mul_byconst_op", [X, -1.5], lambda x, c: c * x, torch=lambda x, c: c * x),
    Case("mul_byconst_op", [INT, 3.0], lambda x, c: c * x, dtype=np.int32, note="integers"),
    Case("mul_byconst_op", [INT, 0.5], lambda x, c: c * x, note="a fraction of integers"),
    Case(
        "mul_byconst_op",
        [X, 3.0, lambda n: 10.0 * n],
        lambda x, c, _: c * x,
        writes=lambda x, c, _: [np.zeros(1)],
        onnx="the constant changes from step to step",
        note="updater at inference",
    ),
    Case(
        "mul_byconst_op",
        [X, 3.0, lambda n: 10.0 * n],
        lambda x, c, _: c * x,
        writes=lambda x, c, _: [np.ones(1)],
        training=True,
        onnx="the constant changes from step to step",
        note="updater",
    ),
    Case("div_const_op", [2.5, positive(3, 4)], lambda c, x: c / x, torch=lambda c, x: c / x),
    Case("div_const_op", [1, integers(5, 3, low=1)], lambda c, x: c / x, note="integers"),
    Case(
        "div_handle_zero_op",
        [X, np.array([2.0, 0, -1, 0.5])],
        lambda a, b: np.where(b == 0, a, a / np.where(b == 0, 1, b)),
        grads=lambda g, a, b: [
            g / np.where(b == 0, 1, b),
            (np.where(b == 0, 0, -a / np.where(b == 0, 1, b) ** 2) * g).sum(0),
        ],
    ),
    Case("sum_op", [[X]], lambda xs: xs[0], note="one"),
    Case("sum_op", [[X, Y, normal(1), normal(4)]], sum, note="broadcast"),
    Case("sum_op", [[INT, INT]], sum, dtype=np.int32, note="integers"),
    Case(
        "sum_op",
        [[(np.int32([3, 1, 3]), normal(3, 2)), (np.int32([[0, -1]]), normal(1, 2, 2))]],
        lambda xs, sparse: _sum_of_rows(xs),
        kwargs={"sparse": True},
        dtype=[np.int32, np.float32],
        grad="a list of indices and rows",
        onnx="belongs to training",
        note="sparse",
    ),
    Case("matrix_dot_op", [X, normal(3)], lambda a, b: a * b[:, None]),
    Case("matrix_dot_op", [normal(4, 4), normal(4, 1)], lambda a, b: a * b, kwargs={}, note="column"),
    Case(
        "log_op",
        [np.array([1.0, 1e-7, 0, -1])],
        lambda x: np.log(np.maximum(x, 1e-7)),
        grads=lambda g, x: [g / np.maximum(x, 1e-7)],
        note="below eps",
    ),
    Case(
        "log_op",
        [positive(5), 1.0],
        lambda x, eps: np.log(np.maximum(x, eps)),
        grads=lambda g, x, eps: [g / np.maximum(x, eps)],
        note="eps",
    ),
    *[
        Case("pow_op", [positive(3, 4), p], lambda x, p: x**p, torch=lambda x, p: x**p, note=f"{p}")
        for p in (2, 0.5, -1.5, 3.0)
    ],
    *[
        Case("power_op", [positive(3, 4), p], lambda x, p: x**p, torch=lambda x, p: x**p, note=f"{p}")
        for p in (1, 2.0, 0.5, -2)
    ],
    Case("power_op", [X, 0], lambda x, p: x**p, grads=lambda g, x, p: [0 * g], note="zeroth"),
    Case("power_op", [KINKS, 3.0], lambda x, p: x**p, torch=lambda x, p: x**p, note="of negative"),
    Case("power_op", [positive(3), normal(2, 3)], lambda x, p: x**p, torch=lambda x, p: x**p, note="of nodes"),
    Case("power_op", [INT, 2], lambda x, p: x**p, dtype=np.int32, note="integers"),
    Case("pow_op", [integers(5, 3, low=1), -1], lambda x, p: x ** float(p), note="integers"),
    Case("const_pow_op", [X, 3], lambda x, c: c**x, torch=lambda x, c: c**x),
    Case("leaky_relu_op", [X, 0.1], lambda x, a: np.where(x > 0, x, a * x)),
    Case(
        "leaky_relu_op",
        [KINKS, 0.1],
        lambda x, a: np.where(x > 0, x, a * x),
        grads=lambda g, x, a: [np.where(x >= 0, g, a * g)],
        note="kink",
    ),
    Case(
        "clamp_op",
        [X],
        lambda x, min, max: np.clip(x, min, max),
        kwargs={"min": -0.5, "max": 0.75},
        torch=lambda x, min, max: x.clamp(min, max),
    ),
    Case("clamp_op", [X], lambda x, min: np.maximum(x, min), kwargs={"min": 0}, note="below"),
    Case("clamp_op", [X], lambda x, max: np.minimum(x, max), kwargs={"max": 0.2}, note="above"),
    Case("clamp_op", [X, Y], np.maximum, note="arrays below"),
    Case("clamp_op", [X, Y, Y + 1], np.clip, note="arrays"),
    Case("clamp_op", [X], lambda x, min, max: np.full_like(x, max), kwargs={"min": 2, "max": 1}, note="crossed"),
    Case(
        "clamp_op",
        [KINKS],
        lambda x, min, max: np.clip(x, min, max),
        kwargs={"min": -0.5, "max": 3.0},
        grads=lambda g, x, min, max: [g * np.array([0, 0.5, 1, 1, 0.5])],
        note="kink",
    ),
    Case("bool_op", [KINKS], lambda x: x > 0, grads=lambda g, x: [0 * g]),
    *[
        Case(
            "bool_op",
            [A * 1.0],
            lambda a, val, cond, test=test: test(a - val),
            kwargs={"val": 2, "cond": cond},
            grad="a step",
            note=f"val {cond}",
        )
        for cond, test in enumerate(
            [lambda d: d == 0, lambda d: d < 0, lambda d: d > 0, lambda d: d <= 0, lambda d: d >= 0]
        )
    ],
    *[
        Case(
            "bool_op",
            [A * 1.0, B],
            lambda a, b, cond, expected=expected: np.array(expected),
            kwargs={"cond": cond},
            grad="a step",
            note=f"input {cond}",
        )
        for cond, expected in enumerate(
            [[1, 0, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 1], [1, 1, 0, 1, 0], [1, 0, 1, 1, 1]]
        )
    ],
    Case(
        "bool_op",
        [normal(3), normal(3, 1, seed=4)],
        lambda a, b, cond: a > b,
        kwargs={"cond": 2},
        grad="a step",
        note="outer",
    ),
    Case("bool_op", [INT], lambda a, val: a == val, kwargs={"val": 1}, note="integers"),
    Case("where_op", [MASK, X, Y], lambda c, a, b: np.where(c != 0, a, b)),
    Case(
        "where_op",
        [MASK * 1.0, X, Y],
        lambda c, a, b: np.where(c != 0, a, b),
        grads=lambda g, c, a, b: [0 * g, g * (c != 0), g * (c == 0)],
        note="float condition",
    ),
    Case("where_op", [MASK, X, normal(1)], lambda c, a, b: np.where(c != 0, a, b), note="broadcast"),
    Case("where_const_op", [MASK, X, -7.5], lambda c, a, const: np.where(c != 0, a, const)),
    Case("mask_op", [X, MASK], lambda x, m: x * m),
    Case("mask_op", [normal(1, 3), integers(2, 3, 1)], lambda x, m: x * m.reshape(1, 3), note="another shape"),
    Case("mask_op", [X, integers(2, 4)], lambda x, m: x * m, note="broadcast"),
    Case(
        "masked_fill_op",
        [X, np.array([1.0, 0, 2, 1]), -1e4],
        lambda x, m, v: np.where(m == 1, v, x),
        grads=lambda g, x, m, v: [np.where(m == 1, 0, g), 0 * m],
    ),
    Case("stop_gradient_op", [X], lambda x: x, grads=lambda g, x: [0 * g]),
    Case("binary_step_op", [STEPS], lambda x: x > 0, grads=lambda g, x: [g * _binary_step_slope(x)]),
    Case(
        "param_clip_op",
        [3 * X, None, -1.0, 0.5],
        lambda x, control, low, high: np.clip(x, low, high),
        grad="in place",
        onnx="in place",
    ),
]
