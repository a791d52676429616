"""Blocks of one array are taken together, with the values and gradients that each has by itself."""

import jax
import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax import parts
from hetu_jax.errors import OpError

X = np.arange(24, dtype=np.float32).reshape(4, 6)
BLOCKS = {
    "parts, out of order": [((0, 4), (-1, 2)), ((0, 0), (-1, 2)), ((0, 2), (-1, 2))],
    "gaps": [((0, 1), (-1, 1)), ((0, 3), (-1, 2))],
    "one twice": [((0, 1), (4, 2)), ((0, 1), (-1, 2))],
    "overlapping": [((0, 1), (-1, 3)), ((0, 2), (-1, 3))],
    "two axes": [((1, 0), (2, -1)), ((0, 3), (-1, 2)), ((1, 1), (2, 2)), ((0, 0), (-1, -1)), ((2, 0), (0, -1))],
}


@pytest.mark.parametrize("blocks", BLOCKS.values(), ids=BLOCKS)
def test_values_and_gradients(blocks):
    x = ht.Variable("x", X)
    nodes = [ht.slice_op(x, begin, size) for begin, size in blocks]
    loss = ht.sum_op([ht.reduce_sum_op(ht.pow_op(node, 2), [0, 1]) for node in nodes])
    *values, gradient = ht.Executor([*nodes, *ht.gradients(loss, [x])]).run(convert_to_numpy_ret_vals=True)
    wanted = np.zeros_like(X)
    for value, (begin, size) in zip(values, blocks, strict=True):
        place = tuple(slice(b, None if s == -1 else b + s) for b, s in zip(begin, size, strict=True))
        np.testing.assert_array_equal(value, X[place])
        wanted[place] += 2 * X[place]
    np.testing.assert_array_equal(gradient, wanted)


def test_parts_of_split_op_and_gradients_of_the_parts():
    x = ht.Variable("x", X)
    halves = [ht.split_op(x, [1], [i], [2]) for i in range(2)]
    product = halves[0] * halves[1]
    found = ht.Executor(ht.gradients(product, [halves[0], x])).run(convert_to_numpy_ret_vals=True)
    np.testing.assert_array_equal(found[0], X[:, 3:])
    np.testing.assert_array_equal(found[1], np.concatenate([X[:, 3:], X[:, :3]], 1))


@pytest.mark.parametrize(("switch", "splits", "slices"), [("1", 1, 0), ("0", 0, 3)])
def test_blocks_become_one_split(monkeypatch, switch, splits, slices):
    monkeypatch.setenv(parts.SWITCH, switch)
    monkeypatch.setenv("HETU_JAX_FENCE", "0")  # its one is a slice too
    x = ht.placeholder_op("x")
    total = ht.sum_op([ht.slice_op(x, (0, 2 * i), (-1, 2)) for i in range(3)])
    executor = ht.Executor([total])
    executor.run(feed_dict={x: X})
    step = next(iter(executor.subexecutor["default"]._steps.values()))
    names = [e.primitive.name for e in jax.make_jaxpr(step.plain)([], [], [(X,)], None).eqns]
    assert (names.count("split"), names.count("slice")) == (splits, slices)


def test_a_wrong_block_is_told_by_its_own_name():
    x = ht.Variable("x", X)
    good, bad = ht.slice_op(x, (0, 0), (-1, 2)), ht.slice_op(x, (0, 5), (-1, 2), name="bad")
    with pytest.raises(OpError, match="slice_op 'bad'"):
        ht.Executor([good, bad]).run()


def test_channels_last_maps_are_cut_too():
    x = ht.Variable("x", np.random.default_rng(0).standard_normal((2, 4, 5, 5)))
    pooled = ht.max_pool2d_op(x, 2, 2, 0, 1)
    parts = [ht.slice_op(pooled, (0, i, 0, 0), (-1, 2, -1, -1)) for i in (0, 2)]
    whole, *found = ht.Executor([pooled, *parts]).run(convert_to_numpy_ret_vals=True)
    np.testing.assert_array_equal(np.concatenate(found, 1), whole)
