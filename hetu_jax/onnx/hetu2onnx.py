"""Export: the recorded graph as an ONNX model, node for node."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..errors import OnnxExportError
from ..executor import Executor
from ..gradients import Gradients
from ..graph import Feed, Node, Variable, toposort
from . import exporters, rewrite
from .builder import Builder, OpenLengthError, Value
from .files import MAX_BYTES, save
from .inputs import Inputs
from .registry import EXPORTERS, call
from .shapes import NAMELESS

DEFAULT_OPSET = 26
OLDEST_OPSET = 13


def export(
    executor: Executor,
    inputs: Sequence[Node],
    outputs: Sequence[Node],
    path: str | os.PathLike[str] | None = None,
    job_name: str | None = None,
    *,
    onnx_save_dir: str | os.PathLike[str] | None = None,
    external_data: bool = False,
    **options: Any,
) -> onnx.ModelProto:
    """Writes what leads from `inputs` to `outputs` as an ONNX model, in inference form.

    executor: an Executor over the graph; it need not have run.
    inputs: what the model takes: placeholders, dataloader nodes, or any other nodes of the graph.
    outputs: what it gives.  path: the file, which appears whole or not at all; `onnx_save_dir` is Hetu's name for it.
    job_name: goes into the graph's doc_string.
    external_data: keep the parameters in a second file, `<path>.data`; needed above 2 GB.
    options: those of `make_model`.
    Returns: the model.
    Raises OnnxExportError for what ONNX cannot hold, naming the op and the line; OSError for an unwritable path.
    """
    path = onnx_save_dir if path is None else path
    if path is None:
        raise TypeError("export needs a path: the name of the file to write")
    model = make_model(executor, inputs, outputs, job_name, **options)
    save(model, os.fspath(path), external_data)
    return model


def make_model(
    executor: Executor,
    inputs: Sequence[Node],
    outputs: Sequence[Node],
    job_name: str | None = None,
    *,
    opset: int | None = None,
    dynamic_batch: bool = True,
    dynamic_axes: Mapping[Any, Any] | None = None,
    input_shapes: Mapping[Any, Sequence[Any]] | None = None,
    names: Mapping[Node, str] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """The ONNX model that `export` writes.

    opset: of the model, 13 to 26; None means 26, the newest that ONNX Runtime 1.31 runs.
    dynamic_batch: leave the first dimension of placeholders and dataloaders open, under the name N.
    dynamic_axes: further open dimensions by input (the node or its name): axis numbers, or names by axis number.
    input_shapes: shapes by input, for what was never fed; a string or None in a shape leaves that dimension open.
    names: names for inputs, outputs and other nodes in place of their own.
    metadata: pairs of strings to store in the model.
    """
    inputs, outputs = _nodes(inputs, "inputs"), _nodes(outputs, "outputs")
    _check_part_of_graph(executor, inputs, outputs)
    seen, given = executor.config.seen_shapes, _by_node(input_shapes, inputs)
    shapes = Inputs(inputs, outputs, seen, given, dynamic_batch, _by_node(dynamic_axes, inputs))
    names, opset = {node: node.name for node in inputs} | dict(names or {}), _opset(opset)
    try:
        walk = _walked(Builder(opset), inputs, outputs, names, shapes.infer())
    except OpenLengthError as error:
        walk = _walked(Builder(opset), inputs, outputs, names, shapes.infer_fixed(error))
    return _assemble(walk, inputs, outputs, job_name, metadata or {})


def _walked(
    g: Builder, inputs: Sequence[Node], outputs: Sequence[Node], names: Mapping[Node, str], shapes: Mapping[Node, Any]
) -> _Walk:
    """The walk over the whole graph, done."""
    walk = _Walk(g, names, shapes)
    for node in inputs:
        walk.input(node)
    walk.reserve(outputs)
    for node in toposort(outputs, walk.values):
        walk.visit(node)
    for node in outputs:
        walk.output(node)
    rewrite.simplify(g, {walk.values[node].name for node in outputs})
    return walk


class _Walk:
    """Turns nodes into ONNX, inputs first."""

    def __init__(self, g: Builder, names: Mapping[Node, str], shapes: Mapping[Node, Any]):
        self.g, self.names, self.shapes = g, names, shapes
        self.values: dict[Node, Any] = {}
        self._outputs: dict[Node, str] = {}

    def input(self, node: Node) -> None:
        known = self.shapes[node]
        self.values[node] = value = self.g.input(self.names[node], known.dtype, known.shape)
        if value.name != self.names[node] and node in self.names:
            raise OnnxExportError(
                f"two inputs are called {self.names[node]!r}: name them apart with names={{node: name}}"
            )
        return value

    def reserve(self, outputs: Sequence[Node]) -> None:
        """Sets the names of the outputs aside, before anything else can take them."""
        for node in outputs:
            name = self._own_name(node) or "output"
            if node in self.values or isinstance(node, Variable):
                name += "_out"
            self._outputs.setdefault(node, self.g.fresh(name))

    def visit(self, node: Node) -> None:
        if isinstance(node, Variable):
            self.values[node] = self._initializer(node)
            return
        start = len(self.g.nodes)
        value = self.values[node] = self._export(node)
        known = self.shapes.get(node)
        if not isinstance(value, Value):
            for part, of_part in zip(value, known or [], strict=False):
                part.shape = of_part.shape
            return
        if known is not None:
            value.shape = known.shape
            value = self.values[node] = self.g.cast(value, known.dtype)
        if any(value.name in made.output for made in self.g.nodes[start:]):
            self._name(node, value, start)

    def _name(self, node: Node, value: Value, start: int) -> None:
        own = self._own_name(node)
        if node in self._outputs or own:
            self.g.rename(value, self._outputs.get(node) or self.g.fresh(own), start)

    def output(self, node: Node) -> None:
        """Gives the value of an output its name, behind an Identity where it is an input or a Variable."""
        value, name = self.values[node], self._outputs[node]
        if not isinstance(value, Value):
            raise OnnxExportError(f"{node.describe()} has several outputs: list its parts, node[0], node[1], ...")
        if value.name != name:
            self.values[node] = made = self.g.shaped(self.g.Identity(value), value.shape)
            self.g.rename(made, name, len(self.g.nodes) - 1)

    def _own_name(self, node: Node) -> str | None:
        """The name that the user gave the node, if any."""
        default = node.name == f"{node.op_type}{node.id}"
        return self.names.get(node) or (None if default else node.name)

    def _initializer(self, node: Variable) -> Value:
        if not hasattr(node.value, "ndim"):
            raise OnnxExportError(f"{node.describe()} holds a sparse matrix, which ONNX cannot hold: export dense ones")
        return self.g.initializer(self.names.get(node, node.name), node.value)

    def _export(self, node: Node) -> Any:
        if isinstance(node, Feed):
            raise OnnxExportError(
                f"the outputs depend on {node.describe()}, which is not among the inputs: add it there"
            )
        function = EXPORTERS.get(node.op.__name__) if node.op else None
        if function is None:
            raise OnnxExportError(f"{node.describe()} has no ONNX form: {_reason(node)}")
        self.g.result = getattr(self.shapes.get(node), "shape", None)
        try:
            return call(function, self.g, node.op, _replaced(node, self.values))
        except OnnxExportError as error:
            raise type(error)(f"{node.describe()} cannot be exported: {error}") from None


def _replaced(node: Node, values: Mapping[Node, Any]) -> dict[str, Any]:
    """The bound arguments with Values in place of nodes."""

    def replace(argument: Any) -> Any:
        if isinstance(argument, Node):
            return values[argument]
        if isinstance(argument, list | tuple):
            return type(argument)(replace(item) for item in argument)
        return argument

    return {name: replace(argument) for name, argument in node.bound.items()}


def _reason(node: Node) -> str:
    if isinstance(node, Gradients) or node.trains:
        return "it belongs to training; export the nodes of the forward pass"
    return exporters.NOT_EXPORTED.get(node.op.__name__ if node.op else "", "it is no op")


def _nodes(nodes: Any, what: str) -> list[Node]:
    if isinstance(nodes, Node) or not isinstance(nodes, Sequence) or not nodes:
        raise OnnxExportError(f"{what} must be a list of at least one node, not {nodes!r}")
    for node in nodes:
        if not isinstance(node, Node):
            raise OnnxExportError(f"{what} has {node!r} in it, which is no node of a graph")
    if what == "inputs" and len(set(nodes)) < len(nodes):
        raise OnnxExportError("inputs has a node twice")
    return list(nodes)


def _check_part_of_graph(executor: Executor, inputs: Sequence[Node], outputs: Sequence[Node]) -> None:
    graph = set(toposort([node for group in executor.subexecutor.values() for node in group.eval_node_list]))
    for what, nodes in (("inputs", inputs), ("outputs", outputs)):
        for node in nodes:
            if node not in graph:
                raise OnnxExportError(f"{what} has {node.describe()}, which is no part of the Executor's graph")
    needed = (
        set(toposort(outputs, inputs)) | {below for n in toposort(outputs, inputs) for below in n.inputs} | set(outputs)
    )
    for node in inputs:
        if node not in needed:
            raise OnnxExportError(f"the outputs do not depend on the input {node.describe()}: leave it out")


def _by_node(given: Mapping[Any, Any] | None, inputs: Sequence[Node]) -> dict[Node, Any]:
    """A mapping whose keys are inputs or their names, by node."""
    by_name = {node.name: node for node in inputs}
    found = {}
    for key, value in (given or {}).items():
        node = by_name.get(key) if isinstance(key, str) else key
        if node not in inputs:
            raise OnnxExportError(f"{key!r} is none of the inputs ({', '.join(by_name)})")
        found[node] = value
    return found


def _opset(opset: int | None) -> int:
    opset = DEFAULT_OPSET if opset is None else opset
    if not OLDEST_OPSET <= opset <= onnx.defs.onnx_opset_version():
        newest = onnx.defs.onnx_opset_version()
        raise OnnxExportError(f"opset must be {OLDEST_OPSET} to {newest}, not {opset}")
    return opset


def _assemble(
    walk: _Walk, inputs: Sequence[Node], outputs: Sequence[Node], job_name: str | None, metadata: Mapping[str, str]
) -> onnx.ModelProto:
    g = walk.g
    graph = helper.make_graph(
        g.nodes,
        "hetu_jax",
        [_info(walk.values[node]) for node in inputs],
        [_info(walk.values[node]) for node in outputs],
        [numpy_helper.from_array(np.asarray(value.array), value.name) for value in g.initializers.values()],
        doc_string=job_name or "",
    )
    operators = [helper.make_opsetid("", g.opset)]
    model = helper.make_model(
        graph,
        opset_imports=operators,
        ir_version=helper.find_min_ir_version_for(operators),
        producer_name="hetu_jax",
    )
    helper.set_model_props(model, {str(key): str(value) for key, value in metadata.items()})
    if sum(value.array.nbytes for value in g.initializers.values()) < MAX_BYTES:  # the checker takes no more
        onnx.checker.check_model(model)
    return model


def _info(value: Value) -> onnx.ValueInfoProto:
    kind = helper.np_dtype_to_tensor_dtype(value.dtype)
    if value.shape is None:
        raise OnnxExportError(
            f"the shape of the output {value.name!r} is unknown: pass input_shapes, or run the Executor once"
        )
    shape = [None if isinstance(dim, str) and dim.startswith(NAMELESS) else dim for dim in value.shape]
    return helper.make_tensor_value_info(value.name, kind, shape)
