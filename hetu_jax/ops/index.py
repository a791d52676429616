"""Selecting by index: one-hot, gather, scatter and their kin.

Indices are ints, or floats that hold ints, as Hetu keeps them; negative ones count from the end as in NumPy, and what
an index outside the array selects is NaN.
"""

import jax.numpy as jnp

from ..graph import op


def cast_ids(array):
    """Indices or class numbers as int32; floats, in which Hetu keeps them, are truncated."""
    return jnp.asarray(array).astype(jnp.int32)


@op
def one_hot_op(node, num_classes):
    """1 where the class number is the position along a new last axis, else 0.

    node: class numbers, any shape, int or float; one outside [0, num_classes) or not whole gives a row of zeros.
    num_classes: the length of the new axis.
    Returns: node.shape + (num_classes,), float32.
    """
    if num_classes < 0:
        raise ValueError(f"num_classes must not be negative, but is {num_classes}")
    dtype = jnp.promote_types(node.dtype, jnp.float32) if jnp.issubdtype(node.dtype, jnp.floating) else jnp.int32
    return (node.astype(dtype)[..., None] == jnp.arange(num_classes, dtype=dtype)).astype(jnp.float32)


@op
def gather_op(node, dim, index):
    """Elements picked along one axis: out[i, j, k] = node[i, index[i, j, k], k] for dim 1.

    node: any shape, any dtype.  dim: the axis, negative from the end.
    index: int or float ids, of the rank and sizes of node except along dim.
    Returns: the shape of index, the dtype of node.
    """
    axis = dim % node.ndim if -node.ndim <= dim < node.ndim else None
    sizes = list(zip(node.shape, index.shape, strict=False))
    if axis is None or index.ndim != node.ndim or any(a != b for i, (a, b) in enumerate(sizes) if i != axis):
        raise ValueError(f"index {index.shape} must have the sizes of node {node.shape} on all axes but dim={dim}")
    return jnp.take_along_axis(node, cast_ids(index), axis)


@op
def indexing_op(input_mat, index_mat):
    """Rows in the order of an index: out[i] = input_mat[index_mat[i]].

    input_mat: (n, d), any dtype.  index_mat: (m,), int or float ids; rows may repeat.
    Returns: (m, d), the dtype of input_mat.
    """
    return jnp.take(input_mat, cast_ids(index_mat), axis=0)


@op
def scatter1d_op(input_mat, index_mat):
    """out[index_mat[i]] = input_mat[i], which is the inverse permutation; zero where no index points.

    input_mat: (n,), any dtype.  index_mat: (n,), int or float ids, each at most once.
    Returns: (n,), the dtype of input_mat.
    """
    if input_mat.ndim != 1 or input_mat.shape != index_mat.shape:
        raise ValueError(f"both inputs must be vectors of one length, not {input_mat.shape} and {index_mat.shape}")
    return jnp.zeros_like(input_mat).at[cast_ids(index_mat)].set(input_mat)


@op
def scatter_op(node1, node2, node3):
    """node1 with row r set at the columns node2[r] to node3[r]: out[r, node2[r, j]] = node3[r, j].

    node1: target (n, m), any dtype.  node2: (n, k), int or float ids, each at most once in a row.  node3: (n, k).
    Returns: (n, m), the dtype of node1.
    """
    if not node1.ndim == node2.ndim == 2 or node2.shape != node3.shape or node1.shape[0] != node2.shape[0]:
        raise ValueError(
            "scatter_op takes target (n, m), index (n, k) and source (n, k), "
            f"not {node1.shape}, {node2.shape} and {node3.shape}"
        )
    rows = jnp.arange(node1.shape[0])[:, None]
    return node1.at[rows, cast_ids(node2)].set(node3.astype(node1.dtype))


@op
def slice_by_matrix_op(node_A, index1, index2):
    """Vectors picked by pairs of indices: out[i] = node_A[index1[i], index2[i]].

    node_A: (a, b, c), any dtype.  index1, index2: (n,), int or float ids.
    Returns: (n, c), the dtype of node_A.
    """
    if node_A.ndim != 3:
        raise ValueError(f"node_A must have 3 axes, not shape {node_A.shape}")
    return node_A.at[cast_ids(index1), cast_ids(index2)].get(mode="fill")
