"""`hetu.stream`: streams and events, which JAX's own ordering makes into points in time to wait at."""

from __future__ import annotations

import ctypes
import itertools
import time
from typing import Any

import jax

from .errors import hint_at_names
from .ndarray import DLContext, is_gpu_ctx

_handles = itertools.count(1)


class DLStream(ctypes.Structure):
    """The C structure behind a stream: kind and number of its device, and a number of its own."""

    _fields_ = [("device_type", ctypes.c_int), ("device_id", ctypes.c_int), ("handle", ctypes.c_void_p)]


class DLEvent(ctypes.Structure):
    """The C structure behind an event: kind and number of its device, and a number of its own."""

    _fields_ = [("device_type", ctypes.c_int), ("device_id", ctypes.c_int), ("handle", ctypes.c_void_p)]


def wait_for_device(ctx: DLContext | None = None) -> None:
    """Returns when every array on a device has been computed.

    ctx: the device; None means all.
    """
    devices = jax.local_devices() if ctx is None else [ctx.jax_device]
    jax.effects_barrier()
    for array in jax.live_arrays():
        if not array.is_deleted() and not array.devices().isdisjoint(devices):
            array.block_until_ready()


class Stream:
    """The order of work on a device, which in JAX is the order of the calls.

    handle: a `DLStream`.
    """

    def __init__(self, handle: DLStream, ctx: DLContext | None = None):
        self.handle, self.ctx = handle, ctx

    def sync(self) -> None:
        """Waits for everything that was given to the device."""
        wait_for_device(self.ctx)


class Event:
    """A point in time on a device.

    handle: a `DLEvent`.
    """

    def __init__(self, handle: DLEvent, ctx: DLContext | None = None):
        self.handle, self.ctx, self._time = handle, ctx, None

    def record(self, stream: Stream | None = None) -> None:
        """Sets the point to when all work given to the device so far is done; waits until then.

        stream: accepted without effect, because a device has one order of work.
        """
        wait_for_device(self.ctx)
        self._time = time.perf_counter()

    def sync(self) -> None:
        """Returns when the point is reached, which `record` has seen to."""

    def time_since(self, event: Event) -> float:
        """The milliseconds from an earlier event to this one.  Raises ValueError unless both were recorded."""
        if self._time is None or event._time is None:
            raise ValueError("time_since is between two recorded events: call record() on both first")
        return (self._time - event._time) * 1000


def _new(structure: type, ctx: DLContext) -> Any:
    if not is_gpu_ctx(ctx):
        raise ValueError(f"streams and events belong to a device such as ht.gpu(0), not to {ctx!r}")
    return structure(ctx.device_type, ctx.device_id, next(_handles))


def create_stream_handle(ctx: DLContext) -> Stream:
    """A stream of an accelerator.  Raises ValueError for any other device."""
    return Stream(_new(DLStream, ctx), ctx)


def create_event_handle(ctx: DLContext) -> Event:
    """An event of an accelerator.  Raises ValueError for any other device."""
    return Event(_new(DLEvent, ctx), ctx)


class PSEvent:
    """Whether a transfer of a parameter is still on its way.

    comm: a parameter-server handle with `Wait`.  nid: the number of the parameter.
    """

    def __init__(self, comm: Any, nid: int):
        self.comm, self.nid, self.need_wait = comm, nid, False

    def update(self) -> None:
        """Marks a transfer as begun."""
        self.need_wait = True

    def sync(self) -> None:
        """Waits for the transfer, once."""
        if self.need_wait:
            self.comm.Wait(self.nid)
            self.need_wait = False


class CSEvent(PSEvent):
    """Whether a request to a cached table is still on its way."""

    def __init__(self, comm: Any, nid: int):
        super().__init__(comm, nid)
        self.ts: Any = None

    def update_ts(self, ts: Any) -> None:
        """Marks a request as begun; `ts` is what the table returned, with `wait()`."""
        self.ts = ts
        self.update()

    def sync(self) -> None:
        if self.need_wait:
            self.ts.wait()
            self.need_wait = False


hint_at_names(__name__)
