"""Export: the recorded graph as an ONNX model, node for node."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..errors import OnnxExportError
from ..executor import Executor
from ..graph import Feed, Node, Placeholder, Variable, toposort
from . import export_imported, export_jaxpr, exporters, rewrite
from .builder import Builder, OpenLengthError, Value
from .export_graphs import GraphWriter, can_export, has_graphs
from .files import MAX_BYTES, outside, save
from .inputs import Inputs, own_name
from .nodes import FamiliarNode, OnnxNode
from .registry import call, exporter_of
from .shapes import Known, Symbols

DEFAULT_OPSET = 26
OLDEST_OPSET = 13
SMALL = 1024  # elements of a tensor that shape inference may look at


def export(
    executor: Executor,
    inputs: Sequence[Node],
    outputs: Sequence[Node],
    path: str | os.PathLike[str] | None = None,
    job_name: str | None = None,
    *,
    onnx_save_dir: str | os.PathLike[str] | None = None,
    opset: int | None = None,
    dynamic_batch: bool = True,
    dynamic_axes: Mapping[Any, Any] | None = None,
    input_shapes: Mapping[Any, Sequence[Any]] | None = None,
    names: Mapping[Node, str] | None = None,
    external_data: bool = False,
    metadata: Mapping[str, str] | None = None,
    fold_batch_norm: bool = False,
    guard_ids: bool = False,
) -> onnx.ModelProto:
    """Writes what leads from `inputs` to `outputs` as an ONNX model, in inference form.

    executor: an Executor over the graph; it need not have run.
    inputs: what the model takes: placeholders, dataloader nodes, or any other nodes of the graph.
    outputs: what it gives.
    path: the file, which appears whole or not at all; None only returns the model.  `onnx_save_dir` is Hetu's name.
    job_name: goes into the graph's doc_string.
    opset: of the model, from 13 on; None means 26, the newest that ONNX Runtime 1.31 runs.
    dynamic_batch: leave the first dimension of placeholders and dataloaders open, under the name N.
    dynamic_axes: further open dimensions by input (the node or its name): axis numbers, or names by axis number.
    input_shapes: shapes by input, for what was never fed; a string or None in a shape leaves that dimension open.
    names: names for inputs, outputs and other nodes in place of their own.
    external_data: keep the parameters in a second file, `<path>.data`; needed above 2 GB, when the returned model has
        none of them either.
    metadata: pairs of strings to store in the model.
    fold_batch_norm: put batch norm into the filters and bias of the convolution before it, where there is one.
    guard_ids: give what Hetu gives for ids and labels outside their range, too, at the price of some nodes: zeros for a
        row that the table does not have, NaN for the loss.
    Returns: the model.
    Raises OnnxExportError for what ONNX cannot hold, naming the op and the line; OSError for an unwritable path.
    """
    inputs, outputs = _nodes(inputs, "inputs"), _nodes(outputs, "outputs")
    executor = executor if isinstance(executor, Node) else getattr(executor, "executor", executor)
    if not isinstance(executor, Executor):
        raise OnnxExportError(
            f"export takes an Executor over the graph first, not {executor!r}: write ht.Executor([y])"
        )
    _check_part_of_graph(executor, inputs, outputs)
    _check_exportable(inputs, outputs)
    opset, metadata = _opset(opset), _mapping(metadata, "metadata")
    names = _names(names, toposort(outputs) + inputs)
    given = _by_node(input_shapes, inputs, "input_shapes"), _by_node(dynamic_axes, inputs, "dynamic_axes")
    path = _path(path, onnx_save_dir)
    shapes = Inputs(inputs, outputs, names, executor.config.seen_shapes, dynamic_batch, *given)
    try:
        walk = _walked(_Walk(Builder(opset, guard_ids), names, shapes.infer(), shapes.symbols), inputs, outputs)
    except OpenLengthError as error:
        walk = _walked(
            _Walk(Builder(opset, guard_ids), names, shapes.infer_fixed(error), shapes.symbols), inputs, outputs
        )
    rewrite.simplify(walk.g, {value.name for value in walk.outputs}, fold_batch_norm)
    if walk.size > MAX_BYTES and (path is None or not external_data):
        raise OnnxExportError(
            "the model is larger than the 2 GB that one ONNX file holds: pass a path and external_data=True"
        )
    model = _assemble(walk, shapes, job_name, metadata)
    if path is not None:
        save(model, path, walk.arrays() if external_data else None)
    return model


def _walked(walk: _Walk, inputs: Sequence[Node], outputs: Sequence[Node]) -> _Walk:
    """The walk over the whole graph, done."""
    for node in inputs:
        walk.input(node)
    reserved = walk.reserve(outputs)
    for node in toposort(outputs, walk.values, _needs):
        walk.visit(node)
    for node, name in zip(outputs, reserved, strict=True):
        walk.output(node, name)
    return walk


class _Walk:
    """Turns nodes into ONNX, inputs first.

    inputs, outputs: the Values that the model takes and gives.  values: the Value of each node.
    """

    def __init__(self, g: Builder, names: Mapping[Node, str], shapes: Mapping[Node, Any], symbols: Symbols):
        self.g, self.names, self.shapes, self.symbols = g, names, shapes, symbols
        self.values: dict[Node, Any] = {}
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []
        self.inner = GraphWriter(g, self.values, self.shapes, symbols, self.visit)
        self._kept: set[str] = set()
        self._results: set[Node] = set()

    @property
    def size(self) -> int:
        """The bytes of what the model stores."""
        return sum(value.array.nbytes for value in self.g.initializers.values())

    def arrays(self) -> dict[str, np.ndarray]:
        """What the model stores, by name."""
        return {name: np.asarray(value.array) for name, value in self.g.initializers.items()}

    def input(self, node: Node) -> None:
        known = self.shapes[node]
        dtype = np.bool_ if isinstance(node, Placeholder) and node.boolean else known.dtype
        value = self.g.input(own_name(node, self.names) or "input", dtype, known.shape)
        self.values[node] = self.g.cast(value, known.dtype)
        self.inputs.append(value)
        self._kept.add(value.name)

    def reserve(self, outputs: Sequence[Node]) -> list[str]:
        """Names for the outputs, set aside before anything else can take them."""
        self._results = set(outputs)
        plain = [node not in self.values and not isinstance(node, Variable) for node in outputs]
        hints = [own_name(node, self.names) or "output" for node in outputs]
        return [self.g.fresh(hint if own else f"{hint}_out") for hint, own in zip(hints, plain, strict=True)]

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
        value.shape = getattr(known, "shape", None if self._made(value, start) else value.shape)
        dtype = jax.dtypes.canonicalize_dtype(value.dtype) if self._is_of_onnx(node) else value.dtype
        if isinstance(known, Known) and dtype != known.dtype:  # of 64 bits in an imported model JAX knows 32
            value = self.values[node] = self.g.cast(value, known.dtype)
        name = None if node in self._results else own_name(node, self.names)
        if name and self._made(value, start):
            self._call(value, self.g.fresh(name), start)

    def _made(self, value: Value, start: int) -> bool:
        """Whether one of the nodes from number `start` on gives the value."""
        return any(value.name in made.output for made in self.g.nodes[start:])

    def _is_of_onnx(self, node: Node) -> bool:
        """Whether it is an operator of an imported model, or one of its outputs."""
        part = bool(node.inputs) and isinstance(self.values.get(node.inputs[0]), list)
        return part or isinstance(node, OnnxNode | FamiliarNode)

    def _call(self, value: Value, name: str, start: int) -> None:
        """Gives a value of the nodes from number `start` on a name that it keeps."""
        self.g.rename(value, name, start)
        self._kept.add(name)

    def output(self, node: Node, name: str) -> None:
        """Makes a node's value an output; a copy of it where the value has a name already."""
        value = self.values[node]
        if not isinstance(value, Value):
            raise OnnxExportError(f"{node.describe()} has several outputs: list its parts, node[0], node[1], ...")
        if value.name in self._kept or value.array is not None:
            value = self.g.shaped(self.g.Identity(value), value.shape)
        self._call(value, name, 0)
        self.outputs.append(value)

    def _initializer(self, node: Variable) -> Value:
        if not hasattr(node.value, "ndim"):
            raise OnnxExportError(f"{node.describe()} holds a sparse matrix, which no ONNX operator takes")
        array = np.asarray(node.value)
        array = array.astype(getattr(node, "stored_as", array.dtype), copy=False)
        return self.g.initializer(self.names.get(node, node.name), array)

    def _export(self, node: Node) -> Any:
        self.g.result = getattr(self.shapes.get(node), "shape", None)
        function, call_of_onnx = exporter_of(node.op), export_imported.onnx_call(node)
        try:
            returned = None if call_of_onnx is None else self._return(call_of_onnx, self.shapes.get(node))
            if returned is not None:
                return returned
            if function is None:
                return export_jaxpr.export(self.g, node, [self.values[below] for below in node.needs], self.symbols)
            return call(function, self.g, node.op, _replaced(node, self.values))
        except OnnxExportError as error:
            raise type(error)(f"{node.describe()} cannot be exported: {error}") from None

    def _return(self, node: OnnxNode, known: Any) -> Any:
        """A call of an ONNX operator as that operator, or None where it cannot go back as what it was."""
        if has_graphs(node) and can_export(node):
            return self.inner.export(node)
        if node.op.domain and not has_graphs(node):
            return export_imported.export_of_domain(self.g, node, self.values, known)
        if export_imported.lacks_kernel(node, self.g.opset):
            return None
        if export_imported.can_return(node, self.g.opset):
            return export_imported.export(self.g, node, self.values)
        return export_imported.export_older(self.g, node, self.values)


