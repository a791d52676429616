"""Convolutions in fewer multiplications: the same numbers, the same gradients, and only where they pay."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax.ops import winograd

SHAPES = [  # images (N, H, W, C), filters' outputs, padding for filters of 3
    ((4, 8, 8, 16), 16, (1, 1)),
    ((3, 9, 10, 7), 5, (0, 2)),
    ((2, 11, 7, 3), 4, (0, 0)),
    ((1, 3, 3, 1), 1, (0, 0)),
]
TILES = [(*kind, tile) for kind, tiles in winograd.TILES.items() for tile in tiles]


def numbers(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


pytestmark = pytest.mark.usefixtures("compile_quickly")


def with_gradients(function, images, filters):
    """The result, and the gradients of both, for numbers that are the same for the same shapes."""

    def all_three(images, filters):
        result, pull = jax.vjp(function, images, filters)
        return result, *pull(numbers(*result.shape).astype(result.dtype))

    return jax.jit(all_three)(images, filters)


def assert_close(found, wanted, tolerance):
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())


def by_definition(images, filters, padding, stride):
    return winograd.by_definition(images, filters, padding, (stride, stride), "NHWC")


@pytest.mark.parametrize("side, stride, tile", TILES)
@pytest.mark.parametrize("shape, outputs, padding", SHAPES)
def test_results_and_gradients_are_those_of_the_definition(shape, outputs, padding, side, stride, tile):
    images, filters = numbers(*shape), numbers(outputs, shape[3], side, side)
    padding = tuple(pad + (side - 3) // 2 for pad in padding)
    found = with_gradients(lambda x, f: winograd.convolve(x, f, padding, stride, tile), images, filters)
    with jax.enable_x64(True):
        wide = images.astype(np.float64), filters.astype(np.float64)
        wanted = with_gradients(lambda x, f: by_definition(x, f, padding, stride), *wide)
    assert_close(found, wanted, 3e-6 if side == 3 else 6e-6)


@pytest.mark.parametrize("side, stride, tile", TILES)
def test_gradients_of_gradients(side, stride, tile):
    images, filters = numbers(2, 6, 5, 4), numbers(3, 4, side, side)

    def of(convolve):
        def squares(x, f):
            return sum((g**2).sum() for g in jax.grad(lambda x, f: (convolve(x, f) ** 2).sum(), (0, 1))(x, f))

        return jax.jit(jax.grad(squares, (0, 1)))(images, filters)

    found = of(lambda x, f: winograd.convolve(x, f, (1, 1), stride, tile))
    wanted = of(lambda x, f: by_definition(x, f, (1, 1), stride))
    assert_close(found, wanted, 1e-5)


def no_room(monkeypatch):
    for name in ("AT_ONCE", "BLOCK"):
        monkeypatch.setattr(winograd, name, 1)


def test_blocks_are_smaller_than_what_is_not_divided():
    there = np.empty((36, 8, 8), np.float32)
    image = there[:, 0].nbytes * 9  # bytes of one in the new base: 9 tiles
    for bytes_, blocks in ((winograd.AT_ONCE, 1), (1.1 * winograd.AT_ONCE, 2), (4 * winograd.BLOCK, 4)):
        images = np.empty((8 * round(bytes_ / image / 8), 12, 12, 8), np.float32)
        assert winograd._blocks(images, there, (12, 12), 4, 1) == blocks


def test_large_batches_go_in_blocks_with_the_same_numbers(monkeypatch):
    images, filters = numbers(8, 12, 12, 8), numbers(8, 8, 3, 3)
    whole = with_gradients(lambda x, f: winograd.convolve(x, f, (1, 1), 1, 4), images, filters)
    no_room(monkeypatch)
    there = jnp.zeros((36, 8, 8))
    assert [winograd._blocks(images, there, (12, 12), 4, shares) for shares in (1, 2)] == [8, 4]
    parts = with_gradients(lambda x, f: winograd.convolve(x, f, (1, 1), 1, 4), images, filters)
    assert_close(parts, whole, 2e-6)


def test_only_what_pays_is_done_this_way(monkeypatch):
    def tile(shape, filters, stride=(1, 1), padding=(1, 1), dtype=np.float32):
        arrays = jax.ShapeDtypeStruct(shape, dtype), jax.ShapeDtypeStruct(filters, dtype)
        return winograd.best_tile(*arrays, padding, stride)

    large = (64, 16, 16, 128), (128, 128, 3, 3)
    assert tile(*large) == 4
    assert tile(*large, stride=(2, 2)) == 2
    assert tile((64, 28, 28, 1), (32, 1, 3, 3)) == 0, "few channels: moving costs more than multiplying"
    assert tile((1, 4, 4, 512), (512, 512, 3, 3)) == 0, "few tiles for many filters"
    assert tile((64, 16, 16, 128), (128, 128, 5, 5), padding=(2, 2)) == 4
    assert tile((64, 16, 16, 128), (128, 128, 5, 5), padding=(2, 2), stride=(2, 2)) == 0
    assert tile((64, 16, 16, 128), (128, 128, 7, 7), padding=(3, 3)) == 0
    assert tile((64, 16, 16, 128), (128, 128, 3, 5)) == tile((64, 16, 16, 128), (128, 128, 5, 3)) == 0
    assert tile(*large, stride=(1, 2)) == tile(*large, stride=(3, 3)) == tile(*large, padding=(3, 3)) == 0
    assert tile(*large, dtype=np.float16) == 0
    assert tile((0, 16, 16, 128), (128, 128, 3, 3)) == 0
    monkeypatch.setenv(winograd.SWITCH, "0")
    assert tile(*large) == 0


def test_executors_use_it_and_can_be_told_not_to(monkeypatch):
    def trained():
        x = ht.Variable("x")
        w = ht.Variable("w", value=numbers(64, 64, 3, 3) / 10)
        loss = ht.reduce_mean_op(ht.conv2d_op(x, w, padding=1) * 1.0, [0, 1, 2, 3])
        executor = ht.Executor({"train": [loss, ht.optim.SGDOptimizer(1.0).minimize(loss)]})
        executor.run("train", feed_dict={x: numbers(8, 64, 16, 16)})
        text = executor.lower_text("train", feed_dict={x: numbers(8, 64, 16, 16)})
        return w.tensor_value, "dot_general" in text

    fast, has_products = trained()
    monkeypatch.setenv(winograd.SWITCH, "0")
    plain, has_none = trained()
    assert has_products and not has_none
    np.testing.assert_allclose(fast, plain, rtol=0, atol=1e-5 * np.abs(plain).max())


def test_devices_exchange_gradients_of_filters_and_nothing_larger(monkeypatch):
    monkeypatch.setenv("HETU_JAX_SPREAD", "1")
    no_room(monkeypatch)  # in blocks, each of which could exchange its share
    x, w = ht.Variable("x"), ht.Variable("w", value=numbers(64, 64, 3, 3))
    loss = ht.reduce_mean_op(ht.conv2d_op(x, w, padding=1) * 1.0, [0, 1, 2, 3])
    executor = ht.Executor({"train": [loss, ht.optim.SGDOptimizer(1.0).minimize(loss)]})
    images = {x: numbers(8 * jax.local_device_count(), 64, 16, 16)}
    executor.run("train", feed_dict=images)
    text = executor.compiled_text("train", feed_dict=images)
    exchanged = [line.split(" all-reduce(")[0] for line in text.splitlines() if " all-reduce(" in line]
    assert exchanged
    assert not any("f32[36," in result for result in exchanged), "places of the new base"


@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_of_one_pixel_are_products(stride):
    images, filters = numbers(3, 5, 7, 6), numbers(4, 6, 1, 1)
    x, w = ht.Variable("x"), ht.Variable("w", value=filters)
    y = ht.conv2d_op(x, w, padding=0, stride=stride)
    (gradient,) = ht.gradients(y, [w])
    found = ht.Executor([y, gradient]).run(feed_dict={x: images.transpose(0, 3, 1, 2)}, convert_to_numpy_ret_vals=True)
    wanted, pull = jax.vjp(lambda f: by_definition(images, f, (0, 0), stride), filters)
    np.testing.assert_allclose(found[0], wanted.transpose(0, 3, 1, 2), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found[1], *pull(np.ones(wanted.shape, np.float32)), rtol=1e-5, atol=1e-5)
