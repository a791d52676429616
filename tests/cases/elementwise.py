"""Rows for hetu_jax/ops/elementwise.py."""

import numpy as np

from .case import Case, normal

CASES = [
    Case("relu_op", [normal(3, 4)], lambda x: np.maximum(x, 0), torch=lambda x: x.clamp(min=0)),
    Case(
        "relu_op",
        [np.array([-1.0, 0.0, 2.0])],
        lambda x: np.maximum(x, 0),
        grads=lambda g, x: [g * np.array([0, 0.5, 1])],
        note="kink",
    ),
]
