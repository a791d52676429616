"""A call of every direct kernel beside what NumPy makes of it."""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .cases.case import integers, normal, positive
from .kernel_oracles import (
    BETAS,
    BIAS,
    BOOL,
    CLASSES,
    ERF,
    EXPERT,
    EXPERT2,
    FILTER,
    GATE,
    GATE2,
    GATES,
    GROUP,
    IDS,
    IMAGE,
    IMAGE_G,
    LABELS,
    LOGITS,
    ONES,
    OUTSIDE,
    PLACE,
    PLACE2,
    POOL,
    POWERS,
    QPARAMS,
    QUANTISED,
    ROW_G,
    ROW_STATE,
    ROWS,
    SCALE,
    SCALES,
    SIGNED,
    SLOTS,
    SPARSE,
    SPIKE,
    STATE,
    STATISTICS,
    TABLE,
    TOKENS,
    UNIQUE,
    UNIQUE_GRADS,
    UNIQUE_ROWS,
    G,
    P,
    X,
    Y,
    about,
    above,
    adam,
    adam_rows,
    added,
    added_up,
    assigned_rows,
    average,
    average_gradient,
    batch_norm,
    batch_norm_gradient,
    batch_norm_step,
    between,
    collected,
    conv,
    conv_data,
    conv_filter,
    dispatched,
    first_rows,
    in_group,
    kept,
    layer_norm_gradient,
    looked_up,
    maximum,
    maximum_gradient,
    moments,
    nearest,
    offsets,
    packed,
    regrouped,
    replaced,
    rounded,
    sigmoid,
    softmax,
    unique,
)


class Out:
    """An NDArray that the kernel writes: of a shape, or with contents."""

    def __init__(self, *shape: Any, dtype: Any = np.float32):
        self.array = shape[0] if isinstance(shape[0], np.ndarray) else np.zeros(shape, dtype)


@dataclass
class Row:
    """A call and its effect.

    expected: called with the arguments as float64 or int64 arrays; gives what the `Out` arguments hold afterwards, in
    order.  check: in its place, called with what they hold.
    """

    name: str
    args: list[Any]
    expected: Callable[..., Any] | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    check: Callable[..., None] | None = None
    atol: float = 1e-5

    def __str__(self) -> str:
        return self.name


@dataclass
class Slices:
    """IndexedSlices."""

    indices: np.ndarray
    values: np.ndarray
    dense_shape: tuple[int, int]


def unary(name, function, array=X):
    return Row(name, [array, Out(*array.shape)], lambda x, out: function(x))


def binary(name, function, a=X, b=Y):
    return Row(name, [a, b, Out(*a.shape)], lambda x, y, out: function(x, y))


def hashes(name, function, *numbers):
    ids = integers(90, 2, 3)
    return Row(name, [ids, Out(2, 3, dtype=np.int32), *numbers], lambda x, out, *n: function(x, *n))


MATHEMATICS = [
    Row("array_set", [Out(3, 4), 2.5], lambda out, value: np.full((3, 4), value)),
    unary("clone", lambda x: x),
    unary("abs_val", np.abs),
    binary("abs_gradient", lambda x, g: np.sign(x) * g),
    unary("sign_func", np.sign),
    unary("floor", np.floor),
    unary("exp", np.exp),
    Row("log_link", [P, Out(3, 4), 1e-7], lambda x, out, eps: np.log(np.maximum(x, eps))),
    Row("log_grad_link", [G, P, Out(3, 4), 1e-7], lambda g, x, out, eps: g / x),
    unary("sin", np.sin),
    unary("cos", np.cos),
    unary("matrix_sqrt", np.sqrt, P),
    unary("matrix_rsqrt", lambda x: 1 / np.sqrt(x), P),
    unary("matrix_opposite", np.negative),
    Row("matrix_power", [P, Out(3, 4), 1.5], lambda x, out, p: x**p),
    Row("pow_matrix", [P, Out(3, 4), 3.0], lambda x, out, p: x**p),
    Row("pow_gradient", [P, G, Out(3, 4), 3.0], lambda x, g, out, p: p * x ** (p - 1) * g),
    Row("const_pow", [X, Out(3, 4), 2.0], lambda x, out, val: val**x),
    Row("const_pow_gradient", [P, G, Out(3, 4), 2.0], lambda y, g, out, val: y * np.log(val) * g),
    Row("matrix_elementwise_add_by_const", [X, 1.5, Out(3, 4)], lambda x, val, out: x + val),
    binary("matrix_elementwise_add", np.add),
    binary("matrix_elementwise_add_simple", np.add),
    Row("matrix_elementwise_add_lazy", [X, Y, Out(3, 4), None], lambda x, y, out, buf: x + y),
    binary("matrix_elementwise_minus", np.subtract),
    Row("minus_by_const", [X, Out(3, 4), 1.5], lambda x, out, val: val - x),
    Row("matrix_elementwise_multiply_by_const", [X, 1.5, Out(3, 4)], lambda x, val, out: x * val),
    binary("matrix_elementwise_multiply", np.multiply),
    Row("matrix_elementwise_divide_const", [1.5, P, Out(3, 4)], lambda val, x, out: val / x),
    binary("matrix_elementwise_divide", np.divide, X, P),
    binary(
        "matrix_elementwise_divide_handle_zero", lambda x, y: np.where(y == 0, x, x / np.where(y == 0, 1, y)), X, BOOL
    ),
    Row("matrix_multiply", [X, True, Y, False, Out(4, 4)], lambda a, s, b, t, out: a.T @ b),
    Row("matmul_with_bias", [X, False, Y, True, ROW_G, Out(3, 3)], lambda a, s, b, t, bias, out: a @ b.T + bias),
    Row(
        "batch_matrix_multiply",
        [normal(2, 3, 4), False, normal(2, 5, 4), True, Out(2, 3, 5)],
        lambda a, s, b, t, out: a @ b.transpose(0, 2, 1),
    ),
    Row(
        "addmm", [normal(3, 3), X, Y.T, Out(3, 3), 0.5, 2.0], lambda c, a, b, out, alpha, beta: beta * c + alpha * a @ b
    ),
    Row("addmm_gradient", [X, Out(4), 0, 2.0], lambda g, out, axis, beta: beta * g.sum(0)),
    Row(
        "baddbmm",
        [normal(2, 3, 5), normal(2, 3, 4), normal(2, 4, 5), Out(2, 3, 5), 0.5, 2.0],
        lambda c, a, b, out, alpha, beta: beta * c + alpha * a @ b,
    ),
    Row("matrix_dot", [X, normal(3), Out(3, 4)], lambda a, b, out: a * b[:, None]),
    Row("CuSparse_Csrmv", [SPARSE, False, normal(5, 1), Out(6, 1)], lambda a, t, b, out: a @ b),
    Row("CuSparse_Csrmm", [SPARSE, True, normal(6, 3), False, Out(5, 3)], lambda a, s, b, t, out: a.T @ b),
    unary("relu", lambda x: np.maximum(x, 0)),
    binary("relu_gradient", lambda x, g: g * (np.sign(x) + 1) / 2, np.append(X, np.zeros((1, 4)), 0), normal(4, 4)),
    Row("leaky_relu", [X, 0.1, Out(3, 4)], lambda x, alpha, out: np.where(x > 0, x, alpha * x)),
    Row("leaky_relu_gradient", [X, G, 0.1, Out(3, 4)], lambda x, g, alpha, out: np.where(x > 0, g, alpha * g)),
    unary("gelu", lambda x: x / 2 * (1 + ERF(x / np.sqrt(2)))),
    binary(
        "gelu_gradient", lambda x, g: g * ((1 + ERF(x / np.sqrt(2))) / 2 + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi))
    ),
    unary("sigmoid", sigmoid),
    unary("tanh", np.tanh),
    binary("tanh_gradient", lambda y, g: (1 - y * y) * g),
    unary("binary_step_forward", lambda x: (x > 0) * 1.0),
    unary(
        "binary_step_backward",
        lambda x: np.where(np.abs(x) <= 0.4, 2 - 4 * np.abs(x), np.where(np.abs(x) <= 1, 0.4, 0)),
    ),
    Row("clamp", [X, Out(3, 4), -0.5, 0.5], lambda x, out, low, high: np.clip(x, low, high)),
    Row("clamp", [X, Out(3, 4)], lambda x, out, max_mat: np.minimum(x, max_mat), {"max_mat": Y}),
    unary("bool", lambda x: (x > 0) * 1.0),
    Row("bool_val", [X, Out(3, 4), 0.25, 1], lambda x, out, val, cond: (x < val) * 1.0),
    Row("bool_matrix", [X, Y, Out(3, 4), 2], lambda x, y, out, cond: (x > y) * 1.0),
    Row("where", [BOOL, X, Y, Out(3, 4)], lambda c, x, y, out: np.where(c, x, y)),
    Row("where_const", [BOOL, X, 2.0, Out(3, 4)], lambda c, x, const, out: np.where(c, x, const)),
    Row("mask_func", [X, BOOL.astype(np.int32), Out(3, 4)], lambda x, mask, out: x * mask),
    Row("masked_fill", [X, BOOL, Out(3, 4), -9.0], lambda x, mask, out, val: np.where(mask == 1, val, x)),
    Row("param_clip_func", [Out(X), -0.5, 0.5], lambda x, low, high: np.clip(x, low, high)),
    Row(
        "num_less_than", [X, Out(3, 4), Out(1), 0.5], lambda x, m, o, t: ((np.abs(x) < t) * 1.0, (np.abs(x) < t).sum())
    ),
    Row(
        "num_less_than",
        [X, Out(3, 4), Out(4), 0.5, [0]],
        lambda x, m, o, t, axes: ((np.abs(x) < t) * 1.0, (np.abs(x) < t).sum(0)),
    ),
    Row(
        "num_less_than_tensor_threshold",
        [X, Out(3, 4), Out(1), normal(4)],
        lambda x, m, o, t: ((np.abs(x) < t) * 1.0, (np.abs(x) < t).sum()),
    ),
    Row("set_less_than", [Out(X), 0.5], lambda x, t: np.where(np.abs(x) < t, 0, x)),
    Row(
        "num_less_than",
        [X, Out(6), Out(1), 0.5],
        lambda x, m, o, t: ((np.abs(x) < t).reshape(6, 2).sum(1), (np.abs(x) < t).sum()),
    ),
    Row(
        "set_mask_less_than",
        [Out(X), Out(3, 4, dtype=np.int32), 0.5],
        lambda x, mask, t: (np.where(np.abs(x) < t, 0, x), np.abs(x) >= t),
    ),
    Row("get_larger_than", [X, X[0], Out(3, 4)], lambda x, t, mask: np.abs(x) >= t),
    Row("multiply_grouping_alpha", [Out(TABLE), integers(3, 6), normal(3, 5, seed=5)], lambda t, g, a: t * a[g]),
    Row("arange", [1.0, 4.0, 0.5, Out(6)], lambda start, end, step, out: np.arange(start, end, step)),
]

