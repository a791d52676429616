"""Evaluating the graph under JAX's tracing: one walk, each node once."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Set
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import fences, layout, precision
from .errors import GraphError, HostValueError, OpError, remedy
from .graph import Feed, Node, Variable, toposort
from .ops import outer
from .parallel import Spread
from .parts import Parts

Env = dict[Node, Any]


class Run:
    """What one traced step knows besides the values of its leaves.

    training: what ops that ask for `training` get.  key: the step's random key, or None where no op asks.
    positions: the place of each node that asks for a key, folded into it.
    channels_last: whether feature maps travel as `layout.ChannelsLast`.
    narrow: the type of products and convolutions (see `precision`), or None for float32 throughout.
    one: cuts long chains of arithmetic (see `fences`), or None to leave them.
    mesh: what the step is spread over, or None.  split: the Variables of which each device has a part of axis 0.
    in_place: whether updates wait for what reads the old values (see `in_place`).
    probes: values to add to nodes, by node: the zeros that gradients are taken with respect to.
    updates: the new values of Variables, filled in by the walk.
    """

    def __init__(
        self,
        training: bool,
        key: Any = None,
        positions: Mapping[Node, int] | None = None,
        channels_last: bool = False,
        narrow: np.dtype | None = None,
        one: jax.Array | None = None,
        mesh: jax.sharding.Mesh | None = None,
        split: Set[Variable] = frozenset(),
        in_place: bool = False,
    ):
        self.training, self.key, self.positions = training, key, positions or {}
        self.channels_last, self.narrow, self.one = channels_last, narrow, one
        self.mesh, self.split, self.in_place = mesh, split, in_place
        self.probes: list[Mapping[Node, Any]] = []
        self.updates: dict[Variable, Any] = {}

    def fork(self, probes: Mapping[Node, Any] | None = None) -> Run:
        """The run of a walk inside this one, with further probes and updates of its own."""
        inside = copy.copy(self)
        inside.probes = [*self.probes, probes] if probes else self.probes
        inside.updates = dict(self.updates)
        return inside

    def asked(self, node: Node) -> dict[str, Any]:
        """The arguments that the node's op asks for."""
        given: dict[str, Any] = {}
        if "training" in node.op.asks:
            given["training"] = self.training
        if "site" in node.op.asks:
            given["site"] = node.describe()
        if "spread" in node.op.asks and self.mesh is not None:
            given["spread"] = Spread(self.mesh, not self.split.isdisjoint(node.inputs))
        if "turn" in node.op.asks:
            given["turn"] = outer.wanted()
        if "alone" in node.op.asks:
            given["alone"] = self.mesh is None
        if "key" in node.op.asks:
            given["key"] = jax.random.fold_in(self.key, self.positions.get(node, 0))
        return given


def evaluate(nodes: Iterable[Node], env: Env, run: Run) -> list[Any]:
    """The values of `nodes`; `env` has the leaves' and gets every value on the way, perhaps channels-last.

    Raises GraphError for a leaf without a value, OpError when an op refuses its inputs.
    """
    nodes = list(nodes)
    order = toposort(nodes, env, lambda node: node.needs)
    blocks = Parts(order)
    ends = set() if run.one is None else fences.places(order)
    for node in order:
        if node not in env:  # a gradient evaluates the forward nodes under it, and leaves their values here
            value = _value(node, env, run, blocks)
            env[node] = fences.fenced(value, run.one) if node in ends else value
    return [layout.plain(env[node]) for node in nodes]


def _value(node: Node, env: Env, run: Run, blocks: Parts) -> Any:
    if isinstance(node, Variable | Feed):
        raise GraphError(missing_value(node))
    # A node reads the Variables that it writes at their newest: assignments in one step follow each other.
    values = [run.updates.get(n, env[n]) if n in node.writes else env[n] for n in node.needs]
    if run.narrow is not None:
        values = precision.inputs(node, values, run.narrow)
    try:
        with jax.named_scope(node.name):
            value = blocks.take(node, values)
            if value is None:
                evaluated = layout.evaluate if run.channels_last else type(node).evaluate
                value = evaluated(node, values, env, run)
    except (GraphError, FloatingPointError):
        raise
    except Exception as error:
        unfiltered = jax.config.jax_traceback_filtering == "off"
        seen = _as_users_see(error, node, values, env, run)
        raise OpError(_op_message(node, values, seen)) from (error if unfiltered else None)
    if node.writes:
        value, *written = value
        if len(written) != len(node.writes):
            raise GraphError(f"{node.describe()} gives {len(written)} new values for {len(node.writes)} Variables")
        run.updates.update(zip(node.writes, written, strict=True))
    for probes in run.probes:
        if node in probes:
            value = layout.plain(value) + probes[node]
    return value


def _as_users_see(error: Exception, node: Node, values: list[Any], env: Env, run: Run) -> Exception:
    """The error that the op raises on (N, C, H, W), where the one at hand may speak of (N, H, W, C)."""
    if run.channels_last:
        try:
            node.evaluate([layout.plain(value) for value in values], env, run)
        except Exception as plain:
            return plain
    return error


def missing_value(node: Node) -> str:
    """What to tell the user about a leaf that has no value."""
    if isinstance(node, Variable):
        return f"{node.describe()} has no value yet: build an Executor over it, or give it one"
    return f"{node.describe()} has no value: pass one in feed_dict, as executor.run(feed_dict={{{node.name}: array}})"


def _op_message(node: Node, values: list[Any], error: Exception) -> str:
    reason = str(error).strip() or type(error).__name__
    lines = [f"{node.describe()} cannot be computed: {reason.rstrip('.')}{remedy(reason)}"]
    for below, value in zip(node.needs, values, strict=True):
        lines.append(f"  input {below.name!r}: {_shape_text(value)}")
    if node.op is not None:
        lines.append(f"  signature: {node.op.__name__}{node.op.signature}")
    return "\n".join(lines)


def _shape_text(value: Any) -> str:
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype}{list(value.shape)}"
    return type(value).__name__


def leaf_struct(leaf: Node) -> Any:
    """The shape and dtype of a leaf, or None for a placeholder, whose shape nobody knows yet."""
    if isinstance(leaf, Variable):
        if leaf.value is None:
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
        return jax.tree.map(lambda part: jax.ShapeDtypeStruct(part.shape, part.dtype), leaf.value)
    return leaf._abstract()


def abstract_value(node: Node, training: bool = False, feeds: Mapping[Node, Any] | None = None) -> Any:
    """The shape and dtype of a node's value, by `jax.eval_shape`; None while a leaf below it has none, and for a shape
    that depends on values.

    feeds: shapes and dtypes of placeholders.
    """
    order = toposort([node])
    leaves = [n for n in order if isinstance(n, Variable | Feed)]
    structs = [feeds[leaf] if feeds and leaf in feeds else leaf_struct(leaf) for leaf in leaves]
    if any(struct is None for struct in structs):
        return None

    def value(leaf_values: list[Any], key: Any) -> Any:
        return evaluate([node], dict(zip(leaves, leaf_values, strict=True)), Run(training, key))[0]

    try:
        return jax.eval_shape(value, structs, jax.eval_shape(lambda: jax.random.key(0)))
    except HostValueError:
        return None


def is_float(value: Any) -> bool:
    """Whether a value can have a gradient."""
    return hasattr(value, "dtype") and jnp.issubdtype(np.dtype(value.dtype), np.inexact)
