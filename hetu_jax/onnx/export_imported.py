"""Export of imported graphs: a call of an ONNX operator goes back as the operator that it is."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from ..graph import Node
from . import operators
from .builder import Builder, Value, dtype_of_text, first_opset, operator_schema
from .nodes import FamiliarNode, OnnxNode, Subgraph

RUNTIMES_OWN = {"SimplifiedLayerNormalization"}  # which ONNX Runtime writes into ai.onnx, where it is not standard


def onnx_call(node: Node) -> OnnxNode | None:
    """The ONNX call that a node of an imported graph is, or None where it is a Hetu op only."""
    if isinstance(node, FamiliarNode):
        return node.onnx
    return node if isinstance(node, OnnxNode) else None


def lacks_kernel(node: OnnxNode, opset: int) -> bool:
    """Whether ONNX Runtime cannot run the operator of the opset, while it can run what the operator consists of."""
    if node.op.domain or opset < 22:
        return False
    by_shapes_alone = node.op.onnx_name == "RoiAlign" and node.bound["sampling_ratio"] > 0
    return by_shapes_alone or node.op.onnx_name == "GlobalLpPool"


def can_return(node: OnnxNode, opset: int) -> bool:
    """Whether the operator means the same at the opset, and stands for itself."""
    held = [argument for argument in node.arguments.values() if isinstance(argument, Subgraph)]
    if node.op.domain or held or node.op.onnx_name in RUNTIMES_OWN or first_opset(node.op.onnx_name) > opset:
        return False
    schema = operator_schema(node.op.onnx_name, opset)
    if schema.deprecated or node.outputs > schema.max_output:
        return False
    return operators.find("", node.op.onnx_name, opset) is node.op and _says_all(node, schema)


def _says_all(node: OnnxNode, schema: Any) -> bool:
    """Whether the operator has, at the opset, all that the node gives, but for what it takes there anyway."""
    if node.op.onnx_name == "Dropout" and node.outputs == 1:
        training = node.arguments.get("training_mode", False)
        return isinstance(training, Node) or bool(np.any(training))
    known = {*schema.attributes, *(formal.name for formal in schema.inputs), "outputs"}
    if node.op.variadic:
        known.update(node.op.inputs)
    given = {name: argument for name, argument in node.arguments.items() if name not in known}
    if node.op.onnx_name == "Reshape" and not np.any(_stored(node.arguments["shape"]) == 0):
        given.pop("allowzero", None)
    parameters = node.op.call_signature.parameters
    return all(_is_same(argument, parameters[name].default) for name, argument in given.items())


def _stored(given: Any) -> Any:
    """The elements of an argument; None where they are computed."""
    return getattr(given, "value", None) if isinstance(given, Node) else np.asarray(given)


def _is_same(argument: Any, default: Any) -> bool:
    """Whether an argument is the default; one without which there is no call has another name at the opset."""
    if default is inspect.Parameter.empty:
        return True
    return not isinstance(argument, Node) and np.array_equal(argument, default)


def export(g: Builder, node: OnnxNode, values: Mapping[Node, Any]) -> Any:
    """The operator with the Values of its inputs, and its attributes: a Value, or a list of them."""
    schema = operator_schema(node.op.onnx_name, g.opset)
    arguments, inputs, attributes = node.arguments, [], {}
    formals = {formal.name for formal in schema.inputs}
    for name in node.op.inputs:
        given = arguments.pop(name, None)
        if node.op.variadic and isinstance(given, tuple):
            inputs.extend(_operand(g, item, values) for item in given)
        elif name in formals or name not in schema.attributes:
            inputs.append(_operand(g, given, values))
        elif given is not None:
            attributes[name] = _attribute(_known(g, given, values), schema.attributes[name])
    for name, given in arguments.items():
        if name in schema.attributes and name != "outputs":
            attributes[name] = _attribute(given, schema.attributes[name])
        elif name in formals:
            inputs.append(_operand(g, given, values))
    if node.op.onnx_name == "Concat":
        attributes.setdefault("axis", 1)
    if node.op.onnx_name == "GridSample" and "mode" in attributes:
        attributes["mode"] = _sampling(attributes["mode"], g.opset)
    if node.op.onnx_name == "Split" and not any(inputs[1:]) and "num_outputs" in schema.attributes:
        attributes["num_outputs"] = node.outputs
    return g.add(node.op.onnx_name, inputs, outputs=node.outputs if node.outputs > 1 else None, **attributes)


def export_older(g: Builder, node: OnnxNode, values: Mapping[Node, Any]) -> Value | None:
    """What today's operators make of one of an older version; None where they cannot say it."""
    older = _OLDER.get((node.op.onnx_name, node.op.since))
    if older is None or node.outputs > 1:
        return None
    arguments = node.bound
    operands = [_operand(g, arguments.get(name), values) for name in node.op.inputs]
    return older(g, node.op.onnx_name, operands, arguments)


