"""Hetu's timers: how long the runs of an Executor take, and its ops in them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax

from .errors import GraphError
from .group import Group

KINDS = ("cpu", "gpu")


class Timer:
    """Times the runs of one group from now on.

    kind: 'cpu' or 'gpu', the same here: a run counts from its call until its results are there.
    """

    def __init__(self, group: Group):
        self.group, self._run, self._last = group, group.run, ({}, None)
        self.clear()
        group.run = self.run  # in the place of the method, so that groups without a timer lose nothing

    def clear(self) -> None:
        """Forgets the runs so far."""
        self.seconds: list[float] = []

    def run(self, feed_dict: Any, inference: bool | None, advance: bool) -> list[Any]:
        """The group's `run`, timed."""
        start = time.perf_counter()
        values = jax.block_until_ready(self._run(feed_dict, inference, advance))
        self.seconds.append(time.perf_counter() - start)
        self._last = feed_dict, inference
        return values

    def lines(self, level: str, profile: Callable[..., Any]) -> list[str]:
        """`<name> <milliseconds> ms` for each node or type, then the mean of the runs as `All_time:`.

        level: 'node' or 'type'.  profile: makes a `StepProfile` of the last run's feeds.
        """
        if not self.seconds:
            return ["All_time: 0 ms\n"]
        feed_dict, inference = self._last
        rows = profile(self.group.name, feed_dict=feed_dict, inference=inference).by(
            "name" if level == "node" else "kind"
        )
        known = [row for row in rows.rows if row.seconds is not None]
        mean = sum(self.seconds) / len(self.seconds)
        texts = [f"{row.name or row.kind or 'other'} {1e3 * row.seconds} ms\n" for row in known]
        return [*texts, f"All_time: {1e3 * mean} ms\n"]


def timers(kind: str | None, groups: dict[str, Group]) -> dict[str, Timer]:
    """A timer for each group, or none.  Raises GraphError for a kind that Hetu does not have."""
    if kind is None:
        return {}
    if kind not in KINDS:
        raise GraphError(f"timing is 'cpu' or 'gpu', which time alike here, or None for no timers; it is {kind!r}")
    return {name: Timer(group) for name, group in groups.items()}
