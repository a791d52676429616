"""`python -m hetu_jax quickstart`: the CNN of Hetu's documentation, trained, plotted, exported and checked."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from . import dataloader as dl
from . import gpu_ops as ad
from . import initializers as init
from . import optimizer
from .data import Pair, convert_to_one_hot, local_mnist
from .data_files import places
from .errors import DataFileError, DataNotFoundError, UnsafeFileError
from .graph import Node, Variable
from .onnx import hetu2onnx
from .scope import name_scope
from .training import History, progress

CLASSES = 10
FLAT = 7 * 7 * 64
TOLERANCE = 1e-4  # of the largest score


@dataclass
class Model:
    """The parameters of the documentation's CNN; called on a node of images, the scores of the ten classes."""

    filters: list[Variable]
    weight: Variable
    bias: Variable

    @classmethod
    def initial(cls) -> Model:
        """Normally distributed parameters, standard deviation 0.1."""
        normal = partial(init.random_normal, stddev=0.1)
        filters = [normal((32, 1, 5, 5), name="filters1"), normal((64, 32, 5, 5), name="filters2")]
        return cls(filters, normal((FLAT, CLASSES), name="weight"), normal((CLASSES,), name="bias"))

    def __call__(self, images: Node) -> Node:
        x = ad.array_reshape_op(images, [-1, 1, 28, 28])
        for number, filters in enumerate(self.filters, 1):
            with name_scope(f"convolution {number}"):
                x = ad.relu_op(ad.conv2d_op(x, filters, padding=2, stride=1))
                x = ad.avg_pool2d_op(x, kernel_H=2, kernel_W=2, padding=0, stride=2)
        with name_scope("classifier"):
            scores = ad.matmul_op(ad.array_reshape_op(x, (-1, FLAT)), self.weight)
            return scores + ad.broadcastto_op(self.bias, scores)


class Training:
    """The graph and the Executors that train and validate a model.

    sets: (images, labels) for training, then for validation.
    share: the part of the training images that the batches have, without a short last one; the documentation divides
        the loss by the number of all images.
    """

    def __init__(self, model: Model, sets: Sequence[tuple[np.ndarray, np.ndarray]], options: argparse.Namespace):
        one_hot = partial(convert_to_one_hot, max_val=CLASSES)
        groups, size = ("train", "validate"), options.batch_size
        images = dl.dataloader_op([dl.Dataloader(x, size, g) for g, (x, _) in zip(groups, sets, strict=True)])
        labels = dl.dataloader_op([dl.Dataloader(y, size, g, one_hot) for g, (_, y) in zip(groups, sets, strict=True)])
        scores = model(images)
        loss = ad.reduce_mean_op(ad.softmaxcrossentropy_op(scores, labels), [0])
        train = optimizer.SGDOptimizer(learning_rate=options.learning_rate).minimize(loss)
        self.executor = ad.Executor({"train": [loss, train], "validate": [scores, labels]}, seed=options.seed)
        self.share = self.executor.get_batch_num("train") * size / len(sets[0][0])

    def accuracy(self) -> float:
        """The fraction of the validation images that get the highest score for their own class."""
        right = []
        for _ in range(self.executor.get_batch_num("validate")):
            scores, labels = self.executor.run("validate", convert_to_numpy_ret_vals=True)
            right.extend(np.argmax(scores, 1) == np.argmax(labels, 1))
        return float(np.mean(right))


def export(model: Model, images: np.ndarray, path: Path) -> tuple[float, float]:
    """Writes the model as ONNX and compares it with ONNX Runtime.

    images: to compare on, (N, 784).  Returns the largest difference of a score, and the largest score.
    """
    import onnxruntime

    x = ad.Variable(name="images")
    scores = model(x)
    executor = ad.Executor([scores])
    (expected,) = executor.run(feed_dict={x: images}, convert_to_numpy_ret_vals=True)
    hetu2onnx.export(executor, [x], [scores], str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: images})
    return float(np.abs(found - expected).max()), float(np.abs(expected).max())


def find_data(path: Path | None) -> tuple[tuple[Pair, Pair, Pair], str]:
    """The images and labels, and in words where they are from.

    path: mnist.pkl.gz or a folder, searched before the usual places; None begins with the current folder, and falls
        back on what comes with the package.
    Raises DataNotFoundError when a path is given and there is no MNIST, DataFileError for a damaged file.
    """
    sets, place = local_mnist(path or Path(), required=path is not None)
    if place is not None:
        return sets, f"MNIST from {place.resolve()}"
    missing = " and ".join(str(place.resolve()) for place in (Path(), *places("mnist")))
    return sets, f"the bundled subset of MNIST (there is no MNIST in {missing}; --data PATH names another place)"


def train(training: Training, epochs: int) -> History:
    """Trains for some epochs and prints the documentation's two lines for each."""
    steps = progress(training.executor, "train", epochs)
    for epoch in steps:
        steps.log("validation accuracy", training.accuracy())
        loss, accuracy = (values[-1] for values in steps.history.values())
        print(f"Epoch {epoch}")
        print(f"Loss = {loss * training.share:f}\tValidation accuracy = {accuracy:f}", flush=True)
    return steps.history


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line.  arguments: what follows `quickstart`.  Returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        (train_set, valid_set, _), words = find_data(options.data)
    except (DataNotFoundError, DataFileError, UnsafeFileError) as error:
        parser.error(str(error))
    try:  # before the training, which would be lost
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--output {options.output} is no folder and cannot be made one: {error}")
    if options.batch_size > len(valid_set[0]):
        parser.error(f"--batch-size {options.batch_size} is more than the {len(valid_set[0])} validation images")
    print(f"Data: {words}")
    print(f"Training on {len(train_set[0]):,} images, validating on {len(valid_set[0]):,}.", flush=True)
    model = Model.initial()
    history = train(Training(model, (train_set, valid_set), options), options.epochs)
    return _hand_over(model, history, valid_set[0][: options.batch_size], options.output.resolve())


def _hand_over(model: Model, history: History, images: np.ndarray, output: Path) -> int:
    """Writes the results and says where they are; 1 where ONNX Runtime disagrees."""
    if importlib.util.find_spec("matplotlib"):
        history.plot(output / "training.png")
        print(f"Plot: {output / 'training.png'}")
    else:
        print("Plot: none, since matplotlib is missing: pip install matplotlib")
    path = output / "hetu_cnn_model.onnx"
    difference, largest = export(model, images, path)
    print(f"ONNX: {path}")
    print(f"ONNX Runtime: scores up to {largest:.1f} differ by at most {difference:.1e}")
    if difference <= TOLERANCE * largest:
        return 0
    print(f"ONNX Runtime: that is more than {TOLERANCE:.0e} of them: the exported model is wrong")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hetu_jax quickstart",
        description="Train the CNN of Hetu's documentation, plot it, export it to ONNX and check the file.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--epochs", type=_positive, default=10, help="passes over the training images")
    parser.add_argument("--data", type=Path, metavar="PATH", help="mnist.pkl.gz, or a folder with MNIST's four files")
    parser.add_argument("--batch-size", type=_positive, default=128, help="images in one step")
    parser.add_argument("--learning-rate", type=_rate, default=0.01, help="of plain SGD")
    parser.add_argument("--output", type=Path, metavar="DIR", default=Path("quickstart_output"), help="for the results")
    parser.add_argument("--seed", type=int, default=0, help="of the initial parameters")
    return parser


def _positive(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no positive number")
    return value
