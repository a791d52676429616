"""What an Executor tells people: its table, and the numbers that it hands to a logger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .graph import Node
    from .summary import Summary


class Reports:
    """The part of an Executor that is for people."""

    def summary(
        self,
        name: str | None = None,
        feed_shapes: Mapping[Node, Sequence[int]] | None = None,
        depth: int | None = None,
    ) -> Summary:
        """A table of a group's layers: the shape that leaves each, parameters, floating-point operations, and totals.

        name: the group; by default the first that trains, else the first.
        feed_shapes: placeholder -> shape, where no run has told it.
        depth: how many levels of layers to open: 0 for the outermost alone, -1 for every op, None for about 60 rows.
        Returns: a `Summary`: `print` it, or let a notebook show it.
        Raises FeedError where the shape of a placeholder is missing, OpError where an op refuses its inputs.
        """
        from .summary import summary

        return summary(self, name, feed_shapes, depth)

    def _repr_html_(self) -> str:
        from . import display

        return display.of_executor(self)
