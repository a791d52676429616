"""Training with a progress bar, its history, and the loggers of an Executor."""

import argparse
import io
import logging
import struct

import numpy as np
import pytest
from rich.console import Console

import hetu_jax as ht
from hetu_jax.errors import GraphError
from hetu_jax.logger import HetuLogger, TensorBoardLogger


def executor(count=10, size=4, **options):
    rng = np.random.default_rng(0)
    data = rng.normal(size=(count, 3)).astype(np.float32)
    x = ht.dataloader_op([ht.Dataloader(data, size, "train", drop_last=False)])
    w = ht.Variable("w", value=np.ones((3, 1)))
    loss = ht.reduce_mean_op(ht.pow_op(ht.matmul_op(x, w), 2), [0, 1])
    train = ht.optim.SGDOptimizer(0.1).minimize(loss)
    size_of = ht.reduce_sum_op(w, [0, 1], name="size")
    return ht.Executor({"train": [loss, size_of, x, train]}, **options), data


def test_history():
    graph, data = executor()
    training = ht.progress(graph, "train", epochs=3)
    for epoch in training:
        training.log("epoch", epoch)
    history = training.history
    assert list(history) == ["loss", "size", "epoch"]
    assert history["loss"].dtype == np.float64 and history["loss"].shape == (3,)
    assert (history["epoch"] == [0, 1, 2]).all()
    steps = history.steps["loss"].reshape(3, 3)
    np.testing.assert_allclose(history["loss"], steps @ [0.4, 0.4, 0.2])  # the last batch is half as large
    np.testing.assert_allclose(steps[0, 0], np.mean(data[:4].sum(1) ** 2), rtol=1e-5)
    assert history["loss"][2] < history["loss"][0]
    assert repr(history).startswith("<History of 3 epochs; loss 0.")
    with pytest.raises(KeyError):
        history["accuracy"]


def placeholders():
    x, w = ht.Variable("x"), ht.Variable("w", value=[[1.0], [1.0]])
    loss = ht.reduce_mean_op(ht.pow_op(ht.matmul_op(x, w), 2), [0, 1])
    return x, ht.Executor([loss, ht.optim.SGDOptimizer(0.1).minimize(loss)])


def test_what_is_a_number_now_and_then_is_left_out():
    x = ht.dataloader_op([ht.Dataloader(np.ones((5, 1)), 2, drop_last=False)])
    history = ht.progress(ht.Executor([x * 2.0, ht.reduce_sum_op(x, [0, 1], name="sum")])).run()
    assert dict(history) == {"sum": 1.8}


def test_feeds():
    batch = np.ones((4, 2), np.float32)
    for make in (lambda x: {x: batch}, lambda x: [{x: batch}] * 2, lambda x: lambda: ({x: batch} for _ in range(2))):
        x, graph = placeholders()
        history = ht.progress(graph, epochs=2, feeds=make(x)).run()
        assert history["loss"].shape == (2,) and history["loss"][1] < history["loss"][0] <= 4
    x, graph = placeholders()
    with pytest.raises(GraphError, match="has to be fed x: pass feeds="):
        ht.progress(graph)
    with pytest.raises(GraphError, match="feeds gave nothing in epoch 1: pass a list or a function"):
        ht.progress(graph, epochs=2, feeds=iter([{x: batch}])).run()
    with pytest.raises(ValueError, match="epochs must be 1 or more, not 0"):
        ht.progress(graph, epochs=0, feeds={x: batch})
    with pytest.raises(GraphError, match="takes micro-batches .pipeline='gpipe'., which progress does not"):
        ht.progress(executor(pipeline="gpipe")[0], "train")
    with pytest.raises(GraphError, match="no dataloader, so no epochs"):
        ht.progress(ht.Executor([ht.Variable("w", value=[1.0]) * 2.0]))