REDUCTIONS = [
    Row("reduce_sum", [X, Out(4), [0]], lambda x, out, axes: x.sum(0)),
    Row("reduce_sum", [X, Out(np.zeros(())), [0, 1]], lambda x, out, axes: x.sum()),
    Row("reduce_mean", [X, Out(3), [1]], lambda x, out, axes: x.mean(1)),
    Row("reduce_min", [X, Out(3), [1]], lambda x, out, axes: x.min(1)),
    Row("reduce_mul", [X, Out(3), [1]], lambda x, out, axes: x.prod(1)),
    Row("reduce_norm1", [X, Out(3), [1]], lambda x, out, axes: np.abs(x).sum(1)),
    Row("reduce_norm2", [X, Out(3), [1]], lambda x, out, axes: np.sqrt((x * x).sum(1))),
    Row("reduce_norm2_raw", [X, Out(3), 1], lambda x, out, at: np.array([0, np.sqrt((x * x).sum()), 0])),
    Row("reduce_sum_axis_zero", [X, Out(4), None], lambda x, out, work: x.sum(0)),
    Row("norm", [X, Out(3, 1), 1, 2], lambda x, out, axis, p: np.sqrt((x * x).sum(1, keepdims=True))),
    Row(
        "norm_gradient",
        [X, np.sqrt((X * X).sum(1, keepdims=True)), normal(3, 1), Out(3, 4), 1, 2],
        lambda x, y, g, out, axis, p: x / y * g,
    ),
    Row(
        "all_fro_norm", [[X, ROW_G], None, Out(1)], lambda arrays, work, out: np.sqrt((X * X).sum() + (ROW_G**2).sum())
    ),
    Row(
        "all_fro_norm",
        [[X, Slices(np.array([0, 2, 5]), Y, (6, 4))], None, Out(1)],
        lambda *_: np.sqrt((X * X).sum() + (Y * Y).sum()),
    ),
    Row("all_add_", [[Out(X)], [Slices(np.array([0, 2, 5]), Y, (6, 4))], np.array([2.0]), 3], lambda *_: X + 6 * Y),
    Row("all_add_", [[Out(X), Out(ROW_G)], [Y, ROW_G], np.array([2.0]), -1], lambda t, o, a, c: (X - 2 * Y, -ROW_G)),
    Row("div_n_mul_", [Out(X), np.array([2.0]), 3.0], lambda x, alpha, c: x / 2 * 3),
    Row("max", [X, Out(4), 0], lambda x, out, dim: x.max(0)),
    Row("max", [X, Out(1, 4), Out(1, 4), 0], lambda x, i, v, dim: (x.argmax(0), x.max(0))),
    Row("min", [X, Out(4), 0], lambda x, out, dim: x.min(0)),
    binary("max_mat", np.maximum),
    binary("min_mat", np.minimum),
    Row("argmax", [X, Out(3, dtype=np.int32), 1], lambda x, out, dim: x.argmax(1)),
    Row(
        "argmax_partial",
        [X, np.array([1, 0, 1], np.int32), Out(3, dtype=np.int32), 1, 2],
        lambda x, full, out, dim, k: np.where(full, x.argmax(1), x[:, :k].argmax(1)),
    ),
    Row(
        "argsort",
        [X, Out(3, 4), Out(3, 4), Out(3, 4), 1, True],
        lambda x, out, i, oi, dim, down: (-np.sort(-x), np.tile(np.arange(4), (3, 1)), np.argsort(-x)),
    ),
    Row("topk_idx", [X, Out(3, 2), 2], lambda x, out, k: np.argsort(-x)[:, :k]),
    Row(
        "topk_val",
        [X, np.argsort(-X)[:, :2].astype(np.float64), Out(3, 2), 2],
        lambda x, i, out, k: -np.sort(-x)[:, :k],
    ),
    Row("cumsum_with_bias", [X, Out(3, 4), -1.0, 0], lambda x, out, bias, dim: x.cumsum(0) - 1),
]

