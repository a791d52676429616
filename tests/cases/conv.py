"""Rows for hetu_jax/ops/conv.py."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .case import Case, normal


def _pair(value):
    return tuple(value) if isinstance(value, tuple | list) else (value, value)


def conv2d(x, f, padding=0, stride=1):
    (ph, pw), (sh, sw) = _pair(padding), _pair(stride)
    x = np.pad(x, [(0, 0), (0, 0), (ph, ph), (pw, pw)])
    windows = sliding_window_view(x, f.shape[2:], (2, 3))[:, :, ::sh, ::sw]
    return np.einsum("ncijab,ocab->noij", windows, f)


def _torch_conv2d(x, f, padding=0, stride=1):
    import torch

    return torch.nn.functional.conv2d(x, f, padding=_pair(padding), stride=_pair(stride))


def _torch_with_bias(x, f, bias, padding=0, stride=1):
    import torch

    return torch.nn.functional.conv2d(x, f, bias, padding=_pair(padding), stride=_pair(stride))


X, F = normal(2, 3, 6, 5), normal(4, 3, 3, 2)
SETTINGS = [
    ((), "plain"),
    ((1, 1), "padded"),
    ((2, 3), "inexact division"),
    (((0, 2), (2, 1)), "pairs"),
    (([1, 0], [1, 3]), "lists"),
    ((4, 2), "padding wider than the filter"),
]

CASES = [
    *[Case("conv2d_op", [X, F, *s], conv2d, torch=_torch_conv2d, note=note) for s, note in SETTINGS],
    Case("conv2d_op", [normal(1, 1, 1, 1), normal(1, 1, 1, 1)], conv2d, torch=_torch_conv2d, note="single"),
    Case("conv2d_op", [normal(2, 3, 4, 4), normal(5, 3, 1, 1), 0, 2], conv2d, torch=_torch_conv2d, note="1x1"),
    Case(
        "conv2d_op", [normal(2, 2, 3, 3), normal(1, 2, 3, 3)], conv2d, torch=_torch_conv2d, note="filter of image size"
    ),
    Case("conv2d_op", [np.zeros((0, 3, 4, 4)), F], conv2d, onnx="no images", note="empty batch"),
    Case("conv2d_op", [X, F], conv2d, kwargs={"stride": 2, "padding": 1}, note="by name"),
    Case(
        "conv2d_op",
        [X.astype(np.float16), normal(4, 3, 3, 2)],
        conv2d,
        rtol=1e-2,
        atol=1e-2,
        grad="half precision",
        onnx="two dtypes",
        note="mixed precision",
    ),
    *[
        Case(
            "conv2d_add_bias_op",
            [X, F, normal(4), *s],
            lambda x, f, b, *s: conv2d(x, f, *s) + b[:, None, None],
            torch=_torch_with_bias,
            note=note,
        )
        for s, note in SETTINGS[:4]
    ],
    Case(
        "conv2d_broadcastto_op",
        [normal(3), normal(2, 3, 4, 5)],
        lambda a, b: np.broadcast_to(a[:, None, None], b.shape),
        torch=lambda a, b: a[:, None, None].expand(b.shape),
    ),
    Case(
        "conv2d_broadcastto_op",
        [normal(3), normal(2, 3, 4, 3)],
        lambda a, b: np.broadcast_to(a[:, None, None], b.shape),
        note="as many columns as channels",
    ),
    Case("conv2d_broadcastto_op", [normal(1), normal(1, 1, 1, 1)], lambda a, b: a.reshape(1, 1, 1, 1), note="single"),
    Case(
        "conv2d_reducesum_op",
        [normal(2, 3, 4, 5)],
        lambda x: x.sum((0, 2, 3)),
        torch=lambda x: x.sum((0, 2, 3)),
    ),
    Case("conv2d_reducesum_op", [normal(1, 1, 1, 1)], lambda x: x.reshape(1), note="single"),
    Case("conv2d_reducesum_op", [np.zeros((0, 2, 3, 3))], lambda x: np.zeros(2), note="empty batch"),
]
