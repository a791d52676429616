"""The samples behind a Dataloader: where they lie, in which order their batches come, and fetching them ahead."""

from __future__ import annotations

import copy
import os
import weakref
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

import jax
import numpy as np

from . import random
from .ndarray import NDArray, as_value
from .storage import storage_dtype, stored

ALIGNMENT = 64  # bytes: where XLA takes a host's memory as it is
DEVICE_DATA_MB = 1024  # what all data sets together may take of the device; HETU_JAX_DEVICE_DATA_MB overrides it

_threads = cache(lambda: ThreadPoolExecutor(max_workers=4, thread_name_prefix="hetu_jax-data"))


class RawData:
    """All samples of a data set, of one dtype: in memory, or memory-mapped files that are read as needed.

    raw_data: an array, or a list of arrays that follow each other along axis 0 (a list of numbers is one array).
    dtype: of the samples; 64-bit dtypes are kept in 32 bits.
    func: applied once to the array, or to each of the list.
    An index or a slice gives NumPy rows.
    Raises ValueError for arrays that differ beyond axis 0, or numbers that `dtype` cannot hold; where files are mapped,
    when they are read.
    """

    _known: weakref.WeakSet[RawData] = weakref.WeakSet()

    def __init__(self, raw_data: Any, dtype: Any = np.float32, func: Callable[[Any], Any] | None = None):
        several = isinstance(raw_data, list | tuple) and len(raw_data) > 0 and all(map(_is_array, raw_data))
        parts = [part if func is None else func(part) for part in (raw_data if several else [raw_data])]
        self.lazy = any(isinstance(part, np.memmap) for part in parts)
        self.dtype = storage_dtype(dtype)
        blocks = [part if isinstance(part, np.memmap) else _converted(part, self.dtype) for part in parts]
        if any(block.ndim == 0 or block.shape[1:] != blocks[0].shape[1:] for block in blocks):
            shapes = " and ".join(str(block.shape) for block in blocks)
            raise ValueError(f"raw_data must be samples along axis 0 that agree in shape, not {shapes}")
        self._take(blocks if self.lazy or len(blocks) == 1 else [np.concatenate(blocks)])
        self._known.add(self)

    def _take(self, blocks: list[np.ndarray]) -> None:
        self._blocks, self._ends = blocks, np.cumsum([len(block) for block in blocks]).tolist()
        self.shape = (self._ends[-1], *blocks[0].shape[1:])
        self._placed: dict[jax.Device | None, jax.Array] = {}
        if not self.lazy:
            blocks[0].setflags(write=False)  # the device may share its memory

    @property
    def nbytes(self) -> int:
        """The bytes of all samples."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def shared(self) -> RawData:
        """Equal data that is in memory already, or this."""
        return next((known for known in list(self._known) if known is not self and known._equals(self)), self)

    def _equals(self, other: RawData) -> bool:
        """Whether both are in memory and the same bit for bit; the ends are compared first."""
        if self.lazy or other.lazy or self.shape != other.shape or self.dtype != other.dtype:
            return False
        ends = (slice(0, 1), slice(-1, None), slice(None))
        return all(np.array_equal(*(_bits(data._blocks[0][end]) for data in (self, other))) for end in ends)

    def on_device(self, device: jax.Device | None = None) -> jax.Array | None:
        """All samples on a device (None: JAX's default one), or None where that exceeds the budget."""
        if device not in self._placed:
            taken = sum(array.nbytes for known in list(self._known) for array in known._placed.values())
            budget = float(os.environ.get("HETU_JAX_DEVICE_DATA_MB", DEVICE_DATA_MB)) * 2**20
            if taken + self.nbytes > budget:
                return None
            placed = self._placed[device] = jax.device_put(self[:], device)
            if not self.lazy and _on_cpu(placed):
                self._blocks = [np.asarray(placed)]  # one copy is enough
        return self._placed[device]

    def aligned(self, start: int, stop: int, device: jax.Device | None, *strides: int) -> np.ndarray | None:
        """Samples of those `on_device`, in the same memory.

        Returns None unless that is a CPU's, which can take it from there on, and after any of so many samples more.
        """
        whole = self._placed[device]
        if not _on_cpu(whole):
            return None
        rows, each = np.asarray(whole)[start:stop], whole.nbytes // max(len(self), 1)
        odd = any(place % ALIGNMENT for place in (rows.ctypes.data, *(each * stride for stride in strides)))
        return None if odd else rows

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int | slice) -> np.ndarray:
        if not isinstance(index, slice):
            row = range(len(self))[index]
            return self[row : row + 1][0]
        start, stop, step = index.indices(len(self))
        if step != 1:
            raise ValueError(f"samples are sliced one after the other, not in steps of {step}")
        if not self.lazy:
            return self._blocks[0][start:stop]
        blocks = zip([0, *self._ends], self._blocks, strict=False)
        pieces = [block[max(start - first, 0) : max(stop - first, 0)] for first, block in blocks]
        found = [piece for piece in pieces if len(piece)] or pieces[:1]
        return _converted(found[0] if len(found) == 1 else np.concatenate(found), self.dtype)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[row] for row in range(len(self)))

    def reshape(self, *shape: Any) -> RawData:
        """The same samples in another shape, whose first size must be -1."""
        shape = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        if shape[0] != -1:
            raise ValueError(f"the number of samples stays: reshape(-1, ...), not {shape}")
        return self._like([block.reshape(len(block), *shape[1:]) for block in self._blocks])

    def parts(self, columns: Sequence[slice]) -> RawData:
        """The same samples, restricted to slices of the axes from 1 on."""
        return self._like([block[(slice(None), *columns)] for block in self._blocks])

    def _like(self, blocks: list[np.ndarray]) -> RawData:
        other = copy.copy(self)
        other._take(blocks)
        self._known.add(other)
        return other


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | jax.Array | NDArray) and len(value.shape) > 0


