"""Products of matrices."""

import jax.numpy as jnp

from ..graph import op
from . import outer
from .elementwise import constant


def _product(node_A, node_B, trans_A, trans_B, turn):
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
    product = _multiplied(node_A, node_B, turn)
    return product if product.ndim else product.reshape(1)


def _multiplied(rows, columns, turn):
    """Their product; `turn` as in `outer`, for rows that meet one matrix of float32, or one each."""
    meet = rows.ndim > 1 and (columns.ndim == 2 or rows.shape[:-2] == columns.shape[:-2] and columns.ndim > 2)
    if turn and meet and rows.dtype == columns.dtype == jnp.float32:
        return outer.product(rows, columns)
    return jnp.matmul(rows, columns)


@op
def matmul_op(node_A, node_B, trans_A=False, trans_B=False, *, turn=False):
    """A @ B, of matrices that may first be transposed.

    node_A: (m, k), or (k, m) with trans_A.  node_B: (k, n), or (n, k) with trans_B.  Further axes are batches and
    broadcast, as in NumPy.  Returns: (m, n).
    """
    return _product(node_A, node_B, trans_A, trans_B, turn)


@op
def batch_matmul_op(node_A, node_B, trans_A=False, trans_B=False, *, turn=False):
    """A @ B for each matrix of a batch; the last two axes are the matrices, which may first be transposed.

    node_A: (..., m, k), or (..., k, m) with trans_A.  node_B: (..., k, n), or (..., n, k) with trans_B.
    Returns: (..., m, n).
    """
    return _product(node_A, node_B, trans_A, trans_B, turn)


@op
def linear_op(node_A, node_B, bias, trans_A=False, trans_B=False, *, turn=False):
    """A @ B + bias, of matrices that may first be transposed.

    node_A, node_B, trans_A, trans_B: as matmul_op.  bias: (n,), or a shape that broadcasts.  Returns: (m, n).
    """
    return _product(node_A, node_B, trans_A, trans_B, turn) + bias


@op
def addmm_op(node_A, node_B, node_C, alpha=1.0, beta=1.0, *, turn=False):
    """beta * A + alpha * (B @ C).

    node_A: (m, n), (n,), or a shape that broadcasts.  node_B: (m, k).  node_C: (k, n).  alpha, beta: numbers.
    Returns: (m, n).
    """
    return _sum(node_A, node_B, node_C, alpha, beta, turn)


@op
def baddbmm_op(node_A, node_B, node_C, alpha=1.0, beta=1.0, *, turn=False):
    """beta * A + alpha * (B @ C) for each matrix of a batch.

    node_A: (batch, m, n), or a shape that broadcasts.  node_B: (batch, m, k).  node_C: (batch, k, n).
    alpha, beta: numbers.  Returns: (batch, m, n).
    """
    return _sum(node_A, node_B, node_C, alpha, beta, turn)


def _sum(node_A, node_B, node_C, alpha, beta, turn):
    product = _multiplied(node_B, node_C, turn)
    return constant(beta, node_A) * node_A + constant(alpha, product) * product
