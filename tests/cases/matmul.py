"""Rows for hetu_jax/ops/matmul.py."""

import numpy as np

from .case import Case, integers, normal

BIAS = normal(4, seed=9)


def _turned(a, trans):
    return a.swapaxes(-1, -2) if trans else a


def _matmul(a, b, trans_A=False, trans_B=False):
    return _turned(a, trans_A) @ _turned(b, trans_B)


def _linear(a, b, bias, trans_A=False, trans_B=False):
    return _matmul(a, b, trans_A, trans_B) + bias


def _addmm(a, b, c, alpha=1.0, beta=1.0):
    return beta * a + alpha * (b @ c)


def _transposed(batch):
    """Arguments of the four products (2, 3) @ (3, 4), with what the test's name says of them."""
    for trans_A in (False, True):
        for trans_B in (False, True):
            a, b = normal(*batch, *((3, 2) if trans_A else (2, 3))), normal(*batch, *((4, 3) if trans_B else (3, 4)))
            yield (
                a,
                b,
                {"trans_A": trans_A, "trans_B": trans_B},
                f"{'AT' if trans_A else 'A'} {'BT' if trans_B else 'B'}",
            )


CASES = [
    *[
        Case("matmul_op", [a, b], _matmul, kwargs=flags, torch=_matmul, note=note)
        for a, b, flags, note in _transposed(())
    ],
    *[
        Case("batch_matmul_op", [a, b], _matmul, kwargs=flags, torch=_matmul, note=note)
        for a, b, flags, note in _transposed((5,))
    ],
    *[
        Case("linear_op", [a, b, BIAS], _linear, kwargs=flags, torch=_linear, note=note)
        for a, b, flags, note in _transposed(())
    ],
    Case("matmul_op", [normal(1, 1), normal(1, 1)], _matmul, note="single"),
    Case("matmul_op", [normal(2, 0), normal(0, 3)], _matmul, note="empty sum"),
    Case("matmul_op", [normal(0, 2), normal(2, 3)], _matmul, note="no rows"),
    Case("matmul_op", [integers(9, 2, 3), integers(9, 3, 2)], _matmul, dtype=np.int32, note="integers"),
    Case("matmul_op", [normal(2, 3), normal(3)], _matmul, torch=_matmul, note="vector"),
    Case("matmul_op", [normal(3), normal(3, seed=1)], lambda a, b: (a @ b).reshape(1), note="two vectors"),
    Case("matmul_op", [normal(5, 2, 3), normal(3, 4)], _matmul, torch=_matmul, note="batch"),
    Case("batch_matmul_op", [normal(2, 3, 4, 2), normal(2, 3, 2, 1)], _matmul, torch=_matmul, note="four axes"),
    Case("batch_matmul_op", [normal(2, 1, 4, 2), normal(3, 2, 1)], _matmul, torch=_matmul, note="broadcast"),
    Case("batch_matmul_op", [normal(2, 3), normal(3, 4)], _matmul, note="one matrix"),
    Case("linear_op", [normal(2, 3), normal(3, 4), normal(2, 4)], _linear, note="bias for each row"),
    Case("linear_op", [normal(2, 3), normal(3, 4), normal(1)], _linear, note="one bias"),
    Case("addmm_op", [normal(2, 4), normal(2, 3), normal(3, 4)], _addmm, torch=_addmm),
    Case("addmm_op", [BIAS, normal(2, 3), normal(3, 4), 2.0, -0.5], _addmm, torch=_addmm, note="vector"),
    Case("addmm_op", [normal(2, 1), normal(2, 3), normal(3, 4)], _addmm, kwargs={"beta": 0.0}, note="column"),
    Case("baddbmm_op", [normal(5, 2, 4), normal(5, 2, 3), normal(5, 3, 4)], _addmm, torch=_addmm),
    Case(
        "baddbmm_op", [normal(5, 2, 4), normal(5, 2, 3), normal(5, 3, 4), 0.5, 3], _addmm, torch=_addmm, note="factors"
    ),
    Case("baddbmm_op", [normal(1, 4), normal(5, 2, 3), normal(5, 3, 4)], _addmm, torch=_addmm, note="broadcast"),
]
