"""An ONNX graph under construction: `g.Relu(x)` adds a node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np
import onnx
from onnx import helper

from ..errors import OnnxExportError

Dim = int | str | None
Shape = tuple[Dim, ...]
NAMELESS = "?"  # begins the names of dimensions that follow from the symbols in no simple way


class OpenLengthError(OnnxExportError):
    """An op needs the length of an axis that the model leaves open."""


class Value:
    """One tensor of the ONNX graph.

    name: unique in the graph.  dtype: its NumPy dtype.
    shape: ints, names of symbolic dimensions, and None for what nobody knows; None where not even the rank is known.
    array: the elements of a constant or an initializer, else None.
    """

    def __init__(self, name: str, dtype: Any, shape: Shape | None = None, array: np.ndarray | None = None):
        self.name, self.dtype, self.shape, self.array = name, np.dtype(dtype), shape, array

    @property
    def rank(self) -> int:
        """The number of axes.  Raises OnnxExportError where it is unknown."""
        return len(self._known_shape())

    @property
    def static(self) -> tuple[int, ...] | None:
        """The shape, if all of it is known and fixed."""
        fixed = self.shape is not None and all(isinstance(dim, int) for dim in self.shape)
        return self.shape if fixed else None

    def info(self, shaped: bool = True) -> onnx.ValueInfoProto:
        """What a graph says of it as an input or an output, with its shape or without."""
        shape = self.shape if shaped else None
        if shape is not None:
            shape = [None if isinstance(dim, str) and dim.startswith(NAMELESS) else dim for dim in shape]
        return helper.make_tensor_value_info(self.name, helper.np_dtype_to_tensor_dtype(self.dtype), shape)

    def axes(self, axes: int | Iterable[int]) -> list[int]:
        """`axes` as a list of non-negative numbers."""
        listed = [axes] if isinstance(axes, int | np.integer) else list(axes)
        return [int(axis) % self.rank for axis in listed]

    def dim(self, axis: int) -> int:
        """The length of an axis.  Raises OpenLengthError where the model leaves it open."""
        length = self._known_shape()[axis]
        if not isinstance(length, int):
            raise OpenLengthError(f"axis {axis} of its input {list(self.shape)} must be of fixed length")
        return length

    def _known_shape(self) -> Shape:
        if self.shape is None:
            raise OnnxExportError(
                "the number of axes of its input is unknown: run the Executor once before the export, "
                "or pass input_shapes"
            )
        return self.shape

    def __repr__(self) -> str:
        return f"<{self.name}: {self.dtype}{'' if self.shape is None else list(self.shape)}>"


class Builder:
    """Collects the nodes and initializers of one ONNX graph.

    Every ONNX operator is a method: positional arguments are its inputs, keyword arguments its attributes (None leaves
    one out), and the result is a `Value`, or a list of `outputs` of them.  Inputs may be numbers, lists and arrays;
    they become constants of the dtype that the operator asks for, each stored once.  Inputs that must share one dtype
    are cast to the one JAX promotes them to.

    opset: the version of the default operator set.  opsets: of all that are used, by domain.
    guard_ids: whether lookups and losses check ids and labels themselves, rather than leaving it to the runtime.
    result: the shape of what the exporter at work is to give, where it is known.
    """

    def __init__(self, opset: int, guard_ids: bool = False):
        self.opset, self.opsets, self.guard_ids = opset, {"": opset}, guard_ids
        self.nodes: list[onnx.NodeProto] = []
        self.values: dict[str, Value] = {}
        self.initializers: dict[str, Value] = {}
        self.result: Shape | None = None
        self._constants: dict[tuple[Any, ...], Value] = {}
        self._numbers: Counter[str] = Counter()

    def __getattr__(self, operator: str) -> Callable[..., Any]:
        if not operator[:1].isupper():
            raise AttributeError(operator)
        return lambda *inputs, **options: self.add(operator, inputs, **options)

    def add(
        self,
        operator: str,
        inputs: Sequence[Any],
        outputs: int | None = None,
        name: str | None = None,
        **attributes: Any,
    ) -> Any:
        """Adds one node.

        inputs: Values, constants, or None for optional ones left out.  outputs: how many, as a list; None for one.
        name: of the first output.  attributes: of the node.
        Raises OnnxExportError where the operator does not exist at this opset.
        """
        self.need(first_opset(operator), operator)
        schema = operator_schema(operator, self.opset)
        operands, types = self._operands(schema, inputs)
        name = self.fresh(name or operator.lower())
        formals = [schema.outputs[min(i, len(schema.outputs) - 1)].name for i in range(1, outputs or 1)]
        names = [name, *(self.fresh(f"{name}_{formal}") for formal in formals)]
        attributes = {key: value for key, value in attributes.items() if value is not None}
        for attribute in attributes.keys() - schema.attributes.keys():
            self.need(first_opset(operator, attribute), f"{operator} with {attribute}")
        used = [operand.name if operand else "" for operand in operands]
        while used and not used[-1]:
            used.pop()
        self.nodes.append(helper.make_node(operator, used, names, name=name, **attributes))
        results = [
            self._record(Value(result, _output_dtype(schema, index, types, attributes)))
            for index, result in enumerate(names)
        ]
        return results[0] if outputs is None else results

    def place(
        self,
        operator: str,
        operands: Sequence[Value | None],
        results: Sequence[Any],
        domain: str = "",
        **attributes: Any,
    ) -> list[Value]:
        """Adds one node as it is: its operands stay what they are, and `results` are the dtypes of its outputs."""
        names = [self.fresh(operator.lower()) for _ in results]
        used = [operand.name if operand else "" for operand in operands]
        self.nodes.append(helper.make_node(operator, used, names, name=names[0], domain=domain or None, **attributes))
        return [self._record(Value(name, dtype)) for name, dtype in zip(names, results, strict=True)]

    def body(
        self, name: str, formals: Sequence[Value], compute: Callable[[], Iterable[Value]], shaped: bool = True
    ) -> tuple[onnx.GraphProto, list[Value]]:
        """A graph inside a node, and the Values of its results.

        formals: what it takes, made by `input`.  compute: gives the results; what it adds is inside, and it may read
        everything outside.  shaped: whether the graph says the shapes of what it takes and gives.
        """
        outer, self.nodes = self.nodes, []
        results: list[Value] = []
        for value in compute():
            made = {output for node in self.nodes for output in node.output} - {result.name for result in results}
            results.append(value if value.name in made else self.shaped(self.Identity(value), value.shape))
        inner, self.nodes = self.nodes, outer
        infos = [[value.info(shaped) for value in values] for values in (formals, results)]
        return helper.make_graph(inner, name, *infos), results

    def need(self, opset: int, what: str) -> None:
        """Raises OnnxExportError where the model's opset is older than `opset`, which first has `what`."""
        if self.opset < opset:
            raise OnnxExportError(
                f"ONNX has {what} from opset {opset} on: export with opset={opset} or newer, not {self.opset}"
            )

    def fresh(self, hint: str) -> str:
        """`hint`, or with a number behind it where it is taken; the name is taken from then on."""
        name = hint
        while name in self.values:
            self._numbers[hint] += 1
            name = f"{hint}_{self._numbers[hint]}"
        self.values[name] = None
        return name

    def input(self, name: str, dtype: Any, shape: Shape) -> Value:
        """A graph input."""
        return self._record(Value(self.fresh(name), dtype, shape))

    def initializer(self, name: str, array: Any) -> Value:
        """A stored tensor with a name of its own, such as a Variable's."""
        array = np.asarray(array)
        value = self._record(Value(self.fresh(name), array.dtype, array.shape, array))
        self.initializers[value.name] = value
        return value

    def constant(self, value: Any, dtype: Any = None, hint: str = "const") -> Value:
        """A stored tensor known by its elements; equal ones for the same use are stored once."""
        array = np.asarray(value, dtype)
        if dtype is None:
            array = array.astype({"f": np.float32, "i": np.int64, "b": np.bool_}.get(array.dtype.kind, array.dtype))
        key = (hint, array.dtype.name, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"{hint}_{array.item():g}" if array.ndim == 0 and array.dtype.kind in "if" else hint
            self._constants[key] = self.initializer(name, array)
        return self._constants[key]

    @property
    def unnamed(self) -> list[str]:
        """The names of the stored tensors that are constants, and no parameters."""
        return [value.name for value in self._constants.values()]

    def cast(self, value: Value, dtype: Any) -> Value:
        """`value` in another dtype; itself where it has that one."""
        if value.dtype == np.dtype(dtype):
            return value
        if _type_text(value.dtype) not in _texts(operator_schema("Cast", self.opset), "T1"):
            self.refuse(f"ONNX has no {value.dtype} at opset {self.opset}: export with a newer one")
        return self.shaped(self.Cast(value, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype))), value.shape)

    def floats(self, value: Any) -> Any:
        """`value` as floats; itself where it is float or no Value."""
        whole = isinstance(value, Value) and not jnp.issubdtype(value.dtype, jnp.inexact)
        return self.cast(value, np.float32) if whole else value

    @staticmethod
    def float_dtype(value: Value) -> np.dtype:
        """The dtype of `value`, or float32 where it holds integers."""
        return value.dtype if jnp.issubdtype(value.dtype, jnp.inexact) else np.dtype(np.float32)

    def reshape(self, value: Value, shape: Iterable[int]) -> Value:
        """`value` in a shape in which one length may be -1, and 0 means none."""
        shape = [int(length) for length in shape]
        return self.Reshape(value, np.array(shape, np.int64), allowzero=1 if 0 in shape and self.opset >= 14 else None)

    def reshape_like(self, value: Value, like: Value) -> Value:
        """`value` in the shape of `like`, which has as many elements."""
        known = like.shape is not None and sum(not isinstance(dim, int) for dim in like.shape) == 1
        if known and 0 not in like.shape:
            return self.reshape(value, [dim if isinstance(dim, int) else -1 for dim in like.shape])
        return self.Reshape(value, self.shape_of(like))

    def flat(self, value: Value) -> Value:
        """The elements along one axis."""
        return value if value.shape is not None and value.rank == 1 else self.reshape(value, [-1])

    def expand(self, value: Value, like: Value) -> Value:
        """`value` broadcast to the shape of `like`."""
        if like.shape is not None and value.shape == like.shape and None not in like.shape:
            return value
        return self.Expand(value, self.shape_of(like))

    def shape_of(self, value: Value) -> Value:
        """The shape as int64 numbers: a constant where it is fixed."""
        if value.static is not None:
            return self.constant(np.array(value.static, np.int64), hint="shape")
        return self.Shape(value)

    def length(self, value: Value, axis: int, scalar: bool = False) -> Any:
        """The length of an axis as int64, (1,) or a scalar: a number where it is fixed."""
        dim = None if value.shape is None else value.shape[axis]
        if isinstance(dim, int):
            return dim if scalar else [dim]
        return self.Gather(self.Shape(value), axis if scalar else [axis])

    def last(self, value: Value, axis: int) -> Any:
        """The last index of an axis: a number where it is fixed, else an int64 scalar."""
        length = self.length(value, axis, scalar=True)
        return length - 1 if isinstance(length, int) else self.Sub(length, 1)

    def ids(self, value: Value) -> Value:
        """Indices, in a dtype that ONNX takes for them; floats, in which Hetu keeps them, are truncated."""
        return value if value.dtype in (np.int32, np.int64) else self.cast(value, np.int64)

    def iota(self, value: Value, axis: int) -> Value:
        """0, 1, 2, ... along an axis of `value`, int64, (length,)."""
        length = self.length(value, axis, scalar=True)
        if isinstance(length, int):
            return self.constant(np.arange(length), hint="iota")
        return self.Range(self.constant(0), length, self.constant(1))

    @staticmethod
    def shaped(value: Value, shape: Shape | None) -> Value:
        """`value`, of which the shape is known to be this."""
        value.shape = shape
        return value

    def transpose(self, value: Value, perm: Sequence[int]) -> Value:
        """`value` with its axes in another order."""
        shape = None if value.shape is None else tuple(value.shape[axis] for axis in perm)
        return self.shaped(self.Transpose(value, perm=list(perm)), shape)

    def scaled(self, value: Value, factor: float) -> Value:
        """`value` times a number; the shape stays."""
        return self.shaped(self.Mul(value, float(factor)), value.shape)

    def scalar_as_one(self, value: Value, rank: int) -> Value:
        """Hetu's scalar: shape (1,) where `rank` axes are none."""
        return value if rank else self.reshape(value, [1])

    def reduce(self, operator: str, value: Value, axes: Sequence[int] | None, keepdims: bool) -> Value:
        """A reduction over axes (None: all); they are an input or an attribute, as the opset has it."""
        if axes is None or len(operator_schema(operator, self.opset).inputs) > 1:
            return self.add(operator, [value] if axes is None else [value, list(axes)], keepdims=int(keepdims))
        return self.add(operator, [value], axes=list(axes), keepdims=int(keepdims))

    @staticmethod
    def refuse(reason: str) -> None:
        """Raises OnnxExportError: the op cannot be exported with these arguments."""
        raise OnnxExportError(reason)

    def rename(self, value: Value, new: str, start: int) -> None:
        """Gives an output of the nodes from number `start` on another name, which `fresh` gave."""
        old = value.name
        for node in self.nodes[start:]:
            _rename_in(node, old, new)
        self.values[new] = self.values.pop(old)
        value.name = new

    def _record(self, value: Value) -> Value:
        self.values[value.name] = value
        return value

    def _operands(self, schema: Any, inputs: Sequence[Any]) -> tuple[list[Value | None], dict[str, np.dtype]]:
        """The inputs as Values, and the dtype of each of the schema's type variables."""
        formals = [schema.inputs[min(i, len(schema.inputs) - 1)] for i in range(len(inputs))]
        types: dict[str, np.dtype] = {}
        for formal, given in zip(formals, inputs, strict=True):
            if isinstance(given, Value):
                types[formal.type_str] = _promote(types.get(formal.type_str), given.dtype)
        for formal, given in zip(formals, inputs, strict=True):
            if given is not None and formal.type_str in types and not isinstance(given, Value):
                types[formal.type_str] = _with_fraction(types[formal.type_str], given)
        types = {variable: _allowed(schema, variable, dtype) for variable, dtype in types.items()}
        return [self._operand(f, given, types) for f, given in zip(formals, inputs, strict=True)], types

    def _operand(self, formal: Any, given: Any, types: dict[str, np.dtype]) -> Value | None:
        if given is None:
            return None
        dtype = types.get(formal.type_str)
        if isinstance(given, Value):
            return self.cast(given, dtype)
        if dtype is None and formal.type_str.startswith("tensor("):
            dtype = dtype_of_text(formal.type_str)
        constant = self.constant(given, dtype, hint="const" if np.ndim(given) == 0 else formal.name.lower())
        types.setdefault(formal.type_str, constant.dtype)
        return constant


