"""Optimizers over quantised embedding tables."""

import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax.ops.quantize import GRIDS

ROWS = np.random.default_rng(0).uniform(-0.4, 0.4, (6, 3)).astype(np.float32)
OWN = {
    "embedding_lookup_op": lambda: (),
    "unified_quantized_embedding_lookup_op": lambda: (1e-4, 0.0, 16),
    "quantized_embedding_lookup_op": lambda: (ht.init.zeros((6, 2), "qparams", trainable=False), 16),
    "alpt_embedding_lookup_op": lambda: (ht.init.constant((6, 1), 1e-4, "scale", trainable=False), 0.0, 16),
}


def trained(name, optimizer):
    """The table and all its rows after three steps over some of them."""
    table, own = ht.Variable("table", ROWS), OWN[name]()
    some, every = (
        getattr(ht, name)(table, ht.Variable("ids", ids, trainable=False, dtype=np.int32), *own)
        for ids in ([1, 4, 1], range(6))
    )
    loss = ht.reduce_sum_op(some * some, [0, 1])
    executor = ht.Executor({"train": [loss, optimizer.minimize(loss)], "look": [every]}, seed=0)
    for _ in range(3):
        executor.run("train")
    return table, executor.run("look", convert_to_numpy_ret_vals=True)[0]


@pytest.mark.parametrize("optimizer", [ht.optim.SGDOptimizer, ht.optim.AdamOptimizer])
@pytest.mark.parametrize("name", GRIDS)
def test_rows_move_as_those_of_a_float_table(name, optimizer):
    table, codes = trained(name, optimizer(0.05))
    _, floats = trained("embedding_lookup_op", optimizer(0.05))
    assert table.dtype.itemsize == 2
    np.testing.assert_allclose(codes, floats, atol=1e-3)
    assert np.abs(floats - ROWS).max() > 0.02
