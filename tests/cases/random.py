"""Rows for hetu_jax/ops/random.py."""

import numpy as np

from .case import Case

SHAPE = (100, 200)


def check(mean, stddev, low=-np.inf, high=np.inf, least_distinct=10_000):
    """What checks the first two moments within five standard errors, the bounds, and that the numbers differ."""

    def holds(value):
        assert value.shape == SHAPE
        assert abs(value.mean() - mean) < 5 * stddev / np.sqrt(value.size)
        assert abs(value.std() / stddev - 1) < 0.05
        assert low <= value.min() and value.max() < high
        assert len(np.unique(value)) >= least_distinct

    return holds


def empty(value):
    assert value.shape == (0, 3)


def one(value):
    assert value.shape == (1,) and 0 <= value[0] < 1


CASES = [
    Case("uniform_sample_op", [SHAPE, -1.0, 3.0], check=check(1, 4 / np.sqrt(12), -1, 3)),
    Case("uniform_sample_op", [(0, 3), 0, 1], check=empty, note="empty"),
    Case("normal_sample_op", [SHAPE, 2.0, 0.5], check=check(2, 0.5)),
    Case("truncated_normal_sample_op", [SHAPE, 2.0, 0.5], check=check(2, 0.8796 * 0.5, 1, 3.000001)),
    Case("gumbel_sample_op", [SHAPE], check=check(np.euler_gamma, np.pi / np.sqrt(6))),
    Case("randint_sample_op", [SHAPE, -2, 4], check=check(0.5, np.sqrt(35 / 12), -2, 4, 6), dtype=np.int32),
    Case("rand_op", [SHAPE], check=check(0.5, 1 / np.sqrt(12), 0, 1)),
    Case("rand_op", [1], check=one, note="int size"),
]
