"""Running sums and the few largest of many rows by a loop over rows: the numbers are those of XLA's own ways."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax.ops import row_by_row

MANY = row_by_row.MANY
RNG = np.random.default_rng(0)
RUNNING, CHOICE = ht.cumsum_with_bias_op.fn, ht.topk_idx_op.fn


@pytest.fixture(params=["1", "0"])
def loop(request, monkeypatch):
    monkeypatch.setenv(row_by_row.SWITCH, request.param)
    return request.param == "1"


def loops(function, *arguments):
    return str(jax.make_jaxpr(lambda *given: function(*given))(*arguments)).count(" scan[")


@pytest.mark.parametrize(("shape", "dim"), [((7, 3), 0), ((7, 3), 1), ((2, 5, 3), -2), ((0, 3), 0), ((3, 0), 0)])
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_running_sums(loop, shape, dim, dtype):
    x = RNG.integers(-9, 9, shape).astype(dtype)
    found = RUNNING(x, 2, dim, alone=True)
    np.testing.assert_array_equal(found, np.cumsum(x, dim) + 2)
    assert found.dtype == dtype
    assert loops(lambda x: RUNNING(x, 2, dim, alone=True), x) == (loop and x.size > x.shape[dim])


def test_running_sums_keep_what_comes_before_an_infinite_number(loop):
    x = np.array([[1, 2], [np.inf, 3], [4, np.nan]], np.float32)
    np.testing.assert_array_equal(RUNNING(x, 0, alone=True), np.cumsum(x, 0))


def test_gradient_of_a_running_sum(loop):
    def loss(x):
        return jnp.sum(jnp.sin(RUNNING(x, 0, 0, alone=True)))

    x = RNG.standard_normal((40, 3)).astype(np.float32)
    np.testing.assert_allclose(jax.grad(loss)(x), np.cumsum(np.cos(np.cumsum(x, 0))[::-1], 0)[::-1], atol=1e-4)


def test_one_column_and_short_numbers_are_left_to_xla():
    for x in (jnp.ones(50), jnp.ones((50, 1)), jnp.ones((50, 3), jnp.bfloat16), jnp.ones((50, 3), jnp.int8)):
        assert loops(lambda x: RUNNING(x, 0, alone=True), x) == 0
    assert RUNNING(jnp.ones((1000, 3), jnp.bfloat16), 0, alone=True)[-1, 0] == 1000


def reference(x, count):
    """The places that `count` largest have, by sorting (number, place) pairs with numpy."""
    order = np.lexsort((np.broadcast_to(np.arange(x.shape[-1]), x.shape), x), axis=-1)[..., ::-1][..., :count]
    return np.where(np.take_along_axis(x, order, -1) < -10000, -1, order)


@pytest.mark.parametrize("count", range(row_by_row.FEW + 2))
def test_largest_of_many_rows(loop, count):
    x = RNG.integers(-3, 3, (MANY // 2, 2, 9)).astype(np.float32)
    x[:5, :, :8] = -20000
    x[5, 0, :3] = [-10000, np.inf, -np.inf]
    found = CHOICE(x, count, alone=True)
    np.testing.assert_array_equal(found, reference(x, count))
    assert found.dtype == np.float32
    assert loops(lambda x: CHOICE(x, count, alone=True), x) == (loop and 0 < count <= row_by_row.FEW)


def test_zeros_and_not_a_number_are_in_the_order_of_xla(monkeypatch):
    special = itertools.permutations(np.array([0, -0.0, np.nan, np.inf, -1], np.float32))
    x = np.resize(np.array(list(special)), (MANY, 5))
    found = {}
    for switch in "01":
        monkeypatch.setenv(row_by_row.SWITCH, switch)
        found[switch] = CHOICE(x, 4, alone=True)
    np.testing.assert_array_equal(found["0"], found["1"])


def test_few_rows_other_numbers_and_functions_outside_of_a_step_are_sorted():
    x = jnp.ones((MANY, 8))
    assert loops(lambda x: CHOICE(x, 2, alone=True), x) == 1
    for given in (x[:-1], x.astype(jnp.int32), x.astype(jnp.bfloat16)):
        assert loops(lambda x: CHOICE(x, 2, alone=True), given) == 0
    assert loops(lambda x: CHOICE(x, 2), x) == loops(lambda x: RUNNING(x), x) == 0


def test_a_step_of_experts_is_the_same_either_way(monkeypatch):
    tokens = RNG.standard_normal((MANY, 4)).astype(np.float32)

    def step(switch):
        monkeypatch.setenv(row_by_row.SWITCH, switch)
        x = ht.Variable("x", value=tokens, trainable=False)
        gate = ht.layers.TopKGate(4, MANY, 8, 2, 0.75)
        y, imbalance = ht.layers.MoELayer(gate, [ht.layers.Expert(4, 6, name=f"expert{e}") for e in range(8)])(x)
        loss = ht.reduce_mean_op(y * y, [0, 1]) + imbalance
        executor = ht.Executor([loss, y, ht.optim.SGDOptimizer(0.1).minimize(loss)], seed=5)
        values = [executor.run(convert_to_numpy_ret_vals=True)[:2] for _ in range(2)]
        return sum(values, []), executor.lower_text().count("stablehlo.while")

    (found, many), (wanted, few) = step("1"), step("0")
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    assert np.abs(wanted[1]).max() > 0.1
    assert many - few == 3
