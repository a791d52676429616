"""Long chains of arithmetic are cut: a recurrence costs as much per step however long it is."""

import re

import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax import fences


def recurrence(steps):
    """Steps of an LSTM without its output gate, and the gradients of their sum."""
    rng = np.random.default_rng(0)
    w = ht.Variable("w", value=rng.normal(size=(16, 32)) / 4)
    hidden = ht.Variable("x", value=rng.normal(size=(8, 16)))
    state = hidden * 0.5
    for _ in range(steps):
        gates = ht.matmul_op(hidden, w)
        kept, fresh = (ht.slice_op(gates, (0, begin), (-1, 16)) for begin in (0, 16))
        state = ht.sigmoid_op(kept) * state + fresh
        hidden = ht.tanh_op(state)
    loss = ht.reduce_mean_op(hidden, [0, 1])
    return [loss, *ht.gradients(loss, [w])], state


def multiplications(steps):
    executor = ht.Executor(recurrence(steps)[0])
    executor.run()
    return len(re.findall(r" multiply\(", executor.compiled_text()))


def test_the_program_grows_with_the_length_not_with_its_square(monkeypatch):
    monkeypatch.setenv(fences.SWITCH, "1")
    assert multiplications(24) < 2.5 * multiplications(12)
    monkeypatch.setenv(fences.SWITCH, "0")
    assert multiplications(24) > 3 * multiplications(12)


def test_the_numbers_are_the_same(monkeypatch):
    def numbers(switch):
        monkeypatch.setenv(fences.SWITCH, switch)
        return ht.Executor(recurrence(10)[0]).run(convert_to_numpy_ret_vals=True)

    for with_fences, without in zip(numbers("1"), numbers("0"), strict=True):
        np.testing.assert_allclose(with_fences, without, rtol=2e-6)


def test_every_second_value_that_is_read_twice_is_an_end():
    nodes, state = recurrence(6)
    order = ht.graph.toposort([nodes[0]])
    states = [node for node in order if node.op is ht.add_op]
    assert [node in fences.places(order) for node in states] == [False, True, False, True, False, False]
    assert states[-1] is state


def test_what_one_reader_has_is_no_end():
    x = ht.Variable("x", value=[1.0])
    y = x
    for _ in range(9):
        y = ht.tanh_op(y * 2.0)
    assert not fences.places(ht.graph.toposort([y]))


@pytest.mark.parametrize("channels_last", ["0", "1"])
def test_feature_maps_and_integers_pass_fences(monkeypatch, channels_last):
    monkeypatch.setenv("HETU_JAX_CHANNELS_LAST", channels_last)
    rng = np.random.default_rng(0)
    x, w = (ht.Variable(n, value=rng.normal(size=s)) for n, s in (("x", (2, 3, 4, 4)), ("w", (3, 3, 1, 1))))
    counts = ht.Variable("counts", value=np.arange(4), dtype=np.int32, trainable=False)
    y = x
    for _ in range(5):
        y = ht.relu_op(ht.conv2d_op(y, w) + y) + y
        counts = (counts + counts) * counts
    mean = ht.reduce_mean_op(y, [0, 1, 2, 3])

    def run(switch):
        monkeypatch.setenv(fences.SWITCH, switch)
        return ht.Executor([mean, counts, *ht.gradients(mean, [x, w])]).run(convert_to_numpy_ret_vals=True)

    for with_fences, without in zip(run("1"), run("0"), strict=True):
        np.testing.assert_allclose(with_fences, without, rtol=1e-5, atol=1e-7)


def test_the_sum_of_a_parameter_and_its_step_is_never_alone(monkeypatch):
    def trained(switch):
        """The Variables after two steps, and how many sums of the filters' shape the program makes by themselves."""
        monkeypatch.setenv(fences.SWITCH, switch)
        filters = ht.Variable("filters", value=np.random.default_rng(0).normal(size=(16, 8, 3, 3)))
        images = np.random.default_rng(1).normal(size=(2, 8, 6, 6))
        loss = ht.reduce_mean_op(ht.conv2d_op(ht.Variable("x", value=images, trainable=False), filters), [0, 1, 2, 3])
        executor = ht.Executor([loss, ht.optim.MomentumOptimizer(0.1).minimize(loss)])
        for _ in range(2):
            executor.run()
        alone = re.findall(
            r"f32\[16,8,3,3\]\S* (?:add\(|fusion\(.*wrapped_add)", executor.compiled_text().split("ENTRY")[1]
        )
        return executor.state_dict(), len(alone)

    (with_fences, none), (without, one) = trained("1"), trained("0")
    assert (none, one) == (0, 1)
    for name, value in with_fences.items():
        np.testing.assert_array_equal(value, without[name])
