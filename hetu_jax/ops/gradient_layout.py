"""Hetu's gradient constructors of the ops that move elements: shape, index, embedding and mixture-of-experts ops."""

import jax
import jax.numpy as jnp
import numpy as np

from ..graph import Node, op
from . import embedding, moe, shape
from . import index as _index
from .gradient import gradient, pull


def _remember_origin(arguments):
    """Keeps what the reshape in `node_in` was made of: 2023 names the forward node rather than its input."""
    node = arguments["node_in"]
    if isinstance(node, Node) and node.op is shape.array_reshape_op:
        arguments["origin"] = node.inputs[0]


@op(on_record=_remember_origin)
def array_reshape_gradient_op(node_in, node_out, *, origin=None):
    """The gradient of array_reshape_op: node_out in the shape that the array had before.

    node_in: the array that was reshaped, or the array_reshape_op itself.  node_out: gradient of the value.
    origin: what the op was made of, filled in when the call is recorded.  Returns: the shape before.
    """
    reshaped = origin is not None and node_in.shape == node_out.shape
    return node_out.reshape((origin if reshaped else node_in).shape)


@op
def concat_gradient_op(grad_node, input_node, axis, idx):
    """The part of concat_op's gradient that belongs to one of its two arrays.

    grad_node: gradient of the value.  input_node: the array.  axis: int.  idx: 0 for the first, 1 for the second.
    Returns: the shape of input_node.
    """
    if idx not in (0, 1):
        raise ValueError(f"concat_op joins two arrays: idx is 0 or 1, not {idx!r}")
    return _part(grad_node, input_node, axis, 0 if idx == 0 else grad_node.shape[axis] - input_node.shape[axis])


def _part(gradient, like, axis, start):
    stop = start + like.shape[axis]
    if not 0 <= start <= stop <= gradient.shape[axis]:
        raise ValueError(f"elements {start} to {stop} do not lie inside axis {axis} of shape {gradient.shape}")
    return jax.lax.slice_in_dim(gradient, start, stop, axis=axis)


class Placed(Node):
    """A node whose last argument, `offset`, may also be set after it was made, as scripts do."""

    @property
    def offset(self):
        """Where the array starts in the joined one."""
        return self._leaves[-1]

    @offset.setter
    def offset(self, offset):
        self._leaves[-1] = int(offset)


@op(node=Placed, on_record=lambda arguments: arguments.setdefault("offset", 0))
def concatenate_gradient_op(grad_node, input_node, axis, offset=0):
    """The part of concatenate_op's gradient that belongs to one of its arrays.

    grad_node: gradient of the value.  input_node: the array.  axis: int.
    offset: where the array starts along the axis; an attribute of the node too, to be set before it is evaluated.
    Returns: the shape of input_node.
    """
    return _part(grad_node, input_node, axis, offset)


@op
def split_gradient_op(node, axes, indices, splits):
    """The gradient of split_op where it cut the axes into equal parts: node in its place, zeros around it.

    node: gradient of the value.  axes, indices, splits: ints or lists, as of split_op.
    Returns: the shape before the split, in which each axis is `splits` times as long.
    """
    widths = [(0, 0)] * node.ndim
    for axis, place, parts in zip(*map(np.atleast_1d, (axes, indices, splits)), strict=True):
        length = node.shape[axis]
        widths[axis] = (int(place) * length, (int(parts) - 1 - int(place)) * length)
    return jnp.pad(node, widths)


@op
def slice_gradient_op(node, begin, size=None):
    """The gradient of slice_op: node at `begin`, zeros around it.

    node: gradient of the value.  begin: ints, as of slice_op.  size: the shape before the slice; Hetu fills it in by
    itself only for its own nodes.  Returns: that shape.  Raises ValueError without it, or where node does not fit.
    """
    if size is None or not len(begin) == len(size) == node.ndim:
        raise ValueError(f"slice_gradient_op needs begin and size with one entry per axis of {node.shape}, not {size}")
    widths = [(b, n - b - part) for b, n, part in zip(begin, size, node.shape, strict=True)]
    if min(min(pair) for pair in widths) < 0:
        raise ValueError(f"the block of shape {node.shape} at {list(begin)} does not lie inside {list(size)}")
    return jnp.pad(node, widths)


