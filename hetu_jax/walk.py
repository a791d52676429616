"""Walks over a graph: from nodes to all below them."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .graph import Node


def toposort(
    nodes: Iterable[Node],
    stop: Container[Node] = (),
    edges: Callable[[Node], Sequence[Node]] = lambda node: node.inputs,
) -> list[Node]:
    """`nodes` and all below them, inputs first and left to right, without recursion.

    stop: nodes not to be listed nor looked under.  edges: gives the nodes below a node.
    """
    order: list[Node] = []
    done: set[Node] = set()
    stack = list(nodes)[::-1]
    while stack:
        node = stack[-1]
        if node in done or node in stop:
            stack.pop()
            continue
        pending = [below for below in edges(node) if below not in done and below not in stop]
        if pending:
            stack.extend(reversed(pending))
        else:
            done.add(node)
            order.append(node)
            stack.pop()
    return order


def flatten(container: Any) -> Iterator[Any]:
    """The items of nested lists and tuples, left to right."""
    for item in container:
        if isinstance(item, list | tuple):
            yield from flatten(item)
        else:
            yield item


def find_topo_sort(node_list: Sequence[Node]) -> list[Node]:
    """The nodes below `node_list`, inputs first: Hetu's name for `toposort`."""
    return toposort(node_list)
