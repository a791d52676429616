"""Steps that need values on the host: what does not follow from those values is compiled, the rest runs op by op."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax

from . import layout
from .errors import HostValueError
from .graph import Feed, Node, Variable
from .trace import Env, Run, evaluate

Begin = Callable[..., tuple[Env, Run]]  # from the arguments of a step to the values of its leaves


class Early:
    """The part of a step that can be compiled, as a function from the arguments of the step to values by node.

    nodes: all of the step, inputs first.  fetches: what it gives.  begin: makes the values of its leaves.
    found: the nodes whose values the function gives: what the rest reads, or the step gives itself.
    counts: how many nodes are compiled, of how many.
    """

    def __init__(self, nodes: Sequence[Node], fetches: Iterable[Node], begin: Begin, arguments: Sequence[Any]):
        self._order = [node for node in nodes if not isinstance(node, Variable | Feed)]
        self._begin = begin
        self.found: list[Node] = []
        jax.eval_shape(lambda *given: self._look(list(fetches), *given), *arguments)
        self._call = jax.jit(self._compute)

    def __call__(self, *arguments: Any) -> dict[Node, Any]:
        return dict(zip(self.found, self._call(*arguments), strict=True))

    def _compute(self, *arguments: Any) -> list[Any]:
        env, run = self._begin(*arguments)
        return [layout.plain(value) for value in evaluate(self.found, env, run)]

    def _look(self, fetches: list[Node], *arguments: Any) -> None:
        """Traces every node that can be, and notes those at the border."""
        env, run = self._begin(*arguments)
        late = []
        for node in self._order:
            try:
                if all(below in env for below in node.needs):
                    evaluate([node], env, run)
                    continue
            except HostValueError:
                pass
            late.append(node)
        self.counts = len(self._order) - len(late), len(self._order)
        self.found = _border([*fetches, *(below for node in late for below in node.needs)], env)


def _border(wanted: list[Node], env: Mapping[Node, Any]) -> list[Node]:
    """The nodes whose values a compiled step can give, under and among those that are wanted.

    Values that are known while tracing, such as shapes, are no results of it: what they are made of is.
    """
    found: dict[Node, None] = {}
    seen = set()
    while wanted:
        node = wanted.pop()
        if node in seen or node not in env or isinstance(node, Variable | Feed):
            continue
        seen.add(node)
        leaves = jax.tree.leaves(layout.plain(env[node]))
        if leaves and all(isinstance(leaf, jax.Array) for leaf in leaves):
            found[node] = None
        else:
            wanted.extend(node.needs)
    return list(found)


def can_split(nodes: Iterable[Node], training: bool) -> bool:
    """Whether every node reads values only, and none updates a Variable or walks the graph as gradients do."""
    return not any(node.needs is not node.inputs or _updates(node, training) for node in nodes)


def _updates(node: Node, training: bool) -> bool:
    """Whether it changes Variables; statistics, of ops that ask whether they train, change in training only."""
    statistics = node.op is not None and "training" in node.op.asks and not training
    return node.trains or (bool(node.writes) and not statistics)


def in_two_parts(early: Early, rest: Callable[..., Any]) -> Callable[..., Any]:
    """A step: the compiled part, and then `rest`, which takes its values by node after the arguments."""

    def call(*arguments: Any) -> Any:
        try:
            known = early(*arguments)
        except HostValueError:  # with other shapes more of it may need values
            known = {}
        return rest(*arguments, known)

    return call