def _replaced(node: Node, values: Mapping[Node, Any]) -> dict[str, Any]:
    """The bound arguments with Values in place of nodes."""

    def replace(argument: Any) -> Any:
        if isinstance(argument, Node):
            return values[argument]
        if isinstance(argument, list | tuple):
            return type(argument)(replace(item) for item in argument)
        return argument

    return {name: replace(argument) for name, argument in node.bound.items()}


def _needs(node: Node) -> Sequence[Node]:
    return node.needs


def _problem(node: Node) -> str | None:
    """Why a node cannot be part of a model, if so."""
    if getattr(node, "nested", False):
        return f"{node.describe()} holds a sequence, an optional or a map, and the export writes arrays only"
    if isinstance(node, Feed):
        return f"the outputs depend on {node.describe()}, which is not among the inputs: add it there"
    reason = exporters.TRAINING if node.trains else exporters.NOT_EXPORTED.get(node.op.__name__ if node.op else "")
    return f"{node.describe()} has no ONNX form: {reason}" if reason else None


def _nodes(nodes: Any, what: str) -> list[Node]:
    if isinstance(nodes, Node) or not isinstance(nodes, Sequence) or not nodes:
        raise OnnxExportError(f"{what} must be a list of at least one node, not {nodes!r}")
    for node in nodes:
        if not isinstance(node, Node):
            raise OnnxExportError(f"{what} has {node!r} in it, which is no node of a graph")
    if what == "inputs" and len(set(nodes)) < len(nodes):
        raise OnnxExportError("inputs has a node twice")
    return list(nodes)


