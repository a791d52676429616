"""Shapes and arithmetic of every node of a graph, by tracing it once; nothing is compiled or run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax

from .errors import GraphError, HostValueError
from .gradients import Gradients
from .graph import Feed, Node, Variable, toposort
from .trace import Run, evaluate, leaf_struct

# Primitives that move numbers or look at them without computing any.
FREE = frozenset(
    "reshape transpose broadcast_in_dim squeeze expand_dims slice dynamic_slice dynamic_update_slice gather "
    "concatenate convert_element_type bitcast_convert_type copy copy_p select_n iota pad rev stop_gradient split "
    "device_put optimization_barrier eq ne lt le gt ge and or not is_finite sort argmax argmin random_bits random_wrap "
    "random_unwrap random_seed random_fold_in threefry2x32 shift_left shift_right_logical".split()
)


class Cost(NamedTuple):
    """What is known of a node's value and work.

    value: its shapes and dtypes, a pytree, or None where they are unknown.  flops: additions, multiplications and
    function values; a product of matrices (m, k) and (k, n) counts 2 m k n.
    """

    value: Any
    flops: int

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of the value where it is one array."""
        return getattr(self.value, "shape", None)


def costs(
    nodes: Sequence[Node], feeds: Mapping[Node, Any] | None = None, training: bool = False, strict: bool = True
) -> dict[Node, Cost]:
    """The cost of every node below `nodes`.

    feeds: shapes and dtypes of placeholders; what depends on one without is unknown.
    training: what dropout and batch norm do.  strict: whether an op that refuses its inputs raises its error; else its
        value, and what depends on it, is unknown.
    The FLOPs of `Gradients` are those of the backward pass alone.
    """
    order = toposort(nodes)
    given = {
        leaf: feeds[leaf] if feeds and leaf in feeds else leaf_struct(leaf)
        for leaf in order
        if isinstance(leaf, Variable | Feed)
    }
    given = {leaf: struct for leaf, struct in given.items() if struct is not None}
    found: dict[Node, Any] = {}

    def walk(values: Sequence[Any], key: Any) -> None:
        env, run = dict(zip(given, values, strict=True)), Run(training, key)
        for position, node in enumerate(order):
            with jax.named_scope(f"node{position}"):
                _step(node, env, run, strict)
        found.update((node, jax.tree.map(_struct, env[node])) for node in order if node in env)

    traced = jax.make_jaxpr(walk)(list(given.values()), jax.eval_shape(lambda: jax.random.key(0)))
    spent = Counter()
    for equation in traced.jaxpr.eqns:
        spent[str(equation.source_info.name_stack).partition("/")[0]] += flops_of(equation)
    flops = {node: spent[f"node{position}"] for position, node in enumerate(order)}
    for node in order:
        if isinstance(node, Gradients):  # it walks the forward pass too, which the step shares with it
            flops[node] -= sum(flops[below] for below in toposort([*node.outputs, *node.wrt]))
    return {node: Cost(found.get(node), max(0, flops[node])) for node in order}


def _step(node: Node, env: dict[Node, Any], run: Run, strict: bool) -> None:
    if node in env or isinstance(node, Variable | Feed) or not all(below in env for below in node.needs):
        return
    try:
        evaluate([node], env, run)
    except HostValueError:  # its shape depends on values
        return
    except GraphError:
        if strict:
            raise


def _struct(part: Any) -> Any:
    return jax.ShapeDtypeStruct(part.shape, part.dtype) if hasattr(part, "dtype") else None


def flops_of(equation: Any) -> int:
    """The arithmetic of one equation of a jaxpr, and of those inside it; a `while` loop counts once."""
    name, parameters = equation.primitive.name, equation.params
    if name in COUNTS:
        return COUNTS[name](equation)
    inner = [*jax.tree.leaves(list(parameters.values()), is_leaf=_is_jaxpr)]
    bodies = [body for body in inner if _is_jaxpr(body)]
    if bodies:
        sums = [sum(map(flops_of, getattr(body, "jaxpr", body).eqns)) for body in bodies]
        return (max(sums) if name == "cond" else sum(sums)) * parameters.get("length", 1)
    return 0 if name in FREE else _size(equation.outvars)


def _is_jaxpr(value: Any) -> bool:
    return hasattr(getattr(value, "jaxpr", value), "eqns")


def _size(variables: Sequence[Any]) -> int:
    return sum(math.prod(variable.aval.shape) for variable in variables)


def _of_inputs(equation: Any) -> int:
    return _size(equation.invars[:1])


def _dot(equation: Any) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    return 2 * _size(equation.outvars) * math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)


def _conv(equation: Any) -> int:
    filters, numbers = equation.invars[1].aval.shape, equation.params["dimension_numbers"]
    products = math.prod(filters) // filters[numbers.rhs_spec[0]]
    return 2 * _size(equation.outvars) * products // equation.params["batch_group_count"]


def _window(equation: Any) -> int:
    return _size(equation.outvars) * math.prod(equation.params["window_dimensions"])


def _scatter(equation: Any) -> int:
    return _size(equation.invars[2:3])


COUNTS: dict[str, Callable[[Any], int]] = {
    "dot_general": _dot,
    "conv_general_dilated": _conv,
    **dict.fromkeys(("reduce_window_sum", "reduce_window_max", "reduce_window_min", "reduce_window"), _window),
    **dict.fromkeys(("reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "cumsum", "cumprod"), _of_inputs),
    "scatter-add": _scatter,
    "scatter": lambda equation: 0,
    "select_and_scatter_add": _window,
}
