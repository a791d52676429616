"""Import of ai.onnx: convolutions and pooling."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .arrays import astype, device, host, ints, is_float
from .operators import operator
from .windows import Windows, layout, spatial

PARTS = 8  # groups that are written out, as XLA's convolutions of groups are slow on CPUs


def convolved(X, W, windows, group, channel_axis=1):
    """The convolution of X with filters W, without a bias."""
    if group > 1 and jax.default_backend() == "cpu" and X.dtype in (np.float32, np.float64):
        if group == W.shape[0] == X.shape[channel_axis]:
            return _depthwise(X, W, windows, channel_axis)
        if group <= PARTS:
            pairs = zip(jnp.split(X, group, channel_axis), jnp.split(W, group), strict=True)
            return jnp.concatenate([_convolved(x, w, windows, 1, channel_axis) for x, w in pairs], channel_axis)
    return _convolved(X, W, windows, group, channel_axis)


def _convolved(X, W, windows, group, channel_axis):
    letters = layout(W.ndim - 2, channel_axis)
    return lax.conv_general_dilated(
        X,
        W,
        windows.strides,
        windows.pads,
        rhs_dilation=windows.dilations,
        dimension_numbers=(letters, layout(W.ndim - 2, 1).replace("NC", "OI"), letters),
        feature_group_count=group,
    )


def _depthwise(X, W, windows, channel_axis):
    """One filter for each channel: for each place in it X, shifted and scaled, which XLA makes one loop of."""
    first = 2 if channel_axis == 1 else 1
    padding = [(0, 0, 0)] * X.ndim
    padding[first : first + W.ndim - 2] = [(low, high, 0) for low, high in windows.pads]
    X = lax.pad(X, jnp.zeros((), X.dtype), padding)
    per_channel = [1] * X.ndim
    per_channel[channel_axis] = -1
    places = np.ndindex(*W.shape[2:])
    return sum(X[_met(place, first, windows)] * W[(slice(None), 0, *place)].reshape(per_channel) for place in places)


def _met(place, first, windows):
    """The elements that one place of a filter meets, its axes being those from number `first` on."""
    axes = zip(place, windows.counts, windows.strides, windows.dilations, strict=True)
    cuts = [slice(at * apart, at * apart + stride * (count - 1) + 1, stride) for at, count, stride, apart in axes]
    return (*[slice(None)] * first, *cuts)


def with_bias(Y, B, channel_axis=1):
    """Y plus one number per channel; Y where B is None."""
    shape = [1] * Y.ndim
    shape[channel_axis] = -1
    return Y if B is None else Y + device(B).reshape(shape)


@operator
def Conv(
    X,
    W,
    B=None,
    *,
    auto_pad="NOTSET",
    dilations=None,
    group=1,
    kernel_shape=None,
    pads=None,
    strides=None,
    channel_axis=1,
):
    X, W = device(X), device(W)
    windows = Windows(spatial(X.shape, channel_axis), W.shape[2:], strides, dilations, pads, auto_pad)
    return with_bias(convolved(X, W, windows, group, channel_axis), B, channel_axis)


@operator
def ConvTranspose(
    X,
    W,
    B=None,
    *,
    auto_pad="NOTSET",
    dilations=None,
    group=1,
    kernel_shape=None,
    output_padding=None,
    output_shape=None,
    pads=None,
    strides=None,
):
    X, W = device(X), device(W)
    rank = W.ndim - 2
    sides, strides, dilations = X.shape[2:], strides or (1,) * rank, dilations or (1,) * rank
    extra, reach = output_padding or (0,) * rank, [(k - 1) * d + 1 for k, d in zip(W.shape[2:], dilations, strict=True)]
    full = [s * (n - 1) + e + r for s, n, e, r in zip(strides, sides, extra, reach, strict=True)]
    cut = _cut(full, sides, strides, auto_pad, output_shape, pads)
    # Output channels first, kernels turned round: the transposed convolution is one over the spread-out input.
    filters = W.reshape(group, W.shape[0] // group, *W.shape[1:]).swapaxes(1, 2)
    filters = jnp.flip(filters.reshape(-1, W.shape[0] // group, *W.shape[2:]), range(2, 2 + rank))
    letters = layout(rank, 1)
    Y = lax.conv_general_dilated(
        X,
        filters,
        (1,) * rank,
        [(r - 1 - low, r - 1 - high + e) for r, (low, high), e in zip(reach, cut, extra, strict=True)],
        lhs_dilation=strides,
        rhs_dilation=dilations,
        dimension_numbers=(letters, letters.replace("NC", "OI"), letters),
        feature_group_count=group,
    )
    return with_bias(Y, B)


def _cut(full, sides, strides, auto_pad, output_shape, pads):
    """What a transposed convolution leaves out at both ends of each axis."""
    rank = len(full)
    if output_shape is None and auto_pad in ("NOTSET", "VALID"):
        pads = pads or (0,) * 2 * rank
        return list(zip(pads[:rank], pads[rank:], strict=True))
    wanted = output_shape or [n * s for n, s in zip(sides, strides, strict=True)]
    totals = [whole - length for whole, length in zip(full, wanted[-rank:], strict=True)]
    halves = [(total // 2, total - total // 2) for total in totals]
    return halves if auto_pad == "SAME_UPPER" else [(high, low) for low, high in halves]


def _shifted(x, zero_point):
    """Quantised numbers without their offset, as int32."""
    x = device(x).astype(jnp.int32)
    return x if zero_point is None else x - device(zero_point).astype(jnp.int32)


@operator
def ConvInteger(
    x,
    w,
    x_zero_point=None,
    w_zero_point=None,
    *,
    auto_pad="NOTSET",
    dilations=None,
    group=1,
    kernel_shape=None,
    pads=None,
    strides=None,
):
    if w_zero_point is not None and w_zero_point.ndim:
        w_zero_point = device(w_zero_point).reshape(-1, *[1] * (w.ndim - 1))
    x, w = _shifted(x, x_zero_point), _shifted(w, w_zero_point)
    return convolved(x, w, Windows(x.shape[2:], w.shape[2:], strides, dilations, pads, auto_pad), group)


def _pooled(X, windows, start, combine, channel_axis):
    """`combine` over windows, with `start` in the padding."""
    around = windows.around
    return lax.reduce_window(
        X,
        np.asarray(start, X.dtype),
        combine,
        around(windows.kernel, 1, channel_axis),
        around(windows.strides, 1, channel_axis),
        around(windows.pads, (0, 0), channel_axis),
        window_dilation=around(windows.dilations, 1, channel_axis),
    )


@operator
def AveragePool(
    X,
    *,
    auto_pad="NOTSET",
    ceil_mode=0,
    count_include_pad=0,
    dilations=None,
    kernel_shape,
    pads=None,
    strides=None,
    channel_axis=1,
):
    X = device(X)
    sides = spatial(X.shape, channel_axis)
    windows = Windows(sides, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    total = _pooled(X, windows, 0, lax.add, channel_axis)
    counts = windows.covered(bool(count_include_pad))
    return total / np.expand_dims(counts, (0, 1) if channel_axis == 1 else (0, counts.ndim + 1)).astype(X.dtype)


@operator
def LpPool(
    X, *, auto_pad="NOTSET", ceil_mode=0, dilations=None, kernel_shape, p=2, pads=None, strides=None, channel_axis=1
):
    X = device(X)
    sides = spatial(X.shape, channel_axis)
    windows = Windows(sides, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    return _pooled(jnp.abs(X) ** p, windows, 0, lax.add, channel_axis) ** (1 / p)


@operator
def MaxPool(
    X,
    *,
    auto_pad="NOTSET",
    ceil_mode=0,
    dilations=None,
    kernel_shape,
    pads=None,
    storage_order=0,
    strides=None,
    outputs,
):
    X = device(X)
    windows = Windows(X.shape[2:], kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    least = -np.inf if is_float(X) else np.iinfo(X.dtype).min
    highest = _pooled(X, windows, least, lax.max, 1)
    return highest if outputs == 1 else (highest, _where_highest(X, windows, least, storage_order))


def _where_highest(X, windows, least, storage_order):
    """The place of each window's maximum in the whole array, flat; spatial axes in column order if so asked."""
    padded = lax.pad(X, np.asarray(least, X.dtype), [(0, 0, 0)] * 2 + [(*pair, 0) for pair in windows.pads])
    flat = np.ravel_multi_index(
        np.ix_(*[np.arange(side) for side in windows.sides]), windows.sides, order="F" if storage_order else "C"
    )
    values, places = [], []
    for offsets in itertools.product(*map(range, windows.kernel)):
        covered = [windows.places(axis)[:, offset] for axis, offset in enumerate(offsets)]
        inside = np.ix_(*[c.clip(0, side - 1) for c, side in zip(covered, windows.sides, strict=True)])
        moved = np.ix_(*[c + low for c, (low, _) in zip(covered, windows.pads, strict=True)])
        values.append(padded[(..., *moved)])
        places.append(flat[inside])
    best = jnp.argmax(jnp.stack(values), axis=0)
    found = jnp.take_along_axis(jnp.asarray(np.stack(places)[:, None, None]), best[None], axis=0)[0]
    image = np.arange(math.prod(X.shape[:2])).reshape(*X.shape[:2], *[1] * len(windows.sides))
    return astype(found + image * math.prod(windows.sides), np.int64)


