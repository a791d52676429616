"""Rows for hetu_jax/ops/sparse.py."""

import numpy as np
import scipy.sparse

from .case import Case, normal


def matrix(m, n, density=0.4, form="csr"):
    return scipy.sparse.random(m, n, density, form, np.float64, np.random.default_rng([m, n]))


def product(a, b, trans_A=False, trans_B=False):
    a = a.toarray()
    return (a.T if trans_A else a) @ (b.T if trans_B else b)


def gcn(a, h, w, *_, need_W=True):
    return a.toarray() @ h @ w if need_W else a.toarray() @ h


GRID = (5, 5, 1, 1, 0, None)

CASES = [
    Case("csrmv_op", [matrix(4, 6), normal(6)], product),
    Case("csrmv_op", [matrix(4, 6), normal(4), True], product, note="transposed"),
    Case("csrmv_op", [scipy.sparse.csr_matrix((3, 2)), normal(2)], product, note="no values"),
    Case("csrmm_op", [matrix(4, 6), normal(6, 3)], product),
    Case("csrmm_op", [matrix(4, 6, form="coo"), normal(6, 3)], product, note="coo"),
    Case("csrmm_op", [matrix(4, 6), normal(4, 3), True], product, note="A transposed"),
    Case("csrmm_op", [matrix(4, 6), normal(3, 6)], product, kwargs={"trans_B": True}, note="B transposed"),
    Case("csrmm_op", [matrix(4, 6), normal(3, 4), True, True], product, note="both transposed"),
    Case("csrmm_op", [matrix(1, 1, 1.0), normal(1, 1)], product, note="one element"),
    Case("distgcn_15d_op", [matrix(5, 5), normal(5, 4), normal(4, 2), *GRID], gcn, note="W first"),
    Case("distgcn_15d_op", [matrix(5, 5), normal(5, 2), normal(2, 4), *GRID, [None, None], True], gcn, note="A first"),
    Case(
        "distgcn_15d_op",
        [matrix(5, 5), normal(5, 4), normal(4, 2), *GRID],
        gcn,
        kwargs={"need_W": False},
        note="no W",
    ),
]
