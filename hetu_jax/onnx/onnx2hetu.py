"""Import of ONNX models: `load_onnx(path)` gives the nodes of an ordinary, trainable graph."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import onnx

from ..errors import OnnxImportError
from ..graph import Node, Variable
from .importer import Importer
from .reading import read_model


class OnnxGraph:
    """An imported model.

    inputs, outputs: its nodes, in the model's order; input_names, output_names: what the model calls them.
    variables: its initializers by name; floating ones with at least one axis are trainable, except statistics.
    """

    def __init__(self, imported: Importer):
        graph = imported.model.graph
        self.inputs: list[Node] = imported.inputs
        self.outputs: list[Node] = imported.outputs
        self.input_names = [node.name for node in imported.inputs]
        self.output_names = [info.name for info in graph.output]
        self.variables: dict[str, Variable] = imported.variables
        self.opsets: dict[str, int] = imported.opsets
        self.name = graph.name

    def __repr__(self) -> str:
        versions = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in self.opsets.items())
        size = sum(variable.value.nbytes for variable in self.variables.values())
        lines = [f"<ONNX graph {self.name!r} ({versions}), {len(self.variables)} variables of {size:,} bytes"]
        lines += [f"  input {node.name}: {_described(node)}" for node in self.inputs]
        outputs = zip(self.output_names, self.outputs, strict=True)
        lines += [f"  output {name}: {_described(node)}" for name, node in outputs]
        return "\n".join(lines) + ">"


def _described(node: Node) -> str:
    shape = getattr(node, "declared", None) or node.shape
    dims = "unknown shape" if shape is None else ", ".join("?" if dim is None else str(dim) for dim in shape)
    return f"{getattr(node, 'declared_dtype', None) or node.dtype or ''}[{dims}]"


def load_onnx(onnx_path: str | os.PathLike[str]) -> tuple[Any, Any]:
    """The input and the output of the model in a file, as nodes: (x, y), or two lists where there are several.

    The nodes belong to an ordinary graph: feed the inputs, fetch the outputs, build on them, train the Variables below
    them.  Integers of 64 bits are held in 32, as everywhere in JAX without x64.
    Raises OnnxImportError for a file that is no ONNX model, is damaged, or has operators that are not supported (all of
    them in one message); OSError for one that cannot be read.
    """
    return _ends(load_onnx_graph(onnx_path))


def load_onnx_graph(onnx_path: str | os.PathLike[str]) -> OnnxGraph:
    """The model in a file as an `OnnxGraph`; see `load_onnx`."""
    model = read_model(onnx_path)
    path = os.path.abspath(os.fspath(onnx_path))
    return _graph(model, [os.path.dirname(path), os.path.dirname(os.path.realpath(path))])


def from_onnx(model_proto: onnx.ModelProto) -> tuple[Any, Any]:
    """As `load_onnx`, of a model in memory, whose tensors must all be in it."""
    return _ends(_graph(model_proto))


def prepare(model: onnx.ModelProto) -> dict[str, Node]:
    """Every value of a model's graph that is a node, by its name in the model."""
    values = _imported(model).scope.values
    return {name: value for name, value in values.items() if isinstance(value, Node)}


def _ends(graph: OnnxGraph) -> tuple[Any, Any]:
    if len(graph.inputs) == len(graph.outputs) == 1:
        return graph.inputs[0], graph.outputs[0]
    return graph.inputs, graph.outputs


def _graph(model: onnx.ModelProto, folders: Sequence[str] = ()) -> OnnxGraph:
    return OnnxGraph(_imported(model, folders))


def _imported(model: onnx.ModelProto, folders: Sequence[str] = ()) -> Importer:
    if not isinstance(model, onnx.ModelProto):
        raise OnnxImportError(f"this is no onnx.ModelProto but a {type(model).__name__}: load a file with load_onnx")
    return Importer(model, folders).run()
