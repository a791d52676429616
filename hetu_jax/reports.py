"""What an Executor tells people: its table, and the numbers that it hands to a logger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .errors import GraphError

if TYPE_CHECKING:
    from .config import HetuConfig
    from .graph import Node
    from .logger import HetuLogger
    from .summary import Summary


class Reports:
    """The part of an Executor that is for people."""

    config: HetuConfig

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

    @property
    def logger(self) -> HetuLogger | None:
        """The logger that the option `logger` made, or None."""
        return self.config.logger

    def log(self, name: str, value: Any) -> None:
        """Keeps a number for the logger's step.  Raises GraphError without a logger, ValueError for a second one."""
        self._given_logger().wrapped_log(name, value)

    def multi_log(self, values: Mapping[str, Any]) -> None:
        """`log` of several numbers by name."""
        self._given_logger().multi_log(values)

    def set_config(self, attrs: Any) -> None:
        """Hands the settings of the run to the logger.  attrs: a dict, or a Namespace of argparse."""
        self._given_logger().set_config(attrs)

    def step_logger(self) -> None:
        """Ends the logger's step: what was logged in it is written."""
        self._given_logger().step()

    def _given_logger(self) -> HetuLogger:
        if self.logger is None:
            raise GraphError("this Executor has no logger: build it with logger='hetu', 'tensorboard' or 'wandb'")
        return self.logger

    def _repr_html_(self) -> str:
        from . import display

        return display.of_executor(self)
