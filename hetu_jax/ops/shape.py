"""Shape, layout and creation of arrays."""

import math

import jax.numpy as jnp
import numpy as np
from jax import lax

from ..graph import op
from .elementwise import constant


def _float(node):
    """Hetu's creation ops give floats: the dtype of a float node, float32 for an integer one."""
    return jnp.result_type(node, float)


@op
def array_reshape_op(node, output_shape):
    """The elements in row-major order in another shape.

    node: any shape and dtype.  output_shape: tuple or list of ints, or one int; one may be -1, to be inferred.
    Returns: the array of that shape, same dtype.
    """
    return jnp.reshape(node, output_shape)


@op
def reshape_to_op(node, target):
    """The elements in row-major order in the shape of another node.

    node: any shape and dtype.  target: of as many elements, gives its shape only.
    Returns: the shape of target, the dtype of node.
    """
    return jnp.reshape(node, target.shape)


@op
def transpose_op(node_A, perm=None):
    """The axes in another order: axis i of the result is axis perm[i] of the input.

    node_A: any shape and dtype.  perm: a permutation of all axes; None reverses them.
    Returns: the transposed array, same dtype.
    """
    return jnp.transpose(node_A, perm)


@op
def broadcastto_op(node_A, node_B):
    """node_A repeated to the shape of node_B by NumPy's rules.

    node_A: axes, counted from the last, of length 1 or as in node_B.  node_B: gives its shape only.
    Returns: the shape of node_B, the dtype of node_A.
    """
    return jnp.broadcast_to(node_A, node_B.shape)


@op
def broadcast_shape_op(node_A, shape, add_axes=()):
    """node_A repeated to a shape, by NumPy's rules or with new axes at given places.

    node_A: any shape and dtype.  shape: the result's, where -1 keeps the length of the input's axis.
    add_axes: positions in `shape` of the axes that node_A lacks; empty means that they come first.
    Returns: the array of that shape, same dtype.
    """
    new = {_axis(axis, len(shape), "add_axes") for axis in np.atleast_1d(np.array(add_axes, int))}
    if new and node_A.shape != (1,):
        if node_A.ndim + len(new) != len(shape):
            raise ValueError(
                f"the input {node_A.shape} and {len(new)} new axes {add_axes} do not make the {len(shape)} of {shape}"
            )
        node_A = jnp.expand_dims(node_A, tuple(sorted(new)))
    missing = len(shape) - node_A.ndim
    if any(length == -1 and (i < missing or i in new) for i, length in enumerate(shape)):
        raise ValueError(f"-1 in shape {shape} stands where the input {node_A.shape} has no axis")
    return jnp.broadcast_to(node_A, [node_A.shape[i - missing] if n == -1 else n for i, n in enumerate(shape)])


def _axis(axis, rank, what):
    if not -rank <= axis < rank:
        raise ValueError(f"{what} names axis {axis}, but there are {rank}")
    return int(axis) % rank


@op
def concat_op(node_A, node_B, axis=0):
    """Two arrays, one after the other along an axis.

    node_A, node_B: equal shapes but for that axis.  axis: negative from the end.
    Returns: the joined array, in the wider dtype.
    """
    return jnp.concatenate([node_A, node_B], axis)


@op
def concatenate_op(node_list, axis=0):
    """A list of arrays, one after the other along an axis.

    node_list: one or more arrays of equal shapes but for that axis.  axis: negative from the end.
    Returns: the joined array, in the widest dtype.
    """
    return jnp.concatenate(node_list, axis)


@op
def split_op(node, axes, indices, splits):
    """One block of an array whose axes are cut into equal parts, where the last part also takes the remainder.

    node: any shape and dtype.  axes: the axes that are cut.  splits: into how many parts each.
    indices: which part of each is taken, from 0.
    Returns: the block, same dtype.
    """
    return node[split_region(node, axes, indices, splits)]


def split_region(array, axes, indices, splits):
    """The slices of the block that `split_op` takes; raises ValueError for arguments that do not fit."""
    axes, indices, splits = _ints(axes), _ints(indices), _ints(splits)
    if not len(axes) == len(indices) == len(splits):
        raise ValueError(f"axes {axes}, indices {indices} and splits {splits} must have one length")
    block = [slice(None)] * array.ndim
    for axis, index, parts in zip(axes, indices, splits, strict=True):
        axis = _axis(axis, array.ndim, "axes")
        if not 0 <= index < parts:
            raise ValueError(f"split_op takes part {index} of {parts} along axis {axis}: it must be in [0, {parts})")
        length = array.shape[axis] // parts
        block[axis] = slice(index * length, None if index == parts - 1 else (index + 1) * length)
    return tuple(block)


def _ints(value):
    """A list of ints from one int or several."""
    return [int(v) for v in np.atleast_1d(value)]


@op
def slice_op(node, begin, size):
    """The block that starts at `begin`.

    node: any shape and dtype.  begin: one int per axis, not negative.  size: lengths per axis; -1 means to the end.
    Returns: the block, same dtype.
    """
    return node[slice_region(node, begin, size)]


def slice_region(array, begin, size):
    """The slices of the block of `size` at `begin`; raises ValueError where it does not fit."""
    begin, size = _ints(begin), _ints(size)
    if not len(begin) == len(size) == array.ndim:
        raise ValueError(f"begin {begin} and size {size} must have one entry for each axis of {array.shape}")
    ends = [n if s == -1 else b + s for b, s, n in zip(begin, size, array.shape, strict=True)]
    if any(not 0 <= b <= end <= n for b, end, n in zip(begin, ends, array.shape, strict=True)):
        raise ValueError(f"the block of size {size} at {begin} does not lie inside shape {array.shape}")
    return tuple(map(slice, begin, ends))


