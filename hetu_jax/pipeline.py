"""`pipeline=`: training groups that take several micro-batches at a time, with all stages in one program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax

from .errors import FeedError, GraphError
from .graph import Feed, Node, Variable
from .group import Group
from .ndarray import NDArray, as_numpy
from .sites import user_site
from .trace import Env, Run
from .update import LearningRate, OptimizerOp

if TYPE_CHECKING:
    from .executor import Executor


class MicroBatches(Group):
    """A training group under `pipeline="pipedream"` or `"hetpipe"`: each micro-batch is a step of its own.

    Hetu overlaps the stages and updates the newest weights; with one stage a micro-batch is updated before the next.
    """

    def run_batches(self, feeds: Any, batch_num: int | None, inference: bool | None, advance: bool, numpy: bool) -> Any:
        """The results of all micro-batches, as NumPy arrays, whatever `numpy` says: [micro-batch][node].

        feeds: a list with a feed_dict for each, or nothing where dataloaders feed all.
        batch_num: how many there are; by default as many as `feeds` has, or one.
        """
        rows = [self.run(feed, inference, advance) for feed in feed_dicts(feeds, batch_num)]
        return [[_as(as_numpy, value) for value in row] for row in rows]


class GPipe(MicroBatches):
    """A training group under `pipeline="gpipe"`: the gradients of all micro-batches are taken at the weights that the
    step starts with, then each is applied in turn, so that their rates add up.
    """

    def retarget(self, nodes: Sequence[Node]) -> None:
        super().retarget(nodes)
        self._late = [Late(node) for node in self.eval_node_list if isinstance(node, OptimizerOp)]
        kept = [node for late in self._late for node in late.kept]
        shown = [node for node in self.eval_node_list if not isinstance(node, OptimizerOp)]
        # Gradients first: they evaluate the forward pass under jax.vjp, and the other fetches then share it.
        self._fetched = list(dict.fromkeys([*kept, *shown]))
        self._forward = Group(self.executor, self.name, self._fetched, self.loader)
        self._update = Group(self.executor, self.name, self._late, self.loader)

    def run_batches(self, feeds: Any, batch_num: int | None, inference: bool | None, advance: bool, numpy: bool) -> Any:
        """The results of all micro-batches: [node][micro-batch], and None for a node that only updates."""
        inference = self.inference if inference is None else inference
        rows = [
            dict(zip(self._fetched, self._forward.run(feed, inference, advance), strict=True))
            for feed in feed_dicts(feeds, batch_num)
        ]
        for row in rows:
            for late in self._late:
                late.hold(row)
            self._update.run({}, inference, advance)
        show: Callable[[Any], Any] = as_numpy if numpy else NDArray
        return [[_as(show, row[node]) for row in rows] if node in rows[0] else None for node in self.eval_node_list]

    def forget_steps(self) -> None:
        self._forward.forget_steps()
        self._update.forget_steps()

    @property
    def compile_count(self) -> int:
        """How many times a step of this group was compiled."""
        return self._forward.compile_count + self._update.compile_count


class Kept(Feed):
    """What a node was in the micro-batch that is applied.

    node: whose value it holds.
    """

    def __init__(self, node: Node):
        super().__init__(f"{node.name}_kept")
        self.held: Any = None

    def pull(self, group: str, advance: bool) -> tuple[None, Any]:
        return None, self.held

    def read(self, static: None, arrays: Any) -> Any:
        return arrays


class Late(Node):
    """An optimizer's update from what was computed before it: gradients and row numbers are fed.

    update: the node that `minimize` made.  `kept` is a feed for each node that it needs and does not write.
    """

    trains = True

    def __init__(self, update: OptimizerOp):
        super().__init__(None, {}, name=update.name)
        self._update, self.writes = update, update.writes
        self.kept = {node: Kept(node) for node in update.inputs if not isinstance(node, Variable | LearningRate)}
        self.inputs = [self.kept.get(node, node) for node in update.inputs]

    def hold(self, values: Mapping[Node, Any]) -> None:
        """Takes what the nodes were in one micro-batch."""
        for node, feed in self.kept.items():
            feed.held = values[node]

    @property
    def draws(self) -> bool:
        return self._update.draws

    @property
    def op_type(self) -> str:
        return self._update.op_type

    def evaluate(self, values: Sequence[Any], env: Env, run: Run, **given: Any) -> tuple[Any, ...]:
        return self._update.evaluate(values, env, run)


PIPELINES = {"gpipe": GPipe, "pipedream": MicroBatches, "hetpipe": MicroBatches}


def group_of(executor: Executor, name: str, nodes: Sequence[Node], loader: str) -> Group:
    """The group of an Executor: one that takes micro-batches where it trains and `pipeline=` is given."""
    trains = executor.config.pipeline is not None and any(isinstance(node, OptimizerOp) for node in nodes)
    return (PIPELINES[executor.config.pipeline] if trains else Group)(executor, name, nodes, loader)


def check(group: Group, steps: int | None) -> None:
    """Raises GraphError where a group takes no micro-batches, or is asked for several steps of them."""
    if not isinstance(group, MicroBatches):
        reason = "it has no optimizer" if group.executor.config.pipeline else "the Executor has no pipeline="
        raise GraphError(f"group {group.name!r} takes no batch_num=, as {reason}: leave it out (at {user_site()})")
    if steps is not None:
        raise GraphError(f"steps= is not for a group with pipeline=: call run for each step (at {user_site()})")


def feed_dicts(feeds: Any, batch_num: int | None) -> list[Mapping[Node, Any]]:
    """A feed_dict for each micro-batch.  Raises FeedError where their number and `batch_num` disagree."""
    if isinstance(feeds, Mapping) and feeds:
        raise FeedError(
            f"feed_dict is one dict, and pipeline= takes a list with a dict for each micro-batch: "
            f"feed_dict=[{{x: part}} for part in parts] (at {user_site()})"
        )
    count = batch_num if batch_num is not None else len(feeds or ()) or 1
    if count < 1:
        raise GraphError(f"batch_num is the number of micro-batches, at least 1, not {count!r} (at {user_site()})")
    if feeds and len(feeds) != count:
        raise FeedError(f"batch_num is {count}, and feed_dict has {len(feeds)} micro-batches (at {user_site()})")
    return list(feeds or [{}] * count)


def _as(show: Callable[[Any], Any], value: Any) -> Any:
    return show(value) if isinstance(value, jax.Array) else jax.tree.map(as_numpy, value)
