"""Steps spread over CPU devices: the same numbers, chosen by what a step costs, followed by all who share Variables."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax import costs, parallel

pytestmark = pytest.mark.skipif(len(jax.local_devices(backend="cpu")) < 2, reason="needs two CPU devices")
RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((38, 3, 8, 8)).astype(np.float32)
LABELS = np.eye(4, dtype=np.float32)[RNG.integers(0, 4, 38)]


def initial(name, *shape):
    return ht.Variable(name, np.random.default_rng(len(name)).standard_normal(shape) / 3)


def network(x, y):
    """Convolution, batch norm, dropout, pooling and a product; returns the loss and the logits."""
    h = ht.conv2d_op(x, initial("kernel", 4, 3, 3, 3), padding=1, stride=1)
    h = ht.relu_op(ht.batch_normalization_op(h, ht.Variable("scale", np.ones(4)), ht.Variable("bias", np.zeros(4))))
    h = ht.dropout_op(ht.max_pool2d_op(h, 2, 2, 0, 2), 0.8)
    logits = ht.matmul_op(ht.array_reshape_op(h, (-1, 64)), initial("product", 64, 4))
    return ht.reduce_mean_op(ht.softmaxcrossentropy_op(logits, y), [0]), logits


def loaded(batch_size=8, **options):
    """An Executor that trains and validates from dataloaders."""
    x, y = (
        ht.dataloader_op([ht.Dataloader(data, batch_size, name, drop_last=False) for name in ("train", "validate")])
        for data in (IMAGES, LABELS)
    )
    loss, logits = network(x, y)
    train = ht.optim.MomentumOptimizer(0.1).minimize(loss)
    return ht.Executor({"train": [loss, logits, train], "validate": [loss, logits]}, seed=3, **options)


def history(executor):
    """Two epochs, with the validation after each: all that was fetched, and the Variables at the end."""
    fetched = []
    for _ in range(2):
        for name in ("train", "validate"):
            for _ in range(executor.get_batch_num(name)):
                fetched += [value for value in executor.run(name, convert_to_numpy_ret_vals=True) if value is not None]
    return fetched, executor.state_dict()


@pytest.fixture
def spread(monkeypatch):
    monkeypatch.setenv(parallel.SWITCH, "1")


def test_the_numbers_are_those_of_one_device(monkeypatch):
    monkeypatch.setenv(parallel.SWITCH, "0")
    alone = loaded()
    fetched, state = history(alone)
    monkeypatch.setenv(parallel.SWITCH, "1")
    both = loaded()
    fetched_spread, state_spread = history(both)
    assert alone.config.mesh is None
    assert both.config.mesh.size == len(jax.local_devices(backend="cpu"))
    assert all(variable.value.sharding.num_devices == both.config.mesh.size for variable in both.variables)
    for one, other in zip(fetched, fetched_spread, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=1e-5)
    for name, value in state.items():
        np.testing.assert_allclose(value, state_spread[name], rtol=2e-4, atol=1e-5, err_msg=name)


def test_a_step_is_compiled_once_for_whole_and_once_for_short_batches(spread):
    executor = loaded()
    history(executor)
    counts = {name: group.compile_count for name, group in executor.subexecutor.items()}
    assert counts == {"train": 2, "validate": 2}


def test_small_steps_stay_on_one_device(monkeypatch):
    monkeypatch.delenv(parallel.SWITCH, raising=False)
    executor = loaded()
    executor.run("train")
    assert executor.config.mesh is None


def test_a_graph_without_convolutions_is_not_traced_to_be_judged(monkeypatch):
    monkeypatch.delenv(parallel.SWITCH, raising=False)
    monkeypatch.setattr(costs, "costs", None)
    x = ht.Variable("x")
    executor = ht.Executor([ht.matmul_op(x, initial("w", 3, 2))])
    executor.run(feed_dict={x: np.ones((8, 3))})
    assert executor.config.mesh is None


def test_nothing_is_started_behind_a_spread_step(spread):
    """Programs queued behind it could keep one device's part from ever meeting the other's."""
    executor = loaded()
    for _ in range(3):
        values = executor.run("train")
        assert all(part.value.is_ready() for part in values if part is not None)
        assert all(variable.value.is_ready() for variable in executor.variables)


def test_large_steps_are_spread_by_default(monkeypatch):
    monkeypatch.delenv(parallel.SWITCH, raising=False)
    x = ht.Variable("x")
    y = ht.conv2d_op(x, ht.Variable("w", np.ones((16, 16, 5, 5)) / 400), padding=2, stride=1)
    executor = ht.Executor([ht.reduce_mean_op(y, [0, 1, 2, 3])])
    (mean,) = executor.run(feed_dict={x: np.ones((64, 16, 64, 64))}, convert_to_numpy_ret_vals=True)
    assert executor.config.mesh is not None
    np.testing.assert_allclose(mean, ((64 * 5 - 6) / 64 / 5) ** 2, rtol=1e-5)


def test_a_batch_that_does_not_divide_is_not_spread(spread):
    x = ht.Variable("x")
    executor = ht.Executor([ht.matmul_op(x, initial("w", 3, 2))])
    executor.run(feed_dict={x: np.ones((7, 3))})
    assert executor.config.mesh is None


def test_fed_batches_may_change_size(spread):
    x, w = ht.Variable("x"), initial("w", 3, 2)
    executor = ht.Executor([ht.matmul_op(x, w)])
    for count in (8, 5, 1, 8):
        rows = RNG.standard_normal((count, 3)).astype(np.float32)
        (product,) = executor.run(feed_dict={x: rows}, convert_to_numpy_ret_vals=True)
        np.testing.assert_allclose(product, rows @ w.tensor_value.asnumpy(), rtol=1e-5, atol=1e-6)
    assert executor.config.mesh is not None


def test_an_executor_over_the_same_variables_follows(spread):
    w, small, large = initial("w", 3, 2), ht.Variable("small"), ht.Variable("large")
    one, other = ht.Executor([ht.matmul_op(small, w)]), ht.Executor([ht.matmul_op(large, w)])
    one.run(feed_dict={small: np.ones((3, 3))})
    assert one.config.mesh is None
    other.run(feed_dict={large: np.ones((8, 3))})
    one.run(feed_dict={small: np.ones((3, 3))})
    assert one.config.mesh is other.config.mesh is not None


def test_values_that_are_set_are_spread_too(spread, tmp_path):
    executor = loaded()
    executor.run("train")
    executor.save(str(tmp_path), "kept")
    before = executor.state_dict()
    executor.run("train")
    executor.load(str(tmp_path), "kept")
    kernel = next(variable for variable in executor.variables if variable.name == "kernel")
    assert kernel.value.sharding.num_devices == executor.config.mesh.size
    np.testing.assert_array_equal(kernel.tensor_value.asnumpy(), before["kernel"])
    kernel.tensor_value = np.zeros(kernel.shape)
    assert kernel.value.sharding.num_devices == executor.config.mesh.size
    executor.run("train")
    assert executor.subexecutor["train"].compile_count == 1


def test_rows_of_a_table(monkeypatch):
    """Lazy rows update what they touched, once, wherever it was looked up."""
    ids = RNG.integers(0, 50, (16, 3))

    def tables():
        table, rows = initial("table", 50, 4), ht.Variable("ids", dtype=np.int32)
        loss = ht.reduce_mean_op(ht.reduce_sum_op(ht.embedding_lookup_op(table, rows) * 2.0, [1, 2]), [0])
        executor = ht.Executor([loss, ht.optim.AdamOptimizer(0.1).minimize(loss)])
        for _ in range(3):
            executor.run(feed_dict={rows: ids})
        return executor, table.tensor_value.asnumpy()

    monkeypatch.setenv(parallel.SWITCH, "0")
    _, alone = tables()
    monkeypatch.setenv(parallel.SWITCH, "1")
    executor, both = tables()
    assert executor.config.mesh is not None
    np.testing.assert_allclose(alone, both, rtol=1e-5, atol=1e-6)


EIGHT = """
import numpy as np, jax, hetu_jax as ht
x, y = ht.Variable("x"), ht.Variable("y")
w = ht.Variable("w", np.ones((4, 1)))
error = ht.matmul_op(x, w) - y
loss = ht.reduce_mean_op(error * error, [0, 1])
train = ht.optim.AdamOptimizer(0.1).minimize(loss)
rng = np.random.default_rng(0)
rows, targets = rng.standard_normal((16, 4)), rng.standard_normal((16, 1))
strategy = ht.dist.DataParallel("allreduce")
if WORKERS:
    strategy.settings = ht.DistConfig(num_local_workers=WORKERS)