def _flattened(g: Builder, name: str, operands: Sequence[Any], arguments: Mapping[str, Any]) -> Value | None:
    """Softmax and its like before opset 13, which took all axes from one on as one."""
    (value,) = operands
    if value.shape is None:
        return None
    axis = arguments["axis"] % value.rank
    longer = [axis + i for i, length in enumerate(value.shape[axis:]) if length != 1] or [axis]
    if len(longer) == 1:
        return g.add(name, [value], axis=longer[0])
    return g.Reshape(g.add(name, [g.Flatten(value, axis=axis)], axis=-1), g.shape_of(value))


def _transformed(g: Builder, name: str, operands: Sequence[Any], arguments: Mapping[str, Any]) -> Value | None:
    """DFT before opset 20, whose axis was an attribute."""
    flags = {flag: arguments[flag] for flag in ("inverse", "onesided")}
    return g.DFT(*operands[:2], arguments["axis"], **flags) if g.opset >= 20 else None


def _resized(g: Builder, name: str, operands: Sequence[Any], arguments: Mapping[str, Any]) -> Value:
    """Upsample, which is Resize by now."""
    X, scales = operands
    mode = {"bilinear": "linear"}.get(arguments["mode"], arguments["mode"])
    options = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return g.Resize(X, None, scales, mode=mode, **options)


def _sampling(mode: str, opset: int) -> str:
    """What GridSample calls its mode at an opset."""
    names = {"bilinear": "linear", "bicubic": "cubic"}
    return (names if opset >= 20 else {new: old for old, new in names.items()}).get(mode, mode)


def _kept(g: Builder, name: str, operands: Sequence[Any], arguments: Mapping[str, Any]) -> Value:
    """Dropout where it does nothing."""
    return operands[0]


def _cut_shape(g: Builder, name: str, operands: Sequence[Any], arguments: Mapping[str, Any]) -> Value:
    """Shape of some axes, which it has from opset 15 on."""
    end = arguments["end"]
    return g.Slice(g.Shape(*operands), [arguments["start"]], [np.iinfo(np.int64).max if end is None else end], [0])


def _scattered(g: Builder, name: str, operands: Sequence[Any], arguments: Mapping[str, Any]) -> Value:
    """Scatter, which is ScatterElements by now."""
    return g.ScatterElements(*operands, axis=arguments["axis"])


def _aligned(g: Builder, name: str, operands: Sequence[Any], arguments: Mapping[str, Any]) -> Value:
    """RoiAlign before opset 16, which knew no half pixels."""
    options = {name: arguments[name] for name in ("mode", "output_height", "output_width", "sampling_ratio")}
    mapping = "output_half_pixel"
    scale = arguments["spatial_scale"]
    return g.RoiAlign(*operands, coordinate_transformation_mode=mapping, spatial_scale=scale, **options)


def _sloped(g: Builder, name: str, operands: Sequence[Any], arguments: Mapping[str, Any]) -> Value | None:
    """PRelu before opset 7, whose slopes were those of the channels."""
    X, slope = operands
    if X.shape is None or slope.shape is None:
        return None
    return g.PRelu(X, g.reshape(slope, [-1] + [1] * (X.rank - 2)) if slope.rank == 1 and X.rank > 2 else slope)


