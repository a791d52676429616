"""Convolutions, NCHW, filters OIHW."""

import jax.numpy as jnp
from jax import lax

from ..graph import op


def pair(value, what, least):
    """`value` as a pair of ints (height, width), each at least `least`.

    value: an int, or a tuple or list of two.  what: names it in the message.
    Raises ValueError for anything else.
    """
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2 or any(int(v) != v or v < least for v in both):
        raise ValueError(
            f"{what} must be an int or a pair (height, width) of ints, each at least {least}, not {value!r}"
        )
    return int(both[0]), int(both[1])


def need_rank(array, rank, what):
    """Raises ValueError unless `array`, called `what` in the message, has `rank` axes."""
    if array.ndim != rank:
        raise ValueError(f"{what} must have {rank} axes, not shape {array.shape}")


def _conv2d(node_A, node_B, padding, stride):
    need_rank(node_A, 4, "the input (N, C, H, W)")
    need_rank(node_B, 4, "the filter (O, C, kh, kw)")
    if node_A.shape[1] != node_B.shape[1]:
        raise ValueError(
            f"the input {node_A.shape} and the filter {node_B.shape} differ in their channels, axis 1 of both"
        )
    dtype = jnp.result_type(node_A, node_B, float)
    return lax.conv_general_dilated(
        node_A.astype(dtype),
        node_B.astype(dtype),
        window_strides=pair(stride, "stride", 1),
        padding=[(p, p) for p in pair(padding, "padding", 0)],
        dimension_numbers=("NCHW", "OIHW", "NCHW"),
    )


@op
def conv2d_op(node_A, node_B, padding=0, stride=1):
    """Cross-correlation of images with filters; floor((H + 2 padding - kh) / stride) + 1 rows, columns likewise.

    node_A: (N, C, H, W), float.  node_B: filters (O, C, kh, kw), float.
    padding: zeros on each side; an int or a pair (height, width).  stride: likewise.  Padding comes before stride.
    Returns: (N, O, rows, columns), in the wider dtype of the two.
    """
    return _conv2d(node_A, node_B, padding, stride)
