"""Parameters are updated where they lie: nothing is copied, and no number changes."""

import re

import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax import in_place


def numbers(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def perceptron():
    """A loss and its parameters."""
    x = ht.Variable("x", value=numbers(8, 16), trainable=False)
    names = {"w0": (16, 24), "b0": (24,), "w1": (24, 12), "b1": (12,), "w2": (12, 3)}
    params = {name: ht.Variable(name, value=numbers(*shape)) for name, shape in names.items()}
    hidden = ht.relu_op(ht.linear_op(x, params["w0"], params["b0"]))
    hidden = ht.relu_op(ht.linear_op(hidden, params["w1"], params["b1"]))
    scores = ht.matmul_op(hidden, params["w2"])
    return ht.reduce_mean_op(scores * scores, [0, 1]), params


@pytest.mark.parametrize("switch", ["1", "0"])
def test_a_step_copies_no_matrix(monkeypatch, switch):
    monkeypatch.setenv(in_place.SWITCH, switch)
    loss, _ = perceptron()
    executor = ht.Executor([loss, ht.optim.SGDOptimizer(0.1).minimize(loss)])
    executor.run()
    copies = re.findall(r"= f32\[\d+,\d+\]\S* copy\(", executor.compiled_text().split("ENTRY")[1])
    assert len(copies) == (0 if switch == "1" else 2)


@pytest.mark.parametrize("optimizer", [ht.optim.SGDOptimizer, ht.optim.MomentumOptimizer, ht.optim.AdamOptimizer])
def test_the_numbers_are_the_same(monkeypatch, optimizer):
    def trained(switch):
        monkeypatch.setenv(in_place.SWITCH, switch)
        loss, _ = perceptron()
        executor = ht.Executor([loss, optimizer(0.1).minimize(loss)])
        for _ in range(3):
            executor.run()
        return executor.state_dict()

    with_waiting, without = trained("1"), trained("0")
    for name, value in with_waiting.items():
        np.testing.assert_array_equal(value, without[name])


def test_what_is_read_on_the_way_back_is_followed_by_a_gradient_below():
    loss, params = perceptron()
    found = in_place.followers([loss], [*params.values()])
    assert {leaf.name: [other.name for other in others] for leaf, others in found.items()} == {
        "w1": ["w0"],
        "b1": ["w0"],
        "w2": ["w1"],
    }


def test_a_recurrence_follows_from_its_own_gradient_and_from_the_lookup_below():
    table, w = ht.Variable("table", value=numbers(9, 4)), ht.Variable("w", value=numbers(4, 4))
    ids = ht.Variable("ids", value=np.arange(3), dtype=np.int32, trainable=False)
    found = ht.embedding_lookup_op(table, ids)
    state = found
    for _ in range(3):
        state = ht.tanh_op(ht.matmul_op(state, w))
    assert in_place.followers([state], [w, found]) == {w: (found,)}


def test_an_empty_gradient_holds_nobody_up():
    empty, full = ht.Variable("empty", value=numbers(0, 3)), ht.Variable("full", value=numbers(2))
    gradients = {empty: empty.value, full: full.value}
    assert in_place.one_after([empty], gradients) is None
    assert in_place.one_after([empty, full], gradients) == 1
