"""A user's script with type hints, for `mypy --strict`: tests/test_typing.py checks it, and runs it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import hetu_jax as ht
from hetu_jax import layers as htl
from hetu_jax.executor import Executor
from hetu_jax.graph import Node
from hetu_jax.onnx import hetu2onnx, onnx2hetu

Array = npt.NDArray[np.float32]
CLASSES = 3


def data(count: int) -> tuple[Array, Array]:
    """Images of one bright row, and which row it is."""
    rows = np.arange(count) % CLASSES
    images = np.random.default_rng(0).normal(0, 0.1, (count, 1, 6, 6)).astype(np.float32)
    images[np.arange(count), 0, 2 * rows] += 1
    return images, np.eye(CLASSES, dtype=np.float32)[rows]


class Model:
    """A convolution, a hidden layer and the scores."""

    def __init__(self) -> None:
        self.filters = ht.init.he_normal((4, 1, 3, 3), name="filters")
        self.hidden = htl.Linear(4 * 3 * 3, 16, activation="relu", name="hidden")
        self.last = htl.Linear(16, CLASSES, name="last")

    def __call__(self, images: Node) -> Node:
        maps = ht.relu_op(ht.conv2d_op(images, self.filters, padding=1, stride=1))
        pooled = ht.max_pool2d_op(maps, 2, 2, padding=0, stride=2)
        hidden: Node = self.hidden(ht.array_reshape_op(pooled, [-1, 4 * 3 * 3]))
        scores: Node = self.last(ht.dropout_op(hidden, 0.9))
        return scores


def build(batch_size: int) -> tuple[Executor, Node, Node]:
    """The Executor, and the nodes of the images and the scores."""
    images, labels = data(96)
    x = ht.dataloader_op([ht.Dataloader(images, batch_size, ["train", "predict"])])
    y_ = ht.dataloader_op([ht.Dataloader(labels, batch_size, "train")])
    scores = Model()(x)
    loss = ht.reduce_mean_op(ht.softmaxcrossentropy_op(scores, y_), [0]) + 1e-4
    schedule = ht.lr.StepScheduler(0.05, step_size=100, gamma=0.5)
    train = ht.optim.AdamOptimizer(learning_rate=schedule).minimize(loss)
    executor = ht.Executor({"train": [loss, train], "predict": [scores]}, ctx=ht.cpu(0), seed=1)
    return executor, x, scores


def train(executor: Executor, epochs: int) -> list[float]:
    """The mean loss of each epoch."""
    means: list[float] = []
    for _ in range(epochs):
        losses = [executor.run("train")[0].asnumpy().item() for _ in range(executor.get_batch_num("train") or 0)]
        means.append(float(np.mean(losses)))
    return means


def main(path: str) -> tuple[float, Array]:
    """The last loss, and the scores of the exported model for three images."""
    executor, x, scores = build(batch_size=16)
    losses = train(executor, epochs=5)
    hetu2onnx.export(executor, [x], [scores], path)
    x2, y2 = onnx2hetu.load_onnx(path)
    (again,) = ht.Executor([y2]).run(feed_dict={x2: data(3)[0]}, convert_to_numpy_ret_vals=True)
    result: Array = again
    return losses[-1], result
