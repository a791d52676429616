"""The communicators of a world of one member: its collectives copy what goes in to what comes out."""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

from ..errors import GraphError
from ..ndarray import DLContext, NDArray, gpu
from ..stream import Stream, create_stream_handle


class ncclDataType_t(IntEnum):
    """The types of elements that NCCL knows."""

    ncclInt8 = 0
    ncclUint8 = 1
    ncclInt32 = 2
    ncclUint32 = 3
    ncclInt64 = 4
    ncclUint64 = 5
    ncclFloat16 = 6
    ncclFloat32 = 7
    ncclFloat64 = 8


class ncclRedOp_t(IntEnum):
    """The ways in which members' arrays are combined; of one member they all give its own."""

    ncclSum = 0
    ncclProd = 1
    ncclMax = 2
    ncclMin = 3
    ncclAvg = 4


def GroupStart() -> None:
    """Begins a group of transfers: nothing to do, as each happens at once."""


def GroupEnd() -> None:
    """Ends a group of transfers: nothing to do, as each happened at once."""


class Member:
    """What a communicator knows of its one member.

    devices: the numbers of the devices of the members; the first is this member's.
    """

    rank = property(lambda self: 0, doc="This member's number, 0.")
    nrank = property(lambda self: 1, doc="The number of members, 1.")
    local_rank = property(lambda self: 0, doc="This member's number on its machine, 0.")

    def __init__(self, devices: Sequence[int] | None = None):
        self.devices = None if devices is None else [int(number) for number in devices]
        self.myRank, self.nRanks, self.localRank = ctypes.c_int(0), ctypes.c_int(1), ctypes.c_int(0)
        self.device_id = ctypes.c_int(self.dev_id)

    @property
    def dev_id(self) -> int:
        """The number of this member's device."""
        return self.devices[0] if self.devices else 0

    def getRankFromDevice(self, hostname: Any, device_id: int | None = None) -> int:
        """The rank of the member with a device: a DLContext, or a host's name and a number."""
        device = hostname if isinstance(hostname, DLContext) else DLContext(device_id or 0, 2, hostname)
        if not device.local:
            raise GraphError(f"no member has {device!r}: this program is the only one")
        return 0

    def getDeviceFromLocalRank(self, local_rank: int) -> int:
        """The number of the device of a member on this machine."""
        only(local_rank)
        return self.dev_id

    def getLocalRankFromDevice(self, device_id: int) -> int:
        """The number on this machine of the member with a device."""
        if int(device_id) != self.dev_id:
            raise GraphError(f"no member has device {device_id}: the only one has {self.dev_id}")
        return 0


def only(rank: int) -> None:
    """Raises GraphError for a rank other than 0."""
    if int(rank) != 0:
        raise GraphError(f"there is no rank {rank}: this program is the only member, rank 0")


class MPI_Communicator(Member):
    """A world of one member, from which communicators with collectives are made."""

    def MPI_Broadcast(self, buffer: Any, size: int, root: int = 0) -> None:
        """Gives every member the root's buffer: nothing changes.  buffer, size: accepted without effect."""
        only(root)

    def MPI_Finalize(self) -> None:
        """Nothing to end."""

    def ncclInit(self, stream: Stream | None = None) -> NCCL_Communicator:
        """The communicator of the world."""
        return NCCL_Communicator(self.devices, stream)

    def ncclGroupInit(self, devices_context: Any, stream: Stream | None = None) -> NCCL_Communicator:
        """The communicator of a group of devices, which can only be this member's."""
        for device in devices_context:
            self.getRankFromDevice(device)
        if len(devices_context) > 1:
            raise GraphError(f"{devices_context!r} has {len(devices_context)} members, and there is one program")
        return NCCL_Communicator(self.devices, stream)


