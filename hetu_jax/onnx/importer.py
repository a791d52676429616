"""Import: an ONNX model as a recorded graph."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
import onnx
from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto

from ..errors import OnnxImportError
from ..gradients import gradients, item_op
from ..graph import Feed, Node, Variable
from . import checks, operators
from . import import_familiar as familiar
from .arrays import KNOWN_SIZE, dtype_of, fits, is_text, owned, small
from .nodes import Formal, GraphInput, OnnxNode, Subgraph
from .reading import Tensors
from .roles import Roles

GRADIENT = operators.TRAINING, "Gradient"
NEWEST = 10_000  # versions beyond are taken as this one, which is newer than all
MAX_NODES = 300_000  # in functions written out

Attributes = dict[str, Any]


class Scope:
    """The values by name in one graph, and through `outer` in the graphs around it.

    roles: what its stored tensors are for; None inside functions.  types: the element types that are known.
    later: the names that nodes of the graph make, perhaps later.
    """

    def __init__(self, roles: Roles | None = None, outer: Scope | None = None):
        self.roles = roles
        self.values: dict[str, Any] = {}
        self.types: ChainMap[str, checks.Type] = ChainMap({}, *(outer.types.maps if outer else ()))
        self.later: set[str] = set()
        self.outer = outer

    def __contains__(self, name: str) -> bool:
        return name in self.values or (self.outer is not None and name in self.outer)

    def __getitem__(self, name: str) -> Any:
        if name in self.values:
            return self.values[name]
        if name in self.later:
            raise OnnxImportError(
                f"reads {name!r}, which a later node makes: the nodes are not sorted, or form a circle"
            )
        if self.outer is None:
            raise OnnxImportError(f"reads {name!r}, which is neither an input nor an initializer nor made by a node")
        return self.outer[name]

    def __setitem__(self, name: str, value: Any) -> None:
        if name in self.values:
            raise OnnxImportError(f"two values are called {name!r}")
        self.values[name] = value


class Importer:
    """Records the nodes of one model.

    model: the parsed file.  folders: where its external data lies, as for `Tensors`.
    After `run`: `inputs` and `outputs` are the graph's, in order; `variables` are by name; `scope` has every value.
    Raises OnnxImportError for what makes no sense or is not supported, naming the node.
    """

    def __init__(self, model: ModelProto, folders: Sequence[str] = ()):
        self.model, self.tensors = model, Tensors(folders)
        self.functions = {(f.domain, f.name, f.overload): f for f in model.functions}
        self.opsets = _opsets(model.opset_import) or {"": 1}
        self.opsets.setdefault("", onnx.defs.onnx_opset_version())  # as ONNX Runtime takes it
        self.variables: dict[str, Variable] = {}
        self.scope = Scope(Roles(model.graph))
        self.inner: list[set[Node]] = []
        self.inputs: list[Node] = []
        self.outputs: list[Node] = []
        self._calls: list[tuple[str, str, str]] = []

    def run(self) -> Importer:
        """Records everything."""
        missing = list(self._unsupported(self.model.graph, self.opsets, set()))
        if missing:
            raise OnnxImportError(_unsupported_text(missing))
        if _written_out(self.model.graph, self.functions, {}) > MAX_NODES:
            raise OnnxImportError(f"the model has over {MAX_NODES:,} nodes in its functions, written out")
        graph = self.model.graph
        self._initializers(graph, self.scope)
        for info in [info for info in graph.input if info.name not in self.scope]:
            self.scope[info.name] = node = self._input(info)
            self.scope.types[info.name] = info.type.tensor_type.elem_type or None
            self.inputs.append(node)
        self._nodes(graph.node, self.scope, self.opsets, {})
        for info in graph.output:
            with _at(f"output {info.name!r}"):
                self.outputs.append(self._output(info))
        return self

    def _output(self, info: onnx.ValueInfoProto) -> Node:
        node = self._as_node(self._read(self.scope, info.name), info.name)
        kind = info.type.WhichOneof("value")
        if not isinstance(node, Feed):  # for the export, which may not find them
            node.declared = _dims(info.type.tensor_type) if kind == "tensor_type" else None
            node.declared_dtype = dtype_of(info.type.tensor_type.elem_type) if info.type.tensor_type.elem_type else None
            node.nested = kind is not None and _is_nested(info.type)
        return node

    def _read(self, scope: Scope, name: str) -> Any:
        try:
            return scope[name]
        except OnnxImportError:
            raise OnnxImportError(f"the output {name!r} of the graph is made by no node") from None

    def _unsupported(
        self, graph: Any, opsets: Mapping[str, int], seen: set[tuple[str, str, str]]
    ) -> Iterator[tuple[str, str, str, int | None]]:
        """The nodes of a graph or function for which there is no operator: domain, operator, name, version."""
        for node in graph.node:
            key = (node.domain, node.op_type, node.overload)
            for attribute in node.attribute:
                for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                    yield from self._unsupported(inner, opsets, seen)
            if key in self.functions:
                if key not in seen:
                    seen.add(key)
                    function = self.functions[key]
                    yield from self._unsupported(function, opsets | _opsets(function.opset_import), seen)
            elif (
                operators.find(node.domain, node.op_type, _version(opsets, node.domain)) is None
                and (node.domain, node.op_type) != GRADIENT
            ):
                yield node.domain, node.op_type, node.name, opsets.get(_domain(node.domain))

    def _initializers(self, graph: GraphProto, scope: Scope) -> None:
        for tensor in graph.initializer:
            with _at(f"initializer {tensor.name!r}"):
                scope.types[tensor.name] = tensor.data_type
                scope[tensor.name] = self._stored(tensor.name, self.tensors.array(tensor), scope.roles)
        for tensor in graph.sparse_initializer:
            name = tensor.values.name
            with _at(f"initializer {name!r}"):
                scope[name] = self._stored(name, self.tensors.sparse(tensor), scope.roles)

    def _stored(self, name: str, array: np.ndarray, roles: Roles) -> Any:
        """A Variable; or the array itself where it is text, a part of shape arithmetic, or a few integers."""
        floating = jnp.issubdtype(array.dtype, jnp.floating) and array.dtype.itemsize > 1
        if is_text(array) or (array.size <= KNOWN_SIZE and (name in roles.shapes or not floating)):
            return array
        return self.variable(name, array, floating and array.ndim > 0 and name not in roles.frozen)

    def variable(self, name: str, array: np.ndarray, trainable: bool) -> Variable:
        """A Variable with exactly these elements, which the export stores in their own dtype again."""
        if not fits(array):
            raise OnnxImportError(
                "it has integers that 32 bits do not hold: call jax.config.update('jax_enable_x64', True) first"
            )
        made = Variable(name, np.zeros(()), trainable=trainable)
        made.become(owned(array))
        made.stored_as = array.dtype
        self.variables.setdefault(name, made)
        return made

    def _input(self, info: onnx.ValueInfoProto) -> GraphInput:
        kind = info.type.WhichOneof("value")
        tensor = info.type.tensor_type
        try:
            if kind == "tensor_type":
                dtype = dtype_of(tensor.elem_type)
                return GraphInput(info.name, dtype, _dims(tensor), dtype.kind == "O")
            if kind in ("sequence_type", "optional_type"):
                return GraphInput(info.name, *_element(info.type), nested=_is_nested(info.type))
        except ValueError as error:
            raise OnnxImportError(f"the input {info.name!r}: {error}") from None
        if kind == "map_type":
            return GraphInput(info.name, object, None, on_host=True, nested=True)
        what = f"the type {kind}, which is not supported" if kind else "no type"
        raise OnnxImportError(f"the input {info.name!r} has {what}")

    def _nodes(self, nodes: Sequence[NodeProto], scope: Scope, opsets: Mapping[str, int], given: Attributes) -> None:
        """Records the nodes of a graph, or of a function that is called with the attributes `given`."""
        scope.later.update(name for node in nodes for name in node.output if name)
        for index, node in enumerate(nodes):
            with _at(_node_text(node, index)):
                self._node(node, scope, opsets, given)

    def _node(self, node: NodeProto, scope: Scope, opsets: Mapping[str, int], given: Attributes) -> None:
        inputs = [scope[name] if name else None for name in node.input]
        version = _version(opsets, node.domain)
        checks.check_node(node, version)
        types = checks.output_types(node, version, scope.types)
        attributes = dict(self._attributes(node, scope, opsets, given))
        function = self.functions.get((node.domain, node.op_type, node.overload))
        if function is not None:
            results = self._call(function, inputs, attributes, opsets)
        elif (node.domain, node.op_type) == GRADIENT:
            unknown = attributes.keys() - {"xs", "y", "zs"}
            if unknown:
                raise OnnxImportError(f"Gradient has no attribute {', '.join(map(repr, sorted(unknown)))}")
            results = self._gradient(inputs, scope, **attributes)
        else:
            results = self._record(node, inputs, attributes, opsets, scope.roles)
        for name, value, kind in zip(node.output, results, types, strict=False):
            if name:
                scope[name], scope.types[name] = value, kind

    def _record(
        self,
        node: NodeProto,
        inputs: list[Any],
        attributes: Attributes,
        opsets: Mapping[str, int],
        roles: Roles | None,
    ) -> Sequence[Any]:
        """What the outputs of a node are: nodes, or arrays that are known."""
        operator = operators.find(node.domain, node.op_type, _version(opsets, node.domain))
        if operator is None:
            raise OnnxImportError(f"{node.op_type} is not supported")
        if operator.onnx_name == "Identity" and len(inputs) == 1:
            return inputs
        count = max((i + 1 for i, name in enumerate(node.output) if name), default=1)
        arguments = operator.bind_node(inputs, attributes, count)
        name = node.output[0] if node.output and count == 1 else node.name or node.op_type
        if operator.onnx_name == "Constant":
            return [self._constant(name, operator.fn(**arguments), roles)]
        known = familiar.folded(operator, arguments, count)
        if known is not None:
            return known
        made = OnnxNode(operator, arguments, name=name, outputs=count, label=node.name)
        translated = familiar.translated(made, in_graph=not self.inner)
        made = self._own(made if translated is None else translated)
        if count == 1:
            return [made]
        return [self._own(item_op(made, i, name=name or None)) for i, name in enumerate(node.output[:count])]

    def _gradient(
        self, inputs: list[Any], scope: Scope, xs: Sequence[str], y: str, zs: Sequence[str] = ()
    ) -> list[Node]:
        """The gradients of one value with respect to others, which must be given as the inputs."""
        named = [scope[name] for name in (*xs, *zs)]
        if any(a is not b for a, b in zip(named, inputs, strict=True)):
            raise OnnxImportError(f"Gradient must be taken at {', '.join((*xs, *zs))}: other inputs are not supported")
        return gradients(scope[y], named[: len(xs)])

    def _constant(self, name: str, array: Any, roles: Roles | None) -> Any:
        """A constant: in a graph what an initializer is, but for single numbers; in functions known unless large."""
        if roles is not None and array.ndim:
            return self._stored(name, array, roles)
        if is_text(array) or small(array.shape):
            return array
        return self.variable(name, array, False)

    def _own(self, node: Node) -> Node:
        """Notes that the innermost graph made this node."""
        if self.inner:
            self.inner[-1].add(node)
        return node

    def _as_node(self, value: Any, name: str) -> Node:
        if isinstance(value, Node):
            return value
        operator = operators.find("", "Constant", 1)
        return self._own(OnnxNode(operator, {"value": value}, name=name))

    def _call(
        self, function: FunctionProto, inputs: list[Any], attributes: Attributes, opsets: Mapping[str, int]
    ) -> list[Any]:
        """The outputs of a function of the model's own, written out."""
        key = (function.domain, function.name, function.overload)
        if key in self._calls:
            raise OnnxImportError(f"the function {function.name!r} calls itself")
        if len(inputs) > len(function.input):
            raise OnnxImportError(f"the function {function.name!r} takes {len(function.input)} inputs")
        scope = Scope()
        inputs += [None] * (len(function.input) - len(inputs))
        for name, value in zip(function.input, inputs, strict=True):
            scope[name] = value
        defaults = dict(self._attributes(function, scope, opsets, {}, "attribute_proto"))
        self._calls.append(key)
        self._nodes(function.node, scope, {**opsets, **_opsets(function.opset_import)}, {**defaults, **attributes})
        self._calls.pop()
        return [self._read(scope, name) for name in function.output]

    def _attributes(
        self, owner: Any, scope: Scope, opsets: Mapping[str, int], given: Attributes, field: str = "attribute"
    ) -> Iterator[tuple[str, Any]]:
        for attribute in getattr(owner, field):
            if not attribute.ref_attr_name:
                yield attribute.name, self._attribute(attribute, scope, opsets, given)
            elif attribute.ref_attr_name in given:
                yield attribute.name, given[attribute.ref_attr_name]

    def _attribute(self, attribute: AttributeProto, scope: Scope, opsets: Mapping[str, int], given: Attributes) -> Any:
        kind = checks.kind_of(attribute)
        if kind == AttributeProto.GRAPH:
            return self._subgraph(attribute.g, scope, opsets, given)
        if kind == AttributeProto.TENSOR:
            return self.tensors.array(attribute.t)
        if kind == AttributeProto.SPARSE_TENSOR:
            return self.tensors.sparse(attribute.sparse_tensor)
        if kind == AttributeProto.STRING:
            return _text(attribute.s)
        if kind == AttributeProto.STRINGS:
            return tuple(_text(item) for item in attribute.strings)
        plain = {AttributeProto.FLOAT: "f", AttributeProto.INT: "i", AttributeProto.TYPE_PROTO: "tp"}
        lists = {AttributeProto.FLOATS: "floats", AttributeProto.INTS: "ints"}
        if kind in plain:
            return getattr(attribute, plain[kind])
        if kind in lists:
            return tuple(getattr(attribute, lists[kind]))
        raise OnnxImportError(f"the attribute {attribute.name!r} is of a kind that is not supported ({kind})")

    def _subgraph(self, graph: GraphProto, outer: Scope, opsets: Mapping[str, int], given: Attributes) -> Subgraph:
        scope, inner = Scope(Roles(graph), outer), set()
        self.inner.append(inner)
        self._initializers(graph, scope)
        formals = [self._own(Formal(info.name)) for info in graph.input]
        for formal in formals:
            scope[formal.name] = formal
        scope.types.update({info.name: info.type.tensor_type.elem_type or None for info in graph.input})
        self._nodes(graph.node, scope, opsets, given)
        results = [self._read(scope, info.name) for info in graph.output]
        self.inner.pop()
        made = Subgraph(graph.name, formals, results)
        made.close(inner)
        return made