def _normalized(g: Builder, name: str, operands: Sequence[Any], arguments: Mapping[str, Any]) -> Value | None:
    """GroupNormalization before opset 21, whose scale and bias were those of the groups."""
    X, *parts = operands
    channels, groups = None if X.shape is None else X.shape[1], arguments["num_groups"]
    if g.opset < 21 or not isinstance(channels, int):
        return None
    parts = [g.Expand(g.reshape(part, [-1, 1]), [1, channels // groups]) for part in parts]
    parts = [g.reshape(part, [-1]) for part in parts]
    return g.GroupNormalization(X, *parts, num_groups=groups, epsilon=arguments["epsilon"])


def _scaled(g: Builder, name: str, operands: Sequence[Any], arguments: Mapping[str, Any]) -> Value | None:
    """ONNX Runtime's SimplifiedLayerNormalization, which is RMSNormalization from opset 23 on."""
    options = {name: arguments[name] for name in ("axis", "epsilon", "stash_type")}
    return g.RMSNormalization(*operands, **options) if g.opset >= 23 else None


_OLDER: dict[tuple[str, int], Callable[..., Value | None]] = {
    ("Softmax", 1): _flattened,
    ("LogSoftmax", 1): _flattened,
    ("Hardmax", 1): _flattened,
    ("DFT", 1): _transformed,
    ("Dropout", 1): _kept,
    ("GroupNormalization", 1): _normalized,
    ("PRelu", 1): _sloped,
    ("Resize", 1): _resized,
    ("RoiAlign", 1): _aligned,
    ("Scatter", 1): _scattered,
    ("Shape", 1): _cut_shape,
    ("SimplifiedLayerNormalization", 1): _scaled,
    ("Upsample", 1): _resized,
}


def export_of_domain(g: Builder, node: OnnxNode, values: Mapping[Node, Any], known: Any) -> Any:
    """An operator of another domain than ai.onnx, as it is: a Value, or a list of them.

    known: the shape and dtype of its value, or a nest of them, where the trace found them.
    """
    arguments = node.arguments
    inputs = [item for name in node.op.inputs for item in _listed(arguments.pop(name, None))]
    operands = [_operand(g, given, values) for given in inputs]
    attributes = {name: _attribute(given) for name, given in arguments.items() if name != "outputs"}
    while operands and operands[-1] is None:
        operands.pop()
    domain = node.op.domain
    version = g.opsets[domain] = max(g.opsets.get(domain, 1), _first_version(node, attributes))
    if operators.find(domain, node.op.onnx_name, version) is not node.op:
        g.refuse(f"{domain} {version} has another {node.op.onnx_name} than the imported model")
    kinds = list(known) if node.outputs > 1 and known is not None else [known]
    dtypes = [_dtype(node, version, place, *kinds[place : place + 1]) for place in range(node.outputs)]
    made = g.place(node.op.onnx_name, operands, dtypes, node.op.domain, **attributes)
    return made[0] if node.outputs == 1 else made


def _first_version(node: OnnxNode, attributes: Mapping[str, Any]) -> int:
    """The version of the domain to ask for: later ones withdraw operators, earlier ones lack attributes."""
    for version in range(3 if node.op.domain == operators.ML else 1, 6):
        schema = _schema(node, version)
        if schema is not None and attributes.keys() <= schema.attributes.keys() and node.op.since <= version:
            return version
    return node.op.since


def _schema(node: OnnxNode, version: int) -> Any:
    try:
        return onnx.defs.get_schema(node.op.onnx_name, version, node.op.domain)
    except onnx.defs.SchemaError:
        return None


def _listed(given: Any) -> Sequence[Any]:
    return given if isinstance(given, tuple) else [given]


def _dtype(node: OnnxNode, version: int, place: int, known: Any = None) -> np.dtype:
    """Of an output: what the standard says, and the trace's where it leaves a choice."""
    found = None if known is None else np.dtype(known.dtype)
    schema = _schema(node, version)
    if "values_tensor" in node.arguments:
        return node.arguments["values_tensor"].dtype
    if schema is None:
        return found or np.dtype(np.float32)
    text = schema.outputs[min(place, len(schema.outputs) - 1)].type_str
    texts = next((c.allowed_type_strs for c in schema.type_constraints if c.type_param_str == text), [text])
    dtypes = [dtype_of_text(t) for t in texts if t.startswith("tensor(")]
    if found in dtypes:
        return found
    integers = found is not None and found.kind in "iu"
    integers |= any(name in node.arguments for name in ("classlabels_int64s", "classlabels_ints", "values_int64s"))
    wanted = np.dtype(np.int64) if integers else np.dtype(object)
    return next((dtype for dtype in (wanted, *dtypes) if dtype in dtypes), np.dtype(np.float32))


def _operand(g: Builder, given: Any, values: Mapping[Node, Any]) -> Any:
    """A Value; or the numbers of what was an attribute in older opsets, which take the dtype that is wanted."""
    if isinstance(given, Node):
        return values[given]
    if isinstance(given, np.ndarray | np.generic):
        return g.constant(given, given.dtype)
    return [given] if isinstance(given, int) else given  # K of TopK


def _known(g: Builder, given: Any, values: Mapping[Node, Any]) -> Any:
    """What is an input in newer opsets and an attribute in the model's, which must be stored."""
    array = values[given].array if isinstance(given, Node) else given
    return g.refuse("an attribute of it is computed: export with a newer opset") if array is None else array


def _attribute(value: Any, formal: Any = None) -> Any:
    """An attribute for `make_node`, in the type that the standard has for it, if any."""
    kind = None if formal is None else formal.type.name
    if kind == "INTS":
        return [int(number) for number in np.ravel(value)]
    if kind == "FLOATS":
        return [float(number) for number in np.ravel(value)]
    if kind == "INT" and isinstance(value, str):  # of the first versions of Cast
        return onnx.TensorProto.DataType.Value(value)
    if kind in ("INT", "FLOAT"):
        return np.asarray(value).item()
    if isinstance(value, np.ndarray):
        return numpy_helper.from_array(value)
    if isinstance(value, onnx.TypeProto):
        return value
    return list(value) if isinstance(value, tuple) else value
