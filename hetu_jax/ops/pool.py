"""Pooling and resampling of images, NCHW."""

import numpy as np
from jax import lax

from ..graph import op
from .conv import need_rank, pair


def _windows(node_A, kernel_H, kernel_W, padding, stride):
    """The window, strides and padding of each of the four axes."""
    need_rank(node_A, 4, "the input (N, C, H, W)")
    window = pair((kernel_H, kernel_W), "(kernel_H, kernel_W)", 1)
    strides, pads = pair(stride, "stride", 1), pair(padding, "padding", 0)
    for axis in range(2):
        if node_A.shape[2 + axis] + 2 * pads[axis] < window[axis]:
            raise ValueError(f"a window of {window} does not fit into images of {node_A.shape[2:]} padded by {pads}")
    return (1, 1, *window), (1, 1, *strides), ((0, 0), (0, 0), *((p, p) for p in pads))


@op
def avg_pool2d_op(node_A, kernel_H, kernel_W, padding, stride):
    """Mean over windows, in which the zeros of the padding count; floor((H + 2 padding - kernel_H) / stride) + 1 rows.

    node_A: (N, C, H, W), float.  kernel_H, kernel_W: the window.
    padding: zeros on each side; an int or a pair (height, width).  stride: likewise.  Padding comes before stride.
    Returns: (N, C, rows, columns), same dtype.
    """
    window, strides, pads = _windows(node_A, kernel_H, kernel_W, padding, stride)
    if window == strides and pads[2:] == ((0, 0), (0, 0)):
        return _mean_of_tiles(node_A, kernel_H, kernel_W)
    return lax.reduce_window(node_A, np.zeros((), node_A.dtype), lax.add, window, strides, pads) / (kernel_H * kernel_W)


def _mean_of_tiles(images, height, width):
    """The mean of windows that neither overlap nor leave gaps: XLA differentiates this form far faster."""
    n, c, h, w = images.shape
    rows, columns = h // height, w // width
    tiles = images[:, :, : rows * height, : columns * width].reshape(n, c, rows, height, columns, width)
    return tiles.mean((3, 5))


@op
def max_pool2d_op(node_A, kernel_H, kernel_W, padding, stride):
    """Maximum over windows, to which the padding never contributes; the first maximum of a window takes the gradient.

    node_A: (N, C, H, W), float.  kernel_H, kernel_W: the window.
    padding: on each side; an int or a pair (height, width).  stride: likewise.  Padding comes before stride.
    Returns: (N, C, floor((H + 2 padding - kernel_H) / stride) + 1, columns likewise), same dtype.
    """
    window, strides, pads = _windows(node_A, kernel_H, kernel_W, padding, stride)
    return lax.reduce_window(node_A, np.array(-np.inf, node_A.dtype), lax.max, window, strides, pads)
