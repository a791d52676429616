"""Import of ai.onnx: sampling images at computed places."""

import itertools
import math

import jax.numpy as jnp
import numpy as np

from .arrays import device, host, ints
from .import_conv import with_bias
from .operators import operator
from .windows import Windows


def picked(X, indices):
    """X (N, C, sides) at whole places, one (N, ...) array a side, as (N, ..., C); zeros outside."""
    inside = jnp.ones((), bool)
    for place, side in zip(indices, X.shape[2:], strict=True):
        inside &= (place >= 0) & (place < side)
    sample = jnp.arange(X.shape[0]).reshape(-1, *[1] * (indices[0].ndim - 1))
    clipped = [place.clip(0, side - 1) for place, side in zip(indices, X.shape[2:], strict=True)]
    return jnp.where(inside[..., None], jnp.moveaxis(X, 1, -1)[(sample, *clipped)], 0)


def interpolated(X, places, taps, weigh, fetch=picked):
    """X at fractional places, one (N, ...) array a side, as (N, ..., C).

    taps: the neighbours' offsets from the whole place below.  weigh: their weights by distance along one side.
    fetch: gives X at whole places.
    """
    below = [jnp.floor(place).astype(jnp.int32) for place in places]
    total = 0
    for offsets in itertools.product(taps, repeat=len(places)):
        indices = [b + offset for b, offset in zip(below, offsets, strict=True)]
        weights = [weigh(index - place) for index, place in zip(indices, places, strict=True)]
        total = total + fetch(X, indices) * math.prod(weights)[..., None]
    return total


def triangle(distance):
    """The weights of linear interpolation."""
    return 1 - jnp.abs(distance)


def keys(distance, a=-0.75):
    """The weights of cubic interpolation."""
    t = jnp.abs(distance)
    return jnp.where(t <= 1, ((a + 2) * t - (a + 3)) * t**2 + 1, a * (((t - 5) * t + 8) * t - 4))


def _reflected(place, low, high):
    """A place outside [low, high] thrown back into it as often as it takes."""
    span = high - low
    inside = (place - low) % (2 * span)
    return low + jnp.where(inside > span, 2 * span - inside, inside)


def _moved_in(place, side, padding_mode, align_corners):
    """A place outside the image, moved into it as the padding mode says."""
    low, high = (0, side - 1) if align_corners else (-0.5, side - 0.5)
    if padding_mode == "border":
        return place.clip(0, side - 1)
    if padding_mode == "reflection":
        return jnp.where((place < low) | (place > high), _reflected(place, low, high), place)
    return place


@operator
def GridSample(X, grid, *, align_corners=0, mode="linear", padding_mode="zeros"):
    """X at the places of a grid, from -1 to 1 along each side, the last side first."""
    X, grid = device(X), device(grid)
    sides, cubic = X.shape[2:], mode in ("cubic", "bicubic")  # of which each neighbour is moved in, as in PyTorch
    places = []
    for side, place in zip(sides, jnp.moveaxis(grid, -1, 0)[::-1], strict=True):
        place = (place + 1) / 2 * (side - 1) if align_corners else ((place + 1) * side - 1) / 2
        place = jnp.round(place) if mode == "nearest" else place
        places.append(place if cubic else _moved_in(place, side, padding_mode, align_corners))

    def fetch(X, indices):
        moved = [_moved_in(i, side, padding_mode, align_corners) for i, side in zip(indices, sides, strict=True)]
        return picked(X, [m.astype(jnp.int32) for m in moved])

    if mode == "nearest":
        found = fetch(X, [jnp.round(place).astype(jnp.int32) for place in places])
    elif cubic:
        found = interpolated(X, places, (-1, 0, 1, 2), keys, fetch)
    else:
        found = interpolated(X, places, (0, 1), triangle, fetch)
    return jnp.moveaxis(found, -1, 1).astype(X.dtype)


@operator
def AffineGrid(theta, size, *, align_corners=0):
    sides = ints(size, "the size")[2:]
    axes = [np.linspace(-1, 1, n) if align_corners else (2 * np.arange(n) + 1) / n - 1 for n in sides]
    points = np.stack([*np.meshgrid(*axes, indexing="ij")[::-1], np.ones(sides)], axis=-1)
    theta = device(theta)
    return jnp.einsum("...k,nik->n...i", points.astype(theta.dtype), theta, precision="highest")


def _aligned_regions(X, rois, batch_indices, size, ratio, scale, mode, shift):
    """The mean or maximum of points in the cells of a grid over each region."""
    X, rois, batch = device(X), device(rois), device(batch_indices)
    x1, y1, x2, y2 = (rois * scale - shift).T
    width, height = x2 - x1, y2 - y1
    if not shift:
        width, height = jnp.maximum(width, 1), jnp.maximum(height, 1)
    if ratio:
        return _region_cells(X[batch], (y1, x1), (height, width), size, (ratio, ratio), mode)
    # The number of points follows from the size of each region, so the regions are taken one by one.
    counts = [
        np.ceil(host(length, "the sizes of regions") / n).astype(int)
        for length, n in zip((height, width), size, strict=True)
    ]
    cells = [
        _region_cells(
            X[batch[i]][None],
            (y1[i : i + 1], x1[i : i + 1]),
            (height[i : i + 1], width[i : i + 1]),
            size,
            per_cell,
            mode,
        )
        for i, per_cell in enumerate(zip(*(np.maximum(count, 1).tolist() for count in counts), strict=True))
    ]
    return jnp.concatenate(cells) if cells else jnp.zeros((0, X.shape[1], *size), X.dtype)


