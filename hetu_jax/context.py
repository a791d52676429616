"""Device scopes: `ht.context` and DeviceGroup."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from .cluster import DistConfig, NodeStatus  # noqa: F401, Hetu has them here
from .errors import hint_at_names
from .graph import user_site
from .ndarray import DLContext, cpu, gpu, rcpu, rgpu

_stack: list[DeviceGroup] = []


class DeviceGroup:
    """The devices that a part of the graph is meant for.

    ctxs: a device, a string such as 'gpu:0,gpu:4' or 'host:gpu:1;cpu:0', a DeviceGroup, or a list of those; a tuple
        in the list is one model-parallel worker.  CPUs are parameter servers, the others workers.
    Raises ValueError for a string that names no device.
    """

    def __init__(self, ctxs: Any):
        self._contexts = _parse(ctxs)
        self.servers = [c for c in self._contexts if isinstance(c, DLContext) and c.kind == "cpu"]
        self.workers = [c for c in self._contexts if c not in self.servers]

    worker_num = property(lambda self: len(self.workers), doc="How many workers.")
    server_num = property(lambda self: len(self.servers), doc="How many servers.")

    def index(self, ctx: Any) -> int:
        """The position of a device in the group."""
        return self._contexts.index(ctx)

    def get_sorted(self) -> DeviceGroup:
        """The same devices, ordered by kind and number."""
        return DeviceGroup(sorted(self._contexts, key=repr))

    def get_only(self) -> DLContext:
        """The single device of the group.  Raises ValueError when there are more."""
        if len(self) != 1:
            raise ValueError(f"{self!r} has {len(self)} devices, not one")
        return self._contexts[0]

    def __getitem__(self, key: int) -> Any:
        return (self.workers or self._contexts)[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._contexts)

    def __len__(self) -> int:
        return len(self._contexts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DeviceGroup) and self._contexts == other._contexts

    def __hash__(self) -> int:
        return hash(tuple(self._contexts))

    def __repr__(self) -> str:
        return f"DeviceGroup({', '.join(map(repr, self._contexts))})"


def _parse(ctxs: Any) -> list[Any]:
    if isinstance(ctxs, DeviceGroup):
        return list(ctxs)
    if isinstance(ctxs, DLContext):
        return [ctxs]
    if isinstance(ctxs, str):
        return [_device(word) for word in re.split(r"[;,\s]+", ctxs.strip()) if word]
    if isinstance(ctxs, tuple):
        worker = tuple(device for part in ctxs for device in _parse(part))
        return [worker[0] if len(worker) == 1 else worker]
    if not isinstance(ctxs, list):
        raise TypeError(
            f"ctx must be a device such as ht.cpu(0) or 'gpu:0', or a list of devices, not {ctxs!r} (at {user_site()})"
        )
    return [device for part in ctxs for device in _parse(part)]


def _device(word: str) -> DLContext:
    match = re.fullmatch(r"(?:(?P<host>[^:]+):)?(?P<kind>cpu|gpu):(?P<number>\d+)", word.lower())
    if match is None:
        raise ValueError(f"{word!r} names no device: write gpu:0, cpu:0 or host:gpu:0 (at {user_site()})")
    host, kind, number = match["host"], match["kind"], int(match["number"])
    if host:
        return {"cpu": rcpu, "gpu": rgpu}[kind](host, number)
    return {"cpu": cpu, "gpu": gpu}[kind](number)


@contextlib.contextmanager
def context(ctx: Any) -> Iterator[DeviceGroup]:
    """Nodes and Executors made inside belong to `ctx` unless they say otherwise; see DeviceGroup for its forms."""
    group = DeviceGroup(ctx)
    _stack.append(group)
    try:
        yield group
    finally:
        _stack.pop()


def get_current_context() -> DeviceGroup | None:
    """The innermost `context`, or None."""
    return _stack[-1] if _stack else None


def current_group(ctx: Any) -> DeviceGroup | None:
    """The group of an explicit `ctx`, else the innermost `context`'s."""
    return DeviceGroup(ctx) if ctx is not None else get_current_context()


hint_at_names(__name__)
