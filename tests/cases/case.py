"""One row of the table of op cases."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Case:
    """What is tested of one call of an op.

    op: the name in the registry.
    args: positional arguments.  NumPy arrays, also inside lists, become nodes: float ones Variables that gradients are
        taken of, integer ones non-trainable int32 Variables.  Everything else is passed as it is.
    reference: the independent oracle.  Called with the same arguments (arrays as float64 or int64) and returns the
        expected value.  It never calls hetu_jax or JAX.
    kwargs: keyword arguments of the call.
    torch: the same in PyTorch, called with tensors; its value and gradients are compared as well, where torch imports.
    dtype: the expected dtype of the value.
    rtol, atol: for float32 against the float64 reference.
    grad: False, or a reason in words, where the gradient is not to be compared with finite differences.
    onnx: a reason in words where ONNX cannot hold the op.
    training: evaluate in training mode.
    check: for random ops, in place of `reference`: called with the value, asserts its properties.
    note: what is special about the row, shown in the test's name.
    """

    op: str
    args: list[Any]
    reference: Callable[..., Any] | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    torch: Callable[..., Any] | None = None
    dtype: Any = np.float32
    rtol: float = 1e-5
    atol: float = 1e-6
    grad: bool | str = True
    onnx: bool | str = True
    training: bool = False
    check: Callable[[Any], None] | None = None
    note: str = ""

    def __str__(self) -> str:
        return f"{self.op}{'-' if self.note else ''}{self.note.replace(' ', '_')}"


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Standard normal numbers, float64 rounded to float32 so that both sides see the same inputs."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32).astype(np.float64)


def positive(*shape: int, seed: int = 0) -> np.ndarray:
    """Numbers between 0.5 and 2."""
    return np.float64(np.float32(np.random.default_rng([seed, *shape]).uniform(0.5, 2.0, shape)))


def integers(high: int, *shape: int, seed: int = 0, low: int = 0) -> np.ndarray:
    """Integers in [low, high), int32."""
    return np.random.default_rng([seed, high, *shape]).integers(low, high, shape).astype(np.int32)
