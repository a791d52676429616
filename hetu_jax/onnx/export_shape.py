"""The ONNX forms of `ops/shape.py`."""

import itertools
import math

import numpy as np

from .registry import exporter

_FAR = np.iinfo(np.int64).max


def _ints(value):
    return [int(v) for v in np.atleast_1d(value)]


@exporter
def array_reshape_op(g, node, output_shape):
    return g.reshape(node, _ints(output_shape))


@exporter
def reshape_to_op(g, node, target):
    return g.reshape_like(node, target)


@exporter
def transpose_op(g, node_A, perm):
    return g.Transpose(node_A, perm=None if perm is None else node_A.axes(perm))


@exporter
def broadcastto_op(g, node_A, node_B):
    return g.expand(node_A, node_B)


@exporter
def broadcast_shape_op(g, node_A, shape, add_axes):
    new = sorted(axis % len(shape) for axis in _ints(add_axes)) if np.size(add_axes) else []
    if new and node_A.shape != (1,):
        node_A = g.Unsqueeze(node_A, new)
    return g.Expand(node_A, [1 if length == -1 else length for length in shape])


@exporter
def concat_op(g, node_A, node_B, axis):
    return g.Concat(node_A, node_B, axis=int(axis))


@exporter
def concatenate_op(g, node_list, axis):
    return g.Concat(*node_list, axis=int(axis)) if len(node_list) > 1 else node_list[0]


@exporter
def split_op(g, node, axes, indices, splits):
    starts, ends = [], []
    for axis, index, parts in zip(_ints(axes), _ints(indices), _ints(splits), strict=True):
        length = node.dim(axis) // parts
        starts.append(index * length)
        ends.append(_FAR if index == parts - 1 else (index + 1) * length)
    return g.Slice(node, starts, ends, _ints(axes))


def _ends(begin, size):
    return [_FAR if s == -1 else b + s for b, s in zip(_ints(begin), _ints(size), strict=True)]


@exporter
def slice_op(g, node, begin, size):
    return _block(g, node, begin, size)


def _block(g, node, begin, size):
    cuts = zip(itertools.count(), _ints(begin), _ends(begin, size), strict=False)
    cuts = [(axis, start, end) for axis, start, end in cuts if start or end not in (_FAR, node.shape[axis])]
    if not cuts:
        return node
    axes, starts, ends = zip(*cuts, strict=True)
    return g.Slice(node, starts, ends, axes)


def _mask(g, node, begin, size):
    """Whether an element is in the block, in a shape that broadcasts to that of the node."""
    mask = np.ones([1] * node.rank, bool)
    for axis, (start, end) in enumerate(zip(_ints(begin), _ends(begin, size), strict=True)):
        if start or end not in (_FAR, node.shape[axis]):
            places = np.arange(node.dim(axis)).reshape([-1 if i == axis else 1 for i in range(node.rank)])
            mask = mask & (places >= start) & (places < end)
    return g.constant(mask, hint="mask")


@exporter
def slice_assign_op(g, node, begin, size, val):
    return g.Where(_mask(g, node, begin, size), val, node)


@exporter
def slice_assign_matrix_op(g, node_A, node_B, begin_A, size_A, begin_B, size_B):
    block = g.cast(_block(g, node_B, begin_B, size_B), node_A.dtype)
    before, after = [], []
    for axis, (start, end) in enumerate(zip(_ints(begin_A), _ends(begin_A, size_A), strict=True)):
        before.append(start)
        after.append(0 if end in (_FAR, node_A.shape[axis]) else node_A.dim(axis) - end)
    padded = g.Pad(block, before + after) if any(before + after) else block
    return g.Where(_mask(g, node_A, begin_A, size_A), padded, node_A)


@exporter
def pad_op(g, node_A, paddings, mode, constant_values):
    pairs = [(0, 0)] * (node_A.rank - len(paddings)) + [tuple(_ints(pair)) for pair in paddings]
    before, after = zip(*pairs, strict=True)
    if mode == "CONSTANT":
        return g.Pad(node_A, [*before, *after], constant_values)
    inside = all(not isinstance(dim, int) or max(pair) < dim for dim, pair in zip(node_A.shape, pairs, strict=True))
    if mode == "REFLECT" and inside:
        return g.Pad(node_A, [*before, *after], mode="reflect")
    for axis, pair in enumerate(pairs):
        if any(pair):
            places = np.pad(np.arange(node_A.dim(axis)), pair, mode.lower())
            shape = node_A.shape
            node_A = g.shaped(g.Gather(node_A, g.constant(places, hint="mirrored"), axis=axis), shape)
    return node_A


def _tiled(g, node, reps):
    reps = _ints(reps)
    missing = len(reps) - node.rank
    if missing > 0:
        node = g.Unsqueeze(node, list(range(missing)))
    return g.Tile(node, [1] * -missing + reps)


@exporter
def tile_op(g, node, reps):
    return _tiled(g, node, reps)


@exporter
def repeat_op(g, node, reps):
    return _tiled(g, node, reps)


@exporter
def roll_op(g, node, shift, axis):
    if axis is None:
        flat = g.shaped(g.Reshape(node, [-1]), (math.prod(node.static) if node.static else None,))
        return g.reshape_like(_rolled(g, flat, sum(_ints(shift)), 0), node)
    for places, along in np.broadcast(shift, axis):
        node = g.shaped(_rolled(g, node, int(places), node.axes(along)[0]), node.shape)
    return node


def _rolled(g, node, shift, axis):
    length = g.length(node, axis)
    if isinstance(length, list):
        shift = shift % length[0] if length[0] else 0
        if not shift:
            return node
        start = [-shift]
    else:
        start = g.Sub(g.Mod(g.constant([-shift]), length), length)
    parts = g.Slice(node, start, [_FAR], [axis]), g.Slice(node, [0], start, [axis])
    return g.Concat(*parts, axis=axis)


@exporter
def tril_lookup_op(g, array, offset):
    n = array.dim(-1)
    rows, columns = np.tril_indices(n, offset)
    flat = g.Reshape(array, [0] * (array.rank - 2) + [n * n])
    return g.Gather(flat, g.constant(rows * n + columns, hint="triangle"), axis=array.rank - 2)


def _full_like(g, node, number):
    return g.Expand(g.constant(number, g.float_dtype(node)), g.shape_of(node))


@exporter
def oneslike_op(g, node):
    return _full_like(g, node, 1)


@exporter
def zeroslike_op(g, node):
    return _full_like(g, node, 0)


@exporter
def full_like_op(g, node, fill_value):
    return _full_like(g, node, fill_value)


@exporter
def full_op(g, size, fill_value):
    return g.Expand(g.constant(fill_value, np.float32), _ints(size))


@exporter
def arange_op(g, start, end, step):
    count = max(math.ceil((end - start) / step), 0)
    return g.constant(np.float32(start) + np.float32(step) * np.arange(count, dtype=np.float32), hint="arange")
