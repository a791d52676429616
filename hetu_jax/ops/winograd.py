"""Convolutions with 3 x 3 and 5 x 5 filters in fewer multiplications, channels last, for CPUs.

A tile of m x m results takes (m + k - 1)^2 products for each pair of channels where the definition with k x k filters
takes (k m)^2; with 3 x 3 filters and stride 2, (2 m + 1)^2.  Before and after, images, filters and products change
base, which are sums: it pays where there are many channels.

Winograd, Arithmetic complexity of computations, 1980; Lavin and Gray, arXiv:1509.09308.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..parallel import Spread
from . import outer

SWITCH = "HETU_JAX_WINOGRAD"  # 0: never; by default, where the rule below says that it pays
# Where the polynomials behind it are evaluated, besides 0 and infinity, by the side of a piece.  Pairs of p and 1/p
# keep the error of tiles of 4 at five times that of the definition; the usual 1 and 2 would double it for filters of 3.
POINTS = {4: (1, -1), 6: (2 / 3, -2 / 3, 3 / 2, -3 / 2), 8: (1, -1, 1 / 2, -1 / 2, 2, -2)}
TILES = {(3, 1): (2, 4), (3, 2): (2,), (5, 1): (2, 4)}  # by the filters' side and the stride

# What one core does in a second, measured with XLA on an AMD EPYC at 2.6 GHz: floating-point operations of
# convolutions, forwards and backwards, by stride, and of products of matrices; and bytes that change base, of which an
# element of a filter costs as much as five.
DIRECT, PRODUCTS, BYTES, FILTER = {1: 85e9, 2: 60e9}, 90e9, 16e9, 5
GAIN = 0.9  # how much of the definition's time it may take
# Bytes of images in the new base: as many are worked on at once, what is more in blocks that a core has at hand.
# Without blocks the backward pass finds the images of the forward pass in the new base.
AT_ONCE, BLOCK = 2.5e6, 1.6e6
LARGE = 1e5  # elements of filters whose preparation is worth putting off until the images are there


class Bases(NamedTuple):
    """The matrices by which results come from the new base, and filters and images go there, along one axis.

    tile: the side of a tile of results.  stride: of the convolution.
    """

    results: np.ndarray
    filters: np.ndarray
    images: np.ndarray
    tile: int
    stride: int


def _toom_cook(tile: int, taps: int, points: Sequence[float]) -> Bases:
    """For filters with so many taps, by polynomials at 0, infinity, and as many points as there are places left."""

    def powers(count: int) -> np.ndarray:
        infinity = [0] * (count - 1) + [1]
        return np.array([*([p**k for k in range(count)] for p in (0, *points)), infinity], float)

    images = np.linalg.inv(powers(tile + taps - 1)).T
    images[np.abs(images) < 1e-9] = 0
    last = np.array([row[np.flatnonzero(row)[-1]] for row in images])[:, None]  # becomes 1, and needs no product
    return Bases(powers(tile).T, powers(taps) * last, images / last, tile, 1)


@functools.cache
def bases(tile: int, side: int, stride: int = 1) -> Bases:
    """The matrices for tiles and filters of a side."""
    if stride == 1:
        return _toom_cook(tile, side, POINTS[tile + side - 1])
    # Taps 0 and 2 meet the even rows, where they are a filter of stride 1; tap 1 meets the odd ones, each once.
    even = _toom_cook(tile, 2, (1,))
    places = 2 * tile + 1  # as many as a piece has rows
    results, filters, images = (np.zeros(shape) for shape in ((tile, places), (places, side), (places, places)))
    results[:, : tile + 1], filters[: tile + 1, ::2], images[: tile + 1, ::2] = even[:3]
    results[:, tile + 1 :] = images[tile + 1 :, 1::2] = np.eye(tile)
    filters[tile + 1 :, 1] = 1
    return Bases(results, filters, images, tile, stride)


@functools.cache
def turned_bases(tile: int, side: int) -> Bases:
    """The matrices for stride 1 that take filters turned around, which were brought to the new base as they are.

    Turned around, a filter has at p what it had at 1/p, but for a factor.
    """
    results, filters, images, *_ = bases(tile, side)
    lengths = np.linalg.norm(filters, axis=1)
    alike = filters[:, ::-1] @ filters.T / lengths
    order = np.argmax(np.abs(alike), 1)
    factors = alike[range(len(order)), order] / lengths[order]
    return Bases((results * factors)[:, order], filters, images[order], tile, 1)


def best_tile(
    images: jax.Array,
    filters: jax.Array,
    padding: Sequence[int],
    stride: Sequence[int],
    spread: Spread | None = None,
) -> int:
    """The side of the tiles with which `convolve` is the fastest, or 0 where the definition is.

    images: (N, H, W, C).  filters: (O, C, kh, kw).  padding, stride: (height, width).  spread: None on one device.
    """
    side, step = filters.shape[2], stride[0]
    fits = filters.shape[3] == side and stride[1] == step and (side, step) in TILES and max(padding) < side
    floats = images.dtype == filters.dtype == jnp.float32 and images.size and filters.size
    if not (fits and floats) or os.environ.get(SWITCH) == "0" or jax.default_backend() != "cpu":
        return 0
    outputs, inputs = filters.shape[:2]
    outputs //= spread.mesh.size if spread is not None and spread.by_channel else 1
    count, (rows, columns) = len(images) // _shares(images, spread), _sides(images, padding, side, step)
    seconds = {0: GAIN * 2 * count * rows * columns * outputs * inputs * side**2 / DIRECT[step]}
    for tile in TILES[side, step]:
        places, tiles = bases(tile, side, step).images.size, count * -(-rows // tile) * -(-columns // tile)
        moved = 4 * (2 * tiles * (inputs + outputs) + FILTER * inputs * outputs)
        seconds[tile] = places * (2 * tiles * inputs * outputs / PRODUCTS + moved / BYTES)
    return min(seconds, key=lambda tile: seconds[tile])


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4, 5))
def convolve(
    images: jax.Array,
    filters: jax.Array,
    padding: tuple[int, int],
    stride: int,
    tile: int,
    spread: Spread | None = None,
) -> jax.Array:
    """Cross-correlation of images with square filters.

    images: (N, H, W, C), float32.  filters: (O, C, k, k), float32.
    padding: zeros above and below, left and right, less than k.  k, stride, tile: as in `TILES`.
    spread: how the step is spread, None on one device.
    Returns: (N, floor((H + 2 padding - k) / stride) + 1, columns likewise, O).
    """
    return _forward(images, filters, padding, stride, tile, spread)[0]


def _forward(images, filters, padding, stride, tile, spread):
    base = bases(tile, filters.shape[2], stride)
    images = lax.optimization_barrier(images)  # else what made them is done again for every place
    there = filters if spread is None or filters.size < LARGE else spread.after(images, filters)
    there = _grid(base.filters, lax.optimization_barrier(there.transpose(3, 2, 0, 1)))
    there = lax.optimization_barrier(there.reshape(-1, *filters.shape[:2]))
    result = _correlate(images, there, base, padding, _shares(images, spread))
    return result, (images, filters, there)


def _backward(padding, stride, tile, spread, kept, moved):
    images, filters, there = kept
    moved, side, shares = lax.optimization_barrier(moved), filters.shape[2], _shares(images, spread)
    gradient = _gradient_of_filters(images, moved, there, bases(tile, side, stride), padding, shares)
    if stride == 1:
        back = tuple(side - 1 - pad for pad in padding)
        return _correlate(moved, there.swapaxes(1, 2), turned_bases(tile, side), back, shares), gradient
    _, pull = jax.vjp(lambda images: by_definition(images, filters, padding, (stride, stride), "NHWC"), images)
    return *pull(moved), gradient


convolve.defvjp(_forward, _backward)


def by_definition(
    images: jax.Array, filters: jax.Array, padding: Sequence[int], stride: Sequence[int], layout: str
) -> jax.Array:
    """The same as XLA computes it, for any filters (O, C, kh, kw) and images in the layout."""
    pads, numbers = [(pad, pad) for pad in padding], (layout, "OIHW", layout)
    return lax.conv_general_dilated(images, filters, stride, pads, dimension_numbers=numbers)


def _correlate(images, there, base, padding, shares):
    """The result for filters (places, O, C) in the new base."""
    sides = _sides(images, padding, base.filters.shape[1], base.stride)
    images = _in_blocks(images, _blocks(images, there, sides, base.tile, shares))

    def put(index: jax.Array, done: jax.Array) -> jax.Array:
        block = _nth(images, index)
        products = lax.dot_general(_pieces(block, base, padding, sides), there, (((2,), (2,)), ((0,), (0,))))
        return lax.dynamic_update_index_in_dim(done, _results(products, base.results, len(block), sides), index, 1)

    done = jnp.zeros((*images.shape[:2], *sides, there.shape[1]), images.dtype)
    return _loop(images.shape[1], put, done).reshape(-1, *done.shape[2:])


def _gradient_of_filters(images, moved, there, base, padding, shares):
    """(O, C, k, k), for a gradient `moved` of the result.

    Each device's share of the batch has a sum of its own, and only filters in the old base travel between devices.
    """
    sides = moved.shape[1:3]
    blocks = _blocks(images, there, sides, base.tile, shares)
    images, moved = _in_blocks(images, blocks), _in_blocks(moved, blocks)

    def add(index: jax.Array, total: jax.Array) -> jax.Array:
        left = _tiled(_nth(moved, index), base.results.T, base.tile, base.tile, (0, 0), sides)
        right = _pieces(_nth(images, index), base, padding, sides)
        left, right = (array.reshape(len(array), shares, -1, array.shape[2]) for array in (left, right))
        return total + outer.outer_sum(left, right)

    total = _loop(blocks, add, jnp.zeros((len(there), shares, *there.shape[1:]), images.dtype))
    total = _grid(base.filters.T, total.reshape(len(base.filters), -1, *total.shape[1:])).sum(2)
    return lax.optimization_barrier(total).transpose(2, 3, 1, 0)


def _shares(images: jax.Array, spread: Spread | None) -> int:
    """Among how many devices the images are split."""
    return 1 if spread is None else spread.shares(len(images))


def _blocks(images: jax.Array, there: jax.Array, sides: Sequence[int], tile: int, shares: int) -> int:
    """In how many parts to work on a batch, so that each stays in the caches, unless filters fill them anyway."""
    count, each = len(images) // shares, images.shape[3] * len(there) * there.dtype.itemsize
    for side in sides:
        each *= -(-side // tile)
    filters, blocks = there.size * there.dtype.itemsize, 1
    while count % (2 * blocks) == 0 and count // blocks * each > max(AT_ONCE if blocks == 1 else BLOCK, filters):
        blocks *= 2
    return blocks


def _in_blocks(images: jax.Array, blocks: int) -> jax.Array:
    """(N / blocks, blocks, H, W, C): every block has images of each device's share."""
    return images.reshape(-1, blocks, *images.shape[1:])