@op
def pad_gradient_op(node_A, paddings, mode="CONSTANT"):
    """The gradient of pad_op: node_A without the elements that were added, which REFLECT and SYMMETRIC add back.

    node_A: gradient of the value.  paddings, mode: as of pad_op.  Returns: the shape before the padding.
    """
    added = [0] * (node_A.ndim - len(paddings)) + [sum(pair) for pair in paddings]
    at = jnp.zeros([n - more for n, more in zip(node_A.shape, added, strict=True)], node_A.dtype)
    return pull(lambda x: shape.pad_op.fn(x, paddings, mode), at, node_A)


@gradient(of="node_input", times="node_grad")
def repeat_gradient_op(node_input, node_grad):
    """The gradient of repeat_op: node_grad summed over the repetitions that its shape shows."""
    before = (1,) * (node_grad.ndim - node_input.ndim) + node_input.shape
    return shape.repeat_op.fn(node_input, tuple(n // max(b, 1) for n, b in zip(node_grad.shape, before, strict=True)))


@op
def tril_lookup_gradient_op(array, offset=0):
    """The gradient of tril_lookup_op: the elements in their places in a triangle, zeros elsewhere.

    array: (..., m).  offset: as of tril_lookup_op.  Returns: (..., n, n).
    Raises ValueError where no n gives m elements.
    """
    n = abs(offset) + 1
    while (count := np.clip(np.arange(n) + offset + 1, 0, n).sum()) < array.shape[-1]:
        n += 1
    if count != array.shape[-1]:
        raise ValueError(f"no square has {array.shape[-1]} elements up to column row + {offset}")
    at = jnp.zeros((*array.shape[:-1], n, n), array.dtype)
    return pull(lambda x: shape.tril_lookup_op.fn(x, offset), at, array)


@gradient(of="input", times="grad")
def gather_gradient_op(input, grad, dim, index):
    """The gradient of gather_op: the elements of grad added up where they were picked."""
    return _index.gather_op.fn(input, dim, index)


@gradient(of="input", times="grad")
def slice_by_matrix_gradient_op(input, grad, index1, index2):
    """The gradient of slice_by_matrix_op: the rows of grad added up where they were picked."""
    return _index.slice_by_matrix_op.fn(input, index1, index2)


@op
def scatter1d_grad_op(output_grad_mat, index_mat):
    """The gradient of scatter1d_op: output_grad_mat[index_mat].

    output_grad_mat: (n,).  index_mat: (n,), int or float ids.  Returns: (n,).
    """
    at = jnp.zeros_like(output_grad_mat)
    return pull(lambda x: _index.scatter1d_op.fn(x, index_mat), at, output_grad_mat)


@op
def indexing_grad_op(output_grad, index):
    """The gradient of indexing_op: each row of output_grad added up where it was picked.

    output_grad: (n, d).  index: (n,), int or float ids.  Returns: (n, d).
    """
    return pull(lambda x: _index.indexing_op.fn(x, index), jnp.zeros_like(output_grad), output_grad)


@op
def embedding_lookup_gradient_op(vectors, index, embed_shape):
    """The gradient of embedding_lookup_op, as a dense table: the rows of vectors added up at their ids.

    vectors: S + (width,).  index: ids of shape S, those outside the table count for nothing.
    embed_shape: (rows, width).  Returns: that shape.
    """
    at = jnp.zeros(tuple(embed_shape), vectors.dtype)
    return pull(lambda table: embedding.embedding_lookup_op.fn(table, index), at, vectors)


@gradient(of="node_A", times="output_grad")
def sammax_grad_op(output_grad, node_A, node_B, node_C, num_local_gpus):
    """The gradient of sam_max_op at node_A, times output_grad."""
    return moe.sam_max_op.fn(node_A, node_B, node_C, num_local_gpus)