def _check_exportable(inputs: Sequence[Node], outputs: Sequence[Node]) -> None:
    problems = [(isinstance(n, Feed), problem) for n in toposort(outputs, inputs, _needs) if (problem := _problem(n))]
    problems += [(False, problem) for n in inputs if getattr(n, "nested", False) and (problem := _problem(n))]
    texts = [text for _, text in sorted(problems, key=lambda problem: problem[0])]
    if texts:
        more = f"; and {len(texts) - 3} more" if len(texts) > 3 else ""
        raise OnnxExportError("; ".join(texts[:3]) + more)


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
            raise OnnxExportError(
                f"the outputs do not depend on the input {node.describe()}: leave it out, or give inputs before outputs"
            )


def _by_node(given: Mapping[Any, Any] | None, inputs: Sequence[Node], what: str) -> dict[Node, Any]:
    """A mapping whose keys are inputs or their names, by node; the values are lists, or dicts by axis."""
    by_name = {node.name: node for node in inputs}
    found = {}
    for key, value in _mapping(given, what).items():
        node = by_name.get(key) if isinstance(key, str) else key
        if node not in inputs:
            raise OnnxExportError(f"{key!r} is none of the inputs ({', '.join(by_name)})")
        if isinstance(value, str) or not isinstance(value, Sequence | Mapping):
            raise OnnxExportError(f"{what} of {key!r} must be a list with an entry an axis, and not {value!r}")
        found[node] = value
    return found


