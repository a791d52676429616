"""The communicator for arrays on the host, of one member."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from ..ndarray import NDArray

MPIDataType_t = IntEnum(
    "MPIDataType_t",
    "MPI_CHAR MPI_SIGNED_CHAR MPI_UNSIGNED_CHAR MPI_SHORT MPI_UNSIGNED_SHORT MPI_INT MPI_UNSIGNED MPI_LONG "
    "MPI_UNSIGNED_LONG MPI_LONG_LONG_INT MPI_FLOAT MPI_DOUBLE",
    start=0,
)
MPIDataType_t.__doc__ = "The types of elements that MPI knows."
MPIOp_t = IntEnum("MPIOp_t", "MPI_MAX MPI_MIN MPI_SUM MPI_PROD MPI_LAND MPI_BAND", start=0)
MPIOp_t.__doc__ = "The ways in which members' arrays are combined; of one member they all give its own."


class MPI_Communicator:
    """A world of one member."""

    def rank(self) -> int:
        """This member's number, 0."""
        return 0

    def size(self) -> int:
        """The number of members, 1."""
        return 1

    def DLArrayAllReduce(self, arr: NDArray, dtype: Any = None, op: Any = None) -> None:
        """Combines the members' arrays in place: of one member, nothing changes.

        dtype, op: accepted without effect, as every way to combine one array gives it back.
        """

    def allReduce(self, arr: NDArray) -> None:
        """Sums the members' arrays in place: of one member, nothing changes."""

    def finish(self) -> None:
        """Nothing to end."""


def mpi_communicator() -> MPI_Communicator:
    """The communicator of the world."""
    return MPI_Communicator()
