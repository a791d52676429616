"""`Executor.summary()`: a table of layers, shapes, parameters and arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax

from .boxes import Box, boxes, feed_structs, shape_text, wanted
from .costs import Cost, costs
from .errors import FeedError
from .graph import Feed, Node, Placeholder, Variable
from .tables import Tabular

ROWS = 60  # before inner layers are shown as one


@dataclass
class Row:
    """One line of the table.  shape: of the value that leaves it, or None.  parameters: numbers in them."""

    name: str
    what: str
    shape: tuple[int, ...] | None
    parameters: int
    flops: int

    @property
    def cells(self) -> tuple[str, ...]:
        """The texts of the columns."""
        count = f"{self.parameters:,}" if self.parameters else ""
        return self.name, self.what, shape_text(self.shape), count, amount(self.flops) if self.flops else ""


class Summary(Tabular):
    """The table; printed as text, shown as HTML in a notebook.

    group: the name of the Executor's group.  rows: one for each op or layer.  parameters, trainable: how many numbers
    there are, and how many of them are trained.  nbytes: of all Variables, those of the optimizer among them.
    trains: whether there is one.  forward, flops: of one run: without gradients and updates, and in all.
    """

    headings = ("layer", "kind", "output", "parameters", "FLOPs")
    numbers = ("parameters", "FLOPs")
    wrapped = ("layer",)

    def __init__(
        self,
        group: str | None,
        rows: Sequence[Row],
        variables: Sequence[Variable],
        flops: tuple[int, int],
        trains: bool,
    ):
        self.group, self.rows, self.trains = group, list(rows), trains
        self.forward, self.flops = flops
        shown = [v for v in variables if not hasattr(v, "of")]  # an optimizer's slots are no parameters
        self.parameters = sum(map(_numbers, shown))
        self.trainable = sum(_numbers(variable) for variable in shown if variable.trainable)
        self.nbytes = sum(_bytes(variable) for variable in variables)

    @property
    def title(self) -> str | None:
        return self.group and f"group {self.group!r}"

    @property
    def body(self) -> list[tuple[str, ...]]:
        return [row.cells for row in self.rows]

    @property
    def totals(self) -> list[str]:
        frozen = self.parameters - self.trainable
        others = f", {frozen:,} constants and statistics" if frozen else ""
        slots = " with the optimizer's" if self.trains else ""
        backward = "gradients and update" if self.trains else "gradients"
        step = f", {amount(self.flops)}FLOP with {backward}" if self.flops > self.forward else ""
        return [
            f"{self.trainable:,} trainable parameters{others}; {self.nbytes / 2**20:,.1f} MiB{slots}",
            f"a run takes {amount(self.forward)}FLOP forward{step}",
        ]


def _numbers(variable: Variable) -> int:
    return math.prod(variable.shape)


def _bytes(variable: Variable) -> int:
    parts = jax.tree.leaves(variable.value)
    return sum(part.nbytes for part in parts) if parts else _numbers(variable) * variable.dtype.itemsize


def amount(count: float) -> str:
    """A count in three digits with its prefix: 2.57 G."""
    for power, prefix in ((12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if count >= 10**power:
            return f"{count / 10**power:#.3g}".rstrip(".") + f" {prefix}"
    return f"{count:.0f} "


def summary(
    target: Any,
    name: str | None = None,
    feed_shapes: Mapping[Node, Sequence[int]] | None = None,
    depth: int | None = None,
) -> Summary:
    """A table of the layers of an Executor's group, or of a node's graph.

    target: an Executor, a node, or a list of nodes.  name: the group; by default the first that trains, else the first.
    feed_shapes: shapes of placeholders, where no run has told them.  depth: how many levels of layers to open; see
        `boxes.boxes`.
    Raises FeedError where the shape of a placeholder is needed.
    """
    group, nodes = wanted(target, name)
    made = boxes(nodes, depth, ROWS)
    inner = [node for box in made for node in box.nodes]
    feeds = feed_structs(target, group, inner, feed_shapes)
    trains = any(node.trains for node in inner)
    found = costs(nodes, feeds, trains)
    _check_feeds([node for node in inner if isinstance(node, Placeholder) and found[node].value is None])
    counted: set[Node] = set()
    rows = [_row(box, found, counted, set(inner)) for box in made]
    ops = {node for box in made if box.kind != "training" for node in box.nodes}
    flops = sum(found[node].flops for node in ops), sum(cost.flops for cost in found.values())
    return Summary(group, rows, [node for node in found if isinstance(node, Variable)], flops, trains)


def _check_feeds(unknown: Sequence[Feed]) -> None:
    if unknown:
        names = ", ".join(node.describe() for node in unknown)
        example = ", ".join(f"{node.name}: (128, ...)" for node in unknown)
        raise FeedError(f"the shape of {names} is not known before a run: pass feed_shapes={{{example}}}")


def _row(box: Box, found: Mapping[Node, Cost], counted: set[Node], shown: set[Node]) -> Row:
    """A box as a row; `counted` are the Variables that are in rows already, `shown` the nodes of all boxes."""
    mine = [variable for variable in box.parameters if variable not in counted and not box.kind == "training"]
    counted.update(mine)
    flops = sum(found[node].flops for node in box.nodes)
    if box.kind == "training":  # the backward pass belongs to the update
        below = {source for node in box.nodes for source in node.inputs} - shown
        flops += sum(cost.flops for node, cost in found.items() if node.op is None and node in below)
    return Row(box.name, box.what, found[box.nodes[-1]].shape, sum(map(_numbers, mine)), flops)
