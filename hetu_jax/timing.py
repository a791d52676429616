"""Hetu's timers: how long the runs of an Executor take, and its ops in them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax

from .errors import GraphError
from .group import Group

KINDS = ("cpu", "gpu")


class Timer:
    """Times the runs of one group from now on.

    A run counts from its call until its results are there; several steps in one call count each, with their mean.
    """

    def __init__(self, group: Group):
        self.group, self._last, self._inside = group, ({}, None), False
        self.clear()
        for name in ("run", "run_several", "run_batches"):
            if hasattr(group, name):  # in the place of the method, so that groups without a timer lose nothing
                setattr(group, name, partial(self._timed, getattr(group, name)))

    def clear(self) -> None:
        """Forgets the runs so far."""
        self.seconds: list[float] = []

    def _timed(self, method: Callable[..., Any], feed_dict: Any, *rest: Any) -> Any:
        """One of the group's methods that run; what it calls of them itself is a part of it."""
        if self._inside:
            return method(feed_dict, *rest)
        start, self._inside = time.perf_counter(), True
        try:
            values = jax.block_until_ready(method(feed_dict, *rest))
        finally:
            self._inside = False
        steps = rest[1] if method.__name__ == "run_several" else 1
        self.seconds += [(time.perf_counter() - start) / steps] * steps
        one = feed_dict if isinstance(feed_dict, Mapping) else next(iter(feed_dict or ()), {})
        self._last = one, rest[1] if method.__name__ == "run_batches" else rest[0]
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