@op
def slice_assign_op(node, begin, size, val):
    """A copy whose block at `begin` is one number.

    node: any shape.  begin, size: as of `slice_op`.  val: the number.
    Returns: the shape and dtype of x; float where x is integer and val is not whole.  No gradient flows into the block.
    """
    val = constant(val, node)
    return node.astype(jnp.result_type(node, val)).at[slice_region(node, begin, size)].set(val)


@op
def slice_assign_matrix_op(node_A, node_B, begin_A, size_A, begin_B, size_B):
    """A copy of node_A whose block at begin_A is the block of node_B at begin_B.

    node_A, node_B: any shapes.  begin_A, size_A, begin_B, size_B: as of `slice_op`; the two blocks have one shape.
    Returns: the shape and dtype of node_A.  The gradient inside the block goes to node_B, outside it to node_A.
    """
    block, target = node_B[slice_region(node_B, begin_B, size_B)], slice_region(node_A, begin_A, size_A)
    room = tuple(part.stop - part.start for part in target)
    if block.shape != room:
        raise ValueError(f"the block of node_B has shape {block.shape}, its place in node_A {room}")
    return node_A.at[target].set(block.astype(node_A.dtype))


@op
def pad_op(node_A, paddings, mode="CONSTANT", constant_values=0):
    """The array with elements added before and after it.

    node_A: any shape and dtype.  paddings: pairs [before, after] for the last len(paddings) axes.
    mode: 'CONSTANT', or 'REFLECT' and 'SYMMETRIC', which mirror without and with the edge itself.
    constant_values: the number that CONSTANT adds.
    Returns: the padded array, same dtype; float where that is integer and the number added is not whole.
    """
    modes = ("CONSTANT", "REFLECT", "SYMMETRIC")
    if mode not in modes:
        raise ValueError(f"pad_op knows the modes {', '.join(modes)}, not {mode!r}")
    if len(paddings) > node_A.ndim or any(np.shape(pair) != (2,) for pair in paddings):
        raise ValueError(f"paddings must be at most {node_A.ndim} pairs [before, after], not {paddings!r}")
    widths = [(0, 0)] * (node_A.ndim - len(paddings)) + [tuple(pair) for pair in paddings]
    if mode != "CONSTANT":
        return jnp.pad(node_A, widths, mode.lower())
    added = constant(constant_values, node_A)
    return jnp.pad(node_A.astype(jnp.result_type(node_A, added)), widths, constant_values=added)


@op
def tile_op(node, reps):
    """The array as a whole repeated along its axes, as np.tile.

    node: any shape and dtype.  reps: how often along each axis, counted from the last; longer than the rank adds axes.
    Returns: the repeated array, same dtype.
    """
    return jnp.tile(node, reps)


@op
def repeat_op(node, reps):
    """The same as `tile_op`, and not np.repeat.

    node: any shape and dtype.  reps: an int or ints, as of `tile_op`.
    Returns: the repeated array, same dtype.
    """
    return jnp.tile(node, reps)


@op
def roll_op(node, shift=0, axis=None):
    """Elements moved by `shift` places along `axis`, those from beyond the end coming back at the start.

    node: any shape and dtype.  shift: int, or ints for several axes.  axis: int, ints, or None to roll the flat array.
    Returns: same shape and dtype.
    """
    return jnp.roll(node, shift, axis)


@op
def tril_lookup_op(array, offset=0):
    """The elements whose column is at most row + offset, row by row.

    array: (..., n, n), any dtype.  offset: from -(n - 1) to n - 1.
    Returns: (..., m), same dtype; m is n (n + 1) / 2 for offset 0.
    """
    n = array.shape[-1]
    if array.ndim < 2 or array.shape[-2] != n or abs(offset) > max(n - 1, 0):
        raise ValueError(f"tril_lookup_op takes (..., n, n) and |offset| < n, not {array.shape} and {offset}")
    rows, columns = np.tril_indices(n, offset)
    return array[..., rows, columns]


@op
def oneslike_op(node):
    """Ones in the shape of a node.

    node: gives shape and dtype only.
    Returns: the same shape; the dtype of a float node, else float32.
    """
    return jnp.ones(node.shape, _float(node))


@op
def zeroslike_op(node):
    """Zeros in the shape of a node.

    node: gives shape and dtype only.
    Returns: the same shape; the dtype of a float node, else float32.
    """
    return jnp.zeros(node.shape, _float(node))


@op
def full_op(size, fill_value):
    """One number in every element.

    size: the shape; int, list or tuple.  fill_value: the number.
    Returns: float32.
    """
    return jnp.full(tuple(_ints(size)), fill_value, jnp.float32)


@op
def full_like_op(node, fill_value):
    """One number in the shape of a node.

    node: gives shape and dtype only.  fill_value: the number.
    Returns: the same shape; the dtype of a float node, else float32.
    """
    return jnp.full(node.shape, fill_value, _float(node))


@op
def arange_op(start, end, step=1.0):
    """The numbers start + i * step, for i from 0 on, that come before end.

    start, end, step: numbers; step is not 0.
    Returns: (ceil((end - start) / step),), float32.
    """
    if step == 0:
        raise ValueError("arange_op needs a step other than 0")
    count = max(math.ceil((end - start) / step), 0)
    return (start + step * lax.iota(jnp.float32, count)).astype(jnp.float32)