class NCCL_Communicator(Member):
    """Collectives on NDArrays, of one member.

    stream: what `stream` says; made when it is not given.
    In every call a dtype, a way to combine and a stream are accepted without effect: arrays know their dtype, one
    array combined with none is itself, and JAX orders the work.
    """

    def __init__(self, devices: Sequence[int] | None = None, stream: Stream | None = None):
        super().__init__(devices)
        self.stream = stream or create_stream_handle(gpu(self.dev_id))
        self._sent: deque[Any] = deque()

    def ncclCommDestroy(self) -> None:
        """Nothing to end."""

    def dlarrayNcclAllReduce(
        self, input: NDArray, output: NDArray, dtype: Any = None, reduceop: Any = None, executor_stream: Any = None
    ) -> None:
        """The members' arrays combined."""
        output[:] = input

    def dlarrayNcclReduce(
        self,
        input: NDArray,
        output: NDArray,
        root: int,
        dtype: Any = ncclDataType_t.ncclFloat32,
        reduceop: Any = ncclRedOp_t.ncclSum,
        executor_stream: Any = None,
    ) -> None:
        """The members' arrays combined, on the root."""
        only(root)
        output[:] = input

    def dlarrayBroadcast(
        self, input: NDArray, output: NDArray, dtype: Any = None, root: int = 0, executor_stream: Any = None
    ) -> None:
        """The root's array, on every member."""
        only(root)
        output[:] = input

    def dlarrayAllGather(self, input: NDArray, output: NDArray, dtype: Any = None, executor_stream: Any = None) -> None:
        """The members' arrays one after another."""
        output[:] = input

    def dlarrayReduceScatter(
        self, input: NDArray, output: NDArray, dtype: Any = None, reduceop: Any = None, executor_stream: Any = None
    ) -> None:
        """The member's own part of the combined arrays."""
        output[:] = input

    def dlarraySend(self, arr: NDArray, dtype: Any = None, target: int = 0, executor_stream: Any = None) -> None:
        """Sends an array to a member, which is this one."""
        only(target)
        self._sent.append(arr.value)

    def dlarrayRecv(self, arr: NDArray, dtype: Any = None, src: int = 0, executor_stream: Any = None) -> None:
        """Receives the oldest array sent.  Raises GraphError when there is none."""
        only(src)
        if not self._sent:
            raise GraphError("nothing was sent that could be received: this program is the only member, rank 0")
        arr[:] = self._sent.popleft()

    def dlarrayAllToAll(
        self, sendarr: NDArray, recvarr: NDArray, dtype: Any = None, executor_stream: Any = None
    ) -> None:
        """Each member's r-th part on member r."""
        recvarr[:] = sendarr

    def dlarrayHAllToAll(
        self,
        sendarr: NDArray,
        recvarr: NDArray,
        dtype: Any = None,
        num_nodes: int = 1,
        num_local_gpus: int = 1,
        executor_stream: Any = None,
    ) -> None:
        """`dlarrayAllToAll` in two levels, over machines and over their devices."""
        self._members(num_nodes * num_local_gpus)
        recvarr[:] = sendarr

    def dlarrayHA2AGather(
        self,
        sendarr: NDArray,
        recvarr: NDArray,
        dtype: Any = None,
        myrank: int = 0,
        num_local_gpus: int = 1,
        executor_stream: Any = None,
    ) -> None:
        """The arrays of a machine's members, on its first."""
        only(myrank)
        self._members(num_local_gpus)
        recvarr[:] = sendarr

    def dlarrayHA2AScatter(
        self,
        sendarr: NDArray,
        recvarr: NDArray,
        dtype: Any = None,
        myrank: int = 0,
        num_local_gpus: int = 1,
        executor_stream: Any = None,
    ) -> None:
        """The parts of the array of a machine's first member, on its members."""
        only(myrank)
        self._members(num_local_gpus)
        recvarr[:] = sendarr

    def _members(self, count: int) -> None:
        if int(count) != 1:
            raise GraphError(f"{count} members are asked for, and this program is the only one")


_world = MPI_Communicator()


def mpi_communicator(devices: Sequence[int] | None = None) -> MPI_Communicator:
    """The communicator of the world; with `devices` a new one, whose member has the first of them."""
    return _world if devices is None else MPI_Communicator(devices)