def _rename_in(node: onnx.NodeProto, old: str, new: str) -> None:
    """Gives a value another name in a node, and in the graphs inside it."""
    for names in (node.input, node.output):
        names[:] = [new if n == old else n for n in names]
    node.name = new if node.name == old else node.name
    for attribute in node.attribute:
        for inner in attribute.g.node:
            _rename_in(inner, old, new)


@cache
def operator_schema(operator: str, opset: int) -> Any:
    """The definition of an operator at an opset."""
    return onnx.defs.get_schema(operator, opset, "")


@cache
def first_opset(operator: str, attribute: str | None = None) -> int:
    """The first opset with an operator, and with an attribute of it."""
    return min(
        schema.since_version
        for schema in onnx.defs.get_all_schemas_with_history()
        if schema.name == operator and not schema.domain and (attribute is None or attribute in schema.attributes)
    )


def _promote(first: np.dtype | None, second: np.dtype) -> np.dtype:
    if first is None or first == second:
        return second
    return np.dtype(jnp.promote_types(first, second))


def _with_fraction(dtype: np.dtype, constant: Any) -> np.dtype:
    """`dtype`, or float32 where a fraction stands beside integers."""
    whole = jnp.issubdtype(dtype, jnp.inexact) or np.all(np.asarray(constant) == np.floor(constant))
    return dtype if whole else np.dtype(np.float32)