@pytest.mark.parametrize("terminal", [True, False])
def test_the_bar_shows_itself_in_a_terminal_only(terminal):
    graph, _ = executor()
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    ht.progress(graph, "train", epochs=2, console=console).run()
    text = console.file.getvalue()
    assert ("epoch 1/2" in text and "loss " in text and "size " in text) if terminal else text == ""


def test_plot(tmp_path):
    graph, _ = executor()
    history = ht.progress(graph, "train", epochs=2).run()
    figure = history.plot(tmp_path / "curves.png")
    assert [axes.get_title() for axes in figure.axes] == ["loss", "size"]
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_logger_hetu(caplog):
    graph, _ = executor(logger="hetu", project="p", run_name="r")
    with caplog.at_level(logging.INFO, "hetu_jax"):
        training = ht.progress(graph, "train", epochs=2)
        for _ in training:
            training.log("accuracy", 0.5)
    assert isinstance(graph.logger, HetuLogger) and len(graph.logger.history) == 6
    assert [sorted(step) for step in graph.logger.history] == 2 * [
        *([["loss", "size"]] * 2),
        ["accuracy", "loss", "size"],
    ]
    assert "step 0: loss=" in caplog.text
    np.testing.assert_allclose([s["loss"] for s in graph.logger.history], training.history.steps["loss"])
    with pytest.raises(GraphError, match="this Executor has no logger: build it with logger="):
        executor()[0].log("loss", 1)


def events(path):
    """The steps and numbers of an event file: TFRecords of protobufs, read by their wire format."""
    data, found, at = path.read_bytes(), [], 0
    while at < len(data):
        (length,) = struct.unpack("<Q", data[at : at + 8])
        found.append(data[at + 12 : at + 12 + length])
        at += 16 + length
    return found


def test_logger_tensorboard(tmp_path, monkeypatch):
    pytest.importorskip("tensorboardX")
    monkeypatch.chdir(tmp_path)
    graph, _ = executor(logger="tensorboard", project="digits", run_name="first")
    assert isinstance(graph.logger, TensorBoardLogger)
    graph.logger.set_config({"rate": 0.1})
    history = ht.progress(graph, "train", epochs=2).run()
    graph.logger.close()
    (path,) = (tmp_path / "runs" / "digits" / "first").glob("events.out.tfevents.*")
    losses = [record for record in events(path) if b"\x0a\x04loss" in record]
    assert len(losses) == 6
    for record, loss in zip(losses, history.steps["loss"], strict=True):
        assert struct.pack("<f", loss) in record
    assert any(b"| rate | 0.1 |" in record for record in events(path))


def test_loggers_are_checked(monkeypatch):
    with pytest.raises(ValueError, match="not 'tensorbord'; did you mean tensorboard"):
        executor(logger="tensorbord")
    with pytest.raises(ValueError, match="needs project= and run_name="):
        executor(logger="wandb")
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    with pytest.raises(ImportError, match="pip install"):
        TensorBoardLogger("somewhere")
    logger = HetuLogger()
    assert executor(logger=logger)[0].logger is logger


def test_a_loop_that_is_left_ends_its_step(caplog):
    graph, _ = executor(logger="hetu")
    for _ in ht.progress(graph, "train", epochs=3):
        break
    with pytest.raises(KeyError):
        for _ in ht.progress(graph, "train", epochs=3):
            raise KeyError("the body's own")
    history = ht.progress(graph, "train", epochs=1).run()
    steps = len(history.steps["loss"])
    assert [set(step) for step in graph.logger.history] == [{"loss", "size"}] * (3 * steps)


def test_settings_go_to_the_logger():
    graph, _ = executor(logger="hetu")
    graph.set_config({"rate": 0.1})
    graph.set_config(argparse.Namespace(batch=4))
    assert graph.logger.config == {"rate": 0.1, "batch": 4}
    with pytest.raises(GraphError, match="has no logger"):
        executor()[0].set_config({})
