"""The ONNX forms of `ops/matmul.py`."""

import numpy as np

from .registry import exporter


def _product(g, node_A, node_B, trans_A=False, trans_B=False):
    if node_A.shape is None or node_B.shape is None:
        return g.MatMul(_turned(g, node_A, trans_A), _turned(g, node_B, trans_B))
    if node_A.rank == node_B.rank == 2:
        return _matrices(g, node_A, node_B, trans_A, trans_B)
    product = g.MatMul(_turned(g, node_A, trans_A), _turned(g, node_B, trans_B))
    return g.scalar_as_one(product, node_A.rank + node_B.rank - 2)


def _matrices(g, node_A, node_B, trans_A, trans_B):
    if (trans_A or trans_B) and np.issubdtype(node_A.dtype, np.floating):
        product = g.Gemm(node_A, node_B, transA=int(trans_A) or None, transB=int(trans_B) or None)
    else:
        product = g.MatMul(_turned(g, node_A, trans_A), _turned(g, node_B, trans_B))
    product.shape = node_A.shape[1 if trans_A else 0], node_B.shape[0 if trans_B else 1]
    return product


def _turned(g, node, trans):
    axes = list(range(node.rank)) if trans else []
    return g.transpose(node, [*axes[:-2], axes[-1], axes[-2]]) if trans else node


@exporter
def matmul_op(g, node_A, node_B, trans_A, trans_B):
    return _product(g, node_A, node_B, trans_A, trans_B)


@exporter
def batch_matmul_op(g, node_A, node_B, trans_A, trans_B):
    return _product(g, node_A, node_B, trans_A, trans_B)


@exporter
def linear_op(g, node_A, node_B, bias, trans_A, trans_B):
    return g.Add(_product(g, node_A, node_B, trans_A, trans_B), bias)


def _sum(g, node_A, node_B, node_C, alpha, beta):
    product = _product(g, node_B, node_C)
    product = product if alpha == 1 else g.scaled(product, alpha)
    return g.Add(node_A if beta == 1 else g.scaled(node_A, beta), product)


@exporter
def addmm_op(g, node_A, node_B, node_C, alpha, beta):
    return _sum(g, node_A, node_B, node_C, alpha, beta)


@exporter
def baddbmm_op(g, node_A, node_B, node_C, alpha, beta):
    return _sum(g, node_A, node_B, node_C, alpha, beta)