LAYERS = [
    Row("conv2d", [IMAGE, FILTER, Out(2, 4, 6, 6), None, 1, 1], lambda x, f, out, w, p, s: conv(x, f, (1, 1))),
    Row(
        "conv2d_gradient_of_filter",
        [IMAGE, normal(2, 4, 4, 4), Out(4, 3, 2, 3), None, None],
        lambda x, g, out, *w: conv_filter(x, g, out),
    ),
    Row(
        "conv2d_gradient_of_data",
        [FILTER, normal(2, 4, 4, 4), Out(2, 3, 5, 6), None],
        lambda f, g, out, w: conv_data(f, g, out),
    ),
    Row("CuDNN_conv2d", [IMAGE, FILTER, Out(2, 4, 3, 2), (1, 0), (2, 2)], lambda x, f, out, p, s: conv(x, f, p, s)),
    Row(
        "CuDNN_conv2d_with_bias",
        [IMAGE, FILTER, normal(4), Out(2, 4, 4, 4)],
        lambda x, f, b, out: conv(x, f) + b.reshape(1, -1, 1, 1),
    ),
    Row(
        "CuDNN_conv2d_gradient_of_filter",
        [IMAGE, normal(2, 4, 4, 4), Out(4, 3, 2, 3)],
        lambda x, g, out: conv_filter(x, g, out),
    ),
    Row(
        "CuDNN_conv2d_gradient_of_data",
        [FILTER, normal(2, 4, 3, 3), Out(2, 3, 5, 6), 1, 2],
        lambda f, g, out, p, s: conv_data(f, g, out, (1, 1), (2, 2)),
    ),
    Row("conv2d_broadcast_to", [normal(3), Out(2, 3, 4, 5)], lambda b, out: out + b.reshape(1, -1, 1, 1)),
    Row("conv2d_reduce_sum", [IMAGE, Out(3)], lambda x, out: x.sum((0, 2, 3))),
    *[
        Row(name, [IMAGE, 2, 3, Out(2, 3, 3, 3), 1, 2], lambda x, h, w, out, p, s: average(x, **POOL))
        for name in ("average_pooling2d", "CuDNN_average_pooling2d")
    ],
    Row(
        "average_pooling2d_gradient",
        [normal(2, 3, 3, 3), 2, 3, Out(2, 3, 5, 6), 1, 2],
        lambda g, h, w, out, p, s: average_gradient(g, out, **POOL),
    ),
    Row(
        "CuDNN_average_pooling2d_gradient",
        [normal(2, 3, 3, 3), normal(2, 3, 3, 3), IMAGE, 2, 3, Out(2, 3, 5, 6), 1, 2],
        lambda y, g, x, h, w, out, p, s: average_gradient(g, x, **POOL),
    ),
    *[
        Row(name, [IMAGE, 2, 3, Out(2, 3, 3, 3), 1, 2], lambda x, h, w, out, p, s: maximum(x, **POOL))
        for name in ("max_pooling2d", "CuDNN_max_pooling2d")
    ],
    Row(
        "max_pooling2d_gradient",
        [IMAGE, normal(2, 3, 3, 3), 2, 3, Out(2, 3, 5, 6), 1, 2],
        lambda x, g, h, w, out, p, s: maximum_gradient(g, x, **POOL),
    ),
    Row(
        "CuDNN_max_pooling2d_gradient",
        [normal(2, 3, 3, 3), normal(2, 3, 3, 3), IMAGE, 2, 3, Out(2, 3, 5, 6), 1, 2],
        lambda y, g, x, h, w, out, p, s: maximum_gradient(g, x, **POOL),
    ),
]

NORMS = [
    Row(
        "CuDNN_Batch_Normalization",
        [IMAGE, SCALE, BIAS, Out(2, 3, 5, 6), Out(STATISTICS[0]), Out(STATISTICS[1]), Out(3), Out(3), 0.1, 1e-3],
        lambda x, s, b, out, m, v, sm, sv, momentum, eps: (
            *batch_norm_step(x, s, b, m, v, momentum, eps)[:4],
            1 / np.sqrt(moments(x)[1] + eps),
        ),
    ),
    Row(
        "CuDNN_Batch_Normalization_gradient",
        [
            IMAGE_G,
            IMAGE,
            SCALE,
            Out(2, 3, 5, 6),
            Out(3),
            Out(3),
            moments(IMAGE)[0],
            (moments(IMAGE)[1] + 1e-3) ** -0.5,
            1e-3,
        ],
        lambda g, x, s, *rest: batch_norm_gradient(g, x, s, *moments(x), 1e-3),
        atol=1e-4,
    ),
    Row(
        "CuDNN_Batch_Normalization_gradient",
        [IMAGE_G, IMAGE, SCALE, Out(2, 3, 5, 6), Out(3), Out(3)],
        lambda g, x, s, *rest, **named: batch_norm_gradient(g, x, s, *moments(x), 1e-3),
        {"running_mean": moments(IMAGE)[0], "running_var": (moments(IMAGE)[1] + 1e-3) ** -0.5},
        atol=1e-4,
    ),
    Row(
        "CuDNN_Batch_Normalization_inference",
        [IMAGE, SCALE, BIAS, Out(2, 3, 5, 6), *STATISTICS, 1e-3],
        lambda x, s, b, out, m, v, eps: batch_norm(x, s, b, m, v, eps),
    ),
    Row(
        "CuDNN_Batch_Normalization_inference",
        [IMAGE, SCALE, BIAS, Out(2, 3, 5, 6)],
        lambda x, s, b, out, save_mean, save_var: batch_norm(x, s, b, save_mean, save_var, 1e-3),
        {"save_mean": STATISTICS[0], "save_var": STATISTICS[1]},
    ),
    Row(
        "layer_normalization",
        [X, positive(4), normal(4), Out(3, 1), Out(3, 1), Out(3, 4), 0.01],
        lambda x, s, b, m, v, out, eps: (
            x.mean(1),
            x.var(1),
            (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + eps) * s + b,
        ),
    ),
    Row(
        "layer_normalization_gradient",
        [G, X, positive(4), Out(3, 4), Out(4), Out(4), normal(3, 1, seed=8), positive(3, 1, seed=8), 0.01],
        lambda g, x, s, dx, ds, db, m, v, eps: layer_norm_gradient(g, x, s, m, v, eps),
    ),
    Row(
        "layer_normalization_inference",
        [X, positive(4), normal(4), normal(3, 1), positive(3, 1), Out(3, 4), 0.01],
        lambda x, s, b, m, v, out, eps: (x - m) / np.sqrt(v + eps) * s + b,
    ),
    Row(
        "instance_normalization2d",
        [IMAGE, Out(2, 3, 1, 1), Out(2, 3, 1, 1), Out(2, 3, 5, 6), 1e-3],
        lambda x, m, v, out, eps: (
            x.mean((2, 3)),
            x.var((2, 3)),
            (x - x.mean((2, 3), keepdims=True)) / np.sqrt(x.var((2, 3), keepdims=True) + eps),
        ),
    ),
    Row(
        "instance_normalization2d_gradient",
        [IMAGE_G, IMAGE, Out(2, 3, 5, 6), normal(2, 3, 1, 1), positive(2, 3, 1, 1), 1e-3],
        lambda g, x, out, m, v, eps: g * (1 - 1 / 30 - ((x - m) ** 2 / (v + eps))) / np.sqrt(v + eps),
    ),
    Row("dropout", [ONES, 0.4, Out(40, 50)], check=kept(0.4)),
    Row("dropout", [ONES, 0.4, Out(40, 50), ctypes.c_ulonglong(5)], check=kept(0.4)),
    Row("dropout_gradient", [G, np.maximum(X, 0), 0.4, Out(3, 4)], lambda g, y, rate, out: g * (y > 0) / 0.6),
    Row("dropout_gradient", [ONES, 0.4, Out(40, 50), 5], check=kept(0.4)),
    Row("dropout_gradient_recompute", [ONES, 0.4, Out(40, 50), 5], check=kept(0.4)),
    Row("dropout2d", [np.ones((40, 50, 2, 2)), 0.4, Out(40, 50, 2, 2), 5], check=kept(0.4)),
    Row("dropout2d_gradient", [np.ones((40, 50, 2, 2)), 0.4, Out(40, 50, 2, 2), 5], check=kept(0.4)),
    Row("CuDNN_Dropout", [ONES, 0.4, Out(40, 50), ctypes.c_int(0), ctypes.c_void_p(0), 1], check=kept(0.4)),
    Row("CuDNN_Dropout_gradient", [ONES, 0.4, Out(40, 50), ctypes.c_int(0), ctypes.c_void_p(3)], check=kept(0.4)),
]

