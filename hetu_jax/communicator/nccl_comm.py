"""Collectives over lists of arrays, one for each local device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ..errors import GraphError
from ..ndarray import NDArray


class NCCL_Communicator:
    """Devices of this process, whose arrays are combined in lists.

    devs: their numbers.  devs_number: how many they are.
    Raises GraphError when they are not as many.
    """

    def __init__(self, devs: Sequence[int], devs_number: int):
        self.devs = [int(number) for number in devs]
        if len(self.devs) != int(devs_number):
            raise GraphError(f"devs_number is {devs_number}, but there are {len(self.devs)} devs: {self.devs}")

    def All_Reduce_Ndarray(self, list_in: Sequence[NDArray], list_out: Sequence[NDArray]) -> None:
        """Puts the sum of the arrays of `list_in`, one for each device, into each array of `list_out`."""
        self._check(list_in, list_out)
        total = sum(jnp.asarray(jax.device_get(array.value)) for array in list_in)
        for out in list_out:
            out[:] = total

    def all_reduce(self, send_ptrs: Sequence[NDArray], recv_ptrs: Sequence[NDArray], size: int) -> None:
        """As `All_Reduce_Ndarray`, of the first `size` elements of each array."""
        self._check(send_ptrs, recv_ptrs)
        total = sum(jnp.asarray(jax.device_get(array.value)).reshape(-1)[:size] for array in send_ptrs)
        for out in recv_ptrs:
            flat = jnp.asarray(jax.device_get(out.value)).reshape(-1).at[:size].set(total)
            out[:] = flat.reshape(out.shape)

    def _check(self, *lists: Sequence[Any]) -> None:
        for arrays in lists:
            if len(arrays) != len(self.devs):
                raise GraphError(f"there are {len(self.devs)} devices, but {len(arrays)} arrays: pass one for each")

    def show_property(self) -> None:
        """Prints the devices."""
        print(f"NCCL_Communicator over {len(self.devs)} devices: {self.devs}")


def nccl_communicator(devs: Sequence[int], devs_number: int) -> NCCL_Communicator:
    """The communicator of some local devices."""
    return NCCL_Communicator(devs, devs_number)