def dtype_of_text(type_text: str) -> np.dtype:
    """float32 for 'tensor(float)', and so on."""
    kind = type_text[len("tensor(") : -1]
    return np.dtype(helper.tensor_dtype_to_np_dtype(onnx.TensorProto.DataType.Value(kind.upper())))


def _type_text(dtype: np.dtype) -> str:
    return f"tensor({onnx.TensorProto.DataType.Name(helper.np_dtype_to_tensor_dtype(dtype)).lower()})"


def _texts(schema: Any, variable: str) -> Sequence[str]:
    """The types that a type variable of an operator may stand for; for sequences, those of their elements."""
    texts = next((c.allowed_type_strs for c in schema.type_constraints if c.type_param_str == variable), [variable])
    return [text.replace("seq(", "").replace("))", ")") for text in texts]


def _allowed(schema: Any, variable: str, dtype: np.dtype) -> np.dtype:
    """`dtype`, or float32 where the operator takes floats and not this dtype."""
    texts = _texts(schema, variable)
    if _type_text(dtype) in texts:
        return dtype
    if "tensor(float)" in texts:
        return np.dtype(np.float32)
    wider = [dtype_of_text(text) for text in texts if text.startswith("tensor(")]
    for other in wider:
        if np.can_cast(dtype, other, "safe"):
            return other
    names = ", ".join(map(str, wider))
    raise OnnxExportError(f"{schema.name} takes {names} at opset {schema.since_version}, and not {dtype}")


_DTYPES = {"to", "dtype", "output_dtype", "output_datatype"}  # attributes that say what an output holds


def _output_dtype(schema: Any, index: int, types: dict[str, np.dtype], attributes: dict[str, Any]) -> np.dtype:
    """The dtype of an output: that of its type variable, the only one allowed, or what an attribute says."""
    text = schema.outputs[min(index, len(schema.outputs) - 1)].type_str
    if text in types:
        return types[text]
    if text.startswith("tensor("):
        return dtype_of_text(text)
    texts = _texts(schema, text)
    if len(texts) == 1:
        return dtype_of_text(texts[0])
    said = {
        name: attributes.get(name, schema.attributes[name].default_value.i)
        for name in _DTYPES & schema.attributes.keys()
    }
    number = next((kind for kind in said.values() if kind), None)
    if number is None and "value" in attributes:
        number = attributes["value"].data_type
    if number is not None:
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(number))
        if _type_text(dtype) not in texts:
            raise OnnxExportError(f"{schema.name} gives no {dtype} at this opset: export with a newer one")
        return dtype
    first = next(iter(types.values()), np.dtype(np.float32))
    return first if _type_text(first) in texts else np.dtype(np.float32)