LOSSES = [
    unary("softmax", softmax),
    unary("CuDNN_softmax", softmax),
    binary("CuDNN_softmax_gradient", lambda y, g: y * (g - (g * y).sum(-1, keepdims=True)), softmax(X), G),
    unary("CuDNN_log_softmax", lambda x: np.log(softmax(x))),
    binary("CuDNN_log_softmax_gradient", lambda y, g: g - np.exp(y) * g.sum(-1, keepdims=True), np.log(softmax(X)), G),
    *[
        Row(name, [LOGITS, LABELS, Out(3)], lambda x, t, out: -(t * np.log(softmax(x))).sum(-1))
        for name in ("softmax_cross_entropy", "CuDNN_softmax_cross_entropy")
    ],
    Row(
        "softmax_cross_entropy_gradient",
        [LOGITS, LABELS, ROW_G, Out(3, 4)],
        lambda x, t, g, out: (softmax(x) - t) * g[:, None],
    ),
    Row(
        "CuDNN_softmax_cross_entropy_gradient",
        [ROW_G, LOGITS, LABELS, Out(3, 4)],
        lambda g, x, t, out: (softmax(x) - t) * g[:, None],
    ),
    Row(
        "softmax_cross_entropy_sparse",
        [LOGITS, CLASSES, -1, Out(3)],
        lambda x, t, ignored, out: -(SPIKE * np.log(softmax(x))).sum(-1),
    ),
    Row(
        "softmax_cross_entropy_sparse_gradient",
        [LOGITS, CLASSES, ROW_G, -1, Out(3, 4)],
        lambda x, t, g, ignored, out: (softmax(x) * (t >= 0)[:, None] - SPIKE) * g[:, None],
    ),
    Row("cross_entropy", [LABELS, SPIKE, Out(3)], lambda y, t, out: -(t * np.log(y)).sum(-1)),
    Row("cross_entropy_gradient", [ROW_G, LABELS, SPIKE, Out(3, 4)], lambda g, y, t, out: -t / y * g[:, None]),
    Row("cross_entropy_sparse", [LABELS, CLASSES, -1, Out(3)], lambda y, t, i, out: -(SPIKE * np.log(y)).sum(-1)),
    Row(
        "cross_entropy_sparse_gradient",
        [ROW_G, LABELS, CLASSES, -1, Out(3, 4)],
        lambda g, y, t, i, out: -SPIKE / y * g[:, None],
    ),
    binary("binary_cross_entropy", lambda p, t: -t * np.log(p) - (1 - t) * np.log(1 - p), sigmoid(X), BOOL),
    Row(
        "binary_cross_entropy_gradient",
        [sigmoid(X), BOOL, G, Out(3, 4)],
        lambda p, t, g, out: g * (p - t) / p / (1 - p),
    ),
    binary(
        "binary_cross_entropy_with_logits",
        lambda x, t: -t * np.log(sigmoid(x)) - (1 - t) * np.log(sigmoid(-x)),
        X,
        BOOL,
    ),
    Row(
        "binary_cross_entropy_with_logits_gradient", [X, BOOL, G, Out(3, 4)], lambda x, t, g, out: g * (sigmoid(x) - t)
    ),
    Row(
        "nll_loss_link",
        [np.log(LABELS), np.array([2.0, 0.0, 1.0]), Out(1)],
        lambda x, t, out: -x[[0, 1, 2], [2, 0, 1]].mean(),
    ),
    Row(
        "nll_loss_grad_link",
        [normal(1), np.array([2.0, 0.0, 1.0]), Out(3, 4)],
        lambda g, t, out: -np.eye(4)[[2, 0, 1]] * g / 3,
    ),
]

_BLOCK = normal(4, 5, 6)

