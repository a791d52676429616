"""Shapes of a graph whose batch size, and sometimes more, is left open.

Each open dimension is a symbol.  The graph is traced twice, with two lengths for each symbol; what comes out different
depends on it.  That holds for any op, without a shape rule for any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import GraphError, HostValueError, OnnxExportError, OpError
from ..graph import Feed, Node, Variable, toposort
from ..trace import Run, evaluate, leaf_struct
from .builder import NAMELESS, Dim, Shape

_PRIMES = (1009, 1013, 1019, 1021, 1031, 1033, 1039, 1049, 1051, 1061, 1063, 1069)
_FACTORS = (2, 3, 5, 7, 11, 13, 17, 19, 23)


class Known(NamedTuple):
    """The shape and dtype of a value."""

    shape: Shape
    dtype: np.dtype


class Symbols:
    """The open dimensions, each with the two lengths that it is tried with."""

    def __init__(self) -> None:
        self.trials: dict[str, tuple[int, int]] = {}
        self._derived: dict[str, tuple[int, int]] = {}
        self._fixed = False

    def add(self, name: str, seen: int | None) -> Dim:
        """The dimension of this name; `seen` is a length that the graph is known to work with."""
        number = len(self.trials)
        if name not in self.trials:
            first = seen or (840 if name == "N" else _PRIMES[number % len(_PRIMES)])
            self.trials[name] = (first, first * _FACTORS[number % len(_FACTORS)])
        if seen not in (None, self.trials[name][0]):
            raise OnnxExportError(
                f"the open dimension {name!r} has length {seen} here, and {self.trials[name][0]} there"
            )
        return self.trials[name][0] if self._fixed else name

    def fix(self) -> dict[str, int]:
        """Leaves nothing open any more; returns the lengths that the symbols stood for."""
        self._fixed = True
        self.trials = {name: (one, one) for name, (one, _) in self.trials.items() if not name.startswith(NAMELESS)}
        return {name: first for name, (first, _) in self.trials.items()}

    def length(self, dim: Dim, trial: int) -> int:
        """What a dimension is in one of the two trials."""
        return (self.trials.get(dim) or self._derived[dim])[trial] if isinstance(dim, str) else dim

    def read(self, lengths: tuple[int, int]) -> Dim:
        """The dimension that came out with these two lengths."""
        first, second = lengths
        if first == second:
            return first
        multiples = [
            name if first == one else f"{first // one}*{name}"
            for name, (one, two) in self.trials.items()
            if first * two == second * one and first % one == 0
        ]
        longer = [f"{name}{first - one:+d}" for name, (one, two) in self.trials.items() if first - one == second - two]
        longer = longer if len(longer) == 1 else []  # of two symbols it may follow either
        name = (multiples + longer + [f"{NAMELESS}{first}_{second}"])[0]
        self._derived[name] = lengths
        return name


class Fixed(Exception):
    """The graph works with the lengths that were seen, and with no others; `error` says where it fails."""

    def __init__(self, error: OpError):
        self.error = error


def infer(
    nodes: Sequence[Node], feeds: Mapping[Node, Known], symbols: Symbols, failures: list[OpError] | None = None
) -> dict[Node, Any]:
    """A `Known` (or a nest of them) for every node below `nodes` whose shape can be found.

    feeds: the shapes of the nodes that the model takes as inputs.
    failures: given where a length in them is no more than a trial: nodes that fail then count as unknown, and their
        errors go here.
    Raises OpError where the graph does not work, Fixed where it works only with the first lengths.
    """
    (first, errors), (second, later_errors) = (_trace(nodes, feeds, symbols, trial) for trial in (0, 1))
    if failures is not None:
        failures += errors + later_errors
    elif errors:
        raise errors[0]
    elif later_errors:
        raise Fixed(later_errors[0])
    return {
        node: jax.tree.map(lambda a, b: _merge(a, b, symbols), first[node], second[node])
        for node in first
        if node in second and _same_ranks(node, first[node], second[node], failures)
    }


def _same_ranks(node: Node, first: Any, second: Any, failures: list[OpError] | None) -> bool:
    """Whether a node has as many axes in both trials.  Raises Fixed where it has not, and `failures` is not given."""
    ranks = [[len(part.shape) for part in jax.tree.leaves(trial)] for trial in (first, second)]
    if ranks[0] != ranks[1] and failures is None:
        raise Fixed(OpError(f"{node.describe()} has another number of axes for other lengths"))
    return ranks[0] == ranks[1]


def _merge(a: Any, b: Any, symbols: Symbols) -> Known:
    return Known(tuple(symbols.read(lengths) for lengths in zip(a.shape, b.shape, strict=True)), np.dtype(a.dtype))


def _trace(
    nodes: Sequence[Node], feeds: Mapping[Node, Known], symbols: Symbols, trial: int
) -> tuple[dict[Node, Any], list[OpError]]:
    """The shapes by node in one trial, and the errors of the nodes that failed."""
    order = toposort(nodes, feeds)
    structs = {leaf: leaf_struct(leaf) for leaf in order if isinstance(leaf, Variable)}
    for node, known in feeds.items():
        if known.dtype == object:  # strings, which JAX does not trace
            continue
        shape = tuple(symbols.length(dim, trial) for dim in known.shape)
        structs[node] = jax.ShapeDtypeStruct(shape, jax.dtypes.canonicalize_dtype(known.dtype))
    found: dict[Node, Any] = {}
    errors: list[OpError] = []

    def walk(values: list[Any], key: Any) -> None:
        env, run = dict(zip(structs, values, strict=True)), Run(False, key)
        for place, node in enumerate(order):
            if node in env or isinstance(node, Feed):
                continue
            try:
                if all(below in env for below in node.needs):
                    evaluate([node], env, run)
            except HostValueError:  # of imported graphs: the shape follows from values
                continue
            except GraphError as error:
                errors.append(error)
                _stand_in(node, env, f"{NAMELESS}{place}", symbols, trial)
        found.update({n: jax.tree.map(_struct, v) for n, v in env.items() if _is_numbers(v)})

    jax.eval_shape(walk, list(structs.values()), jax.eval_shape(lambda: jax.random.key(0)))
    return found, errors


def _struct(value: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(np.shape(value), value.dtype)


def _is_numbers(value: Any) -> bool:
    """Whether it is an array, or a nest of them, and no text."""
    return all(hasattr(leaf, "dtype") and leaf.dtype != object for leaf in jax.tree.leaves(value))


def _stand_in(node: Node, env: dict[Node, Any], name: str, symbols: Symbols, trial: int) -> None:
    """A reshape says its own rank and fixed lengths, also where the guessed lengths of its input do not fit."""
    if node.op is None or node.op.__name__ != "array_reshape_op":
        return
    target = np.atleast_1d(node.bound["output_shape"]).tolist()
    rest = symbols.add(name, None)
    shape = [symbols.length(rest, trial) if dim == -1 else dim for dim in target]
    env[node] = jnp.zeros(shape, env[node.inputs[0]].dtype)


def guess(leaf: Node, nodes: Sequence[Node]) -> Shape | None:
    """The shape of a placeholder that was never fed, from the ops that read it; None where they do not say.

    Unknown lengths are None.
    """
    readers: dict[Node, list[Node]] = {}
    for node in toposort(nodes):
        for below in node.inputs:
            readers.setdefault(below, []).append(node)
    found: Shape | None = None
    for wanted in _wants(leaf, readers):
        if found is None:
            found = wanted
        elif len(found) == len(wanted):
            found = tuple(a if a is not None else b for a, b in zip(found, wanted, strict=True))
    return found


def _wants(leaf: Node, readers: Mapping[Node, list[Node]]) -> Iterator[Shape]:
    """What the readers of a value want its shape to be, looking through ops that keep it."""
    reached = [leaf]
    for node in reached:
        for reader in readers.get(node, ()):
            name = reader.op.__name__ if reader.op else ""
            for parameter, rule in _RULES.get(name, {}).items():
                arguments = reader.bound
                if arguments[parameter] is node and (shape := rule(arguments)):
                    yield shape
            if name in _KEEPERS and reader not in reached:
                reached.append(reader)


_KEEPERS = frozenset(
    f"{name}_op"
    for name in "relu leaky_relu gelu sigmoid tanh exp log sqrt rsqrt abs sign floor opposite sin cos pow power "
    "const_pow clamp addbyconst mul_byconst minus_byconst div_const dropout softmax log_softmax stop_gradient".split()
)


def _length(node: Any, axis: int) -> int | None:
    shape = node.shape if isinstance(node, Variable) else None
    return shape[axis] if shape and -len(shape) <= axis < len(shape) else None


def _images(arguments: Mapping[str, Any]) -> Shape:
    return (None, None, None, None)


def _filtered(arguments: Mapping[str, Any]) -> Shape:
    return (None, _length(arguments["node_B"], 1), None, None)


def _left(a: str, b: str, arguments: Mapping[str, Any]) -> Shape:
    inner = _length(arguments[b], 1 if arguments.get("trans_B") else 0)
    return (inner, None) if arguments.get("trans_A") else (None, inner)


def _right(a: str, b: str, arguments: Mapping[str, Any]) -> Shape:
    inner = _length(arguments[a], 0 if arguments.get("trans_A") else 1)
    return (None, inner) if arguments.get("trans_B") else (inner, None)


def _product(a: str, b: str) -> dict[str, Any]:
    return {a: lambda arguments: _left(a, b, arguments), b: lambda arguments: _right(a, b, arguments)}


_RULES: dict[str, dict[str, Any]] = {
    "conv2d_op": {"node_A": _filtered},
    "conv2d_add_bias_op": {"node_A": _filtered},
    "avg_pool2d_op": {"node_A": _images},
    "max_pool2d_op": {"node_A": _images},
    "instance_normalization2d_op": {"node_in": _images},
    "interpolate_op": {"input": _images},
    "matmul_op": _product("node_A", "node_B"),
    "linear_op": _product("node_A", "node_B"),
    "addmm_op": _product("node_B", "node_C"),
}


def symbol(name: str, axis: int, rank: int, alone: bool) -> str:
    """A name for an open dimension of an input: N, C, H, W for images, else by number.

    name: of the input.  alone: whether the model has no other input to tell apart.
    """
    letter = "NCHW"[axis] if rank == 4 else f"dim_{axis}"
    return letter if alone and rank == 4 else f"{name}_{letter}"
