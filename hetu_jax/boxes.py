"""A graph as people see it: boxes of one op or one layer each, with the parameters inside them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from .errors import GraphError, suggest
from .gradients import Gradients
from .graph import Feed, Node, Placeholder, Variable, flatten, toposort
from .scope import Scope

LIMIT = 40  # boxes in a picture before deeper layers are shown as one

# The kinds of boxes by the module of their op, of imported ones without `import_`; the rest is "other".
KINDS = {
    **dict.fromkeys(("matmul", "conv", "embedding", "sparse", "quantize", "compress", "moe"), "weights"),
    **dict.fromkeys(("rnn", "attention", "contrib_attention", "ml", "trees"), "weights"),
    **dict.fromkeys(("elementwise", "random", "math"), "elementwise"),
    **dict.fromkeys(("reduce", "pool", "norm", "nn"), "reduction"),
    **dict.fromkeys(("shape", "index", "select", "gradients", "cast", "resize"), "shape"),
    "loss": "loss",
    **dict.fromkeys(("gradient", "gradient_layout"), "training"),
}


@dataclass(eq=False)
class Box:
    """What a picture or a table shows as one thing.

    name: as people see it.  what: the op, or the layer's class.  kind: one of KINDS' values, or 'input' or 'layer'.
    nodes: what is inside, in order; the last one's value leaves the box.  parameters: the Variables that it reads.
    inputs: (box, node) for each value that comes in from another box.  fetched: whether a run returns its value.
    """

    name: str
    what: str
    kind: str
    nodes: list[Node]
    parameters: list[Variable] = field(default_factory=list)
    inputs: list[tuple[Box, Node]] = field(default_factory=list)
    fetched: bool = False


def below(node: Node) -> Sequence[Node]:
    """What a person takes for the inputs of a node: of an update, the losses alone."""
    gradients = [source for source in node.inputs if isinstance(source, Gradients)] if node.trains else [node]
    return gradients[0].outputs if gradients and isinstance(gradients[0], Gradients) else node.inputs


def boxes(nodes: Sequence[Node], depth: int | None = None, limit: int = LIMIT) -> list[Box]:
    """The boxes of the graph below `nodes`, inputs first.

    depth: how many levels of layers are opened: 0 shows each outermost layer as one box, 1 those inside it, and so on;
        None opens as many as give no more than `limit` boxes, and -1 shows every op by itself.
    Layers inside which there are layers alone, such as Sequence, count for no level.
    """
    order = toposort(nodes, edges=below)
    if depth == -1:
        return _boxes(order, nodes, {node: () for node in order})
    paths = _paths(order)
    if depth is not None:
        return _boxes(order, nodes, {node: path[: depth + 1] for node, path in paths.items()})
    deepest = max((len(path) for path in paths.values()), default=0)
    for level in range(max(deepest, 1), 0, -1):
        made = _boxes(order, nodes, {node: path[:level] for node, path in paths.items()})
        if len(made) <= limit:
            break
    return made


def _paths(order: Sequence[Node]) -> dict[Node, tuple[Scope, ...]]:
    """The scopes of each op, without those in which no op was made directly."""
    ops = [node for node in order if not isinstance(node, Variable | Feed)]
    own = {node.scope[-1] for node in ops if node.scope}
    return {node: tuple(scope for scope in node.scope if scope in own) for node in ops}


def _boxes(order: Sequence[Node], fetched: Sequence[Node], paths: Mapping[Node, tuple[Scope, ...]]) -> list[Box]:
    by_key: dict[Any, Box] = {}
    home: dict[Node, Box] = {}
    read = {source for node in order for source in below(node)}
    opened = {scope for path in paths.values() for scope in path[:-1]}  # what they make themselves stands alone
    for node in order:
        if isinstance(node, Variable) and node in read:
            continue  # shown inside the boxes that read it
        path = paths.get(node, ())
        key = path[-1] if path and path[-1] not in opened else node
        box = by_key.get(key)
        if box is None:
            box = by_key[key] = _layer(key) if isinstance(key, Scope) else _single(node)
        box.nodes.append(node)
        home[node] = box
        for source in below(node):
            if source not in home and source not in box.parameters:
                box.parameters.append(source)
            elif source in home and home[source] is not box and (home[source], source) not in box.inputs:
                box.inputs.append((home[source], source))
    for box in by_key.values():
        box.fetched = any(node in fetched for node in box.nodes)
        box.kind = box.kind or _kind_of_layer(box.nodes)
    place = {node: position for position, node in enumerate(order)}
    return sorted(by_key.values(), key=lambda box: place[box.nodes[-1]])


def _layer(scope: Scope) -> Box:
    return Box(scope.name, "" if scope.kind in (scope.name, "scope") else scope.kind, "", [])


def _single(node: Node) -> Box:
    named = node.name != f"{node.op_type}{node.id}"
    if isinstance(node, Feed):
        name = node.name if isinstance(node, Placeholder) else "dataloader"
        return Box(name, "" if name == "dataloader" else "placeholder", "input", [])
    if isinstance(node, Variable):
        return Box(node.name, "Variable", "input", [])
    if node.op is None:
        return Box(getattr(getattr(node, "optimizer", None), "name", node.name), "", "training", [])
    what = node.op.__name__.removesuffix("_op")
    return Box(node.name if named else what, what if named else "", _kind(node), [])


def _kind(node: Node) -> str:
    if node.op is None:
        return "other"
    if any(isinstance(source, Gradients) for source in node.inputs):
        return "training"
    family = node.op.__module__.rpartition(".")[2].removeprefix("import_")
    return "weights" if node.op_type in ("MatMul", "Gemm") else KINDS.get(family, "other")


def _kind_of_layer(nodes: Sequence[Node]) -> str:
    """That of its only kind of op besides elementwise ones and reshapes, else 'layer'."""
    found = {kind for node in nodes if (kind := _kind(node)) not in ("elementwise", "shape", "other")}
    if len(found) == 1:
        return found.pop()
    return "layer" if found or len({*map(_kind, nodes)}) > 1 else _kind(nodes[0])


def wanted(target: Any, name: str | None = None) -> tuple[str | None, list[Node]]:
    """The group and the nodes that a picture or a table of `target` is about.

    target: a node, a list of nodes, or an Executor.  name: its group; by default the first that trains, else the first.
    Raises GraphError for a group that is not there, TypeError for something else than nodes.
    """
    groups = getattr(target, "subexecutor", None)
    if groups is None:
        nodes = list(flatten([target] if isinstance(target, Node) else target))
        if not all(isinstance(node, Node) for node in nodes):
            raise TypeError(f"expected a node, a list of nodes or an Executor, not {target!r}")
        return None, nodes
    if name is None:
        name = next((n for n, group in groups.items() if any(x.trains for x in group.topo_order)), next(iter(groups)))
    name = str(name)
    if name not in groups:
        raise GraphError(f"this Executor has no group {name!r}{suggest(name, groups)}; it has {', '.join(groups)}")
    return name, list(groups[name].eval_node_list)


def feed_structs(target: Any, group: str | None, nodes: Iterable[Node], feed_shapes: Mapping[Node, Any] | None) -> Any:
    """Shapes and dtypes of the feeds below `nodes`, as far as they are given or were seen in a run.

    Raises TypeError for a key of `feed_shapes` that is no node.
    """
    for key in feed_shapes or {}:
        if not isinstance(key, Node):
            raise TypeError(f"the keys of feed_shapes are placeholders, not {key!r}")
    seen = getattr(getattr(target, "config", None), "seen_shapes", {})
    shapes = {**seen, **(feed_shapes or {})}
    found = {
        node: jax.ShapeDtypeStruct(tuple(int(n) for n in shape), node.dtype or np.float32)
        for node, shape in shapes.items()
    }
    for node in nodes:
        loaders = getattr(node, "dataloaders", {})
        if node not in found and group in loaders:
            found[node] = loaders[group].struct()
    return found


def made_at(node: Node) -> str:
    """Where the user made a node, in the shortest form; the files of notebooks' cells have no names of use."""
    filename, line = node.site
    folder = os.getcwd() + os.sep
    return f"line {line} of a cell" if "ipykernel_" in filename else f"{filename.removeprefix(folder)}:{line}"


def shape_text(shape: Sequence[int] | None) -> str:
    """128×10; nothing where it is unknown, 'scalar' for a rank of 0."""
    if shape is None:
        return ""
    return "×".join(map(str, shape)) or "scalar"
