"""Export of If, Loop and Scan of imported graphs, with the graphs inside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx

from ..graph import Node, Variable, toposort
from . import shapes
from .builder import Builder, Shape, Value
from .nodes import OnnxNode, Subgraph
from .shapes import Known, Symbols

Kind = tuple[np.dtype, Shape | None]  # of a value: its dtype, and its shape where it is known


def _of_if(arguments: Mapping[str, Any], given: Sequence[Kind]) -> tuple[list[Kind], int]:
    return [], 0


def _of_loop(arguments: Mapping[str, Any], given: Sequence[Kind]) -> tuple[list[Kind], int]:
    """What the body takes: the number of the turn, the condition and the states."""
    states = [(dtype, None) for dtype, _ in given[2:]]  # a state may change its shape
    return [(np.dtype(np.int64), ()), (np.dtype(np.bool_), ()), *states], 1


def _of_scan(arguments: Mapping[str, Any], given: Sequence[Kind]) -> tuple[list[Kind], int]:
    """What the body takes: the states, and one element of each scan input."""
    count = len(given) - arguments["num_scan_inputs"]
    axes = arguments.get("scan_input_axes") or [0] * (len(given) - count)
    rows = [(dtype, _without(shape, axis)) for (dtype, shape), axis in zip(given[count:], axes, strict=True)]
    return [*given[:count], *rows], 0


def _without(shape: Shape | None, axis: int) -> Shape | None:
    return None if shape is None else tuple(np.delete(np.array(shape, object), axis))


_TAKES = {"If": _of_if, "Loop": _of_loop, "Scan_9": _of_scan}


def has_graphs(node: OnnxNode) -> bool:
    """Whether an attribute of the operator is a graph."""
    return any(isinstance(argument, Subgraph) for argument in node.arguments.values())


def can_export(node: OnnxNode) -> bool:
    """Whether it is one of the operators that go back with their graphs."""
    return not node.op.domain and node.op.__name__ in _TAKES


class GraphWriter:
    """Writes the graphs inside operators.

    g: collects nodes; while an inner graph is written it collects those of that graph.
    values: the Value of each node outside, to which those inside are added.  known: shapes by node, likewise.
    visit: makes the Value of a node.
    """

    def __init__(
        self,
        g: Builder,
        values: dict[Node, Any],
        known: dict[Node, Any],
        symbols: Symbols,
        visit: Callable[[Node], None],
    ):
        self.g, self.values, self.known, self.symbols, self.visit = g, values, known, symbols, visit

    def export(self, node: OnnxNode) -> Any:
        """The operator with its graphs: a Value, or a list of them."""
        arguments = node.arguments
        operands = [self._operand(given) for given in self._inputs(node, arguments)]
        given = [(o.dtype, o.shape) if o is not None else (np.dtype(np.int64), None) for o in operands]
        takes, skipped = _TAKES[node.op.__name__](arguments, given)
        attributes, kinds = {}, []
        for name in node.op.attributes:
            argument = arguments.get(name)
            if isinstance(argument, Subgraph):
                attributes[name], results = self._graph(argument, takes)
                kinds = [result.dtype for result in results[skipped:]]
            elif argument is not None and name != "outputs":
                attributes[name] = argument
        made = self.g.place(node.op.onnx_name, operands, kinds[: node.outputs], **attributes)
        return made[0] if node.outputs == 1 else made

    @staticmethod
    def _inputs(node: OnnxNode, arguments: Mapping[str, Any]) -> list[Any]:
        found: list[Any] = []
        for name in node.op.inputs:
            given = arguments.get(name)
            found.extend(given if isinstance(given, tuple) else [given])
        return found

    def _operand(self, given: Any) -> Value | None:
        if given is None:
            return None
        return self.values[given] if isinstance(given, Node) else self.g.constant(given, np.asarray(given).dtype)

    def _graph(self, graph: Subgraph, takes: Sequence[Kind]) -> tuple[onnx.GraphProto, list[Value]]:
        """A graph inside, and the Values of its results."""
        formals = [self._formal(formal, kind) for formal, kind in zip(graph.formals, takes, strict=True)]
        self._infer(graph)
        return self.g.body(graph.name or "inner", formals, lambda: map(self._result, graph.results), shaped=False)

    def _formal(self, formal: Node, kind: Kind) -> Value:
        value = self.values[formal] = self.g.input(formal.name, *kind)
        if kind[1] is not None:
            self.known[formal] = Known(kind[1], kind[0])
        return value

    def _infer(self, graph: Subgraph) -> None:
        """Finds the shapes inside, as far as they follow from those outside."""
        ends = [result for result in graph.results if isinstance(result, Node)]
        outside = [node for node in (*graph.formals, *graph.captures) if not isinstance(node, Variable)]
        feeds = {node: self.known[node] for node in outside if isinstance(self.known.get(node), Known)}
        self.known.update(shapes.infer(ends, feeds, self.symbols, []))

    def _result(self, result: Any) -> Value:
        """The Value of a result."""
        if isinstance(result, Node):
            for node in toposort([result], self.values, lambda node: node.needs):
                self.visit(node)
        value = self._operand(result)
        if not isinstance(value, Value):
            self.g.refuse("a graph inside it gives a sequence, which the export does not write")
        return value
