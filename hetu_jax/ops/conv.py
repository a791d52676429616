"""Convolutions, NCHW, filters OIHW."""

from numbers import Integral

import jax.numpy as jnp

from ..graph import op
from . import outer, winograd


def pair(value, what, least):
    """`value` as a pair of ints (height, width), each at least `least`.

    value: an int, or a tuple or list of two.  what: names it in the message.
    Raises ValueError for anything else.
    """
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2 or not all(isinstance(v, Integral) and v >= least for v in both):
        raise ValueError(
            f"{what} must be an int or a pair (height, width) of ints, each at least {least}, not {value!r}"
        )
    return int(both[0]), int(both[1])


def window_counts(sides, window, padding, stride):
    """The numbers of windows down and across; raises ValueError where not even one fits."""
    axes = zip(sides, window, padding, stride, strict=True)
    counts = tuple((side + 2 * p - k) // s + 1 for side, k, p, s in axes)
    if min(counts) < 1:
        raise ValueError(
            f"a window of {tuple(window)} does not fit into images of {tuple(sides)} padded by {padding}: "
            "take a smaller window or more padding"
        )
    return counts


def need_rank(array, rank, what):
    """Raises ValueError unless `array`, called `what` in the message, has `rank` axes."""
    if array.ndim != rank:
        raise ValueError(
            f"{what} must have {rank} axes, not {array.ndim} as shape {array.shape} has: "
            "bring it into shape with array_reshape_op"
        )


def rows_and_columns(channel_axis):
    """The axes of images that count rows and columns, where the channels are on axis 1 or last."""
    return (2, 3) if channel_axis == 1 else (1, 2)


def _conv2d(node_A, node_B, padding, stride, channel_axis, spread):
    need_rank(node_A, 4, "the input (N, C, H, W)")
    need_rank(node_B, 4, "the filter (O, C, kh, kw)")
    if node_A.shape[channel_axis] != node_B.shape[1]:
        last = channel_axis == 1 and node_A.shape[-1] == node_B.shape[1]
        hint = "; it seems to be (N, H, W, C): transpose_op(x, [0, 3, 1, 2]) makes it (N, C, H, W)" if last else ""
        raise ValueError(
            f"the input {node_A.shape} has {node_A.shape[channel_axis]} channels (axis 1), and the filter "
            f"{node_B.shape} is for {node_B.shape[1]} (axis 1): make them agree{hint}"
        )
    padding, stride = pair(padding, "padding", 0), pair(stride, "stride", 1)
    sides = [node_A.shape[axis] for axis in rows_and_columns(channel_axis)]
    window_counts(sides, node_B.shape[2:], padding, stride)
    dtype = jnp.result_type(node_A, node_B, float)
    return convolution(node_A.astype(dtype), node_B.astype(dtype), padding, stride, channel_axis, spread)


def convolution(images, filters, padding, stride, channel_axis, spread):
    """The convolution of images with filters (O, C, kh, kw), in the way that is the fastest.

    spread: a `parallel.Spread`, or None on one device.
    """
    by_channel = spread is not None and spread.by_channel
    if by_channel:
        images = spread.whole(images)
    result = _fastest(images, filters, padding, stride, channel_axis, spread)
    return spread.split(result, channel_axis) if by_channel else result


def _fastest(images, filters, padding, stride, channel_axis, spread):
    if channel_axis == 1:
        return winograd.by_definition(images, filters, padding, stride, "NCHW")
    tile = winograd.best_tile(images, filters, padding, stride, spread)
    if tile:
        return winograd.convolve(images, filters, padding, stride[0], tile, spread)
    if filters.shape[2:] == (1, 1) and padding == (0, 0):
        return outer.product(images[:, :: stride[0], :: stride[1]], filters[:, :, 0, 0].T)
    return winograd.by_definition(images, filters, padding, stride, "NHWC")


def _per_channel(vector, what, channel_axis=1):
    """One number per channel, ready to broadcast against images."""
    if vector.size != max(vector.shape, default=1):
        raise ValueError(f"{what} must have one element per channel, not shape {vector.shape}")
    return vector.reshape((1, -1, 1, 1) if channel_axis == 1 else (1, 1, 1, -1))


@op
def conv2d_op(node_A, node_B, padding=0, stride=1, *, channel_axis=1, spread=None):
    """Cross-correlation of images with filters: out[n, o, i, j] = sum of x[n, c, i s + a, j s + b] * f[o, c, a, b].

    node_A: (N, C, H, W), float.  node_B: filters (O, C, kh, kw), float.
    padding: zeros on each side; an int or a pair (height, width).  stride: likewise.  Padding comes before stride.
    Returns: (N, O, floor((H + 2 padding - kh) / stride) + 1, columns likewise), in the wider dtype of the two.
    """
    return _conv2d(node_A, node_B, padding, stride, channel_axis, spread)


@op
def conv2d_add_bias_op(node_A, node_B, bias, padding=0, stride=1, *, channel_axis=1, spread=None):
    """`conv2d_op` plus one number per output channel.

    node_A: (N, C, H, W), float.  node_B: filters (O, C, kh, kw), float.  bias: (O,), float.
    padding, stride, Returns: as of `conv2d_op`.
    """
    return _conv2d(node_A, node_B, padding, stride, channel_axis, spread) + _per_channel(bias, "bias", channel_axis)


@op
def conv2d_broadcastto_op(node_A, node_B):
    """One number per channel, repeated to the shape of images.

    node_A: (C,).  node_B: (N, C, H, W), gives its shape only.
    Returns: (N, C, H, W), the dtype of node_A.
    """
    need_rank(node_B, 4, "node_B (N, C, H, W)")
    return jnp.broadcast_to(_per_channel(node_A, "node_A"), node_B.shape)


@op
def conv2d_reducesum_op(node):
    """The sum over images, rows and columns: what a bias per channel gets as its gradient.

    node: (N, C, H, W).
    Returns: (C,), same dtype.
    """
    need_rank(node, 4, "the input (N, C, H, W)")
    return node.sum((0, 2, 3))
