"""Import of com.microsoft: operators that ai.onnx has by now, and others on plain arrays."""

import jax.numpy as jnp
import numpy as np

from . import import_image, import_index, import_math, import_shape
from .arrays import axis_of, device, ints, number, xp
from .operators import MICROSOFT, find, operator_of

contrib = operator_of(MICROSOFT)


@contrib
def GatherND_1(data, indices):
    return import_index.GatherND.fn(data, indices)


@contrib
def ExpandDims(X, axis):
    return xp.expand_dims(X, number(axis, "the axis"))


@contrib
def Pad_1(data, pads, value=None, *, mode="constant"):
    return import_shape.Pad.fn(
        data, xp.reshape(pads, (-1,)), None if value is None else xp.reshape(value, ()), mode=mode
    )


@contrib
def Trilu_1(X, k=0, *, upper=1):
    return import_shape.Trilu.fn(X, k, upper=upper)


@contrib
def Unique_1(x):
    """The elements in the order in which they come first, for each its place among them, and how often they come."""
    values, _, places, counts = import_index.Unique.fn(x, sorted=0)
    return values, places, counts


@contrib
def GridSample_1(X, Grid, *, align_corners=0, mode="bilinear", padding_mode="zeros"):
    return import_image.GridSample.fn(X, Grid, align_corners=align_corners, mode=mode, padding_mode=padding_mode)


@contrib
def Range_1(start, limit, delta=None):
    step = np.ones((), start.dtype) if delta is None else xp.reshape(delta, ())
    return find("", "Range", 11).fn(xp.reshape(start, ()), xp.reshape(limit, ()), step)


@contrib
def MatMulInteger16(A, B):
    return import_math.MatMul.fn(device(A).astype(jnp.int32), device(B).astype(jnp.int32))


@contrib
def TorchEmbedding(weight, indices, padding_idx=None, scale_grad_by_freq=None):
    """The rows at the indices.  padding_idx, scale_grad_by_freq: accepted without effect, as they say how to train."""
    return import_index.Gather.fn(weight, indices)


@contrib
def UnfoldTensor(input, *, dim=-1, size, step=1):
    """All slices of an axis that are `size` long, each `step` after the one before, in a new last axis."""
    axis = axis_of(dim, input.ndim)
    starts = np.arange(0, input.shape[axis] - size + 1, step)
    cut = xp.take(input, starts[:, None] + np.arange(size), axis=axis)
    return xp.moveaxis(cut, axis + 1, -1)


@contrib
def CDist(A, B, *, metric="sqeuclidean"):
    """The distance of each row of A from each row of B.  Raises ValueError for metrics that ONNX Runtime lacks too."""
    A, B = device(A), device(B)
    squares = jnp.square(A[:, None] - B).sum(-1)
    if metric not in ("euclidean", "sqeuclidean"):
        raise ValueError(f"the metric {metric!r} is neither euclidean nor sqeuclidean")
    return squares if metric == "sqeuclidean" else jnp.sqrt(squares)


def _complex(x):
    """Numbers of which the last axis holds the real and the imaginary part."""
    x = device(x)
    return x[..., 0] + 1j * x[..., 1]


def _parts(x):
    return jnp.stack([x.real, x.imag], axis=-1)


@contrib
def ComplexMul(A, B):
    return _parts(_complex(A) * _complex(B))


@contrib
def ComplexMulConj(A, B):
    return _parts(_complex(A) * _complex(B).conj())


@contrib
def Rfft(X, *, normalized=0, onesided=1, signal_ndim=1):
    """The transform of the last `signal_ndim` axes of real numbers, as real and imaginary parts."""
    X = device(X)
    return _parts(jnp.fft.rfftn(X, axes=range(X.ndim - signal_ndim, X.ndim)))


@contrib
def Irfft(X, *, normalized=0, onesided=1, signal_ndim):
    """The real numbers whose transform has these real and imaginary parts."""
    X = _complex(X)
    return jnp.fft.irfftn(X, axes=range(X.ndim - signal_ndim, X.ndim))


@contrib
def IsAllFinite(*input, isinf_only=0, isnan_only=0):
    """Whether no element is infinite or not a number, or is the one kind that is asked for."""
    bad = jnp.isinf if isinf_only else jnp.isnan if isnan_only else lambda x: ~jnp.isfinite(x)
    return ~jnp.any(jnp.stack([jnp.any(bad(device(x))) for x in input]))


@contrib
def CropAndResize(X, rois, batch_indices, crop_size, *, extrapolation_value=0.0, mode="bilinear"):
    """Regions (y1, x1, y2, x2), in parts of the image, of the images that `batch_indices` names, in one size.

    The corners of a region and of its result meet; what lies outside the image is `extrapolation_value`.
    """
    X, rois = device(X), device(rois)
    sizes = ints(crop_size, "the size")
    rows, columns = (_places(rois[:, i], rois[:, i + 2], X.shape[2 + i], sizes[i]) for i in range(2))
    images = X[device(batch_indices)]
    values = _between(_between(images, rows, 2, mode), columns, 3, mode)
    inside = _inside(rows, X.shape[2])[:, None, :, None] & _inside(columns, X.shape[3])[:, None, None, :]
    return jnp.where(inside, values, extrapolation_value)


def _places(first, last, side, count):
    """Where along an axis the samples of each region lie, (regions, count)."""
    if count == 1:
        return ((first + last) * (side - 1) / 2)[:, None]
    return (first[:, None] + (last - first)[:, None] * np.arange(count) / (count - 1)) * (side - 1)


def _inside(places, side):
    return (places >= 0) & (places <= side - 1)


def _between(images, places, axis, mode):
    """The values of each image at its places along an axis."""
    shape = [len(places), 1, 1, 1]
    shape[axis] = -1
    side = images.shape[axis]

    def at(whole):
        clipped = jnp.clip(whole, 0, side - 1).astype(jnp.int32)
        return jnp.take_along_axis(images, clipped.reshape(shape), axis=axis)

    if mode == "nearest":
        return at(jnp.floor(places + 0.5))
    low = jnp.floor(places)
    part = (places - low).reshape(shape)
    return at(low) * (1 - part) + at(low + 1) * part