SHAPES = [
    Row("array_reshape", [X, Out(2, 6)], lambda x, out: x.reshape(2, 6)),
    Row("broadcast_to", [normal(4), Out(2, 3, 4)], lambda x, out: np.broadcast_to(x, (2, 3, 4))),
    Row("broadcast_shape", [normal(3, 1), Out(2, 3, 4)], lambda x, out: np.broadcast_to(x, (2, 3, 4))),
    Row("broadcast_shape", [normal(3), Out(2, 3, 4), (0, 2)], lambda x, out, a: out + x[:, None]),
    Row(
        "broadcast_shape_simple",
        [normal(3), Out(2, 3, 4), np.array([12, 4, 1]), np.array([1, 3, 1])],
        lambda x, out, strides, dims: out + x[:, None],
    ),
    Row("matrix_transpose", [_BLOCK, Out(6, 4, 5), [2, 0, 1]], lambda x, out, perm: x.transpose(perm)),
    Row("matrix_transpose_simple", [X, Out(4, 3), np.array([4, 1, 3, 1, 1, 0], np.int32)], lambda x, out, buf: x.T),
    Row("concat", [X, normal(3, 2), Out(3, 6), 1], lambda a, b, out, axis: np.concatenate([a, b], axis)),
    Row("concat_gradient", [normal(3, 6), Out(3, 2), 1, 1], lambda g, out, axis, idx: g[:, 4:]),
    Row("concatenate", [[X, Y], Out(6, 4)], lambda arrays, out: np.concatenate([X, Y])),
    Row("concatenate_gradient", [normal(3, 6), Out(3, 2), 1, 3], lambda g, out, axis, offset: g[:, 3:5]),
    Row("matrix_slice", [_BLOCK, Out(2, 3, 4), (1, 2, 0)], lambda x, out, begin: x[1:3, 2:5, :4]),
    Row(
        "matrix_slice_simple",
        [_BLOCK, Out(2, 3, 4), np.array([1, 2, 0, 4, 5, 6, 2, 3, 4], np.int32)],
        lambda x, out, buf: x[1:3, 2:5, :4],
    ),
    Row("matrix_slice_gradient", [X, Out(5, 6), (1, 2)], lambda g, out, begin: np.pad(g, ((1, 1), (2, 0)))),
    Row(
        "matrix_slice_gradient_simple",
        [X, Out(5, 6), np.array([1, 2, 5, 6, 3, 4], np.int32)],
        lambda g, out, buf: np.pad(g, ((1, 1), (2, 0))),
    ),
    Row(
        "slice_assign",
        [X, Out(3, 4), 9.0, (1, 0), (3, 2)],
        lambda x, out, val, b, e: np.where(np.pad(np.ones((2, 2)), ((1, 0), (0, 2))), 9, x),
    ),
    Row(
        "slice_assign_matrix",
        [X, Y, Out(3, 4), (1, 0), (3, 2), (0, 2)],
        lambda a, b, out, *at: np.concatenate([a[:1], np.concatenate([b[:2, 2:], a[1:, 2:]], 1)]),
    ),
    Row(
        "slice_by_matrix",
        [_BLOCK, np.array([1.0, 3.0]), np.array([0.0, 4.0]), Out(2, 6)],
        lambda x, i, j, out: x[[1, 3], [0, 4]],
    ),
    Row(
        "slice_by_matrix_gradient",
        [normal(2, 6), np.array([1.0, 1.0]), np.array([4.0, 4.0]), Out(4, 5, 6)],
        lambda g, i, j, out: g.sum(0) * (np.arange(20) == 9).reshape(4, 5, 1),
    ),
    Row(
        "pad",
        [IMAGE, Out(2, 3, 6, 8), [[0, 0], [0, 0], [1, 0], [0, 2]], "CONSTANT", 2.0],
        lambda x, out, p, mode, value: np.pad(x, p, constant_values=value),
    ),
    Row(
        "pad_gradient",
        [normal(2, 3, 6, 8), Out(2, 3, 5, 6), [[0, 0], [0, 0], [1, 0], [0, 2]]],
        lambda g, out, p: g[:, :, 1:, :6],
    ),
    Row("repeat", [X, Out(6, 12)], lambda x, out: np.tile(x, (2, 3))),
    Row("repeat_gradient", [normal(6, 12), Out(3, 4)], lambda g, out: g.reshape(2, 3, 3, 4).sum((0, 2))),
    Row("roll", [X, Out(3, 4), 1, 1], lambda x, out, shift, axis: np.roll(x, shift, axis)),
    Row(
        "gather",
        [X, integers(4, 3, 2).astype(float), Out(3, 2), 1],
        lambda x, i, out, dim: np.take_along_axis(x, i.astype(int), dim),
    ),
    Row(
        "gather_gradient",
        [normal(1, 4), np.array([[2.0, 0, 2, 1]]), Out(3, 4), 0],
        lambda g, i, out, dim: np.eye(3)[i[0].astype(int)].T * g,
    ),
    Row("indexing", [X, np.array([2.0, 0, 1]), Out(3, 4)], lambda x, i, out: x[[2, 0, 1]]),
    Row("indexing_grad", [X, np.array([2.0, 0, 1]), Out(3, 4)], lambda g, i, out: g[[1, 2, 0]]),
    Row("scatter1d", [normal(3), np.array([2.0, 0, 1]), Out(3)], lambda x, i, out: x[[1, 2, 0]]),
    Row("scatter1d_grad", [normal(3), np.array([2.0, 0, 1]), Out(3)], lambda g, i, out: g[[2, 0, 1]]),
    Row(
        "scatter",
        [Out(np.zeros((2, 3))), 1, np.array([[2.0], [0]]), np.array([[5.0], [6]])],
        lambda t, dim, i, s: np.array([[0, 0, 5], [6, 0, 0]]),
    ),
    Row("one_hot", [np.array([1.0, 3, 0]), Out(3, 4)], lambda x, out: np.eye(4)[x.astype(int)]),
    Row("tril_lookup", [normal(4, 4), Out(10), 0], lambda x, out, offset: x[np.tril_indices(4)]),
    Row(
        "tril_lookup_gradient",
        [np.arange(6.0) + 1, Out(3, 3), 0],
        lambda g, out, offset: np.array([[1, 0, 0], [2, 3, 0], [4, 5, 6]]),
    ),
    Row(
        "bicubic_interpolate",
        [np.tile(np.arange(6.0), (1, 1, 5, 1)), Out(1, 1, 5, 11), True],
        check=lambda out: np.testing.assert_allclose(
            out[0, 0, :, 2:-2], np.tile(np.arange(1, 4.5, 0.5), (5, 1)), atol=1e-5
        ),
    ),
    Row(
        "bicubic_interpolate_gradient",
        [np.ones((1, 1, 10, 12)), Out(1, 1, 5, 6), False],
        check=lambda out: np.testing.assert_allclose((out.sum(), out[0, 0, 2, 3]), (120, 4), rtol=1e-5),
    ),
]

_THIN = integers(50, 5).astype(np.int32)