@operator
def MaxUnpool(X, I, output_shape=None, *, kernel_shape, pads=None, strides=None):  # noqa: E741, the standard's name
    """Zeros, with the values of X where the pooling that gave the indices `I` had found them."""
    rank = len(kernel_shape)
    pads, strides = pads or (0,) * 2 * rank, strides or (1,) * rank
    sides = [
        (n - 1) * s - pads[i] - pads[i + rank] + k
        for i, (n, s, k) in enumerate(zip(X.shape[2:], strides, kernel_shape, strict=True))
    ]
    shape = (*X.shape[:2], *sides)
    flat = jnp.zeros(math.prod(shape), X.dtype).at[device(I).reshape(-1)].set(device(X).reshape(-1))
    placed = flat.reshape(shape)
    if output_shape is None:
        return placed
    wanted = ints(output_shape, "the shape")
    return jnp.pad(placed, [(0, max(w - n, 0)) for w, n in zip(wanted, shape, strict=True)])


@operator
def MaxRoiPool(X, rois, *, pooled_shape, spatial_scale=1.0):
    """The maxima of the cells of a grid laid over each region (batch, x1, y1, x2, y2)."""
    X, rois = device(X), host(rois, "where the regions are")
    return jnp.stack([_region(X[int(roi[0])], np.round(roi[1:] * spatial_scale), pooled_shape) for roi in rois])


def _region(image, corners, pooled_shape):
    x1, y1, x2, y2 = (int(corner) for corner in corners)
    rows = _cells(y1, max(y2 - y1 + 1, 1), pooled_shape[0], image.shape[1])
    columns = _cells(x1, max(x2 - x1 + 1, 1), pooled_shape[1], image.shape[2])
    return jnp.stack([jnp.stack([_highest(image[:, a:b, c:d]) for c, d in columns], -1) for a, b in rows], -2)


def _cells(start, length, count, limit):
    edges = [(start + i * length // count, start - (-(i + 1) * length // count)) for i in range(count)]
    return [(min(max(a, 0), limit), min(max(b, 0), limit)) for a, b in edges]


def _highest(part):
    return part.max((1, 2)) if part.size else jnp.zeros(part.shape[0], part.dtype)
