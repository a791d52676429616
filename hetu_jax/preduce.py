"""`PartialReduce`: averages over the workers that are ready, of which there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .communicator import get_worker_communicate, new_group_comm
from .ndarray import NDArray


class PartialReduce:
    """Averages arrays over workers that arrive at about the same time.

    reduce_key: the group that this worker waits in.
    """

    def __init__(self, reduce_key: int = 0):
        self.reduce_key = reduce_key

    def get_partner(self, max_worker: int = -1, wait_time: float = 1.0) -> tuple[int, ...]:
        """The ranks of the workers that are ready, ascending: this one, (0,).

        max_worker: how many to wait for, -1 for all.  wait_time: for at most so many milliseconds after the first.
        Both are accepted without effect, as there is nobody to wait for.
        """
        ranks = [-1]
        count = get_worker_communicate().preduce_get_partner(self.reduce_key, 0, max_worker, wait_time, ranks)
        return tuple(ranks[:count])

    def preduce(self, array: NDArray, partner: Sequence[int], stream: Any = None) -> None:
        """Replaces an array by its average over the partners, which is itself.

        partner: what `get_partner` returned.  stream: accepted without effect.
        Raises GraphError for partners that are not there.
        """
        comm = new_group_comm(tuple(partner))
        comm.dlarrayNcclAllReduce(array, array)