EMBEDDINGS = [
    Row("embedding_lookup", [TABLE, OUTSIDE, Out(1, 3, 5)], lambda t, i, out: looked_up(t, i)),
    Row("embedding_lookup_gradient", [ROWS, IDS, Out(TABLE)], lambda g, i, out: added(out * 0, i, g)),
    Row("sparse_embedding_lookup", [SPARSE, IDS, Out(2, 3, 5)], lambda t, i, out: t.toarray()[i]),
    Row("indexedslice_oneside_add", [Slices(IDS, ROWS, (6, 5)), Out(TABLE)], lambda s, t: added(t, IDS, ROWS)),
    Row("sparse_add_to_dense", [IDS, ROWS, Out(TABLE)], lambda i, v, t: added(t, i, v)),
    Row(
        "sparse_set",
        [Out(integers(9, 6, 5)), np.array([4, -1, 0], np.int32), integers(9, 3, 5, seed=1)],
        lambda t, i, v: replaced(t, i, v),
    ),
    Row("assign_embedding_with_indexedslices", [Out(TABLE), UNIQUE, UNIQUE_ROWS], lambda t, i, v: replaced(t, i, v)),
    Row(
        "unique_indices",
        [IDS, Out(2, 3, dtype=np.int32), Out(14, dtype=np.int32), None, 24, 32],
        lambda i, out, o, *w: (unique(i)[0], offsets(i)),
    ),
    Row("deduplicate_lookup", [ROWS, offsets(IDS), Out(2, 3, 5), None], lambda v, *rest: first_rows(IDS, v)),
    Row("deduplicate_grad", [ROWS, offsets(IDS), Out(2, 3, 5), None], lambda v, *rest: added_up(IDS, v)),
    Row(
        "reorder_into_lookup",
        [offsets(IDS), first_rows(IDS, TABLE[IDS]), Out(2, 3, 5), None],
        lambda o, v, out, s: TABLE[IDS],
    ),
    Row(
        "reduce_indexedslice",
        [IDS, ROWS, Out(2, 3, dtype=np.int32), Out(2, 3, 5), None, 24, 3],
        lambda i, v, oi, ov, *w: (unique(i)[0], added_up(i, v)),
    ),
    Row(
        "reduce_indexedslice_with_embedding",
        [IDS, ROWS, TABLE[IDS], Out(2, 3, dtype=np.int32), Out(2, 3, 5), Out(2, 3, 5), None, 24, 3],
        lambda i, v, p, *rest: (unique(i)[0], added_up(i, v), first_rows(i, p)),
    ),
    hashes("mod_hash", lambda x, n: x % n, 7),
    hashes("mod_hash_negative", lambda x, n: -(x + 1), 7),
    hashes("div_hash", lambda x, n: x // n, 7),
    Row(
        "compo_hash",
        [integers(48, 3), Out(3, 2, dtype=np.int32), 2, 7],
        lambda x, out, k, n: np.stack([x % 7, x // 7], -1),
    ),
    Row(
        "learn_hash",
        [
            _THIN,
            np.array([3, 5], np.int32),
            np.array([1, 2], np.int32),
            np.array([101, 103], np.int32),
            Out(5, 2),
            10,
            False,
            1e-12,
        ],
        lambda x, s, b, p, out, n, normal, eps: (s * x[:, None] + b) % p % n / 9 * 2 - 1,
    ),
    Row(
        "robe_hash",
        [integers(50, 2, 3), np.arange(10, 20), Out(2, 3, 4, dtype=np.int32), 1000, 4, 2, True],
        lambda x, r, out, length, dim, z, slot: (
            (
                (
                    r[3] * x[..., None]
                    + r[1]
                    + r[2] * (np.arange(4) // 2)
                    + np.arange(4) % 2
                    + r[4] * np.arange(3)[:, None]
                )
                % r[0]
            )
            % length
        ),
    ),
    Row(
        "robe_sign",
        [integers(50, 2, 3), np.arange(11, 21), Out(2, 3, 4), 4, False],
        lambda x, r, out, dim, slot: ((r[7] * x[..., None] + r[5] + r[6] * np.arange(4)) % r[0]) % 2 * 2 - 1,
    ),
    Row(
        "minimum_distance_vector",
        [X, Y, Out(np.zeros(5)), np.array([3.0, 0, 1]), Out(3, 4), "eu"],
        lambda q, k, book, at, out, mode: (replaced(book[:, None], at, nearest(q, k)[:, None])[:, 0], k[nearest(q, k)]),
    ),
    Row("embedding_prepack", [TABLE, Out(6, 5, dtype=np.uint8), Out(6, 2), 8], check=packed),
    Row(
        "unified_quantized_embedding_lookup",
        [QUANTISED, OUTSIDE, Out(1, 3, 5), 8, 0.5, -3.0],
        lambda t, i, out, d, s, m: looked_up(t, i, s, m),
    ),
    Row(
        "quantized_embedding_lookup",
        [QUANTISED, OUTSIDE, Out(1, 3, 5), QPARAMS, 8],
        lambda t, i, out, q, d: looked_up(t, i, q[:, 0], q[:, 1]),
    ),
    Row(
        "quantize_embedding_with_scale",
        [TABLE, SCALES / 50, Out(6, 5, dtype=np.int8), 0.1, 8],
        check=rounded(TABLE, SCALES[:, None] / 50, 0.1, -128, 127),
    ),
    Row(
        "quantized_embedding_lookup_with_scale",
        [SIGNED, OUTSIDE, SCALES[:, None], Out(1, 3, 5), 8, 0.1],
        lambda t, i, s, out, d, m: looked_up(t, i, s[:, 0], m),
    ),
    Row(
        "assign_quantized_embedding_unified",
        [Out(QUANTISED * 0 + 7), UNIQUE, UNIQUE_ROWS, 0.02, -2.5, 8],
        check=assigned_rows(0.02, -2.5, 0, 255),
    ),
    Row(
        "assign_quantized_embedding",
        [Out(QUANTISED * 0 + 7), UNIQUE, UNIQUE_ROWS, QPARAMS * [0.02, 1], 8],
        check=assigned_rows(SCALES[[0, 1, 4], None] * 0.02, QPARAMS[[0, 1, 4], 1:], 0, 255),
    ),
    Row(
        "assign_alpt_embedding",
        [Out(SIGNED * 0 + 7), UNIQUE, UNIQUE_ROWS, SCALES[:4, None] * 0.02, 0.1, 8, None],
        check=assigned_rows(SCALES[:3, None] * 0.02, 0.1, -128, 127),
    ),
    Row(
        "lsq_rounding",
        [TABLE * 9, SCALES[:, None], Out(6, 5), 0.1, 8, None],
        lambda v, s, out, m, d, stream: np.floor(v + 0.5) * s + m,
    ),
    Row(
        "lsq_rounding_gradient",
        [TABLE * 90, Out(6, 5), 8, None],
        lambda v, out, d, s: np.where(v >= 127, 127, np.where(v <= -128, -128, np.floor(v + 0.5) - v)),
        atol=1e-4,
    ),
    Row("tensor_quantize", [X, Out(3, 4, dtype=np.uint8), 8, 0.02, -2.5], check=rounded(X, 0.02, -2.5, 0, 255)),
    Row(
        "tensor_quantize",
        [X, Out(3, 4, dtype=np.uint16), 16, 0.01, -2.5, False],
        lambda x, out, d, s, m, stochastic: np.floor(np.maximum((x - m) / s + 0.5, 0)),
    ),
    Row("tensor_dequantize", [QUANTISED, Out(6, 5), 8, 0.5, -3.0], lambda q, out, d, s, m: q * s + m),
    Row("tensor_quantize_signed", [X, Out(3, 4, dtype=np.int8), 8, 0.05, 0.1], check=rounded(X, 0.05, 0.1, -128, 127)),
    Row("tensor_dequantize_signed", [SIGNED, Out(6, 5), 8, 0.5, 0.1], lambda q, out, d, s, m: q * s + m),
]

_ONE, _TWO = (EXPERT, PLACE), (EXPERT2, PLACE2)

EXPERTS = [
    Row("layout_transform_top1", [TOKENS, *_ONE, Out(6, 5), 2], lambda x, e, p, out, c: dispatched(x, (e, p))),
    Row("layout_transform_top1_gradient", [SLOTS, *_ONE, Out(4, 5), 2], lambda g, e, p, out, c: collected(g, (e, p))),
    Row(
        "layout_transform_top2",
        [TOKENS, EXPERT, EXPERT2, PLACE, PLACE2, Out(6, 5), 2],
        lambda x, e, e2, p, p2, out, c: dispatched(x, (e, p), (e2, p2)),
    ),
    Row(
        "reverse_layout_transform_top1",
        [SLOTS, *_ONE, GATE, Out(4, 5), 2],
        lambda x, e, p, g, out, c: collected(x, (e, p, g)),
    ),
    Row(
        "reverse_layout_transform_top1_gradient_gate",
        [TOKENS, SLOTS, *_ONE, Out(4), 2],
        lambda g, x, e, p, out, c: (g * collected(x, (e, p))).sum(1),
    ),
    Row(
        "reverse_layout_transform_top1_gradient_data",
        [TOKENS, *_ONE, GATE, Out(6, 5), 2],
        lambda g, e, p, gate, out, c: dispatched(g, (e, p, gate)),
    ),
    Row(
        "reverse_layout_transform_top2",
        [SLOTS, EXPERT, EXPERT2, PLACE, PLACE2, GATE, GATE2, Out(4, 5), 2],
        lambda x, e, e2, p, p2, g, g2, out, c: collected(x, (e, p, g), (e2, p2, g2)),
    ),
    Row(
        "reverse_layout_transform_top2_gradient_data",
        [TOKENS, EXPERT, EXPERT2, PLACE, PLACE2, GATE, GATE2, Out(6, 5), 2],
        lambda x, e, e2, p, p2, g, g2, out, c: dispatched(x, (e, p, g), (e2, p2, g2)),
    ),
    Row("reverse_layout_transform_no_gate", [SLOTS, *_ONE, Out(4, 5), 2], lambda x, e, p, out, c: collected(x, (e, p))),
    Row(
        "reverse_layout_transform_no_gate_gradient",
        [TOKENS, *_ONE, Out(6, 5), 2],
        lambda g, e, p, out, c: dispatched(g, (e, p)),
    ),
    Row("ha2a_layout_transform", [normal(18, 2), Out(18, 2), 2, 3], lambda x, out, n, k: regrouped(x, (1, 0, 2, 3))),
    Row(
        "ha2a_reverse_layout_transform",
        [normal(18, 2), Out(18, 2), 2, 3],
        lambda x, out, n, k: regrouped(x, (2, 0, 1, 3)),
    ),
    Row("group_topk_idx", [GATES, GROUP, Out(4, 2), 2, 2], lambda g, group, out, k, n: in_group(g, group, k)),
    Row("sam_group_sum_link", [GATES, Out(4, 2), 2], lambda g, out, n: g.reshape(4, 2, 3).sum(2)),
    Row("sammax_link", [GATES, GROUP, GROUP * 2, Out(4, 6), 2], lambda g, group, r, out, n: above(g, group, r)),
    Row(
        "sammax_grad_link",
        [normal(4, 6, seed=1), GATES, GROUP, GROUP * 2, Out(4, 6), 2],
        lambda dy, g, group, r, out, n: above(g, group, r, dy),
    ),
]

_RATE, _EPS = 0.1, 1e-7
_LARGEST = positive(3, 4, seed=9) * 0.3
_TABLES = [*ROW_STATE, positive(6, 5, seed=9) * 0.3]


def _sparse(rule):
    """The rule on the rows that IDS names, with gradients added up."""

    def expected(p, g, *args):
        found = unique(IDS)[1]
        summed = added_up(IDS, ROWS).reshape(-1, 5)[: len(found)]
        tables = [p, *(a for a in args if isinstance(a, np.ndarray) and a.shape == (6, 5))]
        numbers = [a for a in args if not (isinstance(a, np.ndarray) and a.shape == (6, 5))]
        new = rule(tables[0][found], summed, *(t[found] for t in tables[1:]), *numbers)
        return tuple(replaced(t, found, n) for t, n in zip(tables, new, strict=False))

    return expected


def _adamw(p, g, m, v, lr, b1, b2, t1, t2, eps, decay):
    *_, m, v, _, u = adam(p, g, m, v, lr, b1, b2, (t1, t2), eps)
    return p - lr * (u + decay * p), m, v


def _lamb(p, g, m, v, lr, b1, b2, t1, t2, eps, decay):
    *_, m, v, _, u = adam(p, g, m, v, lr, b1, b2, (t1, t2), eps)
    return p - lr * np.linalg.norm(p) / np.linalg.norm(u) * (u + decay * p), m, v


def _adagrad(p, g, a, lr, eps, l2=0.0):
    g = g + l2 * p
    return p - lr * g / (np.sqrt(a + g * g) + eps), a + g * g


SLICES = Slices(IDS.astype(np.float32), ROWS, (6, 5))
_ADAM_2023 = [Out(X), G, *map(Out, STATE), Out(_LARGEST), _RATE, *BETAS, POWERS]
_ADAM_2021 = [Out(X), G, *map(Out, STATE), _RATE, *BETAS, *POWERS.tolist(), _EPS]

RANDOM = [
    Row("normal_init", [Out(50, 60), 2.0, 3.0], check=about(2, 3)),
    Row("normal_init", [Out(50, 60), 2.0, 3.0, 123], check=about(2, 3)),
    Row("uniform_init", [Out(50, 60), -1.0, 2.0], check=between(-1, 2)),
    Row("truncated_normal_init", [Out(50, 60), 1.0, 2.0], check=between(-3, 5)),
    Row(
        "reversed_truncated_normal_init",
        [Out(50, 60), 0.0, 1.0],
        check=lambda x: np.testing.assert_array_less(1.999, np.abs(x)),
    ),
]

TRAINING = [
    *RANDOM,
    Row("gumbel_init", [Out(50, 60)], check=about(0.5772, 1.2825)),
    Row("randint_init", [Out(50, 60, dtype=np.int32), 2, 9], check=between(2, 8)),
    Row("add_l2_regularization", [X, Out(G), 0.1], lambda p, g, l2: g + l2 * p),
    Row("betats_update", [Out(POWERS), *BETAS], lambda t, b1, b2: t * [b1, b2]),
    Row("sgd_update", [Out(X), G, _RATE], lambda p, g, lr: p - lr * g),
    Row("sgd_update", [Out(X), G, _RATE, 0.5], lambda p, g, lr, l2: p - lr * (g + l2 * p)),
    Row("sgd_update", [Out(TABLE), SLICES, _RATE], lambda p, g, lr: added(p, IDS, -lr * ROWS)),
    Row(
        "momentum_update",
        [Out(X), G, Out(STATE[0]), _RATE, 0.9, False, 0.5],
        lambda p, g, v, lr, w, n, l2: (p + w * v - lr * (g + l2 * p), w * v - lr * (g + l2 * p)),
    ),
    Row(
        "momentum_update",
        [Out(X), G, Out(STATE[0]), _RATE, 0.9, True],
        lambda p, g, v, lr, w, n: (p + w * (v - lr * g) - lr * g, w * (v - lr * g)),
    ),
    Row(
        "adam_update",
        [*_ADAM_2021],
        lambda p, g, m, v, lr, b1, b2, t1, t2, eps: adam(p, g, m, v, lr, b1, b2, (t1, t2), eps)[:3],
    ),
    Row(
        "adamw_update",
        [Out(X), G, *map(Out, STATE), _RATE, *BETAS, POWERS, _EPS, 0.3],
        lambda p, g, m, v, lr, b1, b2, t, eps, w: _adamw(p, g, m, v, lr, b1, b2, *t, eps, w),
    ),
    Row("adamw_update", [Out(X), G, *map(Out, STATE), _RATE, *BETAS, *POWERS.tolist(), _EPS, 0.3], _adamw),
    Row(
        "adamw_update",
        [Out(TABLE), SLICES, *map(Out, ROW_STATE), _RATE, *BETAS, *POWERS.tolist(), _EPS, 0.3],
        _sparse(_adamw),
    ),
    Row(
        "lamb_update",
        [Out(X), G, *map(Out, STATE), _RATE, *BETAS, POWERS, _EPS, 0.3],
        lambda p, g, m, v, lr, b1, b2, t, eps, w: _lamb(p, g, m, v, lr, b1, b2, *t, eps, w),
    ),
    Row(
        "lamb_update",
        [Out(TABLE), SLICES, *map(Out, ROW_STATE), _RATE, *BETAS, *POWERS.tolist(), _EPS, 0.3],
        _sparse(_lamb),
    ),
    Row("adagrad_update", [Out(X), G, Out(STATE[1]), _RATE, _EPS], _adagrad),
    Row("adagrad_update", [Out(X), G, Out(STATE[1]), _RATE, _EPS, 0.5], _adagrad),
    Row("adagrad_update", [Out(TABLE), SLICES, Out(ROW_STATE[1]), _RATE, _EPS], _sparse(_adagrad)),
    Row(
        "adam_update",
        [*_ADAM_2023, _EPS, 0.5],
        lambda p, g, m, v, top, lr, b1, b2, t, eps, l2: adam(p, g, m, v, lr, b1, b2, t, eps, l2, top)[:4],
    ),
    Row(
        "adam_update",
        [Out(X), G, *map(Out, STATE), None, _RATE, *BETAS, POWERS, _EPS, 0.0],
        lambda p, g, m, v, top, lr, b1, b2, t, eps, l2: adam(p, g, m, v, lr, b1, b2, t, eps)[:3],
    ),
    Row(
        "sgd_update_indexedslices",
        [UNIQUE, UNIQUE_GRADS, UNIQUE_ROWS, Out(4, 5), _RATE],
        lambda i, g, p, out, lr: p - lr * g,
    ),
    Row(
        "adagrad_update_indexedslices",
        [UNIQUE, UNIQUE_GRADS, UNIQUE_ROWS, Out(4, 5), _RATE, Out(ROW_STATE[1]), _EPS],
        lambda i, g, p, out, lr, a, eps: (
            _adagrad(p, g, looked_up(a, i), lr, eps)[0],
            replaced(a, i, _adagrad(p, g, looked_up(a, i), lr, eps)[1]),
        ),
    ),
    Row(
        "adam_update_indexedslices",
        [UNIQUE, UNIQUE_GRADS, UNIQUE_ROWS, Out(4, 5), _RATE, *map(Out, _TABLES), *BETAS, POWERS, _EPS],
        lambda i, g, p, out, lr, m, v, top, b1, b2, t, eps: adam_rows(i, g, p, m, v, top, lr, eps),
    ),
]

GPU = [*MATHEMATICS, *REDUCTIONS, *LAYERS, *NORMS, *LOSSES, *SHAPES, *EMBEDDINGS, *EXPERTS, *TRAINING]


def same_as(gpu_name, name=None, drop=0):
    """The rows of a GPU kernel as a CPU kernel's, without the last few arguments."""
    found = [row for row in GPU if row.name == gpu_name]
    assert found
    return [Row(name or gpu_name, r.args[: len(r.args) - drop], r.expected, r.kwargs, r.check, r.atol) for r in found]


CPU = [
    *[
        row
        for name in (
            "array_set",
            "matrix_multiply",
            "matrix_elementwise_multiply_by_const",
            "matrix_elementwise_multiply",
            "matrix_elementwise_add_by_const",
            "matrix_elementwise_add",
            "matrix_elementwise_divide",
            "broadcast_to",
            "softmax",
            "tanh",
            "sigmoid",
            "relu",
            "relu_gradient",
            "concat",
            "concat_gradient",
            "pad",
            "pad_gradient",
            "embedding_lookup",
            "add_l2_regularization",
            "sparse_add_to_dense",
            "betats_update",
            "assign_embedding_with_indexedslices",
            "sgd_update_indexedslices",
            "adagrad_update_indexedslices",
            "adam_update_indexedslices",
            "gelu",
            "gelu_gradient",
            "normal_init",
            "uniform_init",
            "truncated_normal_init",
            "reversed_truncated_normal_init",
            "sgd_update",
            "momentum_update",
        )
        for row in same_as(name)
    ],
    *same_as("softmax_cross_entropy", "softmax_crossentropy"),
    *same_as("matrix_sqrt", "sqrt"),
    *same_as("matrix_rsqrt", "rsqrt"),
    *same_as("matrix_opposite", "opposite"),
    *same_as("array_reshape", "reshape"),
    Row("matrix_elementwise_divide_by_const", [X, 1.5, Out(3, 4)], lambda x, val, out: x / val),
    Row("reduce_sum_axis_zero", [X, Out(4)], lambda x, out: x.sum(0)),
    Row("transpose", [X, Out(4, 3), [1, 0]], lambda x, out, perm: x.T),
    Row("conv2d", [IMAGE, FILTER, Out(2, 4, 4, 4)], lambda x, f, out: conv(x, f)),
    Row(
        "conv2d_gradient_of_data", [FILTER, normal(2, 4, 4, 4), Out(2, 3, 5, 6)], lambda f, g, out: conv_data(f, g, out)
    ),
    Row(
        "conv2d_gradient_of_filter",
        [IMAGE, normal(2, 4, 4, 4), Out(4, 3, 2, 3)],
        lambda x, g, out: conv_filter(x, g, out),
    ),
    *same_as("average_pooling2d", "avg_pool"),
    *same_as("average_pooling2d_gradient", "avg_pool_gradient"),
    *same_as("max_pooling2d", "max_pool"),
    *same_as("max_pooling2d_gradient", "max_pool_gradient"),
    Row(
        "batch_norm",
        [IMAGE, SCALE, BIAS, Out(2, 3, 5, 6), *map(Out, STATISTICS), Out(3), Out(3), 0.9, 0.01],
        lambda x, s, b, out, m, v, sm, sv, momentum, eps: batch_norm_step(x, s, b, m, v, momentum, eps),
    ),
    Row(
        "batch_norm",
        [IMAGE, SCALE, BIAS, Out(2, 3, 5, 6), *map(Out, STATISTICS), 0.9, 0.01],
        lambda x, s, b, out, m, v, momentum, eps: batch_norm_step(x, s, b, m, v, momentum, eps)[:3],
    ),
    Row(
        "batch_norm_gradient",
        [IMAGE_G, IMAGE, SCALE, Out(2, 3, 5, 6), Out(3), Out(3), *moments(IMAGE), 0.01],
        lambda g, x, s, *rest: batch_norm_gradient(g, x, s, *moments(x), 0.01),
        atol=1e-4,
    ),
    Row(
        "batch_norm_gradient",
        [IMAGE_G, IMAGE, SCALE, BIAS, Out(2, 3, 5, 6), Out(3), Out(3), *moments(IMAGE)],
        lambda g, x, s, *rest: batch_norm_gradient(g, x, s, *moments(x), 0.01),
        atol=1e-4,
    ),
    Row(
        "batch_norm_inference",
        [IMAGE, SCALE, BIAS, Out(2, 3, 5, 6), *STATISTICS, 0.02],
        lambda x, s, b, out, m, v, eps: batch_norm(x, s, b, m, v, eps),
    ),
    Row(
        "batch_norm_inference",
        [IMAGE, SCALE, BIAS, Out(2, 3, 5, 6), *STATISTICS, 0.9, 0.02],
        lambda x, s, b, out, m, v, momentum, eps: batch_norm(x, s, b, m, v, eps),
    ),
    Row("dropout", [ONES, 0.4, Out(40, 50)], check=kept(0.4)),
    Row("dropout_gradient", [ONES, 0.4, Out(40, 50), 5], check=kept(0.4)),
    Row("dropout_gradient", [ONES, 0.4, Out(40, 50)], check=kept(0.4)),
    *same_as("unique_indices", drop=3),
    *same_as("deduplicate_lookup", drop=1),
    *same_as("deduplicate_grad", drop=1),
    *same_as("reduce_indexedslice", drop=3),
    *same_as("reduce_indexedslice_with_embedding", drop=3),
    Row("sgd_update_sparse", [Out(TABLE), IDS, ROWS, _RATE], lambda p, i, g, lr: added(p, i, -lr * g)),
    Row(
        "adagrad_update",
        [Out(X), G, Out(STATE[1]), _RATE, 0.5, _EPS],
        lambda p, g, a, lr, l2, eps: _adagrad(p, g, a, lr, eps, l2),
    ),
    Row("adagrad_update", [Out(X), G, Out(STATE[1]), _RATE, _EPS], _adagrad),
    Row(
        "adam_update",
        [*_ADAM_2023, 0.5, _EPS],
        lambda p, g, m, v, top, lr, b1, b2, t, l2, eps: adam(p, g, m, v, lr, b1, b2, t, eps, l2, top)[:4],
    ),
    Row(
        "adam_update",
        [*_ADAM_2021],
        lambda p, g, m, v, lr, b1, b2, t1, t2, eps: adam(p, g, m, v, lr, b1, b2, (t1, t2), eps)[:3],
    ),
]
