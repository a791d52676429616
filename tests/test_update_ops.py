"""Updates of single parameters: the same as `minimize` makes of the same gradients."""

import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax import optim

OPTIMIZERS = {
    "SGD": lambda: optim.SGDOptimizer(0.1, l2reg=0.2),
    "momentum": lambda: optim.MomentumOptimizer(0.1),
    "AdaGrad": lambda: optim.AdaGradOptimizer(0.1),
    "Adam": lambda: optim.AdamOptimizer(0.1),
    "AMSGrad": lambda: optim.AMSGradOptimizer(0.1),
    "AdamW": lambda: optim.AdamWOptimizer(0.1, weight_decay=0.2),
    "Lamb": lambda: optim.LambOptimizer(0.1),
}


def trained(update, param, steps=3):
    """The parameter after some steps."""
    executor = ht.Executor([update] if not isinstance(update, list) else update)
    assert not executor.subexecutor["default"].inference
    for _ in range(steps):
        executor.run()
    return param.tensor_value.asnumpy()


def table():
    return ht.Variable("w", value=np.arange(12.0).reshape(4, 3))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_dense_update_is_that_of_minimize(name):
    a, b = table(), table()
    factor = ht.Variable("factor", value=np.linspace(-1, 2, 12).reshape(4, 3), trainable=False)
    wanted = trained(OPTIMIZERS[name]().minimize(a * factor), a)
    optimizer = OPTIMIZERS[name]()
    found = trained(optimizer.opt_op_type(b, factor, optimizer), b)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("name", ["SGD", "AdaGrad", "Adam", "AMSGrad"])
def test_an_update_of_rows_is_that_of_minimize(name):
    ids = ht.Variable("ids", value=np.array([[2, 0], [2, 2]]), dtype=np.int32, trainable=False)
    a, b = table(), table()
    wanted = trained(OPTIMIZERS[name]().minimize(ht.embedding_lookup_op(a, ids) * 3.0), a)
    optimizer, lookup = OPTIMIZERS[name](), ht.embedding_lookup_op(b, ids)
    unique = ht.unique_indices_op(ids)
    offsets = ht.unique_indices_offsets_op(unique)
    (gradient,) = ht.gradients(lookup * 3.0, [lookup])
    rows = optimizer.sparse_opt_op_type(
        optimizer,
        b,
        unique,
        ht.deduplicate_lookup_op(lookup, offsets),
        ht.deduplicate_grad_op(gradient, offsets),
    )
    found = trained([rows, ht.assign_with_indexedslices_op(b, unique, rows)], b)
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)
    assert rows.shape == (2, 2, 3)


def test_the_names_are_those_of_hetu():
    optimizer = optim.MomentumOptimizer(0.1)
    assert optimizer.sparse_opt_op_type is None
    update = optim.MomentumUpdateOp(table(), table(), optimizer)
    assert update.op_type == "UpdateOp" and update.shape is None


def test_powers_move_on():
    powers = ht.init.ones((2,), name="betats", trainable=False)
    update = optim.betats_update_op(powers, 0.5, 0.25)
    ht.Executor([update]).run()
    np.testing.assert_allclose(powers.tensor_value.asnumpy(), [0.5, 0.25])
    assert update.op_type == "BetatsUpdateOp"