def _nth(images: jax.Array, index: jax.Array | int) -> jax.Array:
    return lax.dynamic_index_in_dim(images, index, 1, keepdims=False)


def _loop(count: int, body: Callable[..., jax.Array], start: jax.Array) -> jax.Array:
    return body(0, start) if count == 1 else lax.fori_loop(0, count, body, start)


def _sides(images: jax.Array, padding: Sequence[int], taps: int, stride: int) -> tuple[int, int]:
    """The rows and columns of the result for filters with so many."""
    return tuple((side + 2 * pad - taps) // stride + 1 for side, pad in zip(images.shape[1:3], padding, strict=True))


def _change(base: np.ndarray, parts: Sequence[jax.Array]) -> jax.Array:
    """A matrix times a vector of arrays, stacked along a new axis 0."""
    rows = [[part * float(number) for number, part in zip(row, parts, strict=True) if number] for row in base]
    return jnp.stack([functools.reduce(lax.add, row) for row in rows])


def _grid(base: np.ndarray, parts: jax.Array) -> jax.Array:
    """A matrix along axes 0 and 1, which are columns and rows."""
    return _change(base, list(_change(base, list(parts)).swapaxes(0, 1))).swapaxes(0, 1)


def _pieces(images: jax.Array, base: Bases, padding: Sequence[int], sides: Sequence[int]) -> jax.Array:
    """(places, N * tiles, C): what each tile of results is made of, in the new base."""
    return _tiled(images, base.images, base.tile * base.stride, base.tile, padding, sides)


def _tiled(
    images: jax.Array, base: np.ndarray, step: int, tile: int, before: Sequence[int], sides: Sequence[int]
) -> jax.Array:
    """(places, N * tiles, C): each tile's piece of the images in the new base.

    base: as many columns as a piece has rows.  step: from one piece to the next.  before: zeros above and on the left.
    sides: rows and columns of the results of all tiles.
    """
    reach = base.shape[1]
    pads = [(0, 0, 0)] * 4
    for axis, (zeros, side) in enumerate(zip(before, sides, strict=True), 1):
        pads[axis] = zeros, (-(-side // tile) - 1) * step + reach - zeros - images.shape[axis], 0
    images = lax.pad(images, np.zeros((), images.dtype), pads)
    for axis in (1, 3):
        last = images.shape[axis] - reach
        images = _change(base, [lax.slice_in_dim(images, i, i + last + 1, step, axis) for i in range(reach)])
    return images.reshape(len(base) ** 2, -1, images.shape[-1])


def _results(products: jax.Array, base: np.ndarray, count: int, sides: Sequence[int]) -> jax.Array:
    """(N, *sides, O), from (places, N * tiles, O)."""
    tile, places = base.shape
    tiles = [-(-side // tile) for side in sides]
    parts = _grid(base, products.reshape(places, places, count, *tiles, -1))
    whole = parts.transpose(2, 3, 1, 4, 0, 5).reshape(count, tiles[0] * tile, tiles[1] * tile, -1)
    return whole[:, : sides[0], : sides[1]]
