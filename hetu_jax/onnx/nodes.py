"""The nodes of imported graphs: calls of ONNX operators, graph inputs, and the graphs inside If, Loop and Scan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from ..errors import HostValueError
from ..graph import Feed, Node, Op, Placeholder, Variable, toposort
from ..layout import ChannelsLast
from ..ndarray import NDArray
from ..trace import Run, evaluate
from .arrays import is_float, is_text, traced

if TYPE_CHECKING:
    from .operators import Operator

Dims = tuple[int | str | None, ...]


class OnnxNode(Node):
    """A recorded call of an ONNX operator.

    op: the Operator, which knows its domain, name and version.  label: what the model calls the node.
    outputs: how many the model asks for; the value of a node with several is a tuple.
    Where all inputs are NumPy's, so is the value.
    """

    def __init__(self, op: Operator, arguments: dict[str, Any], *, name: str, outputs: int = 1, label: str = ""):
        super().__init__(op, arguments, name=name)
        self.outputs, self.label = outputs, label
        for leaf in self._leaves:
            if isinstance(leaf, Subgraph):
                self.inputs.extend(node for node in leaf.captures if node not in self.inputs)

    @property
    def op_type(self) -> str:
        return self.op.onnx_name

    @property
    def draws(self) -> bool:
        return super().draws or any(isinstance(leaf, Subgraph) and leaf.draws for leaf in self._leaves)

    def describe(self) -> str:
        return f"{self.op.onnx_name} {self.label or self.name!r} at {self.site}"

    def evaluate(self, values: Sequence[Any], env: Any, run: Run, **given: Any) -> Any:
        by_node = dict(zip(self.needs, values, strict=True))
        leaves = [self._leaf_value(leaf, by_node, run) for leaf in self._leaves]
        arguments = dict(zip(self._names, jax.tree.unflatten(self._structure, leaves), strict=True))
        try:
            return self.compute({**arguments, **run.asked(self), **given})
        except HostValueError as error:
            inside = "" if " needs " in str(error) else f"{self.describe()} needs "
            raise HostValueError(f"{inside}{error}") from None

    @staticmethod
    def _leaf_value(leaf: Any, by_node: Mapping[Node, Any], run: Run) -> Any:
        if isinstance(leaf, Node):
            return by_node[leaf]
        return leaf.bind(by_node, run) if isinstance(leaf, Subgraph) else leaf

    def compute(self, arguments: dict[str, Any]) -> Any:
        """The operator's value for these arguments: one output, or a tuple where the node has several."""
        return computed(self.op, arguments, self.outputs)

    def _abstract(self) -> jax.ShapeDtypeStruct | None:
        try:
            return super()._abstract()
        except TypeError:  # strings
            return None


def computed(op: Operator, arguments: dict[str, Any], outputs: int) -> Any:
    """The first `outputs` outputs of an operator, as a tuple unless there is one; NumPy's scalars as arrays."""
    positional, keywords = [], {}
    for name, parameter in op.call_signature.parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            keywords.update({name: arguments[name]} if name in arguments else {})
        elif parameter.kind is parameter.VAR_POSITIONAL:
            positional.extend(arguments.get(name, ()))
        else:
            positional.append(arguments.get(name, parameter.default))
    with np.errstate(all="ignore"):
        value = op.fn(*positional, **keywords)
    value = jax.tree.map(lambda part: np.asarray(part) if isinstance(part, np.generic) else part, value)
    if not isinstance(value, tuple):
        return value
    return value[0] if outputs == 1 else value[:outputs]


class FamiliarNode(Node):
    """A call of the Hetu op to which an ONNX operator comes down, where its first input holds floats.

    onnx: the call of the operator itself, which computes everything else: shapes, known on the host, and integers.
    """

    def __init__(self, op: Op, arguments: dict[str, Any], onnx: OnnxNode, *, writes: tuple[Variable, ...] = ()):
        super().__init__(op, arguments, name=onnx.name, writes=writes)
        self.onnx, self.label = onnx, onnx.label
        self.inputs.extend(node for node in onnx.inputs if node not in self.inputs)

    def describe(self) -> str:
        return self.onnx.describe()

    def evaluate(self, values: Sequence[Any], env: Any, run: Run, **given: Any) -> Any:
        if self.writes or (traced(values) and hasattr(values[0], "dtype") and is_float(values[0])):
            return super().evaluate(values, env, run, **given)
        by_node = dict(zip(self.needs, values, strict=True))
        if "channel_axis" not in given:
            return self.onnx.evaluate([by_node[node] for node in self.onnx.needs], env, run)
        by_node[self.needs[0]] = ChannelsLast(values[0]).nchw()
        return ChannelsLast.of(self.onnx.evaluate([by_node[node] for node in self.onnx.needs], env, run)).held


