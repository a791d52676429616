"""What a workload is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Arrays = dict[str, np.ndarray]


class Workload(NamedTuple):
    """One model, in three libraries, over the same weights and data.

    weights: (rng, quick) -> arrays by name.  data: (rng, rows, weights) -> arrays of so many rows; 'y' are the labels.
    hetu: (ht, Variables, nodes) -> the logits' node.
    plain: (arrays, arrays, new statistics) -> the logits, as people write it in JAX; the last is None for inference.
    torch: (tensors, tensors, training) -> the logits, as people write it in PyTorch.
    loss: 'softmax' or 'sigmoid' cross-entropy.  optimizer: 'sgd', 'momentum' or 'adam'.  rate: its learning rate.
    table: the embedding table, of which the optimizer moves only the looked-up rows, and whose ids are data 'ids'.
    tolerance: how far the losses of two libraries may be apart, relatively.
    """

    title: str
    weights: Callable[[np.random.Generator, bool], Arrays]
    data: Callable[[np.random.Generator, int, Arrays], Arrays]
    hetu: Callable[..., Any]
    plain: Callable[..., Any]
    torch: Callable[..., Any]
    loss: str = "softmax"
    optimizer: str = "sgd"
    rate: float = 0.01
    table: str | None = None
    tolerance: float = 1e-3


def normal(rng: np.random.Generator, *shape: int, scale: float | None = None) -> np.ndarray:
    """Normal numbers; by default of the scale that keeps the size of what they are multiplied with."""
    fan_in = int(np.prod(shape[1:])) if len(shape) == 4 else shape[0]
    return np.float32(rng.standard_normal(shape) * (fan_in**-0.5 if scale is None else scale))


def one_hot(rng: np.random.Generator, rows: int, classes: int) -> np.ndarray:
    """Random labels."""
    return np.eye(classes, dtype=np.float32)[rng.integers(0, classes, rows)]