def _region_cells(images, starts, lengths, size, counts, mode):
    """One region of each image: (regions, C, rows, columns)."""
    places = []
    for start, length, cells, points, side in zip(starts, lengths, size, counts, images.shape[2:], strict=True):
        inside = ((np.arange(cells)[:, None] + (np.arange(points) + 0.5) / points) / cells).astype(start.dtype)
        places.append((start[:, None, None] + length[:, None, None] * inside, side))
    (rows, height), (columns, width) = places
    rows, columns = jnp.broadcast_arrays(rows[:, :, None, :, None], columns[:, None, :, None, :])
    beyond = (rows < -1) | (rows > height) | (columns < -1) | (columns > width)
    clipped = [rows.clip(0, height - 1), columns.clip(0, width - 1)]
    if mode == "avg":
        found = interpolated(images, clipped, (0, 1), triangle)
        found = jnp.where(beyond[..., None], 0, found).mean((3, 4))
    else:
        found = jnp.where(beyond[..., None], 0, _largest_share(images, clipped)).max((3, 4))
    return jnp.moveaxis(found, -1, 1)


def _largest_share(images, places):
    """The largest of the four weighted neighbours of a place, which is what the operator's maximum is over."""
    below = [jnp.floor(place).astype(jnp.int32) for place in places]
    shares = []
    for offsets in itertools.product((0, 1), repeat=2):
        indices = [b + offset for b, offset in zip(below, offsets, strict=True)]
        weights = [triangle(index - place) for index, place in zip(indices, places, strict=True)]
        shares.append(picked(images, indices) * math.prod(weights)[..., None])
    return jnp.max(jnp.stack(shares), axis=0)


@operator
def RoiAlign(
    X, rois, batch_indices, *, mode="avg", output_height=1, output_width=1, sampling_ratio=0, spatial_scale=1.0
):
    size = output_height, output_width
    return _aligned_regions(X, rois, batch_indices, size, sampling_ratio, spatial_scale, mode, 0)


@operator
def RoiAlign_16(
    X,
    rois,
    batch_indices,
    *,
    coordinate_transformation_mode="half_pixel",
    mode="avg",
    output_height=1,
    output_width=1,
    sampling_ratio=0,
    spatial_scale=1.0,
):
    shift = 0.5 if coordinate_transformation_mode == "half_pixel" else 0
    size = output_height, output_width
    return _aligned_regions(X, rois, batch_indices, size, sampling_ratio, spatial_scale, mode, shift)


@operator
def Col2Im(input, image_shape, block_shape, *, dilations=None, pads=None, strides=None):
    """The sum of blocks (N, C * size of a block, blocks) laid at their places in an image."""
    sides, block = ints(image_shape, "the shape of the image"), ints(block_shape, "the shape of the blocks")
    windows, rank = Windows(sides, block, strides, dilations, pads), len(block)
    low, high = zip(*windows.pads, strict=True)
    columns = device(input).reshape(input.shape[0], -1, *block, *windows.counts)
    image = jnp.zeros((*columns.shape[:2], *(a + n + b for a, n, b in zip(low, sides, high, strict=True))), input.dtype)
    for offsets in itertools.product(*map(range, block)):
        covered = np.ix_(*[windows.places(axis)[:, offset] + low[axis] for axis, offset in enumerate(offsets)])
        image = image.at[(..., *covered)].add(columns[(slice(None), slice(None), *offsets)])
    return image[(..., *(slice(low[axis], low[axis] + sides[axis]) for axis in range(rank)))]


@operator
def DeformConv(
    X,
    W,
    offset,
    B=None,
    mask=None,
    *,
    dilations=None,
    group=1,
    kernel_shape=None,
    offset_group=1,
    pads=None,
    strides=None,
):
    """A convolution whose filters look at places moved by `offset`, and weighted by `mask`."""
    X, W = device(X), device(W)
    kernel, rank = W.shape[2:], W.ndim - 2
    windows = Windows(X.shape[2:], kernel, strides, dilations, pads)
    taps, batch = math.prod(kernel), X.shape[0]
    moves = device(offset).reshape(batch, offset_group, *kernel, rank, *windows.counts)
    places = []
    for axis in range(rank):
        shape = [1] * (2 * rank)
        shape[axis], shape[rank + axis] = kernel[axis], windows.counts[axis]
        regular = windows.places(axis).T.reshape(shape)
        moved = moves[(slice(None),) * (2 + rank) + (axis,)] + regular
        places.append(moved.reshape(batch * offset_group, *moved.shape[2:]))
    images = X.reshape(batch * offset_group, -1, *X.shape[2:])
    values = interpolated(images, places, (0, 1), triangle)
    if mask is not None:
        values = values * device(mask).reshape(*places[0].shape, 1)
    # (N, channels, taps, windows), the channels of an offset group together
    values = jnp.moveaxis(values.reshape(batch, offset_group, taps, -1, images.shape[1]), -1, 2)
    values = values.reshape(batch, group, X.shape[1] // group, taps, -1)
    filters = W.reshape(group, W.shape[0] // group, -1, taps)
    Y = jnp.einsum("ngctw,goct->ngow", values, filters, precision="highest")
    return with_bias(Y.reshape(batch, W.shape[0], *windows.counts), B)
