"""Long chains of cheap arithmetic are cut, so that XLA does not compute a chain again for everything that reads it.

XLA's CPU backend computes a sum or a product anew inside each operation that reads it.  In an unrolled recurrence each
state is read twice, by its output and by the next state, so that a step computes all steps before it once more, and a
step of the gradient all steps after it: the time grows with the square of the length.  What stops that is a division,
which XLA computes once, whoever reads it; barriers it drops before it fuses.  A fenced value is therefore divided by a
one that XLA cannot know to be one; so is its gradient.  No number changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from . import layout

if TYPE_CHECKING:
    from .graph import Node

SWITCH = "HETU_JAX_FENCE"  # 0: no chain is cut; 1: they are, on any platform; by default on CPUs
READ_AGAIN = 2  # values read more than once that a chain may have before it is cut


def wanted(platform: str) -> bool:
    """Whether steps on a platform cut their chains."""
    return layout.wanted(platform, SWITCH)


def one(values: Iterable[Any]) -> jax.Array | None:
    """A one made of a number of the smallest of `values`, or None where they have none.

    XLA may have to copy what it is made of, so that it is best a scalar; among equals the last, which is a feed.
    """
    traced = [value for value in values if isinstance(value, jax.core.Tracer) and value.size]
    floats = [value for value in traced if jnp.issubdtype(value.dtype, jnp.floating)]
    return one_of(min(reversed(floats), key=lambda value: value.size)) if floats else None


def one_of(array: jax.Array) -> jax.Array:
    """A one that XLA knows nothing of before it has the array, of any floats."""
    return jnp.where(array.ravel()[0] < -jnp.inf, 2.0, 1.0)


def places(order: Sequence[Node]) -> set[Node]:
    """Which of a walk's nodes are to be fenced: where a chain has come to `READ_AGAIN` values that are read again."""
    readers = Counter(below for node in order for below in node.needs)
    above: dict[Node, int] = {}
    found = set()
    for node in order:
        if not layout.is_elementwise(node.op):
            continue
        above[node] = max((above.get(below, 0) for below in node.needs), default=0) + (readers[node] > 1)
        if above[node] >= READ_AGAIN and readers[node] > 1:
            found.add(node)
            above[node] = 0
    return found


def fenced(value: Any, by: jax.Array) -> Any:
    """`value`, which XLA will compute once.  Integers, and what is no array, are left as they are."""

    def divided(part: Any) -> Any:
        return part / by.astype(part.dtype) if jnp.issubdtype(part.dtype, jnp.floating) else part

    return jax.tree.map(divided, value)
