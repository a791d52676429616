"""Lookups of many rows are two pieces on CPUs: the numbers and the gradients are those of one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax.ops import embedding

HEIGHT = 50
TABLE = np.random.default_rng(0).standard_normal((HEIGHT, 3)).astype(np.float32)
IDS = np.random.default_rng(1).integers(-5, HEIGHT + 5, (embedding.LARGE // 2 + 1, 2)).astype(np.int32)


@pytest.fixture(params=["1", "0"])
def split(request, monkeypatch):
    monkeypatch.setenv(embedding.SWITCH, request.param)
    return request.param == "1"


def pieces(function, *arguments):
    """How many times the function takes rows of a table."""
    return jax.jit(lambda *given: function(*given)).lower(*arguments).compile().as_text().count(" gather(")


def test_rows_are_those_of_one_piece(split):
    found = embedding.rows_in_halves(TABLE, IDS)
    inside = (IDS >= 0) & (IDS < HEIGHT)
    np.testing.assert_array_equal(found, np.where(inside[..., None], TABLE[IDS % HEIGHT], 0))
    assert pieces(embedding.rows_in_halves, TABLE, IDS) == (2 if split else 1)
    assert pieces(embedding.rows_in_halves, TABLE, IDS[:5]) == 1


def test_the_gradient_is_one_sum_of_rows(split):
    def loss(take, table):
        return jnp.sum(jnp.sin(take(table, IDS)))

    found, wanted = (jax.grad(loss, 1)(take, TABLE) for take in (embedding.rows_in_halves, embedding.rows))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    program = jax.jit(jax.grad(lambda table: loss(embedding.rows_in_halves, table))).lower(TABLE).compile().as_text()
    assert program.count(" scatter(") == 1
    (forwards,) = jax.jvp(lambda table: loss(embedding.rows_in_halves, table), (TABLE,), (np.ones_like(TABLE),))[1:]
    assert float(forwards) == pytest.approx(float(np.sum(wanted)), rel=1e-4)


@pytest.mark.parametrize("optimizer", [ht.optim.SGDOptimizer, ht.optim.AdaGradOptimizer, ht.optim.AdamOptimizer])
def test_training_gives_the_same_numbers(monkeypatch, optimizer):
    def trained(switch):
        monkeypatch.setenv(embedding.SWITCH, switch)
        table = ht.Variable("table", value=TABLE)
        found = ht.embedding_lookup_op(table, ht.Variable("ids", value=IDS, dtype=np.int32, trainable=False))
        loss = ht.reduce_mean_op(found * found, [0, 1, 2])
        executor = ht.Executor([loss, optimizer(0.1).minimize(loss)])
        for _ in range(3):
            executor.run()
        return np.asarray(table.value)

    np.testing.assert_allclose(trained("1"), trained("0"), rtol=1e-6, atol=1e-7)


def test_a_function_outside_of_a_graph_takes_one_piece():
    assert pieces(ht.embedding_lookup_op.fn, jnp.asarray(TABLE), jnp.asarray(IDS)) == 1