def _converted(value: Any, dtype: np.dtype) -> np.ndarray:
    """A copy: the user may change the original."""
    value = as_value(value)
    return stored(np.asarray(value) if isinstance(value, jax.Array) else value, dtype, "raw_data", device=False)


def _on_cpu(array: jax.Array) -> bool:
    return next(iter(array.devices())).platform == "cpu"


def _bits(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")


class BatchIndices:
    """The order of the batches in each epoch.

    batch_num: their number.  need_shuffle: permute them (the batches, not the samples), else first to last.
    name: loaders of one name and number of batches go in one order, as it follows from those, the random seed and the
        epoch alone; so samples and labels stay together.
    """

    def __init__(self, batch_num: int, need_shuffle: bool = False, name: str = "default"):
        self.batch_num, self.need_shuffle, self.name = batch_num, need_shuffle, name

    def order(self, epoch: int) -> Sequence[int]:
        """The numbers of the batches in an epoch, under the seed as it is now."""
        if not self.need_shuffle:
            return range(self.batch_num)
        seed = random.get_seed()
        words = (seed >> 32, seed & 0xFFFFFFFF, epoch, zlib.crc32(self.name.encode()))
        return np.random.default_rng(words).permutation(self.batch_num).tolist()


class Ahead:
    """Fetches numbered batches by a thread before they are asked for, one at a time."""

    def __init__(self, fetch: Callable[[int], jax.Array]):
        self._fetch = fetch
        self._number: int | None = None
        self._future: Any = None

    def take(self, number: int) -> jax.Array:
        """Batch `number`."""
        self.prepare(number)
        self._number = None  # so that a fetch that failed is tried again
        batch = self._future.result()
        self._number = number
        return batch

    def prepare(self, number: int) -> None:
        """Begins to fetch batch `number`, which is asked for next."""
        if number == self._number:
            return
        before = self._future if self._number is not None else None
        self._number, self._future = number, _threads().submit(self._after, before, number)

    def _after(self, before: Future[jax.Array] | None, number: int) -> jax.Array:
        if before is not None:
            before.exception()
        return self._fetch(number)
