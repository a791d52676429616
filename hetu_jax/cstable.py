"""`CacheSparseTable`: some rows of a parameter server's table, kept near and allowed to be a little old."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from .communicator import get_worker_communicate
from .communicator.parameter_server import Tensor, fill, ids_of
from .errors import GraphError
from .ndarray import NDArray, as_value

PINNED = 10  # uses after which LFUOpt never gives a row up


class Line:
    """One cached row.

    data: (width,), with this worker's updates.  version: the server's, when it was fetched, plus the pushes since.
    pending: what was not pushed yet, the sum of `updates` updates.  uses, last: how often and when it was used.
    """

    def __init__(self, data: np.ndarray, version: int):
        self.data, self.version = data.copy(), version
        self.pending, self.updates = np.zeros_like(data), 0
        self.uses, self.last = 0, 0


class Done:
    """What a request returns: it is done already."""

    def wait(self) -> None:
        """Returns at once."""


class CacheSparseTable:
    """A cache in front of the table `node_id` of `ht.get_worker_communicate()`, which must have been made for it.

    limit: the most rows kept.  length, width: rows and columns of the table.
    policy: which row goes first when there are too many, 'LRU' the one not used for longest, 'LFU' the one used least,
        'LFUOpt' the same but never one that was used 10 times.
    bound: how many updates a row may be older than the server's (`pull_bound`), and how many of this worker's updates
        it may hold back (`push_bound`).
    Raises ValueError for another policy, GraphError for a table that is not there or not made for a cache.
    """

    def __init__(self, limit: int, length: int, width: int, node_id: int, policy: str = "LRU", bound: int = 100):
        if policy.lower() not in ("lru", "lfu", "lfuopt"):
            raise ValueError(f"policy is 'LRU', 'LFU' or 'LFUOpt', not {policy!r}")
        self.limit, self.node_id, self.policy = int(limit), int(node_id), policy.lower()
        self.pull_bound = self.push_bound = int(bound)
        tensor = self._tensor
        if tensor.kind != 2 or tensor.values.shape != (length, width):
            raise GraphError(
                f"tensor {node_id} has kind {tensor.kind} and shape {tensor.values.shape}; a cache of shape "
                f"{(length, width)} needs that shape and kind 2: InitTensor(node_id, 2, length, width, ...)"
            )
        self._lines: dict[int, Line] = {}
        self._clock, self._bypassed, self._recording = 0, False, False
        self.perf: list[dict[str, Any]] = []

    @property
    def _tensor(self) -> Tensor:
        return get_worker_communicate().tensor(self.node_id)

    @property
    def width(self) -> int:
        """The columns of the table."""
        return self._tensor.values.shape[1]

    def embedding_lookup(self, keys: Any, dest: Any, sync: bool = False) -> Done | None:
        """Writes rows into `dest`.

        keys: row numbers of any shape S, uint64 in NumPy, or any numbers in an NDArray.  dest: S + (width,), of the
        same kind.  sync: False returns an object with `wait()`.
        """
        _one_kind(keys, dest)
        begun, ids = time.perf_counter(), ids_of(keys)
        unique = np.unique(ids)
        if self._bypassed:
            fill(dest, self._tensor.take(ids))
            missed, evicted = len(unique), 0
        else:
            missed = sum(self._refresh(int(key)) for key in unique)
            for key in ids:
                self._use(int(key))
            fill(dest, np.array([self._lines[int(key)].data for key in ids]).reshape(len(ids), self.width))
            evicted = self._evict()
        self._record("Pull", begun, ids, unique, missed, evicted, missed)
        return None if sync else Done()

    def embedding_update(self, keys: Any, grads: Any, sync: bool = False) -> Done | None:
        """Adds rows to the table: to the cached ones here, to the server when they are due.

        keys, sync: as of `embedding_lookup`.  grads: S + (width,), what is added, such as -rate * gradient.
        """
        _one_kind(keys, grads)
        begun, ids = time.perf_counter(), ids_of(keys)
        rows = np.asarray(as_value(grads), np.float32).reshape(len(ids), self.width)
        unique, inverse, counts = np.unique(ids, return_inverse=True, return_counts=True)
        sums = np.zeros((len(unique), self.width), np.float32)
        np.add.at(sums, inverse.reshape(-1), rows)
        pushed = sum(self._update(*row) for row in zip(unique.tolist(), sums, counts.tolist(), strict=True))
        self._record("Push", begun, ids, unique, sum(key not in self._lines for key in unique.tolist()), 0, pushed)
        return None if sync else Done()

    def embedding_push_pull(
        self, pullkeys: NDArray, dest: NDArray, pushkeys: NDArray, grads: NDArray, sync: bool = False
    ) -> Done | None:
        """`embedding_update` of `pushkeys` and `grads`, then `embedding_lookup` of `pullkeys` into `dest`."""
        self.embedding_update(pushkeys, grads, sync=True)
        return self.embedding_lookup(pullkeys, dest, sync)

    def _refresh(self, key: int) -> bool:
        """Makes a row new enough; whether it had to be fetched."""
        tensor, line = self._tensor, self._lines.get(key)
        if not 0 <= key < len(tensor.values):
            raise GraphError(f"key {key} is outside the table of {len(tensor.values)} rows")
        if line is None:
            self._lines[key] = Line(tensor.values[key], int(tensor.versions[key]))
            return True
        if tensor.versions[key] - line.version <= self.pull_bound:
            return False
        line.data, line.version = tensor.values[key] + line.pending, int(tensor.versions[key])
        return True

    def _update(self, key: int, row: np.ndarray, count: int) -> bool:
        """Adds to a row; whether anything went to the server."""
        line = None if self._bypassed else self._lines.get(key)
        if line is None:
            self._push(key, row, count)
            return True
        line.data, line.pending, line.updates = line.data + row, line.pending + row, line.updates + count
        return self._flush(key, line) if line.updates > self.push_bound else False

    def _flush(self, key: int, line: Line) -> bool:
        """Pushes what a row holds back; whether that is anything."""
        if not line.updates:
            return False
        self._push(key, line.pending, line.updates)
        line.version += line.updates
        line.pending, line.updates = np.zeros_like(line.pending), 0
        return True

    def _push(self, key: int, row: np.ndarray, count: int) -> None:
        self._tensor.add(np.array([key]), row)
        self._tensor.versions[key] += count - 1  # `add` has counted one

    def _use(self, key: int) -> None:
        self._clock += 1
        line = self._lines[key]
        line.uses, line.last = line.uses + 1, self._clock

    def _evict(self) -> int:
        """Gives up rows until there are at most `limit`; how many."""
        excess = len(self._lines) - self.limit
        if excess <= 0:
            return 0
        free = [key for key, line in self._lines.items() if self.policy != "lfuopt" or line.uses < PINNED]
        free.sort(key=lambda key: self._rank(self._lines[key]))
        for key in free[:excess]:
            self._flush(key, self._lines[key])
            del self._lines[key]
        return min(excess, len(free))

    def _rank(self, line: Line) -> tuple[int, ...]:
        return (line.last,) if self.policy == "lru" else (line.uses, line.last)

    def perf_enabled(self, enable: bool = True) -> None:
        """Whether requests are recorded in `perf`, a list of dicts."""
        self._recording = bool(enable)

    def _record(
        self, kind: str, begun: float, ids: np.ndarray, unique: np.ndarray, missed: int, evicted: int, moved: int
    ) -> None:
        if self._recording:
            row = {"type": kind, "is_full": len(self._lines) >= self.limit, "num_all": len(ids)}
            row |= {"num_unique": len(unique), "num_miss": int(missed), "num_evict": evicted}
            self.perf.append(row | {"num_transfered": int(moved), "time": (time.perf_counter() - begun) * 1000})

    def overall_miss_rate(self, include_cold_start: bool = False) -> float:
        """The share of looked-up distinct rows that were not here, or -1 where nothing was recorded.

        include_cold_start: also count requests from before the cache was full.
        """
        return self._rate("num_miss", "num_unique", "Pull", include_cold_start)

    def overall_data_rate(self, include_cold_start: bool = False) -> float:
        """Rows sent or fetched for each row asked for, or -1 where nothing was recorded."""
        return self._rate("num_transfered", "num_all", None, include_cold_start)

    def _rate(self, part: str, whole: str, kind: str | None, include_cold_start: bool) -> float:
        rows = [r for r in self.perf if kind in (None, r["type"]) and (include_cold_start or r["is_full"])]
        total = sum(row[whole] for row in rows)
        return sum(row[part] for row in rows) / total if total else -1

    def bypass(self) -> None:
        """Pushes everything held back; from now on every request goes to the server."""
        for key, line in self._lines.items():
            self._flush(key, line)
        self._lines.clear()
        self._bypassed = True

    def undobypass(self) -> None:
        """Uses the cache again."""
        self._bypassed = False

    def lookup(self, key: int) -> np.ndarray | None:
        """The cached row, or None; does not count as a use."""
        line = self._lines.get(int(key))
        return None if line is None else line.data.copy()

    def count(self, key: int) -> int:
        """1 where the row is cached, else 0."""
        return int(int(key) in self._lines)

    def insert(self, key: int, embedding: np.ndarray) -> None:
        """Puts a row into the cache, as if it had just been fetched."""
        data = np.asarray(embedding, np.float32).reshape(self.width)
        self._lines[int(key)] = Line(data, int(self._tensor.versions[int(key)]))
        self._use(int(key))
        self._evict()

    def keys(self) -> np.ndarray:
        """The numbers of the cached rows, ascending, uint64."""
        return np.array(sorted(self._lines), np.uint64)

    debug_keys = keys


def _one_kind(keys: Any, values: Any) -> None:
    if isinstance(keys, NDArray) != isinstance(values, NDArray):
        raise TypeError(
            f"keys and values must both be NumPy arrays or both NDArrays, not {type(keys).__name__} and "
            f"{type(values).__name__}"
        )
