"""Several steps in one call: the numbers of as many calls, in one dispatch where the steps are small."""

import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax import scan
from hetu_jax.errors import GraphError

pytestmark = pytest.mark.usefixtures("compile_quickly")
RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((22, 6)).astype(np.float32)
TARGETS = RNG.standard_normal((22, 1)).astype(np.float32)


def regression(drop_last=True, shuffle=False, stream=False, **options):
    """An Executor that fits a line with dropout under a schedule, and predicts."""
    batch_func = (lambda batch: batch) if stream else None
    x, y = (
        ht.dataloader_op(
            [
                ht.Dataloader(data, 4, name, drop_last=drop_last, shuffle=shuffle, batch_func=batch_func)
                for name in ("train", "predict")
            ]
        )
        for data in (ROWS, TARGETS)
    )
    w, scale = ht.Variable("w", np.ones((6, 1))), ht.Variable("scale")
    prediction = ht.matmul_op(ht.dropout_op(x, 0.5), w) * scale
    error = prediction - y
    loss = ht.reduce_mean_op(error * error, [0, 1])
    schedule = ht.lr.StepScheduler(0.1, 2, 0.5)
    train = ht.optim.AdamOptimizer(schedule).minimize(loss)
    executor = ht.Executor({"train": [loss, train, prediction], "predict": [prediction]}, seed=11, **options)
    return executor, scale


@pytest.fixture(params=["0", "1"], ids=["one by one", "in one dispatch"])
def switch(request, monkeypatch):
    monkeypatch.setenv(scan.SWITCH, request.param)
    return request.param


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("name", ["train", "predict"])
def test_the_numbers_are_those_of_as_many_calls(switch, name, shuffle):
    executor, scale = regression(shuffle=shuffle)
    feed = {scale: np.float32([0.5])}
    each = [executor.run(name, feed_dict=feed, convert_to_numpy_ret_vals=True) for _ in range(7)]
    state = executor.state_dict()
    executor, scale = regression(shuffle=shuffle)
    feed = {scale: np.float32([0.5])}
    several = executor.run(name, feed_dict=feed, steps=7)
    for stacked, column in zip(several, zip(*each, strict=True), strict=True):
        if column[0] is None:
            assert stacked is None
        else:
            np.testing.assert_allclose(stacked.asnumpy(), np.stack(column), rtol=1e-5, atol=1e-6)
    for key, value in executor.state_dict().items():
        np.testing.assert_allclose(value, state[key], rtol=1e-5, atol=1e-6, err_msg=key)
    assert ht.random.get_seed_status() == (11, 8)


def test_an_epoch_has_as_many_steps_as_batches(switch):
    executor, scale = regression()
    loss, train, prediction = executor.run_epoch("train", {scale: [1.0]})
    assert loss.shape == (5, 1) and train is None and prediction.shape == (5, 4, 1)
    assert [p.shape for p in executor.run_epoch("predict", {scale: [1.0]}, convert_to_numpy_ret_vals=True)] == [
        (5, 4, 1)
    ]


def test_small_steps_go_in_one_dispatch(monkeypatch):
    monkeypatch.delenv(scan.SWITCH, raising=False)
    executor, scale = regression()
    group, single = executor.subexecutor["train"], []
    monkeypatch.setattr(group, "_take_step", lambda *pulled: single.append(pulled))
    executor.run_epoch("train", {scale: [1.0]})
    assert not single
    assert executor.compile_count == 1


def test_a_short_last_batch_gives_a_list_where_shapes_differ(switch):
    executor, scale = regression(drop_last=False)
    loss, _, prediction = executor.run_epoch("train", {scale: [1.0]})
    assert loss.shape == (6, 1)
    assert [part.asnumpy().shape for part in prediction] == [(4, 1)] * 5 + [(2, 1)]


def test_streamed_batches_are_taken_one_by_one(monkeypatch):
    monkeypatch.setenv(scan.SWITCH, "1")
    executor, scale = regression(stream=True)
    (streamed, *_) = executor.run_epoch("train", {scale: [1.0]}, convert_to_numpy_ret_vals=True)
    executor, scale = regression()
    (resident, *_) = executor.run_epoch("train", {scale: [1.0]}, convert_to_numpy_ret_vals=True)
    np.testing.assert_allclose(streamed, resident, rtol=1e-5)


def test_nan_is_found_step_by_step(switch):
    executor, scale = regression(detect_nan=True)
    with pytest.raises(FloatingPointError, match="the first to make NaN"):
        executor.run("train", feed_dict={scale: [np.inf]}, steps=3)


@pytest.mark.parametrize("steps", [0, -1, 2.0, "all"])
def test_steps_are_counted_from_one(steps):
    executor, scale = regression()
    with pytest.raises(ValueError, match=r"an integer from 1 on, not .*test_scan\.py:\d+"):
        executor.run("train", feed_dict={scale: [1.0]}, steps=steps)


def test_several_steps_move_the_dataloaders():
    executor, scale = regression()
    with pytest.raises(ValueError, match="leave out dataloader_step=False"):
        executor.run("train", feed_dict={scale: [1.0]}, steps=2, dataloader_step=False)


def test_without_dataloaders_there_is_no_epoch():
    x = ht.Variable("x")
    executor = ht.Executor([x * 2.0])
    with pytest.raises(
        GraphError, match=r"'default' has no dataloader, and so no epoch: use run\('default', steps=...\)"
    ):
        executor.run_epoch(feed_dict={x: [1.0]})
    assert executor.run(feed_dict={x: [1.0]}, steps=3)[0].asnumpy().tolist() == [[2.0], [2.0], [2.0]]
