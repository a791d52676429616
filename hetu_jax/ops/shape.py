"""Shape, layout and creation of arrays."""

import jax.numpy as jnp

from ..graph import op


@op
def array_reshape_op(node, output_shape):
    """The elements in row-major order in another shape.

    node: any shape and dtype.  output_shape: tuple or list of ints, or one int; one may be -1, to be inferred.
    Returns: the array of that shape, same dtype.
    """
    return jnp.reshape(node, output_shape)


@op
def broadcastto_op(node_A, node_B):
    """node_A repeated to the shape of node_B by NumPy's rules.

    node_A: axes, counted from the last, of length 1 or as in node_B.  node_B: gives its shape only.
    Returns: the shape of node_B, the dtype of node_A.
    """
    return jnp.broadcast_to(node_A, node_B.shape)
