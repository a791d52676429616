"""Channels-last feature maps inside the step: the same numbers as NCHW, whatever reads them."""

import jax
import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax import layout
from hetu_jax.graph import Variable, toposort
from hetu_jax.trace import Run, evaluate

pytestmark = pytest.mark.usefixtures("compile_quickly")
RNG = np.random.default_rng(0)
ROW = np.linspace(1, 2, 11).astype(np.float32)


def weight(name, *shape):
    return ht.Variable(name, RNG.standard_normal(shape) / 4)


def scalar(node):
    return ht.reduce_sum_op(ht.mul_op(node, node), [0, 1, 2, 3])


def block(x, name, channels):
    w = weight(f"{name}_w", channels, channels, 3, 3)
    y = ht.conv2d_op(x, w, padding=1, stride=1)
    y = ht.batch_normalization_op(y, weight(f"{name}_s", channels), weight(f"{name}_b", channels))
    return ht.relu_op(y + x)


def residual(x):
    y = ht.conv2d_op(x, weight("stem", 4, 3, 3, 3), padding=1, stride=2)
    y = block(block(y, "one", 4), "two", 4)
    return ht.reduce_mean_op(y, [2, 3])


def biased(x):
    y = ht.conv2d_add_bias_op(x, weight("w", 5, 3, 2, 3), weight("b", 5), padding=(1, 0), stride=(2, 1))
    bias = ht.array_reshape_op(weight("c", 5), (1, 5, 1, 1))
    y = ht.sigmoid_op(y + ht.broadcastto_op(bias, y)) * 3.0
    y = ht.max_pool2d_op(y, 2, 2, 0, 2)
    return ht.array_reshape_op(y, (-1, 5 * int(np.prod(y.shape[2:]))))


GRAPHS = {
    "residual": residual,
    "biased": biased,
    "average pool": lambda x: ht.avg_pool2d_op(ht.conv2d_op(x, weight("w", 2, 3, 3, 3)), 3, 2, 1, 2),
    "large pools": lambda x: ht.max_pool2d_op(ht.avg_pool2d_op(ht.relu_op(block(x, "a", 3)), 5, 5, 0, 1), 5, 5, 2, 5),
    "tiles": lambda x: ht.avg_pool2d_op(block(x, "a", 3), 5, 5, 0, 5),
    "row against maps": lambda x: block(x, "a", 3) * ht.Variable("row", RNG.standard_normal(x.shape[3])),
    "matrix against maps": lambda x: block(x, "a", 3) + ht.Variable("m", RNG.standard_normal(x.shape[2:])),
    "array against maps": lambda x: ht.addbyconst_op(block(x, "a", 3), RNG.standard_normal((3, 1, 1))),
    "concat of channels": lambda x: ht.concatenate_op([block(x, "a", 3), block(x, "b", 3)], axis=1),
    "transpose": lambda x: ht.transpose_op(block(x, "a", 3), (1, 0, 3, 2)),
    "pad": lambda x: ht.pad_op(block(x, "a", 3), [[0, 0], [0, 0], [1, 2], [0, 1]]),
    "where": lambda x: ht.where_op(block(x, "a", 3), x, block(x, "b", 3)),
    "sum": lambda x: ht.sum_op([block(x, "a", 3), x, block(x, "b", 3)]),
    "slice": lambda x: block(x, "a", 3)[:, 1:, :, ::2],
    "instance norm": lambda x: ht.instance_normalization2d_op(block(x, "a", 3)),
    "softmax": lambda x: ht.softmax_op(block(x, "a", 3)),
    "list against maps": lambda x: (block(x, "a", 3) + list(ROW)) * list(ROW),
    "tuple against maps": lambda x: ht.mul_byconst_op(block(x, "a", 3), tuple(ROW)),
    "quotient and power of maps": lambda x: ht.power_op(ht.div_op(block(x, "a", 3) + 0.5, list(ROW)), list(ROW)),
    "sum with an array": lambda x: ht.sum_op([block(x, "a", 3), ROW]),
    "division": lambda x: 1.0 / (2.0 + ht.sigmoid_op(block(x, "a", 3))),
}


def values(nodes, channels_last):
    leaves = [n for n in toposort(nodes) if isinstance(n, Variable)]

    def step(held):
        run = Run(True, channels_last=channels_last)
        found = evaluate(nodes, dict(zip(leaves, held, strict=True)), run)
        return found, list(run.updates.values())

    return jax.tree.leaves(jax.jit(step)([leaf.value for leaf in leaves]))


@pytest.mark.parametrize("name", GRAPHS)
def test_values_gradients_and_updates_are_those_of_nchw(name):
    x = ht.Variable("x", RNG.standard_normal((2, 3, 10, 11)))
    y = GRAPHS[name](x)
    params = [n for n in toposort([y]) if isinstance(n, Variable) and n.trainable]
    inner = next(n for n in toposort([y]) if n.op is not None and n.op.__name__.startswith("conv2d"))
    seed = ht.Variable("seed", RNG.standard_normal(y.shape))
    nodes = [y, inner, *ht.gradients(y, [*params, inner], insert_grad=seed)]
    ours, theirs = values(nodes, True), values(nodes, False)
    assert len(ours) == len(theirs) >= len(nodes)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4 * max(1, float(np.abs(b).max())))


def test_gradients_of_gradients_cross_the_layout():
    x = ht.Variable("x", RNG.standard_normal((1, 2, 4, 4)))
    w = weight("w", 2, 2, 3, 3)
    y = ht.sigmoid_op(ht.conv2d_op(x, w, padding=1))
    (slope,) = ht.gradients(y, [y])
    (first,) = ht.gradients(ht.mul_op(y, slope), [x], insert_grad=y)
    second = ht.gradients(scalar(first), [w, x])
    for a, b in zip(values(second, True), values(second, False), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_convolutions_in_a_row_share_the_layout():
    x = ht.Variable("x", RNG.standard_normal((2, 3, 8, 8)))
    y = x
    for i in range(4):
        y = ht.avg_pool2d_op(ht.relu_op(ht.conv2d_op(y, weight(f"w{i}", 3, 3, 3, 3), padding=1)), 2, 2, 0, 1)
    jaxpr = jax.make_jaxpr(lambda v: evaluate([y], {**held, x: v}, Run(False, channels_last=True)))
    held = {n: n.value for n in toposort([y]) if isinstance(n, Variable)}
    assert str(jaxpr(x.value)).count(" transpose[") == 2  # in at the first, out at the last


def test_the_executor_uses_it_on_cpus_and_can_be_told_not_to(monkeypatch):
    assert layout.wanted("cpu") and not layout.wanted("gpu")
    monkeypatch.setenv(layout.SWITCH, "0")
    assert not layout.wanted("cpu")
    monkeypatch.setenv(layout.SWITCH, "1")
    assert layout.wanted("gpu")


def test_feature_maps_show_their_nchw_shape():
    held = layout.ChannelsLast.of(np.zeros((2, 3, 4, 5), np.float32))
    assert held.shape == (2, 3, 4, 5) and held.held.shape == (2, 4, 5, 3) and held.dtype == np.float32
    assert layout.plain(held).shape == (2, 3, 4, 5) and layout.plain(None) is None
