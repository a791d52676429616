"""Feature maps travel channels-last inside a step, where that is faster; users and ops' definitions see NCHW.

XLA's CPU convolutions are faster on (N, H, W, C).  An op that can work on either layout asks for `channel_axis`; it
gets its first input that way and gives its value that way.  Elementwise ops do not care.  Any other op, a fetch, an
update or a gradient's end gets the NCHW array back.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from .graph import Node, Op

SWITCH = "HETU_JAX_CHANNELS_LAST"  # 0 or 1; by default 1 on CPUs

# Ops outside ops/elementwise.py that treat each element alike, whatever the layout.
ELEMENTWISE = frozenset(
    {"where_op", "where_const_op", "stop_gradient_op", "broadcastto_op", "oneslike_op", "zeroslike_op"}
)
NOT_ELEMENTWISE = frozenset({"matrix_dot_op"})


def wanted(platform: str, switch: str = SWITCH) -> bool:
    """Whether steps on a platform use channels-last feature maps, or what another switch with these defaults is for."""
    return os.environ.get(switch, "1" if platform == "cpu" else "0") == "1"


@jax.tree_util.register_pytree_node_class
class ChannelsLast:
    """A feature map of shape (N, C, H, W), held as (N, H, W, C)."""

    def __init__(self, held: jax.Array):
        self.held = held

    @classmethod
    def of(cls, value: Any) -> ChannelsLast:
        """A feature map in this layout."""
        return value if isinstance(value, cls) else cls(jnp.transpose(value, (0, 2, 3, 1)))

    def nchw(self) -> jax.Array:
        """The array that users see."""
        return jnp.transpose(self.held, (0, 3, 1, 2))

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W)."""
        count, rows, columns, channels = self.held.shape
        return count, channels, rows, columns

    dtype = property(lambda self: self.held.dtype, doc="The dtype of the elements.")
    ndim = 4

    def tree_flatten(self) -> tuple[tuple[jax.Array], None]:
        """For JAX: the array inside."""
        return (self.held,), None

    @classmethod
    def tree_unflatten(cls, _: None, children: Sequence[jax.Array]) -> ChannelsLast:
        """For JAX: from the array inside."""
        return cls(*children)


def plain(value: Any) -> Any:
    """A value as users see it."""
    return value.nchw() if isinstance(value, ChannelsLast) else value


def evaluate(node: Node, values: Sequence[Any], env: Any, run: Any) -> Any:
    """`node.evaluate`, on channels-last feature maps where the op can work on them."""
    if node.op is not None and "channel_axis" in node.op.asks and _rank(values[0]) == 4 and node.first_is_node:
        values = [ChannelsLast.of(values[0]).held, *map(plain, values[1:])]
        return _wrapped(node.evaluate(values, env, run, channel_axis=-1))
    if any(isinstance(value, ChannelsLast) for value in values) and _elementwise(node, values):
        constants = {name: _aligned(value) for name, value in _arrays(node).items()}
        return ChannelsLast(node.evaluate([_aligned(value) for value in values], env, run, **constants))
    return node.evaluate([plain(value) for value in values], env, run)


def _rank(value: Any) -> int | None:
    return getattr(value, "ndim", None)


def _wrapped(result: Any) -> Any:
    """The op's value as a feature map; what it writes is left as it is."""
    if isinstance(result, tuple):
        return ChannelsLast(result[0]), *result[1:]
    return ChannelsLast(result)


def _elementwise(node: Node, values: Sequence[Any]) -> bool:
    if node.writes or _lists_constants(node):
        return False
    return is_elementwise(node.op) and all(
        _rank(value) in (0, 1, 2, 3, 4) for value in (*values, *_arrays(node).values())
    )


def is_elementwise(op: Op | None) -> bool:
    """Whether an op treats each element alike."""
    if op is None or op.__name__ in NOT_ELEMENTWISE:
        return False
    return op.__name__ in ELEMENTWISE or op.__module__.endswith("ops.elementwise")


def _lists_constants(node: Node) -> bool:
    """Whether an argument is a list of other things than nodes, which broadcasts along the axes of NCHW."""
    from .graph import Node

    lists = [value for value in node.arguments.values() if isinstance(value, list | tuple)]
    return not all(isinstance(leaf, Node) for leaf in jax.tree.leaves(lists))


def _arrays(node: Node) -> dict[str, Any]:
    """The arguments that are arrays in themselves, by name."""
    return {name: value for name, value in node.arguments.items() if isinstance(value, np.ndarray | jax.Array)}


def _aligned(value: Any) -> jax.Array:
    """An operand as NumPy would broadcast it against (N, C, H, W), in the other layout."""
    if isinstance(value, ChannelsLast):
        return value.held
    if value.size == 1 and value.ndim < 4:
        return value
    return jnp.transpose(value.reshape((1,) * (4 - value.ndim) + value.shape), (0, 2, 3, 1))
