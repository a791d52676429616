"""Filters that outnumber their images are split by output channels: which these are, and the same numbers."""

import jax
import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax import channels, parallel
from hetu_jax.ops import winograd

pytestmark = [
    pytest.mark.skipif(len(jax.local_devices(backend="cpu")) < 2, reason="needs two CPU devices"),
    pytest.mark.usefixtures("compile_quickly"),
]
RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((16, 3, 8, 8)).astype(np.float32)
LABELS = np.eye(4, dtype=np.float32)[RNG.integers(0, 4, 16)]
SPLIT = {f"{name}{end}" for name in ("late", "short", "last", "scale", "shift") for end in ("", "_momentum_v")}
SPLIT |= {"scale_running_mean", "scale_running_var"}


def initial(name, *shape):
    return ht.Variable(name, np.random.default_rng(len(name)).standard_normal(shape) / 5)


def trained(steps=3, biased=False, **options):
    """An Executor after some steps of a net whose last block has large filters on small images, and the losses."""
    x, y = (ht.dataloader_op([ht.Dataloader(data, 8, "train")]) for data in (IMAGES, LABELS))
    h = ht.relu_op(ht.conv2d_op(x, initial("early", 16, 3, 3, 3), padding=1, stride=2))
    if biased:
        late = ht.conv2d_add_bias_op(h, initial("late", 64, 16, 3, 3), initial("shift", 64), padding=1, stride=2)
        late = ht.relu_op(late)
    else:
        late = ht.conv2d_op(h, initial("late", 64, 16, 3, 3), padding=1, stride=2)
        scale, shift = ht.Variable("scale", np.ones(64)), ht.Variable("shift", np.zeros(64))
        late = ht.relu_op(ht.batch_normalization_op(late, scale, shift))
    late = late + ht.conv2d_op(h, initial("short", 64, 16, 1, 1), padding=0, stride=2)
    late = ht.conv2d_op(late, initial("last", 64, 64, 3, 3), padding=1)
    logits = ht.matmul_op(ht.array_reshape_op(late, (-1, 256)), initial("head", 256, 4))
    loss = ht.reduce_mean_op(ht.softmaxcrossentropy_op(logits, y), [0])
    optimizer = ht.optim.MomentumOptimizer(0.05)
    executor = ht.Executor({"train": [loss, optimizer.minimize(loss)]}, seed=3, **options)
    return executor, [executor.run("train")[0].asnumpy() for _ in range(steps)]


def split_of(executor):
    return {variable.name for variable in executor.variables if parallel.is_split(variable.value)}


def numbers(executor, losses):
    return {"losses": np.array(losses)} | executor.state_dict()


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_allclose(value, other[name], rtol=2e-4, atol=2e-5, err_msg=name)


@pytest.fixture
def alone(monkeypatch):
    """What one device computes; later Executors are spread."""
    monkeypatch.setenv(parallel.SWITCH, "0")
    found = numbers(*trained())
    monkeypatch.setenv(parallel.SWITCH, "1")
    return found