def _mapping(given: Any, what: str) -> Mapping[Any, Any]:
    if given is not None and not isinstance(given, Mapping):
        raise OnnxExportError(f"{what} must be a dict, and not {given!r}")
    return given or {}


def _names(given: Any, graph: Sequence[Node]) -> dict[Node, str]:
    """`names` by node, where its keys are nodes of the graph or their names."""
    by_name = {node.name: node for node in graph}
    found = {}
    for key, name in _mapping(given, "names").items():
        node = by_name.get(key) if isinstance(key, str) else key
        if node not in graph:
            raise OnnxExportError(f"names has {key!r}, which is no node of what is exported")
        if not isinstance(name, str) or not name or name in found.values():
            raise OnnxExportError(f"names must give each node a name of its own, and not {name!r} for {key!r}")
        found[node] = name
    return found


def _path(path: Any, folder: Any) -> str | None:
    """The file to write; `folder` is what Hetu calls it."""
    if path is not None and folder is not None:
        raise OnnxExportError(f"give path or onnx_save_dir, and not both: {path!r} and {folder!r}")
    path = folder if path is None else path
    if path is not None and not os.fspath(path):
        raise OnnxExportError("path is empty: give the name of the file to write")
    return None if path is None else os.fspath(path)


def _opset(opset: int | None) -> int:
    newest = onnx.defs.onnx_opset_version()
    opset = min(DEFAULT_OPSET, newest) if opset is None else opset
    if not isinstance(opset, int):
        raise OnnxExportError(f"opset must be a number, and not {opset!r}")
    if not OLDEST_OPSET <= opset <= newest:
        raise OnnxExportError(f"opset must be {OLDEST_OPSET} to {newest}, not {opset}")
    return opset


def _assemble(walk: _Walk, shapes: Inputs, job_name: str | None, metadata: Mapping[str, str]) -> onnx.ModelProto:
    _find_shapes(walk, shapes)
    model = _model(walk, job_name or "", list(walk.g.initializers.values()))
    helper.set_model_props(model, {str(key): str(value) for key, value in metadata.items()})
    if walk.size < MAX_BYTES:  # the checker takes no more
        onnx.checker.check_model(model)
    return model


def _model(walk: _Walk, doc: str, initializers: Sequence[Value]) -> onnx.ModelProto:
    tensors = [_tensor(value, walk.size > MAX_BYTES and value.array.size > SMALL) for value in initializers]
    inputs, outputs = ([value.info() for value in values] for values in (walk.inputs, walk.outputs))
    graph = helper.make_graph(walk.g.nodes, "hetu_jax", inputs, outputs, tensors, doc_string=doc)
    operators = [helper.make_opsetid(domain, version) for domain, version in walk.g.opsets.items()]
    version = helper.find_min_ir_version_for(operators, ignore_unknown=True)
    return helper.make_model(graph, opset_imports=operators, ir_version=version, producer_name="hetu_jax")


def _tensor(value: Value, beside: bool) -> onnx.TensorProto:
    array = np.asarray(value.array)
    return outside(array, value.name) if beside else numpy_helper.from_array(array, value.name)


def _find_shapes(walk: _Walk, shapes: Inputs) -> None:
    """Asks ONNX for the shapes of outputs that the trace did not find.

    Raises OnnxExportError where it knows none, and no imported model declared any.
    """
    for node, value in zip(shapes.outputs, walk.outputs, strict=True):
        value.shape = value.shape if value.shape is not None else getattr(node, "declared", None)
    unknown = {value.name: value for value in walk.outputs if value.shape is None}
    if not unknown:
        return
    small = [value for value in walk.g.initializers.values() if value.array.size <= SMALL]
    for info in onnx.shape_inference.infer_shapes(_model(walk, "", small), data_prop=True).graph.output:
        if info.name in unknown and info.type.tensor_type.HasField("shape"):
            unknown.pop(info.name).shape = tuple(
                dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None
                for dim in info.type.tensor_type.shape.dim
            )
    for name in unknown:
        raise OnnxExportError(f"the shape of the output {name!r} is unknown: {shapes.reason}")
