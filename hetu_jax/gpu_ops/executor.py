"""`hetu.gpu_ops.executor`: the Executor, and the functions beside it that walk a graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..communicator import (
    get_mpi_communicate,
    get_nccl_communicate,
    get_worker_communicate,
    new_group_comm,
    scheduler_finish,
    scheduler_init,
    server_finish,
    server_init,
    worker_finish,
    worker_init,
    wrapped_mpi_nccl_init,
)
from ..config import HetuConfig
from ..executor import Executor, Group
from ..gradients import gradients
from ..graph import OPS, Node, find_topo_sort, flatten, toposort

__all__ = [
    "Executor",
    "HetuConfig",
    "SubExecutor",
    "find_topo_sort",
    "find_topo_sort_inference",
    "flatten",
    "get_mpi_communicate",
    "get_nccl_communicate",
    "get_worker_communicate",
    "gradients",
    "new_group_comm",
    "path_to_lib",
    "scheduler_finish",
    "scheduler_init",
    "server_finish",
    "server_init",
    "sum_node_list",
    "topo_sort_dfs",
    "topo_sort_dfs_with_hook",
    "topo_sort_with_hook",
    "worker_finish",
    "worker_init",
    "wrapped_mpi_nccl_init",
]

SubExecutor = Group


def topo_sort_dfs(node: Node, visited: set[Node], topo_order: list[Node]) -> None:
    """Appends a node and all below it to `topo_order`, inputs first, except those in `visited`, which grows too."""
    found = toposort([node], visited)
    topo_order.extend(found)
    visited.update(found)


def topo_sort_dfs_with_hook(node: Node, config: Any, visited: set[Node]) -> None:
    """Adds a node and all below it to `visited`.

    config: accepted without effect: Hetu's hooks put transfers between devices into the graph, which XLA does itself.
    """
    visited.update(toposort([node], visited))


def topo_sort_with_hook(node_list: Iterable[Node], config: Any) -> None:
    """Walks the nodes below `node_list`; `config` has no effect, see `topo_sort_dfs_with_hook`."""
    visited: set[Node] = set()
    for node in node_list:
        topo_sort_dfs_with_hook(node, config, visited)


def find_topo_sort_inference(node_list: Sequence[Node]) -> list[Node]:
    """`find_topo_sort`: Hetu adds ops that fetch rows from a parameter server."""
    return find_topo_sort(node_list)


def sum_node_list(node_list: Iterable[Node | None], ctx: Any = None, shape: Any = None) -> tuple[Node | None, bool]:
    """A node for the sum of those nodes that are not None, and whether it was made for that.

    ctx: its device.  shape: accepted without effect, as shapes follow from the nodes.
    Returns: (None, False) for no node, (the node itself, False) for one, (a new node, True) for several.
    """
    nodes = [node for node in node_list if node is not None]
    if len(nodes) < 2:
        return (nodes[0] if nodes else None), False
    return OPS["sum_op"](nodes, ctx=ctx), True


def path_to_lib(name: str) -> str:
    """Raises ValueError: there is no C library here."""
    raise ValueError(f"there is no library {name!r}: hetu_jax has no C libraries, see hetu_jax.gpu_links and cpu_links")