def test_what_is_split_and_that_the_numbers_are_those_of_one_device(alone):
    executor, losses = trained()
    assert split_of(executor) == SPLIT
    late = next(variable for variable in executor.variables if variable.name == "late")
    assert {part.data.shape for part in late.value.addressable_shards} == {(64 // executor.config.mesh.size, 16, 3, 3)}
    assert_same(numbers(executor, losses), alone)
    assert executor.subexecutor["train"].compile_count == 1


@pytest.mark.parametrize("large", [0, 1e9])
def test_in_fewer_multiplications(alone, monkeypatch, large):
    """Filters that count as large are prepared when the images are there, the others whenever there is time."""

    def tile(images, filters, padding, stride, spread):
        return {1: 4, 2: 2}[stride[0]] if filters.shape[2] == 3 else 0

    monkeypatch.setattr(winograd, "best_tile", tile)
    monkeypatch.setattr(winograd, "LARGE", large)
    executor, losses = trained()
    assert split_of(executor) == SPLIT
    assert_same(numbers(executor, losses), alone)


def test_as_channels_first(alone, monkeypatch):
    monkeypatch.setenv("HETU_JAX_CHANNELS_LAST", "0")
    executor, losses = trained()
    assert split_of(executor) == SPLIT
    assert_same(numbers(executor, losses), alone)


def test_it_can_be_turned_off(alone, monkeypatch):
    monkeypatch.setenv(channels.SWITCH, "0")
    executor, losses = trained()
    assert executor.config.mesh is not None and not split_of(executor)
    assert_same(numbers(executor, losses), alone)


def test_a_bias_is_split_with_its_filters(monkeypatch):
    monkeypatch.setenv(parallel.SWITCH, "0")
    one = numbers(*trained(biased=True))
    monkeypatch.setenv(parallel.SWITCH, "1")
    executor, losses = trained(biased=True)
    assert {"late", "shift"} <= split_of(executor) and "early" not in split_of(executor)
    assert_same(numbers(executor, losses), one)


def test_many_steps_in_one_dispatch(alone, monkeypatch):
    monkeypatch.setenv("HETU_JAX_SCAN", "1")
    executor, losses = trained(steps=1)
    losses += list(executor.run("train", steps=2)[0].asnumpy())
    assert split_of(executor) == SPLIT
    assert_same(numbers(executor, losses), alone)


def test_detecting_nan_leaves_variables_split(alone):
    """The step then gives new values beside the old ones, which are only kept when it found nothing."""
    executor, losses = trained(detect_nan=True)
    assert split_of(executor) == SPLIT
    assert_same(numbers(executor, losses), alone)
    assert executor.subexecutor["train"].compile_count == 1


def test_checkpoints(alone, tmp_path):
    executor, losses = trained(steps=1)
    executor.save(str(tmp_path), "kept")
    executor, _ = trained(steps=2)
    executor.load(str(tmp_path), "kept")
    assert split_of(executor) == SPLIT
    losses += [executor.run("train")[0].asnumpy() for _ in range(2)]
    assert_same(numbers(executor, losses), alone)


def test_a_second_executor_over_the_variables(alone):
    executor, _ = trained()
    x = ht.Variable("x")
    late = next(variable for variable in executor.variables if variable.name == "late")
    maps = ht.conv2d_op(x, late, padding=1)
    other = ht.Executor([maps])
    images = RNG.standard_normal((4, 16, 2, 2)).astype(np.float32)
    (found,) = other.run(feed_dict={x: images}, convert_to_numpy_ret_vals=True)
    wanted = winograd.by_definition(images, late.tensor_value.asnumpy(), (1, 1), (1, 1), "NCHW")
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    assert other.config.mesh is executor.config.mesh and parallel.is_split(late.value)
    (short,) = other.run(feed_dict={x: images[:3]}, convert_to_numpy_ret_vals=True)
    np.testing.assert_allclose(short, wanted[:3], rtol=1e-4, atol=1e-5)


def test_no_gradient_of_split_filters_travels(alone, monkeypatch):
    executor, _ = trained(steps=1)
    assert not _filters_travel(executor)
    monkeypatch.setenv(channels.SWITCH, "0")
    assert _filters_travel(trained(steps=1)[0])


def _filters_travel(executor):
    sums = [line for line in executor.compiled_text("train").splitlines() if " all-reduce(" in line]
    assert sums
    return any("64,64]" in line or "[64,64," in line for line in sums)


@pytest.mark.parametrize(
    ("images", "filters", "split"),
    [((8, 8, 2, 2), (64, 8, 3, 3), True), ((32, 8, 8, 8), (64, 8, 3, 3), False), ((8, 8, 2, 2), (65, 8, 3, 3), False)],
)
def test_filters_are_split_where_they_outnumber_the_images_and_can_be_divided(images, filters, split):
    x, w = ht.Variable("x"), initial("w", *filters)
    maps = ht.conv2d_op(x, w, padding=1)
    struct = {x: jax.ShapeDtypeStruct(images, np.float32)}
    found = channels.to_split([x, w, maps], ht.costs.costs([maps], struct), 2)
    assert found == ({w} if split else set())


def test_filters_that_are_computed_stay_as_they_are():
    x, w = ht.Variable("x"), initial("w", 64, 8, 3, 3)
    maps = ht.conv2d_op(x, w * 2.0, padding=1)
    spent = ht.costs.costs([maps], {x: jax.ShapeDtypeStruct((8, 8, 2, 2), np.float32)})
    assert channels.to_split(list(spent), spent, 2) == set()
