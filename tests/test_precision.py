"""compute_dtype='bfloat16': what is computed in it, what is not, and that training comes out alike."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax import precision
from hetu_jax.errors import GraphError
from hetu_jax.graph import toposort
from hetu_jax.trace import Run, evaluate

RNG = np.random.default_rng(0)


def quick_start(x, y):
    """The documented CNN; returns the loss and the logits."""

    def weight(name, *shape):
        return ht.Variable(name, np.random.default_rng(len(shape)).normal(0, 0.1, shape))

    h = ht.array_reshape_op(x, [-1, 1, 28, 28])
    for name, shape in (("w1", (32, 1, 5, 5)), ("w2", (64, 32, 5, 5))):
        h = ht.avg_pool2d_op(ht.relu_op(ht.conv2d_op(h, weight(name, *shape), padding=2, stride=1)), 2, 2, 0, 2)
    product = ht.matmul_op(ht.array_reshape_op(h, (-1, 7 * 7 * 64)), weight("w3", 7 * 7 * 64, 10))
    logits = product + ht.broadcastto_op(weight("b3", 10), product)
    return ht.reduce_mean_op(ht.softmaxcrossentropy_op(logits, y), [0]), logits


def test_products_are_narrow_and_sums_are_not():
    x, y = ht.Variable("x"), ht.Variable("y")
    loss, logits = quick_start(x, y)
    order = toposort([loss])
    env = {node: node.value for node in order if getattr(node, "value", None) is not None}
    env |= {x: jnp.ones((2, 784)), y: jnp.ones((2, 10)) / 10}
    evaluate([loss], env, Run(True, narrow=jnp.dtype(jnp.bfloat16), channels_last=True))
    dtypes = {node.op.__name__: str(env[node].dtype) for node in order if node.op is not None}
    assert dtypes == {
        "array_reshape_op": "bfloat16",  # the later of two: the first has the images
        "conv2d_op": "bfloat16",
        "relu_op": "bfloat16",
        "avg_pool2d_op": "bfloat16",
        "matmul_op": "bfloat16",
        "broadcastto_op": "bfloat16",
        "add_op": "bfloat16",
        "softmaxcrossentropy_op": "float32",
        "reduce_mean_op": "float32",
    }


def trained(steps, **options):
    """Loss of each step and the validation accuracy after them, on real digits."""
    (x, y), (xv, yv), _ = ht.data.mnist_subset()
    feeds = [
        ht.dataloader_op([ht.Dataloader(a, 64, "train"), ht.Dataloader(b, 200, "validate")])
        for a, b in ((x, xv), (np.float32(y), np.float32(yv)))
    ]
    loss, logits = quick_start(*feeds)
    train = ht.optim.SGDOptimizer(0.05).minimize(loss)
    executor = ht.Executor({"train": [loss, train], "validate": [logits, feeds[1]]}, **options)
    losses = executor.run("train", steps=steps, convert_to_numpy_ret_vals=True)[0].reshape(-1)
    guesses, labels = executor.run_epoch("validate", convert_to_numpy_ret_vals=True)
    assert {str(variable.value.dtype) for variable in executor.variables} == {"float32"}
    assert losses.dtype == guesses.dtype == np.float32
    return losses, float(np.mean(guesses.argmax(-1) == labels.argmax(-1)))


def test_the_quick_start_learns_as_well():
    full, accuracy = trained(80)
    narrow, narrow_accuracy = trained(80, compute_dtype="bfloat16")
    assert not np.array_equal(full, narrow)
    np.testing.assert_allclose(narrow, full, atol=0.05)
    assert accuracy > 0.75 and abs(accuracy - narrow_accuracy) < 0.02


def test_gradients_of_variables_are_float32_and_close():
    x, w = ht.Variable("x"), ht.Variable("w", RNG.standard_normal((5, 3)))
    h = ht.matmul_op(x, w)
    loss = ht.reduce_mean_op(h * h, [0, 1])
    (dw, dh) = ht.gradients(loss, [w, h])
    rows = RNG.standard_normal((4, 5)).astype(np.float32)
    exact, narrow = (
        ht.Executor([dw, dh], compute_dtype=kind).run(feed_dict={x: rows}, convert_to_numpy_ret_vals=True)
        for kind in (None, "bfloat16")
    )
    for one, other in zip(exact, narrow, strict=True):
        assert other.dtype == np.float32
        np.testing.assert_allclose(other, one, atol=0.02 * np.abs(one).max())


@pytest.mark.parametrize("wanted", [None, "float32", np.float32])
def test_float32_is_what_there_is_without(wanted):
    assert precision.compute_dtype(wanted) is None
    assert precision.compute_dtype(jnp.bfloat16) == precision.compute_dtype("bfloat16") == jnp.bfloat16


@pytest.mark.parametrize("wanted", ["float16", "float64", "int32"])
def test_other_types_are_refused(wanted):
    x = ht.Variable("x")
    with pytest.raises(GraphError, match=f"'float32' or 'bfloat16', not '{wanted}'"):
        ht.Executor([x * 2.0], compute_dtype=wanted)


def test_sparse_and_integer_values_pass():
    table, ids = ht.Variable("table", RNG.standard_normal((6, 4))), ht.Variable("ids", dtype=np.int32)
    rows = ht.embedding_lookup_op(table, ids)
    loss = ht.reduce_mean_op(ht.matmul_op(rows, ht.Variable("w", np.ones((4, 1)))), [0, 1])
    executor = ht.Executor([loss, ht.optim.AdamOptimizer(0.1).minimize(loss)], compute_dtype="bfloat16")
    first, last = (executor.run(feed_dict={ids: [1, 2, 2]})[0].asnumpy() for _ in range(2))
    assert last < first
    assert jax.numpy.float32 == table.value.dtype
