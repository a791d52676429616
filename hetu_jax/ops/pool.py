"""Pooling and resampling of images, NCHW."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..graph import op
from .conv import need_rank, pair, rows_and_columns, window_counts

_FEW = 4  # the longest window side for which shifted slices are always the cheaper form


def _checked(node_A, kernel_H, kernel_W, padding, stride, channel_axis):
    """The images as floats; window, padding, stride and numbers of windows as pairs (down, across)."""
    need_rank(node_A, 4, "the input (N, C, H, W)")
    kernel = pair((kernel_H, kernel_W), "(kernel_H, kernel_W)", 1)
    padding, stride = pair(padding, "padding", 0), pair(stride, "stride", 1)
    sides = [node_A.shape[axis] for axis in rows_and_columns(channel_axis)]
    counts = window_counts(sides, kernel, padding, stride)
    return node_A.astype(jnp.result_type(node_A, float)), kernel, padding, stride, counts


def _slide(images, kernel, padding, stride, counts, identity, combine, channel_axis):
    """`combine` over windows, first along the columns and then along the rows.

    XLA differentiates slices of phases (every stride-th row) many times faster than it does reduce_window.
    """
    whole = [(n + (k - 1) // s) * s for n, k, s in zip(counts, kernel, stride, strict=True)]
    axes, pads = rows_and_columns(channel_axis), [(0, 0, 0)] * 4
    for axis, length, before in zip(axes, whole, padding, strict=True):
        pads[axis] = (before, length - before - images.shape[axis], 0)
    images = lax.pad(images, np.array(identity, images.dtype), pads)
    for i in (1, 0):
        images = _combine_along(images, axes[i], kernel[i], stride[i], counts[i], combine)
    return images


def _combine_along(images, axis, kernel, stride, count, combine):
    """`combine` over the `count` windows along one axis, whose length is a multiple of the stride."""
    before, after = images.shape[:axis], images.shape[axis + 1 :]
    phases = images.reshape(*before, images.shape[axis] // stride, stride, *after)

    def nth_of_each(i):
        phase = lax.index_in_dim(phases, i % stride, axis + 1, keepdims=False)
        return lax.slice_in_dim(phase, i // stride, i // stride + count, axis=axis)

    return functools.reduce(combine, map(nth_of_each, range(kernel)))


def _first_max(a, b):
    """The larger one, a where they are equal: jnp.maximum would halve the gradient there."""
    return jnp.where((b > a) | jnp.isnan(b), b, a)


@op
def avg_pool2d_op(node_A, kernel_H, kernel_W, padding, stride, *, channel_axis=1):
    """Mean over windows, in which the zeros of the padding count.

    node_A: (N, C, H, W), float.  kernel_H, kernel_W: the window.
    padding: zeros on each side; an int or a pair (height, width).  stride: likewise.  Padding comes before stride.
    Returns: (N, C, floor((H + 2 padding - kernel_H) / stride) + 1, columns likewise), same dtype.
    """
    images, kernel, padding, stride, counts = _checked(node_A, kernel_H, kernel_W, padding, stride, channel_axis)
    if kernel == stride and padding == (0, 0):
        mean = _mean_of_tiles if max(kernel) > _FEW else _mean_of_small_tiles
        return mean(images, kernel, counts, channel_axis)
    return _slide(images, kernel, padding, stride, counts, 0, lax.add, channel_axis) / (kernel_H * kernel_W)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1, 2, 3))
def _mean_of_small_tiles(images, kernel, counts, channel_axis):
    """The same as `_mean_of_tiles`, which it differentiates as: slices are the faster way there, tiles the way back."""
    return _slide(images, kernel, (0, 0), kernel, counts, 0, lax.add, channel_axis) / math.prod(kernel)


@_mean_of_small_tiles.defjvp
def _of_small_tiles(kernel, counts, channel_axis, images, moved):
    return (
        _mean_of_small_tiles(*images, kernel, counts, channel_axis),
        _mean_of_tiles(*moved, kernel, counts, channel_axis),
    )


def _mean_of_tiles(images, kernel, counts, channel_axis):
    """The mean of windows that neither overlap nor leave gaps."""
    first, second = rows_and_columns(channel_axis)
    for axis, count, side in ((second, counts[1], kernel[1]), (first, counts[0], kernel[0])):
        images = lax.slice_in_dim(images, 0, count * side, axis=axis)
        images = images.reshape(*images.shape[:axis], count, side, *images.shape[axis + 1 :])
    return images.mean((first + 1, second + 2))


@op
def max_pool2d_op(node_A, kernel_H, kernel_W, padding, stride, *, channel_axis=1):
    """Maximum over windows, to which the padding never contributes; the first maximum of a window takes the gradient.

    node_A: (N, C, H, W), float.  kernel_H, kernel_W: the window.
    padding: on each side; an int or a pair (height, width).  stride: likewise.  Padding comes before stride.
    Returns: (N, C, floor((H + 2 padding - kernel_H) / stride) + 1, columns likewise), same dtype.
    """
    images, kernel, padding, stride, counts = _checked(node_A, kernel_H, kernel_W, padding, stride, channel_axis)
    if max(kernel) <= _FEW:
        return _slide(images, kernel, padding, stride, counts, -np.inf, _first_max, channel_axis)
    window, strides, pads = [1] * 4, [1] * 4, [(0, 0)] * 4
    for i, axis in enumerate(rows_and_columns(channel_axis)):
        window[axis], strides[axis], pads[axis] = kernel[i], stride[i], (padding[i], padding[i])
    return lax.reduce_window(images, np.array(-np.inf, images.dtype), lax.max, window, strides, pads)


@op
def interpolate_op(input, size=None, scale_factor=None, mode="bicubic", align_corners=False):
    """Bicubic resampling of images (Keys' kernel with a = -0.75, edges repeated), as PyTorch's with an explicit size.

    input: (N, C, H, W), float.  size: rows and columns of the result; a pair, or one int for both.
    scale_factor: where there is no size, a number or a pair; the size is floor(scale_factor * side).
    mode: 'bicubic'.  align_corners: map corner pixels onto corner pixels, rather than edges onto edges.
    Returns: (N, C, rows, columns), same dtype.
    """
    need_rank(input, 4, "the input (N, C, H, W)")
    if mode != "bicubic":
        raise ValueError(f"interpolate_op knows mode='bicubic' only, not {mode!r}")
    images = input.astype(jnp.result_type(input, float))
    rows, columns = _target_size(input.shape[2:], size, scale_factor)
    down = jnp.asarray(_bicubic(input.shape[2], rows, align_corners), images.dtype)
    across = jnp.asarray(_bicubic(input.shape[3], columns, align_corners), images.dtype)
    return jnp.einsum("rh,nchw,sw->ncrs", down, images, across, precision=lax.Precision.HIGHEST)


def _target_size(sides, size, scale_factor):
    if size is not None:
        return pair(size, "size", 1)
    if scale_factor is None:
        raise ValueError("interpolate_op needs a size or a scale_factor")
    factors = scale_factor if isinstance(scale_factor, tuple | list) else (scale_factor, scale_factor)
    return pair([int(side * factor) for side, factor in zip(sides, factors, strict=True)], "the scaled size", 1)


def _bicubic(old, new, align_corners):
    """The weights (new, old) by which one side is resampled."""
    centres = np.arange(new)
    if align_corners:
        source = centres * ((old - 1) / (new - 1) if new > 1 else 0.0)
    else:
        source = (centres + 0.5) * (old / new) - 0.5
    taps = np.floor(source).astype(int)[:, None] + np.arange(-1, 3)
    weights = np.zeros((new, old))
    np.add.at(weights, (centres[:, None], taps.clip(0, old - 1)), _keys(np.abs(source[:, None] - taps)))
    return weights


def _keys(distance, a=-0.75):
    """Keys' cubic convolution kernel at distances of at most 2."""
    near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
    far = a * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, far)
