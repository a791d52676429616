"""One row of the table of op cases."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np


@dataclass(eq=False)
class Case:
    """What is tested of one call of an op.

    op: the name in the registry, or of a public function that makes nodes.
    args: positional arguments.  NumPy arrays and scipy matrices, also inside lists, become nodes: float ones Variables
        that gradients are taken of, integer ones non-trainable Variables (64 bits become 32, narrow ones stay).
        Everything else is passed as it is.
    reference: the independent oracle.  Called with the same arguments (arrays as float64 or int64) and returns the
        expected value, or a list of them.  It never calls hetu_jax or JAX.  For an in-place op, whose node has no
        value, it returns the new value of the Variable written.
    kwargs: keyword arguments of the call.
    torch: the same in PyTorch, called with float64 and int64 tensors; its value and gradients are compared as well,
        where torch imports.
    grads: what the gradients are by Hetu's convention where that is not the mathematical one (kinks, surrogates, cut
        paths); takes the place of finite differences.  Called with the cotangent (shaped as the value) and the same
        arguments; returns the expected gradients of the float arrays, in order.
    dtype: the expected dtype of the value, or a list of them for a value of several arrays.
    rtol, atol: for float32 against the float64 reference.
    grad: False, or a reason in words, where the gradient is not to be compared with anything.
    onnx: a reason in words where ONNX cannot hold the op.
    training: evaluate in training mode.
    check: for random ops, in place of `reference`: called with the value, asserts its properties.
    writes: the expected new values of the Variables that an op with running statistics writes, in order; called with
        the same arguments.
    note: what is special about the row, shown in the test's name.
    """

    op: str
    args: list[Any]
    reference: Callable[..., Any] | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    torch: Callable[..., Any] | None = None
    grads: Callable[..., list[Any]] | None = None
    dtype: Any = np.float32
    rtol: float = 1e-5
    atol: float = 1e-6
    grad: bool | str = True
    onnx: bool | str = True
    training: bool = False
    check: Callable[[Any], None] | None = None
    writes: Callable[..., list[Any]] | None = None
    note: str = ""

    def __str__(self) -> str:
        return f"{self.op}{'-' if self.note else ''}{self.note.replace(' ', '_')}"

    def build(self) -> Any:
        """The node that the call records, on fresh Variables; a list where the function makes several."""
        from hetu_jax.graph import Variable

        def node(leaf: Any) -> Any:
            if is_array(leaf):
                floats = isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f"
                return Variable(f"x{next(numbers)}", leaf, trainable=floats, dtype=leaf.dtype)
            return leaf

        numbers = iter(range(100))
        args, kwargs = _map(node, (self.args, self.kwargs))
        return constructor(self.op)(*args, **kwargs)

    def oracle(self, function: Callable[..., Any], *first: Any, convert: Callable[[Any], Any] | None = None) -> Any:
        """`function` called with `first` and the arguments, arrays as float64 or int64, then through `convert`."""
        args, kwargs = _map(lambda leaf: (convert or (lambda x: x))(_wide(leaf)), (self.args, self.kwargs))
        return function(*first, *args, **kwargs)


def constructor(name: str) -> Callable[..., Any]:
    """The op, or the public function of a module of ops, with this name."""
    import hetu_jax.ops as families
    from hetu_jax.graph import OPS

    homes = (getattr(families, family) for family in families.__all__)
    found = OPS.get(name) or next((getattr(home, name) for home in homes if hasattr(home, name)), None)
    assert found is not None, f"tests/cases has a row for {name}, which does not exist"
    return found


def is_array(leaf: Any) -> bool:
    """Whether an argument becomes a node."""
    return isinstance(leaf, np.ndarray) or hasattr(leaf, "tocsr")


def _map(function: Callable[[Any], Any], tree: Any) -> Any:
    return jax.tree.map(function, tree, is_leaf=lambda leaf: leaf is None)


def _wide(leaf: Any) -> Any:
    """What the oracle sees of an argument: the numbers as they are stored, in 64 bits."""
    if not is_array(leaf):
        return leaf
    if leaf.dtype.kind == "f":
        return leaf.astype(np.float32 if leaf.dtype.itemsize > 4 else leaf.dtype).astype(np.float64)
    return leaf.astype(np.float64 if leaf.dtype.kind == "b" else np.int64)


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    """Standard normal numbers, float64 rounded to float32 so that both sides see the same inputs."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32).astype(np.float64)


def positive(*shape: int, seed: int = 0) -> np.ndarray:
    """Numbers between 0.5 and 2."""
    return np.float64(np.float32(np.random.default_rng([seed, *shape]).uniform(0.5, 2.0, shape)))


def integers(high: int, *shape: int, seed: int = 0, low: int = 0) -> np.ndarray:
    """Integers in [low, high), int32."""
    return np.random.default_rng([seed, high, *shape]).integers(low, high, shape).astype(np.int32)