class Subgraph:
    """The graph in an attribute: what it takes, what it gives, and the nodes outside that it reads.

    formals: its inputs, leaves.  results: nodes, or arrays known when the model was read.
    """

    def __init__(self, name: str, formals: Sequence[Node], results: Sequence[Any]):
        self.name, self.formals, self.results = name, list(formals), list(results)
        self._nodes = [result for result in self.results if isinstance(result, Node)]
        self.captures: list[Node] = []
        self.draws = False
        self._programs: dict[Any, Callable[..., list[Any]] | None] = {}

    def close(self, inner: set[Node]) -> None:
        """Finds the captures: what is read and not among `inner`, the nodes that the graph itself has."""
        reached = toposort(self._nodes, edges=lambda node: node.inputs if node in inner else ())
        self.captures = [node for node in reached if node not in inner]
        self.draws = any(node.draws for node in reached if node in inner)

    def bind(self, values: Mapping[Node, Any], run: Run) -> Callable[..., list[Any]]:
        """The graph as a function from values of the formals to a list of results.

        The function's `results` is how many there are, `traced` whether it reads values of a step that is compiled,
        and `compiled` the same function, as one program where it reads none.
        """
        captured = {node: values[node] for node in self.captures}

        def call(*arguments: Any) -> list[Any]:
            return self._computed({**captured, **dict(zip(self.formals, arguments, strict=True))}, run)

        call.results = len(self.results)
        call.traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves([*captured.values()]))
        plain = call.traced or self.draws or run.probes
        call.compiled = call if plain else lambda: self._in_one_program(captured, run)
        return call

    def _in_one_program(self, captured: Mapping[Node, Any], run: Run) -> list[Any]:
        """The results, by a program compiled for what is known of the captures; op by op where it asks for values."""
        arrays = {node: value for node, value in captured.items() if isinstance(value, jax.Array)}
        hosts = {node: value for node, value in captured.items() if node not in arrays}
        if not all(isinstance(value, np.ndarray) and not is_text(value) for value in hosts.values()):
            return self._computed(captured, run)
        key = (run.training, *((node, value.shape, value.tobytes()) for node, value in hosts.items()))
        if key not in self._programs:
            self._programs[key] = self._program(
                list(arrays), {node: value.copy() for node, value in hosts.items()}, run
            )
        try:
            if self._programs[key] is not None:
                return self._programs[key](list(arrays.values()))
        except (HostValueError, TypeError):  # TypeError: its results are no arrays
            self._programs[key] = None
        return self._computed(captured, run)

    def _program(self, nodes: list[Node], known: dict[Node, Any], run: Run) -> Callable[..., list[Any]]:
        return jax.jit(lambda given: self._computed({**known, **dict(zip(nodes, given, strict=True))}, run))

    def _computed(self, env: Mapping[Node, Any], run: Run) -> list[Any]:
        found = dict(zip(self._nodes, evaluate(self._nodes, dict(env), run.fork()), strict=True))
        return [found[result] if isinstance(result, Node) else result for result in self.results]


class Formal(Feed):
    """An input of a graph inside If, Loop or Scan; the operator gives its value."""


class GraphInput(Placeholder):
    """An input of an imported model, to be fed by `feed_dict`.

    dtype: NumPy's, 64-bit ones being held in 32 bits unless JAX has x64 on.  declared: the dimensions that the model
    names, ints or symbols, or None.  on_host: whether it takes strings or maps, which stay Python's.
    nested: whether it takes a sequence or a map, perhaps an optional one.
    """

    def __init__(self, name: str, dtype: Any, declared: Dims | None, on_host: bool = False, nested: bool = False):
        super().__init__(name)
        self.declared_dtype, self.declared, self.on_host, self.nested = np.dtype(dtype), declared, on_host, nested

    @property
    def dtype(self) -> np.dtype:
        return self.declared_dtype if self.on_host else jax.dtypes.canonicalize_dtype(self.declared_dtype)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The declared shape, where all of it is numbers."""
        fixed = self.declared is not None and all(isinstance(dim, int) for dim in self.declared)
        return self.declared if fixed else None

    def convert(self, value: Any) -> Any:
        """A fed value as the step takes it: arrays in the declared dtype, lists of them for sequences.

        Raises TypeError for what is no array of numbers, ValueError for integers that do not fit.
        """
        if isinstance(value, np.ndarray) and value.ndim == 0 and value.dtype.kind == "O":
            value = value.item()  # onnx's way to hand over an empty optional
        if isinstance(value, list | tuple) and any(hasattr(part, "dtype") or part is None for part in value):
            return [self.convert(part) for part in value]
        if value is None:
            return None
        if self.on_host:
            return np.asarray(value, object) if is_text(np.asarray(value)) else value
        value = value.value if isinstance(value, NDArray) else value
        if not isinstance(value, jax.Array):
            value = self._checked(np.asarray(value))
        return value.astype(self.dtype) if value.dtype != self.dtype else value

    def _checked(self, value: np.ndarray) -> np.ndarray:
        if value.dtype.kind in "OUSMm":
            raise TypeError(f"{self.describe()} takes numbers, not {value.dtype} (shape {value.shape})")
        if value.dtype.kind in "iu" and self.dtype.kind in "iu" and value.size:
            limits = np.iinfo(self.dtype)
            if value.min() < limits.min or value.max() > limits.max:
                raise ValueError(f"{self.describe()} was fed integers that {self.dtype} cannot hold")
        if value.dtype.kind == "f" and self.dtype.kind in "iu" and np.any(value != np.trunc(value)):
            raise TypeError(f"{self.describe()} takes integers, and was fed fractions: round them first")
        if self.declared is not None and value.ndim != len(self.declared) and not self.nested:
            raise ValueError(
                f"{self.describe()} was fed the shape {value.shape}, and the model declares {list(self.declared)}"
            )
        return value

    def _abstract(self) -> jax.ShapeDtypeStruct | None:
        return None if self.shape is None or self.on_host else jax.ShapeDtypeStruct(self.shape, self.dtype)
