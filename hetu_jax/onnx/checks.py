"""What the standard says of a node's attributes and element types, checked before anything is recorded."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import onnx
from onnx import AttributeProto, NodeProto, TensorProto

from ..errors import OnnxImportError

Type = int | None  # an element type of ONNX, or None for one that is not known


@functools.cache
def _schema(domain: str, name: str, version: int) -> Any:
    try:
        return onnx.defs.get_schema(name, version, domain)
    except onnx.defs.SchemaError:
        return None


def kind_of(attribute: AttributeProto) -> int:
    """The kind of an attribute; found from the field that is set where a file, of the first IR version, has none."""
    if attribute.type != AttributeProto.UNDEFINED:
        return attribute.type
    for field, kind in _FIELDS.items():
        if getattr(attribute, field) if field.endswith("s") and field != "s" else attribute.HasField(field):
            return kind
    return AttributeProto.INTS


_FIELDS = {
    "f": AttributeProto.FLOAT,
    "i": AttributeProto.INT,
    "s": AttributeProto.STRING,
    "t": AttributeProto.TENSOR,
    "g": AttributeProto.GRAPH,
    "floats": AttributeProto.FLOATS,
    "ints": AttributeProto.INTS,
    "strings": AttributeProto.STRINGS,
}


def check_node(node: NodeProto, version: int) -> None:
    """Raises OnnxImportError for attributes given twice or of the wrong kind, and for too many outputs."""
    names = [attribute.name for attribute in node.attribute]
    if len(set(names)) < len(names):
        raise OnnxImportError(f"an attribute is given twice among {', '.join(names)}")
    schema = _schema(node.domain, node.op_type, version)
    if schema is not None and len(node.output) > schema.max_output:
        raise OnnxImportError(f"it has {len(node.output)} outputs, and {node.op_type} has at most {schema.max_output}")
    for attribute in node.attribute if schema is not None else ():
        formal = schema.attributes.get(attribute.name)
        kind = kind_of(attribute)
        if formal is not None and formal.type.value != kind and not attribute.ref_attr_name:
            found, wanted = (AttributeProto.AttributeType.Name(k) for k in (kind, formal.type.value))
            raise OnnxImportError(f"its attribute {attribute.name!r} is {found}, and must be {wanted}")


def output_types(node: NodeProto, version: int, types: Mapping[str, Type]) -> list[Type]:
    """The element types of a node's outputs, as far as they follow from those of its inputs.

    types: of values by name.  Raises OnnxImportError where inputs have types that the operator does not take.
    """
    schema = _schema(node.domain, node.op_type, version)
    if schema is None or not schema.inputs:
        return [None] * len(node.output)
    bound: dict[str, Type] = {}
    allowed = _allowed(node.domain, node.op_type, version)
    for place, name in enumerate(node.input):
        formal = schema.inputs[min(place, len(schema.inputs) - 1)]
        found = types.get(name) if formal.is_homogeneous else None
        if found is None:
            continue
        _check(formal, found, allowed.get(formal.type_str), bound.setdefault(formal.type_str, found))
    return [_type(formal, bound) for formal in _formals(schema.outputs, len(node.output))]


def _check(formal: Any, found: int, allowed: frozenset[str] | None, first: int) -> None:
    text = _text(found)
    if allowed is None and formal.type_str.startswith("tensor("):
        allowed = frozenset([formal.type_str])
    if allowed is not None and any(kind.startswith("tensor(") for kind in allowed) and text not in allowed:
        names = ", ".join(sorted(kind[7:-1] for kind in allowed if kind.startswith("tensor(")))
        raise OnnxImportError(f"its input {formal.name!r} is {text[7:-1]}, and must be {names}")
    if found != first:
        raise OnnxImportError(f"its inputs are {_text(first)[7:-1]} and {text[7:-1]}, and must be of one type")


@functools.cache
def _allowed(domain: str, name: str, version: int) -> dict[str, frozenset[str]]:
    constraints = _schema(domain, name, version).type_constraints
    return {c.type_param_str: frozenset(c.allowed_type_strs) for c in constraints}


def _text(kind: int) -> str:
    if kind not in TensorProto.DataType.values():
        raise OnnxImportError(f"{kind} is no element type of ONNX")
    return f"tensor({TensorProto.DataType.Name(kind).lower()})"


def _formals(formals: Sequence[Any], count: int) -> list[Any]:
    return [formals[min(place, len(formals) - 1)] for place in range(count)] if formals else []


def _type(formal: Any, bound: Mapping[str, Type]) -> Type:
    if formal.type_str.startswith("tensor("):
        return TensorProto.DataType.Value(formal.type_str[7:-1].upper())
    return bound.get(formal.type_str) if formal.is_homogeneous else None