def _written_out(graph: Any, functions: Mapping[tuple[str, str, str], FunctionProto], known: dict[Any, int]) -> int:
    """How many nodes the functions that a graph or function calls have, written out.

    known: the same of functions, by key; 0 for those that call themselves, which are refused later.
    """
    count = 0
    for node in graph.node:
        key = (node.domain, node.op_type, node.overload)
        if key in functions and key not in known:
            known[key] = 0
            known[key] = len(functions[key].node) + _written_out(functions[key], functions, known)
        count += known.get(key, 0)
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                count += _written_out(inner, functions, known)
    return count


class _at:
    """Puts the place into the message of an error."""

    def __init__(self, place: str):
        self.place = place

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, _MALFORMED) and not getattr(error, "placed", False):
            placed = OnnxImportError(f"{self.place}: {error or type(error).__name__}")
            placed.placed = True
            raise placed from (None if isinstance(error, OnnxImportError) else error)


# What code meets that was not written for values that make no sense; OnnxImportError is a ValueError.
_MALFORMED = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError)


def _node_text(node: NodeProto, index: int) -> str:
    return f"node {node.name!r} ({node.op_type})" if node.name else f"node {index} ({node.op_type})"


def _domain(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain


def _opsets(imports: Any) -> dict[str, int]:
    for entry in imports:
        if entry.version < 1:
            raise OnnxImportError(f"the version of the operators of {entry.domain or 'ai.onnx'} is {entry.version}")
    return {_domain(entry.domain): min(entry.version, NEWEST) for entry in imports}


def _version(opsets: Mapping[str, int], domain: str) -> int:
    return opsets.get(_domain(domain), 1)


def _dims(tensor: onnx.TypeProto.Tensor) -> tuple[int | str | None, ...] | None:
    if not tensor.HasField("shape"):
        return None
    return tuple(_dim(dim) for dim in tensor.shape.dim)


def _dim(dim: onnx.TensorShapeProto.Dimension) -> int | str | None:
    """A length, a name, or None; some exporters write -1 or a question mark for an open one."""
    if dim.HasField("dim_value"):
        return dim.dim_value if dim.dim_value >= 0 else None
    return None if dim.dim_param.startswith("?") else dim.dim_param or None


def _is_nested(kind: onnx.TypeProto) -> bool:
    """Whether it is more than one array, or none."""
    if kind.HasField("optional_type"):
        return _is_nested(kind.optional_type.elem_type)
    return not kind.HasField("tensor_type")


def _element(kind: onnx.TypeProto) -> tuple[np.dtype, None, bool]:
    """The dtype inside sequences and optionals, no shape, and whether it stays on the host."""
    while kind.WhichOneof("value") in ("sequence_type", "optional_type"):
        kind = kind.sequence_type.elem_type if kind.HasField("sequence_type") else kind.optional_type.elem_type
    if not kind.HasField("tensor_type"):
        return np.dtype(object), None, True
    dtype = dtype_of(kind.tensor_type.elem_type)
    return dtype, None, dtype.kind == "O"


def _text(item: bytes) -> Any:
    try:
        return item.decode("utf-8")
    except UnicodeDecodeError:
        return item


def _unsupported_text(missing: Sequence[tuple[str, str, str, int | None]]) -> str:
    found: dict[str, list[str]] = {}
    for domain, name, label, version in missing:
        what = f"{domain or 'ai.onnx'}.{name} (opset {version if version is not None else 'not imported'})"
        found.setdefault(what, []).append(repr(label))
    listed = "; ".join(
        f"{what} at {', '.join(labels[:5])}{f' and {len(labels) - 5} more' if len(labels) > 5 else ''}"
        for what, labels in found.items()
    )
    hint = ""
    if any(domain in ("com.microsoft.nchwc", "com.ms.internal.nhwc") for domain, *_ in missing):
        hint = "; ONNX Runtime wrote them for one processor: save the model at its level ORT_ENABLE_EXTENDED"
    return f"the model has operators that are not supported: {listed}{hint}"