executor = ht.Executor([loss, train], dist_strategy=strategy)
losses = [executor.run(feed_dict={x: rows, y: targets})[0].asnumpy().item() for _ in range(3)]
print(w.value.sharding.num_devices, *np.round(losses, 4))
"""


def adam_losses(rows, targets, steps):
    """Of the linear model in `EIGHT`."""
    w, first, second, losses = np.ones((4, 1)), 0, 0, []
    for step in range(1, steps + 1):
        error = rows @ w - targets
        losses.append(np.mean(error**2))
        gradient = 2 * rows.T @ error / len(rows)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        w = w - 0.1 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-7)
    return losses


@pytest.mark.parametrize(("devices", "workers", "used"), [(8, 0, 8), (8, 4, 4), (1, 0, 1)])
def test_data_parallel(devices, workers, used):
    """`ht.dist.DataParallel` splits batches over all devices, or as many as there are workers."""
    environment = os.environ | {"JAX_NUM_CPU_DEVICES": str(devices), "JAX_PLATFORMS": "cpu"}
    code = EIGHT.replace("WORKERS", str(workers))
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    count, *losses = done.stdout.split()
    assert int(count) == used
    rng = np.random.default_rng(0)
    rows, targets = rng.standard_normal((16, 4)), rng.standard_normal((16, 1))
    np.testing.assert_allclose(np.float64(losses), adam_losses(rows, targets, steps=3), atol=2e-4)


@pytest.mark.parametrize(
    ("variables", "count"),
    [
        ({}, "cores"),
        ({"HETU_JAX_SPREAD": "0"}, "1"),
        ({"JAX_NUM_CPU_DEVICES": "3"}, "3"),
        ({"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}, "4"),
    ],
)
def test_cpu_devices(variables, count):
    """One a core, unless somebody said how many."""
    environment = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES")} | variables
    code = "import hetu_jax, jax; print(len(jax.devices('cpu')), min(hetu_jax.parallel._cores(), 8))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    devices, cores = done.stdout.split()
    assert devices == (cores if count == "cores" else count)


def test_an_application_that_started_jax_keeps_its_devices():
    code = "import jax; jax.devices(); import hetu_jax; print(len(jax.devices('cpu')))"
    environment = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "JAX_NUM_CPU_DEVICES")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_nothing_is_traced_to_be_judged_where_there_is_nothing_to_spread_over(monkeypatch):
    monkeypatch.setenv(parallel.SWITCH, "0")
    monkeypatch.setattr(costs, "costs", None)
    executor = loaded()
    executor.run("train")
    assert executor.config.mesh is None
