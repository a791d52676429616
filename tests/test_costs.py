"""Shapes and arithmetic of nodes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax.costs import costs
from hetu_jax.errors import OpError


def matrix(*shape):
    return ht.Variable("v", value=np.ones(shape, np.float32))


@pytest.mark.parametrize(
    ("make", "shape", "flops"),
    [
        (lambda: ht.matmul_op(matrix(4, 5), matrix(5, 3)), (4, 3), 2 * 4 * 5 * 3),
        (lambda: ht.matmul_op(matrix(4, 5), matrix(3, 5), trans_B=True), (4, 3), 2 * 4 * 5 * 3),
        (lambda: ht.batch_matmul_op(matrix(2, 4, 5), matrix(2, 5, 3)), (2, 4, 3), 2 * 2 * 4 * 5 * 3),
        (lambda: ht.conv2d_op(matrix(2, 3, 8, 8), matrix(4, 3, 3, 3), padding=1), (2, 4, 8, 8), 2 * 2 * 4 * 64 * 27),
        (lambda: ht.exp_op(matrix(4, 5)), (4, 5), 20),
        (lambda: ht.reduce_sum_op(matrix(4, 5), [0]), (5,), 20),
        (lambda: ht.array_reshape_op(matrix(4, 5), (20,)), (20,), 0),
        (lambda: ht.transpose_op(matrix(4, 5), (1, 0)), (5, 4), 0),
    ],
)
def test_flops(make, shape, flops):
    node = make()
    cost = costs([node])[node]
    assert (cost.shape, cost.flops) == (shape, flops)


def test_the_backward_pass_does_each_product_twice():
    x, w = matrix(4, 5), matrix(5, 3)
    y = ht.matmul_op(x, w)
    gradients = ht.gradients(y, [x, w])
    found = costs(gradients)
    (parts,) = (node for node in found if node.op_type == "Gradients")
    assert found[parts].flops == 2 * found[y].flops
    assert [found[node].shape for node in gradients] == [(4, 5), (5, 3)]


def test_what_is_unknown_stays_unknown():
    x, w = ht.Variable("x"), matrix(5, 3)
    y = ht.matmul_op(x, w)
    z = ht.relu_op(y)
    assert costs([z])[z].value is None
    found = costs([z], {x: jax.ShapeDtypeStruct((7, 5), jnp.float32)})
    assert found[z].shape == (7, 3)
    broken = ht.relu_op(ht.matmul_op(w, w))
    with pytest.raises(OpError):
        costs([broken])
    assert costs([broken], strict=False)[broken].value is None


def test_loops_and_branches():
    def count(function, *arguments):
        from hetu_jax.costs import flops_of

        return sum(map(flops_of, jax.make_jaxpr(function)(*arguments).jaxpr.eqns))

    x = jnp.ones((4, 4))
    assert count(lambda x: jax.lax.fori_loop(0, 3, lambda i, y: jnp.exp(y), x), x) >= 3 * 16
    assert count(lambda p, x: jax.lax.cond(p, lambda x: x @ x, lambda x: x, x), True, x) == 2 * 64
    assert count(jax.jit(lambda x: x @ x), x) == 2 * 64
