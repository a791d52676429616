"""Sums of outer products, whose sides are turned where that is faster on CPUs: the numbers are the same."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax.ops import outer

SHAPES = {  # left, right
    "few columns": ((3, 20), (3, 10)),
    "narrow": ((outer.ROWS, 300), (outer.ROWS, 100)),
    "too few rows": ((5, 300), (5, 100)),
    "wide": ((4, 7), (4, outer.WIDE)),
    "neither": ((4, 7), (4, 9)),
    "batch": ((2, 3, 4, 5), (2, 3, 4, 6)),
    "batch, few columns": ((2, 4, 6), (2, 4, 3)),
    "no rows": ((0, 6), (0, 2)),
}


def numbers(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.fixture(params=["1", "0"])
def turn(request, monkeypatch):
    monkeypatch.setenv(outer.SWITCH, request.param)
    return request.param == "1"


@pytest.mark.parametrize("left, right", SHAPES.values(), ids=SHAPES)
def test_it_is_the_product_of_the_transpose(left, right, turn):
    left, right = numbers(*left), numbers(*right)
    found = jax.jit(lambda *sides: outer.outer_sum(*sides))(left, right)  # traced anew, for the switch
    np.testing.assert_allclose(found, left.swapaxes(-1, -2) @ right, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    "rows, columns",
    [((4, 6), (6, 3)), ((2, 4, 6), (6, 3)), ((2, 4, 6), (2, 6, 3))],
    ids=["matrices", "rows in batches", "a matrix each"],
)
def test_gradients_and_theirs_are_those_of_a_product(rows, columns):
    rows, columns = numbers(*rows), numbers(*columns)

    def derivatives(multiply):
        def slope(rows, columns):
            by_rows, by_columns = jax.grad(lambda *sides: jnp.sum(jnp.sin(multiply(*sides))), (0, 1))(rows, columns)
            return jnp.sum(by_rows**2) + jnp.sum(by_columns**2)

        return jax.jit(jax.value_and_grad(slope, (0, 1)))(rows, columns)

    found, wanted = (jax.tree.leaves(derivatives(multiply)) for multiply in (outer.product, jnp.matmul))
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_step_runs_over_the_rows_of_both_sides_of_no_product(turn):
    x = ht.Variable("x", value=numbers(32, 20), trainable=False)
    scores = ht.matmul_op(x, ht.Variable("w", value=numbers(20, 10)))
    loss = ht.reduce_mean_op(scores * scores, [0, 1])
    executor = ht.Executor([loss, ht.optim.SGDOptimizer(0.1).minimize(loss)])
    executor.run()
    both = re.findall(r" dot\(.*lhs_contracting_dims=\{0\}, rhs_contracting_dims=\{0\}", executor.compiled_text())
    assert len(both) == (not turn)


def test_a_function_outside_of_a_graph_has_derivatives_forwards():
    rows, columns = numbers(2, 3), numbers(3, 2)
    found = jax.jacfwd(ht.matmul_op.fn, 1)(rows, columns)
    np.testing.assert_array_equal(found[:, 0, :, 0], rows)
