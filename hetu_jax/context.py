"""Device scopes: `ht.context` and DeviceGroup."""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator
from typing import Any

from .cluster import DistConfig, NodeStatus  # noqa: F401, Hetu has them here
from .errors import hint_at_names
from .ndarray import DLContext, cpu, gpu, rcpu, rgpu
from .sites import user_site


class DeviceGroup:
    """The devices that a part of the graph is meant for.

    ctxs: a device, a string such as 'gpu:0,gpu:4' or 'host:gpu:1;cpu:0', a DeviceGroup, or a list of those; a tuple
        in the list is one model-parallel worker.  CPUs are parameter servers, the others workers.
    dp_index, mp_index: the worker, and the place within it, of the device that `set_index` was told; -1 for neither.
    Raises ValueError for a string that names no device, and for workers of different numbers of devices.
    """

    dp_index = mp_index = -1

    def __init__(self, ctxs: Any):
        self._contexts = _parse(ctxs)
        self.servers = [c for c in self._contexts if not check_worker(c)]
        self.workers = [c for c in self._contexts if check_worker(c)]
        if len({len(w) if isinstance(w, tuple) else 1 for w in self.workers}) > 1:
            raise ValueError(
                f"the workers of {self!r} have different numbers of devices: make them all single devices, "
                f"or tuples of one length (at {user_site()})"
            )

    is_mp = property(lambda self: self.mp_dev_num not in (None, 1), doc="Whether a worker has several devices.")
    local_dp = property(lambda self: self.dp_index >= 0, doc="Whether the device told to `set_index` is in a worker.")
    local_mp = property(lambda self: self.mp_index >= 0, doc="The same, of a worker of several devices.")
    worker_num = property(lambda self: len(self.workers), doc="How many workers.")
    server_num = property(lambda self: len(self.servers), doc="How many servers.")

    @property
    def mp_dev_num(self) -> int | None:
        """How many devices a worker has; None where there is no worker."""
        return next((len(w) if isinstance(w, tuple) else 1 for w in self.workers), None)

    def check_mp_num(self, mp_dev_num: int) -> None:
        """Raises ValueError unless a worker has so many devices."""
        if mp_dev_num != self.mp_dev_num:
            raise ValueError(f"a worker of {self!r} has {self.mp_dev_num} devices, not {mp_dev_num}")

    def set_index(self, ctx: DLContext) -> None:
        """Sets `dp_index` and `mp_index` to the place of a device among the workers."""
        members = [worker if isinstance(worker, tuple) else (worker,) for worker in self.workers]
        self.dp_index = next((i for i, worker in enumerate(members) if ctx in worker), -1)
        self.mp_index = members[self.dp_index].index(ctx) if self.local_dp and self.is_mp else -1

    def cur_worker(self) -> Any:
        """The worker of the device told to `set_index`, or None."""
        return self.workers[self.dp_index] if self.local_dp else None

    def relocalize(self) -> None:
        """Decides anew which devices are on this machine."""
        for device in itertools.chain.from_iterable(c if isinstance(c, tuple) else (c,) for c in self):
            device.relocalize()

    def full_repr(self) -> str:
        """The devices as host:kind:number."""
        return str([tuple(d.full_repr() for d in c) if isinstance(c, tuple) else c.full_repr() for c in self])

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


def check_worker(ctx: Any) -> bool:
    """Whether a member of a group is a worker: an accelerator, or a tuple of devices."""
    return isinstance(ctx, tuple) or ctx.kind == "gpu"


class ContextStack:
    """The open `context`s."""

    def __init__(self) -> None:
        self._groups: list[DeviceGroup] = []

    def peek(self) -> DeviceGroup | None:
        """The innermost, or None."""
        return self._groups[-1] if self._groups else None

    def push(self, ctx: DeviceGroup) -> None:
        """Opens one more."""
        self._groups.append(ctx)

    def pop(self) -> None:
        """Closes the innermost."""
        self._groups.pop()


_stack = ContextStack()


@contextlib.contextmanager
def context(ctx: Any) -> Iterator[DeviceGroup]:
    """Nodes and Executors made inside belong to `ctx` unless they say otherwise; see DeviceGroup for its forms."""
    group = DeviceGroup(ctx)
    _stack.push(group)
    try:
        yield group
    finally:
        _stack.pop()


def get_current_context() -> DeviceGroup | None:
    """The innermost `context`, or None."""
    return _stack.peek()


def current_group(ctx: Any) -> DeviceGroup | None:
    """The group of an explicit `ctx`, else the innermost `context`'s."""
    return DeviceGroup(ctx) if ctx is not None else get_current_context()


hint_at_names(__name__)
