"""Rows for hetu_jax/ops/pool.py."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .case import Case, normal
from .conv import _pair


def _windows(x, kernel, padding, stride, fill):
    (ph, pw), (sh, sw) = _pair(padding), _pair(stride)
    x = np.pad(x, [(0, 0), (0, 0), (ph, ph), (pw, pw)], constant_values=fill)
    return sliding_window_view(x, kernel, (2, 3))[:, :, ::sh, ::sw]


def avg_pool(x, kh, kw, padding, stride):
    return _windows(x, (kh, kw), padding, stride, 0).mean((4, 5))


def max_pool(x, kh, kw, padding, stride):
    return _windows(x, (kh, kw), padding, stride, -np.inf).max((4, 5))


def _max_pool_gradient(g, x, kh, kw, padding, stride):
    """To the first maximum of each window, rows before columns."""
    (ph, pw), (sh, sw) = _pair(padding), _pair(stride)
    windows = _windows(x, (kh, kw), padding, stride, -np.inf)
    out = np.zeros((*x.shape[:2], x.shape[2] + 2 * ph, x.shape[3] + 2 * pw))
    for n, c, i, j in np.ndindex(windows.shape[:4]):
        a, b = divmod(int(windows[n, c, i, j].argmax()), kw)
        out[n, c, i * sh + a, j * sw + b] += g[n, c, i, j]
    return [out[:, :, ph : ph + x.shape[2], pw : pw + x.shape[3]]]


def _torch_avg(x, kh, kw, padding, stride):
    import torch

    return torch.nn.functional.avg_pool2d(x, (kh, kw), stride, padding)


def _torch_max(x, kh, kw, padding, stride):
    import torch

    return torch.nn.functional.max_pool2d(x, (kh, kw), stride, padding)


X = normal(2, 3, 7, 6)
WIDE = normal(1, 2, 12, 11)
TIES = np.maximum(normal(2, 2, 7, 7), 0)
SETTINGS = [
    (X, (2, 2, 0, 2), "tiles"),
    (X, (3, 2, 0, 2), "inexact division"),
    (X, (3, 3, 1, 1), "overlapping"),
    (X, (3, 3, 1, 2), "padded"),
    (X, (2, 3, 1, 3), "gaps"),
    (X, (1, 1, 0, 1), "identity"),
    (X, (1, 1, 0, 2), "subsampling"),
    (X, (4, 4, 2, 4), "wide padding"),
    (X, (2, 2, 0, 5), "stride beyond the window"),
    (WIDE, (5, 5, 0, 5), "large tiles"),
    (WIDE, (5, 6, 2, 2), "large windows"),
    (WIDE, (12, 11, 0, 1), "global"),
    (normal(1, 1, 1, 1), (1, 1, 0, 1), "single"),
]


def _cubic(x, a=-0.75):
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def _resample(x, axis, new, corners):
    old = x.shape[axis]
    x, parts = np.moveaxis(x, axis, 0), []
    for i in range(new):
        if corners:
            at = i * (old - 1) / (new - 1) if new > 1 else 0.0
        else:
            at = (i + 0.5) * old / new - 0.5
        first = int(np.floor(at)) - 1
        parts.append(sum(_cubic(at - k) * x[min(max(k, 0), old - 1)] for k in range(first, first + 4)))
    return np.moveaxis(np.array(parts), 0, axis)


def bicubic(x, size=None, scale_factor=None, mode="bicubic", align_corners=False):
    factors = _pair(scale_factor) if size is None else None
    size = size or [int(side * factor) for side, factor in zip(x.shape[2:], factors, strict=True)]
    rows, columns = _pair(size)
    return _resample(_resample(x, 2, rows, align_corners), 3, columns, align_corners)


def _torch_bicubic(x, size, scale_factor=None, mode="bicubic", align_corners=False):
    import torch

    return torch.nn.functional.interpolate(x, size, mode="bicubic", align_corners=align_corners)


IMAGES = normal(2, 2, 5, 6)

CASES = [
    *[
        Case("avg_pool2d_op", [x, *s], avg_pool, torch=_torch_avg, note=n)
        for x, s, n in SETTINGS
        if n != "wide padding"
    ],
    Case("avg_pool2d_op", [X, 4, 4, 3, 2], avg_pool, note="wide padding"),
    Case("avg_pool2d_op", [X, 2, 3, (1, 0), [1, 2]], avg_pool, note="pairs"),
    Case("avg_pool2d_op", [np.zeros((0, 2, 4, 4)), 2, 2, 0, 2], avg_pool, onnx="no images", note="empty batch"),
    *[
        Case("max_pool2d_op", [x, *s], max_pool, torch=_torch_max, grads=_max_pool_gradient, note=n)
        for x, s, n in SETTINGS
    ],
    *[
        Case("max_pool2d_op", [TIES, *s], max_pool, torch=_torch_max, grads=_max_pool_gradient, note=f"ties {s}")
        for s in [(2, 2, 0, 2), (3, 3, 1, 2), (3, 3, 1, 1), (5, 5, 2, 1)]
    ],
    Case("max_pool2d_op", [-np.abs(X), 3, 3, 1, 2], max_pool, torch=_torch_max, note="padding never wins"),
    Case(
        "max_pool2d_op",
        [np.where(TIES > 1, np.nan, TIES), 2, 2, 0, 2],
        max_pool,
        grad="NaN",
        onnx="ONNX Runtime drops NaN",
        note="NaN stays",
    ),
    Case("max_pool2d_op", [X, 2, 3, (1, 0), [1, 2]], max_pool, grads=_max_pool_gradient, note="pairs"),
    Case("max_pool2d_op", [np.zeros((0, 2, 4, 4)), 2, 2, 0, 2], max_pool, onnx="no images", note="empty batch"),
    *[
        Case(
            "interpolate_op",
            [IMAGES, size],
            bicubic,
            kwargs={"align_corners": corners},
            torch=_torch_bicubic,
            note=f"{size}{' corners' if corners else ''}",
        )
        for size in [(10, 12), (3, 4), (5, 6), (7, 1), (1, 1)]
        for corners in (False, True)
    ],
    Case("interpolate_op", [IMAGES], bicubic, kwargs={"scale_factor": 2}, note="scale"),
    Case("interpolate_op", [IMAGES], bicubic, kwargs={"scale_factor": (1.5, 0.5)}, note="two scales"),
    Case("interpolate_op", [IMAGES, (8, 3), 2], bicubic, note="size before scale"),
    Case("interpolate_op", [normal(1, 1, 1, 1), 3], bicubic, note="single"),
]
