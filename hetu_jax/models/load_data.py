"""MNIST for the scripts of Hetu's documentation."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ..data import Pair, convert_to_one_hot, local_mnist

__all__ = ["convert_to_one_hot", "load_mnist_data"]


def load_mnist_data(dataset: str | os.PathLike[str] | None = None) -> tuple[Pair, Pair, Pair]:
    """MNIST from where it is on this machine, else the 10,000 images that come with the package, which one line says.

    dataset: as of `hetu_jax.data.mnist`; None is 'mnist.pkl.gz'.  Nothing is downloaded.
    Returns: three pairs, for training, validation and testing, of images (n, 784), float32, and labels (n,), int64.
    Raises DataNotFoundError where there is none, for a path of another name than mnist.pkl.gz.
    """
    dataset = dataset or "mnist.pkl.gz"
    sets, place = local_mnist(dataset, required=Path(dataset).name != "mnist.pkl.gz")
    if place is None:
        print(
            f"{dataset} is not here: using the 10,000 images of MNIST that come with hetu_jax "
            "(hetu_jax.data.mnist() downloads all 70,000)",
            file=sys.stderr,
        )
    return sets
