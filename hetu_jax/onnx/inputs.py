"""What the exported model says of its inputs: names, dtypes, and which dimensions are open."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import OnnxExportError, OpError
from ..graph import Feed, Node, Variable, toposort
from . import shapes
from .builder import Shape
from .nodes import GraphInput
from .shapes import Known, Symbols

BATCH = "N"


def own_name(node: Node, names: Mapping[Node, str]) -> str | None:
    """The name that `names` or the user gave the node, if any."""
    default = node.name.startswith(f"{node.op_type}{node.id}")
    return names.get(node) or (None if default else node.name)


class Inputs:
    """The shapes of a model's inputs, and with them those of all nodes.

    nodes: the inputs.  outputs: what the model computes.  names: in place of the nodes' own.
    seen: the shapes that placeholders were last fed.  batch: whether first dimensions are open.
    given: shapes by node, in which strings and None leave a dimension open.
    axes: further open dimensions by node: numbers, or names by number.
    symbols: what is open, once the shapes are inferred.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        outputs: Sequence[Node],
        names: Mapping[Node, str],
        seen: Mapping[Node, tuple[int, ...]],
        batch: bool,
        given: Mapping[Node, Sequence[Any]],
        axes: Mapping[Node, Any],
    ):
        self.nodes, self.outputs, self._names = list(nodes), list(outputs), names
        self._seen, self._given, self._batch, self._axes = dict(seen), given, batch, axes
        self.symbols, self._guessed = Symbols(), False
        self._size: int | None = None
        self._letter = self._batch_name()
        self._failures: list[OpError] = []

    def _batch_name(self) -> str:
        """What the size of the batch is called: as `dynamic_axes` names that of any input, else N."""
        lengths = [seen for node in self.nodes if (seen := self._lengths(node))]
        for node in self.nodes:
            name, seen = _axis_names(self._axes.get(node, ())).get(0), self._lengths(node)
            if isinstance(name, str) and (not seen or seen[0] == lengths[0][0]):
                return name
        return BATCH

    def _lengths(self, leaf: Node) -> Shape | None:
        """The shape with which a leaf is known to work, if any."""
        return self._seen.get(leaf, getattr(leaf._abstract(), "shape", None) if isinstance(leaf, Feed) else None)

    @property
    def reason(self) -> str:
        """Why the shapes of some nodes are unknown, and what to do."""
        first = f"{self._failures[0]}; " if self._failures else ""
        return f"{first}run the Executor once before the export, or pass input_shapes that fit"

    def infer(self) -> dict[Node, Any]:
        """The shape and dtype of every node, as far as they can be found.

        Raises OnnxExportError where the graph does not work with the shapes, and for an input of unknown shape.
        """
        try:
            return self._infer()
        except shapes.Fixed as fixed:
            return self.infer_fixed(fixed.error)
        except OpError as error:
            raise OnnxExportError(f"the shapes of the inputs do not fit the graph: {error}") from None

    def infer_fixed(self, error: Exception) -> dict[Node, Any]:
        """The same with nothing open, after a warning that gives the reason.

        Raises the reason where the lengths were never seen.
        """
        if self._guessed:
            raise OnnxExportError(f"{error}: run the Executor once before the export, or pass input_shapes") from None
        lengths = ", ".join(f"{name} = {length}" for name, length in self.symbols.fix().items())
        warnings.warn(f"the model is exported for {lengths} only: {error}", stacklevel=2)
        return self._infer()

    def _infer(self) -> dict[Node, Any]:
        inner = [node for node in self.nodes if not isinstance(node, Variable | Feed)]
        below = [node for node in toposort(inner) if isinstance(node, Feed)]
        leaves = [node for node in dict.fromkeys([*self.nodes, *below]) if node not in inner]
        feeds = {leaf: self._leaf(leaf) for leaf in leaves}
        if inner:
            found = self._known(inner, feeds)
            feeds.update((node, self._inner(node, found)) for node in inner)
        wanted = {node: feeds[node] for node in self.nodes}
        return self._known(self.outputs, wanted) | wanted

    def _known(self, nodes: Sequence[Node], feeds: Mapping[Node, Known]) -> dict[Node, Any]:
        return shapes.infer(nodes, feeds, self.symbols, self._failures if self._guessed else None)

    def _inner(self, node: Node, found: Mapping[Node, Any]) -> Known:
        if not isinstance(found.get(node), Known):
            raise OnnxExportError(f"{node.describe()} cannot be an input: its shape is unknown")
        shape, dtype = found[node]
        return Known(self._open(node, shape, shape), dtype)

    def _leaf(self, leaf: Node) -> Known:
        if isinstance(leaf, Variable):
            shape = tuple(leaf.value.shape)
            return Known(self._open(leaf, shape, shape), leaf.dtype)
        return Known(self._open(leaf, *self._fed(leaf)), self._dtype(leaf))

    def _fed(self, leaf: Node) -> tuple[Shape, tuple[int, ...] | None]:
        """The shape of a placeholder or dataloader, and lengths with which the graph is known to work."""
        seen = self._lengths(leaf)
        said = self._given.get(leaf, leaf.declared if isinstance(leaf, GraphInput) else None)
        if said is not None:
            return tuple(said), seen if _agree(said, seen) else None
        if seen is not None:
            batch = self._batch and bool(seen) and self._is_batch(seen[0])
            return ((self._letter, *seen[1:]) if batch else seen), seen
        guess = shapes.guess(leaf, [*self.outputs, *self.nodes])
        if guess is None:
            raise OnnxExportError(
                f"the shape of {leaf.describe()} is unknown: run the Executor once before the export, or pass "
                f"input_shapes={{{leaf.name}: ('{BATCH}', ...)}}"
            )
        if not self._batch and guess[:1] == (None,):
            raise OnnxExportError(
                f"the size of the batch of {leaf.describe()} is unknown, and dynamic_batch=False fixes it: run the "
                "Executor once before the export, or pass input_shapes"
            )
        return guess, None

    @staticmethod
    def _dtype(leaf: Node) -> Any:
        if isinstance(leaf, GraphInput):
            return leaf.declared_dtype  # as the imported model declares it, also in 64 bits
        return leaf.dtype

    def _is_batch(self, length: int) -> bool:
        """The first input tells the size of the batch; other lengths in first place are no batch."""
        self._size = length if self._size is None else self._size
        return length == self._size != 0

    def _open(self, node: Node, shape: Shape, seen: Shape | None) -> Shape:
        """`shape` with its names, and those of `dynamic_axes`, entered as symbols, and names for what is None."""
        named = list(shape)
        for axis, name in _axis_names(self._axes.get(node, ())).items():
            if not -len(shape) <= axis < len(shape):
                raise OnnxExportError(
                    f"dynamic_axes has axis {axis} of {node.describe()}, whose shape is {list(shape)}"
                )
            named[axis] = name if shape[axis] != 0 else 0
        self._guessed |= seen is None and any(not isinstance(dim, int) for dim in named)
        own = own_name(node, self._names) or "input"
        for axis, dim in enumerate(named):
            if dim is None:
                dim = self._letter if axis == 0 else shapes.symbol(own, axis, len(shape), len(self.nodes) == 1)
            length = seen[axis] if seen is not None else None
            if isinstance(dim, str):
                named[axis] = self.symbols.add(dim, length if isinstance(length, int) else None)
        return tuple(named)


def _agree(said: Sequence[Any], seen: Sequence[int] | None) -> bool:
    """Whether lengths that were fed are an example of a shape."""
    if seen is None or len(said) != len(seen):
        return False
    return all(not isinstance(dim, int) or dim == length for dim, length in zip(said, seen, strict=True))


def _axis_names(axes: Any) -> dict[int, str | None]:
    return (
        {axis: None for axis in axes} if not isinstance(axes, Mapping) else {int(a): name for a, name in axes.items()}
    )
