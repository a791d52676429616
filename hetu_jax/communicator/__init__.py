"""Hetu's communicators and parameter server, as they are for one program: a world of one member, rank 0."""

from __future__ import annotations

from typing import Any

from ..context import DeviceGroup
from ..errors import GraphError
from .mpi_comm import MPI_Communicator as _CpuCommunicator
from .mpi_nccl_comm import NCCL_Communicator, mpi_communicator
from .parameter_server import ParameterServer

_server: ParameterServer | None = None
_nccl: NCCL_Communicator | None = None


def wrapped_mpi_nccl_init(init_nccl: bool = True, devices: Any = None) -> Any:
    """The communicator of the world, always the same one, with `rank`, `nrank`, `local_rank` and `dev_id`.

    init_nccl: False gives the communicator without collectives.  devices: numbers of devices; the first is `dev_id`.
    """
    global _nccl
    if not init_nccl:
        return mpi_communicator(devices)
    if _nccl is None or devices is not None:
        _nccl = mpi_communicator(devices).ncclInit()
    return _nccl


def get_nccl_communicate() -> NCCL_Communicator:
    """The communicator of the world: `wrapped_mpi_nccl_init` by another name."""
    return wrapped_mpi_nccl_init()


def get_mpi_communicate() -> _CpuCommunicator:
    """The communicator of the world for arrays on the host."""
    return _CpuCommunicator()


def new_group_comm(devices_context: Any = None) -> NCCL_Communicator:
    """A communicator of a group of devices.

    devices_context: None for the world, a device, a DeviceGroup or what one is made from, or a tuple of ranks.
    Raises GraphError for a group of several: one program has no other members.
    """
    if isinstance(devices_context, tuple | list) and all(isinstance(rank, int) for rank in devices_context):
        members = list(devices_context)
    else:
        members = [] if devices_context is None else list(DeviceGroup(devices_context))
    if len(members) > 1:
        raise GraphError(
            f"a group of {len(members)} members needs as many programs, and there is one: shard values over local "
            "devices with ht.context or dist_strategy instead"
        )
    return mpi_communicator().ncclInit()


def get_worker_communicate() -> ParameterServer:
    """The parameter server: a store in this process; see `ParameterServer` for its calls."""
    global _server
    if _server is None:
        _server = ParameterServer()
    return _server


def worker_init() -> None:
    """Starts this program as a worker of a parameter server of its own."""
    get_worker_communicate()


def worker_finish() -> None:
    """Ends the work with the parameter server, which forgets its tensors."""
    global _server
    _server = None


def server_init() -> None:
    """Nothing to start: the server is in the worker's process."""


def server_finish() -> None:
    """Nothing to end: the server is in the worker's process."""


def scheduler_init() -> None:
    """Nothing to start: one process needs no scheduler."""


def scheduler_finish() -> None:
    """Nothing to end: one process needs no scheduler."""
