"""Parameters are updated where they lie: no step copies one before it writes the new value over the old one.

A step gives away the memory of its parameters.  Before XLA puts the operations in order it copies whatever may still be
read after it was overwritten: a matrix is read once more by the product that passes the gradient on to the layer below,
and nothing says that the update comes after that.  It does once it is multiplied by a one that is made of a gradient
from below, which follows from that product.  No number changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import jax

from . import fences, layout
from .graph import Node, toposort

SWITCH = "HETU_JAX_IN_PLACE"  # 0: XLA copies what it likes; 1: on any platform; by default on CPUs


def wanted(platform: str) -> bool:
    """Whether the updates of steps on a platform wait for what reads the old values."""
    return layout.wanted(platform, SWITCH)


def followers(losses: Iterable[Node], wrt: Sequence[Node]) -> dict[Node, tuple[Node, ...]]:
    """What else has a gradient that can be known only after the gradients' way back has read a leaf.

    wrt: the leaves and inner nodes with gradients.  Returns: for each of its leaves that an op reads together with an
        inner value, the nearest of `wrt` on the way back from each such value.
    """
    sources = set(wrt)
    nearest: dict[Node, Node] = {}
    found: dict[Node, dict[Node, None]] = {}
    for node in toposort(losses):
        leaves = [below for below in node.inputs if below in sources and not below.inputs]
        behind = [nearest[below] for below in node.inputs if below in nearest]
        for leaf in leaves:
            found.setdefault(leaf, {}).update(dict.fromkeys(other for other in behind if other is not leaf))
        if node in sources and node.inputs:
            nearest[node] = node
        elif leaves or behind:
            nearest[node] = (leaves or behind)[0]
    return {leaf: tuple(others) for leaf, others in found.items() if others}


def one_after(others: Iterable[Node], gradients: Mapping[Node, jax.Array]) -> jax.Array | None:
    """A one that is known only after the gradients of `others`; None where they have no numbers."""
    firsts = [gradients[other].ravel()[0] for other in others if gradients[other].size]
    return fences.one_of(sum(firsts)) if firsts else None
