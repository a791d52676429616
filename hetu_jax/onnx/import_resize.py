"""Import of ai.onnx: Resize and Upsample."""

import jax.numpy as jnp
import numpy as np

from .arrays import axis_of, device, host, ints, is_float
from .operators import operator

_FEW = 8  # the number of neighbours up to which they are gathered one by one


def _positions(mode, new, old, scale, whole, roi):
    """Where the places of the new axis lie on the old one.

    scale: new over old as it was asked for.  whole: the new length before it was rounded.  roi: start and end.
    """
    places = np.arange(new, dtype=np.float64)
    if mode == "align_corners":
        return places * ((old - 1) / (whole - 1)) if whole > 1 else places
    if mode == "asymmetric":
        return places / scale
    if mode == "tf_half_pixel_for_nn":
        return (places + 0.5) / scale
    if mode == "tf_crop_and_resize":
        start, end = roi
        if new == 1:
            return np.array([0.5 * (start + end) * (old - 1)])
        return start * (old - 1) + places * ((end - start) * (old - 1) / (new - 1))
    if mode == "pytorch_half_pixel" and new == 1:
        return np.zeros(1)
    moved = (places + 0.5) / scale - 0.5
    return moved + old / 2 * (1 - new / whole) if mode == "half_pixel_symmetric" else moved


def _cubic(a):
    """Keys' kernel."""

    def kernel(distance):
        t = np.abs(distance)
        near = ((a + 2) * t - (a + 3)) * t**2 + 1
        far = a * (((t - 5) * t + 8) * t - 4)
        return np.where(t <= 1, near, np.where(t < 2, far, 0))

    return kernel


def _triangle(distance):
    return np.clip(1 - np.abs(distance), 0, 1)


def _neighbours(positions, old, kernel, radius, shrink, exclude_outside):
    """The indices and weights (new, taps) of what each place is mixed from.

    shrink: below 1 the kernel is that much wider, so that nothing is left out when an axis gets shorter.
    """
    taps = np.arange(int(np.floor(-radius / shrink)) + 1, int(np.ceil(radius / shrink)) + 1)
    indices = np.floor(positions).astype(int)[:, None] + taps
    weights = kernel((indices - positions[:, None]) * shrink)
    if exclude_outside:
        weights = np.where((indices >= 0) & (indices < old), weights, 0)
    return indices.clip(0, old - 1), weights / weights.sum(1, keepdims=True)


def _mixed(x, axis, indices, weights):
    """x along an axis as weighted sums of neighbours."""
    if indices.shape[1] > _FEW:
        matrix = np.zeros((len(indices), x.shape[axis]))
        np.add.at(matrix, (np.arange(len(indices))[:, None], indices), weights)
        moved = jnp.tensordot(x, jnp.asarray(matrix, x.dtype), axes=(axis, 1), precision="highest")
        return jnp.moveaxis(moved, -1, axis)
    shape = [1] * x.ndim
    shape[axis] = -1
    parts = [
        jnp.take(x, indices[:, tap], axis=axis) * weights[:, tap].reshape(shape).astype(x.dtype)
        for tap in range(indices.shape[1])
    ]
    return sum(parts[1:], parts[0])


_NEAREST = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def _sizes(x, axes, scales, sizes, policy, roi):
    """For each axis that changes: its new length, the scale, and the length before it was rounded."""
    found = {}
    if scales is not None:
        for axis, scale, (start, end) in zip(axes, host(scales, "the scales").tolist(), roi, strict=True):
            whole = x.shape[axis] * (end - start) * scale
            found[axis] = int(np.floor(whole)), scale, whole
        return found
    sizes = ints(sizes, "the sizes")
    ratios = [size / x.shape[axis] for axis, size in zip(axes, sizes, strict=True)]
    if policy != "stretch":
        ratios = [min(ratios) if policy == "not_larger" else max(ratios)] * len(axes)
        sizes = [int(np.floor(ratio * x.shape[axis] + 0.5)) for axis, ratio in zip(axes, ratios, strict=True)]
    return {axis: (size, ratio, size) for axis, size, ratio in zip(axes, sizes, ratios, strict=True)}


@operator
def Resize_11(
    X,
    roi=None,
    scales=None,
    sizes=None,
    *,
    antialias=0,
    axes=None,
    coordinate_transformation_mode="half_pixel",
    cubic_coeff_a=-0.75,
    exclude_outside=0,
    extrapolation_value=0.0,
    keep_aspect_ratio_policy="stretch",
    mode="nearest",
    nearest_mode="round_prefer_floor",
):
    axes = range(X.ndim) if axes is None else [axis_of(axis, X.ndim) for axis in axes]
    scales, sizes = (None if v is None or np.size(v) == 0 else v for v in (scales, sizes))
    crops = coordinate_transformation_mode == "tf_crop_and_resize"
    corners = np.reshape(host(roi, "the region"), (2, -1)).T if crops else np.tile([0.0, 1.0], (len(axes), 1))
    changes = _sizes(X, axes, scales, sizes, keep_aspect_ratio_policy, corners)
    Y, outside = device(X), {}
    dtype = Y.dtype
    Y = Y if is_float(Y) or mode == "nearest" else Y.astype(jnp.float32)
    for (axis, (new, scale, whole)), corner in zip(changes.items(), corners, strict=True):
        old = X.shape[axis]
        positions = _positions(coordinate_transformation_mode, new, old, scale, whole, corner)
        if crops:
            outside[axis] = (positions < 0) | (positions > old - 1)
        if new == old and np.array_equal(positions, np.arange(new)):
            continue
        if mode == "nearest":
            Y = jnp.take(Y, _NEAREST[nearest_mode](positions).clip(0, old - 1).astype(int), axis=axis)
            continue
        kernel, radius = (_triangle, 1) if mode == "linear" else (_cubic(cubic_coeff_a), 2)
        shrink = min(scale, 1.0) if antialias else 1.0
        Y = _mixed(Y, axis, *_neighbours(positions, old, kernel, radius, shrink, exclude_outside))
    for axis, beyond in outside.items():
        Y = jnp.where(beyond.reshape([-1 if i == axis else 1 for i in range(Y.ndim)]), extrapolation_value, Y)
    return Y if Y.dtype == dtype else jnp.round(Y).astype(dtype)


@operator
def Upsample(X, scales=None, *, mode="nearest", height_scale=None, width_scale=None):
    """X stretched by `scales`, or, in the first version, by one scale for the rows and one for the columns."""
    scales = np.array([1, 1, height_scale, width_scale]) if scales is None else scales
    return Resize_11.fn(
        X,
        None,
        scales,
        mode={"bilinear": "linear"}.get(mode, mode),
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


@operator
def Resize(X, scales, *, mode="nearest"):
    """The first version: as Upsample, also to smaller sizes."""
    return Upsample.fn(X, scales, mode=mode)
