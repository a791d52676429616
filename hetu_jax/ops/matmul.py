"""Products of matrices."""

import jax.numpy as jnp

from ..graph import op
from .elementwise import constant


def _product(node_A, node_B, trans_A, trans_B):
    if trans_A:
        node_A = jnp.swapaxes(node_A, -1, -2)
    if trans_B:
        node_B = jnp.swapaxes(node_B, -1, -2)
    if node_A.ndim and node_B.ndim and node_A.shape[-1] != node_B.shape[-2 if node_B.ndim > 1 else 0]:
        raise ValueError(
            f"the rows of A have {node_A.shape[-1]} elements and the columns of B "
            f"{node_B.shape[-2 if node_B.ndim > 1 else 0]}, in {node_A.shape} @ {node_B.shape}: they must be as long; "
            "see trans_A and trans_B"
        )
    product = jnp.matmul(node_A, node_B)
    return product if product.ndim else product.reshape(1)


@op
def matmul_op(node_A, node_B, trans_A=False, trans_B=False):
    """A @ B, of matrices that may first be transposed.

    node_A: (m, k), or (k, m) with trans_A.  node_B: (k, n), or (n, k) with trans_B.  Further axes are batches and
    broadcast, as in NumPy.  Returns: (m, n).
    """
    return _product(node_A, node_B, trans_A, trans_B)


@op
def batch_matmul_op(node_A, node_B, trans_A=False, trans_B=False):
    """A @ B for each matrix of a batch; the last two axes are the matrices, which may first be transposed.

    node_A: (..., m, k), or (..., k, m) with trans_A.  node_B: (..., k, n), or (..., n, k) with trans_B.
    Returns: (..., m, n).
    """
    return _product(node_A, node_B, trans_A, trans_B)


@op
def linear_op(node_A, node_B, bias, trans_A=False, trans_B=False):
    """A @ B + bias, of matrices that may first be transposed.

    node_A, node_B, trans_A, trans_B: as matmul_op.  bias: (n,), or a shape that broadcasts.  Returns: (m, n).
    """
    return _product(node_A, node_B, trans_A, trans_B) + bias


@op
def addmm_op(node_A, node_B, node_C, alpha=1.0, beta=1.0):
    """beta * A + alpha * (B @ C).

    node_A: (m, n), (n,), or a shape that broadcasts.  node_B: (m, k).  node_C: (k, n).  alpha, beta: numbers.
    Returns: (m, n).
    """
    return _sum(node_A, node_B, node_C, alpha, beta)


@op
def baddbmm_op(node_A, node_B, node_C, alpha=1.0, beta=1.0):
    """beta * A + alpha * (B @ C) for each matrix of a batch.

    node_A: (batch, m, n), or a shape that broadcasts.  node_B: (batch, m, k).  node_C: (batch, k, n).
    alpha, beta: numbers.  Returns: (batch, m, n).
    """
    return _sum(node_A, node_B, node_C, alpha, beta)


def _sum(node_A, node_B, node_C, alpha, beta):
    product = jnp.matmul(node_B, node_C)
    return constant(beta, node_A) * node_A + constant(alpha, product) * product
