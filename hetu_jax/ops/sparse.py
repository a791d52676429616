"""Products with sparse matrices."""

import jax
import jax.numpy as jnp

from ..graph import op
from ..ndarray import ND_Sparse_Array


def _product(matrix, dense, transposed, name):
    """matrix @ dense, or matrix.T @ dense, for a dense (n,) or (n, k)."""
    if not isinstance(matrix, ND_Sparse_Array):
        raise TypeError(
            f"{name} needs a sparse node_A, not a dense array of shape {jnp.shape(matrix)}: feed a scipy.sparse matrix "
            "or make one with ht.sparse_array"
        )
    source, target = matrix.coordinates()[:: 1 if transposed else -1]
    height, width = matrix.shape[::-1] if transposed else matrix.shape
    if dense.shape[0] != width:
        turned = ", transposed" if transposed else ""
        raise ValueError(f"{name} cannot multiply a {matrix.shape} matrix{turned} with an array of shape {dense.shape}")
    terms = jnp.asarray(matrix.data).reshape(-1, *[1] * (dense.ndim - 1)) * dense[source]
    in_order = matrix.form == "csr" and not transposed
    return jax.ops.segment_sum(terms, target, height, indices_are_sorted=in_order)


@op
def csrmv_op(node_A, node_B, trans=False):
    """A @ b for a sparse A, or A.T @ b.

    node_A: ND_Sparse_Array (m, n), a constant.  node_B: (n,), or (m,) with `trans`.  Returns: (m,), or (n,).
    Raises TypeError for a dense A, ValueError where the shapes do not fit.
    """
    if node_B.ndim != 1:
        raise ValueError(f"csrmv_op needs a vector node_B, not shape {node_B.shape}: use csrmm_op")
    return _product(node_A, node_B, trans, "csrmv_op")


@op
def csrmm_op(node_A, node_B, trans_A=False, trans_B=False):
    """A @ B for a sparse A, either of them transposed on demand.

    node_A: ND_Sparse_Array (m, n), a constant.  node_B: (n, k).  Returns: (m, k), for the shapes after transposition.
    Raises TypeError for a dense A, ValueError where the shapes do not fit.
    """
    if node_B.ndim != 2:
        raise ValueError(f"csrmm_op needs a matrix node_B, not shape {node_B.shape}")
    return _product(node_A, node_B.T if trans_B else node_B, trans_A, "csrmm_op")


@op
def distgcn_15d_op(
    node_A,
    node_B,
    node_C,
    node_Count_Self,
    node_Count_All,
    size,
    replication,
    device_id,
    comm,
    comm_groups=(None, None),
    need_W=True,
):
    """A @ H @ W, one graph convolution; the weights are applied on the cheaper side of A.

    node_A: ND_Sparse_Array (n, n), a constant.  node_B: H (n, width).  node_C: W (width, new width).
    node_Count_Self, node_Count_All: rows of A here and in all, both n: one program holds the whole graph.
    size, replication: the grid of Hetu's processes; size must be a multiple of replication squared.
    device_id, comm, comm_groups: accepted without effect, as nothing has to be sent.
    need_W: False leaves W out.  Returns: (n, new width), or (n, width) without W.
    Raises ValueError for a block of the graph, or a grid that does not fit.
    """
    if size % replication**2:
        raise ValueError(f"distgcn_15d_op: size {size} is no multiple of replication {replication} squared")
    if not node_A.shape[0] == node_Count_Self == node_Count_All:
        raise ValueError(
            f"distgcn_15d_op got node_A with {node_A.shape[0]} rows, node_Count_Self {node_Count_Self} and "
            f"node_Count_All {node_Count_All}: pass the whole graph, not one process's block of it"
        )
    if not need_W:
        return _product(node_A, node_B, False, "distgcn_15d_op")
    if node_C.shape[1] < node_C.shape[0]:
        return _product(node_A, node_B @ node_C, False, "distgcn_15d_op")
    return _product(node_A, node_B, False, "distgcn_15d_op") @ node_C
