"""A parameter server in the worker's own process: the calls of Hetu's, on NumPy arrays.

Numbers may be Python's or ctypes', arrays NDArrays or NumPy arrays.  Every call is done when it returns.
"""

from __future__ import annotations

import ctypes
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .. import initializers
from ..errors import GraphError
from ..ndarray import as_value

_INITIALIZERS = ("ConstantInit", "UniformInit", "NormalInit", "TruncatedNormalInit")


def number(value: Any) -> Any:
    """A number, out of a ctypes object where it is in one."""
    return value.value if isinstance(value, ctypes._SimpleCData) else value


def ids_of(array: Any) -> np.ndarray:
    """Row numbers, from an array of any shape and dtype."""
    return np.asarray(as_value(array)).reshape(-1).astype(np.int64)


def fill(target: Any, values: np.ndarray) -> None:
    """Writes into an NDArray or a NumPy array of as many elements."""
    target[:] = values.reshape(target.shape).astype(target.dtype)


class Tensor:
    """A table on the server.

    values: (length, width), float32.  kind: 0 dense, 1 sparse, 2 cached.  versions: the updates of each row so far.
    """

    def __init__(self, kind: int, values: np.ndarray):
        self.kind, self.values = kind, values
        self.versions = np.zeros(len(values), np.int64)

    def add(self, ids: np.ndarray, rows: Any) -> None:
        """Adds rows at their numbers; repeated ones add up, and those outside the table are left out."""
        rows = np.asarray(as_value(rows), np.float32).reshape(len(ids), -1)
        inside = (ids >= 0) & (ids < len(self.values))
        np.add.at(self.values, ids[inside], rows[inside])
        np.add.at(self.versions, ids[inside], 1)

    def take(self, ids: np.ndarray) -> np.ndarray:
        """The rows with the given numbers; zeros for those outside the table."""
        inside = (ids >= 0) & (ids < len(self.values))
        return np.where(inside[:, None], self.values[np.where(inside, ids, 0)], 0)


class ParameterServer:
    """What `ht.get_worker_communicate()` returns: a store of tables by number, whose pushes are added."""

    def __init__(self) -> None:
        self.tensors: dict[int, Tensor] = {}
        self._vectors: dict[int, np.ndarray] = {}
        self._loads: Counter[tuple[int, str]] = Counter()
        self._folder: Path | None = None

    def rank(self) -> int:
        """This worker's number, 0."""
        return 0

    def nrank(self) -> int:
        """The number of workers, 1."""
        return 1

    def BarrierWorker(self) -> None:
        """Waits for the other workers, of which there are none."""

    def Wait(self, node_id: Any) -> None:
        """Waits for the transfers of a table, which were done when their calls returned."""
        self.tensor(node_id)

    def WaitData(self, query: Any) -> None:
        """Waits for a transfer of vectors, which was done when its call returned.  query: accepted without effect."""

    def tensor(self, node_id: Any) -> Tensor:
        """The table with a number.  Raises GraphError where there is none."""
        found = self.tensors.get(int(number(node_id)))
        if found is None:
            raise GraphError(f"the parameter server has no tensor {number(node_id)}: call InitTensor first")
        return found

    def InitTensor(
        self,
        node_id: Any,
        kind: Any,
        length: Any,
        width: Any,
        init: Any,
        a: Any,
        b: Any,
        seed: Any = 0,
        opt: Any = 5,
        hyper: Any = None,
        count: Any = 0,
    ) -> None:
        """Makes a table, unless there is one with this number.

        kind: 0 dense, 1 sparse, 2 for a cached table.  length, width: its rows and columns.
        init: 0 constant a, 1 uniform from a to b, 2 normal with mean a and deviation b, 3 truncated normal.
        seed: of the random numbers.  opt, hyper, count: an optimizer, accepted without effect as pushes are added.
        """
        kind, init, a, b = (number(value) for value in (kind, init, a, b))
        shape = (int(number(length)), int(number(width)))
        if kind not in range(3) or init not in range(4):
            raise GraphError(f"kind is 0 to 2 and init 0 to 3, not {kind} and {init}")
        if int(number(node_id)) not in self.tensors:
            numbers = (a,) if init == 0 else (a, b)
            values = getattr(initializers, _INITIALIZERS[init])(*numbers, shape)(jax.random.key(int(number(seed))))
            self.tensors[int(number(node_id))] = Tensor(kind, np.array(values, np.float32))

    def Push(self, node_id: Any, array: Any, event: Any = None) -> None:
        """Adds an array to a table.  event: accepted without effect."""
        tensor = self.tensor(node_id)
        tensor.values += np.asarray(as_value(array), np.float32).reshape(tensor.values.shape)
        tensor.versions += 1
        self._count(node_id, "push", tensor.values.size)

    def Pull(self, node_id: Any, array: Any) -> None:
        """Writes a table into an array."""
        fill(array, self.tensor(node_id).values)
        self._count(node_id, "pull", self.tensor(node_id).values.size)

    def DDPushPull(self, node_id: Any, array: Any, out: Any, event: Any = None) -> None:
        """`Push`, then `Pull`."""
        self.Push(node_id, array)
        self.Pull(node_id, out)

    def SparsePush(self, node_id: Any, indices: Any, values: Any, event: Any = None) -> None:
        """Adds rows to a table.  indices: row numbers of any shape S.  values: S + (width,).

        event: accepted without effect.
        """
        ids = ids_of(indices)
        self.tensor(node_id).add(ids, values)
        self._count(node_id, "push", np.size(values))

    def SparsePull(self, node_id: Any, indices: Any, out: Any) -> None:
        """Writes rows of a table into an array.  indices: row numbers of any shape S.  out: S + (width,)."""
        rows = self.tensor(node_id).take(ids_of(indices))
        fill(out, rows)
        self._count(node_id, "pull", rows.size)

    def SDPushPull(self, node_id: Any, indices: Any, values: Any, out: Any, event: Any = None) -> None:
        """`SparsePush`, then `Pull`."""
        self.SparsePush(node_id, indices, values)
        self.Pull(node_id, out)

    def SSPushPull(
        self, node_id: Any, indices: Any, values: Any, out_indices: Any, out: Any, event: Any = None
    ) -> None:
        """`SparsePush`, then `SparsePull`."""
        self.SparsePush(node_id, indices, values)
        self.SparsePull(node_id, out_indices, out)

    def PushData(self, indices: Any, count: int, array: Any, lengths: Any) -> int:
        """Stores `count` vectors, one after another in `array`, by number; returns what `WaitData` takes.

        indices, lengths: arrays or ctypes pointers of `count` integers.
        """
        flat, start = np.asarray(as_value(array), np.float32).reshape(-1), 0
        for index, length in zip(indices[:count], lengths[:count], strict=True):
            self._vectors[int(index)] = flat[start : start + int(length)].copy()
            start += int(length)
        return 0

    def PullData(self, indices: Any, count: int, array: Any, lengths: Any) -> int:
        """Writes stored vectors one after another into `array`; the arguments are as of `PushData`."""
        parts = [self._vector(int(i), int(n)) for i, n in zip(indices[:count], lengths[:count], strict=True)]
        fill(array, np.concatenate(parts))
        return 0

    def _vector(self, index: int, length: int) -> np.ndarray:
        found = self._vectors.get(index)
        if found is None or len(found) != length:
            have = "none" if found is None else f"one of length {len(found)}"
            raise GraphError(f"vector {index} of length {length} is asked for, but the parameter server has {have}")
        return found

    def Clear(self, node_id: Any) -> None:
        """Forgets what this worker keeps of a table: nothing, as the table is here."""

    def ClearOnServer(self, node_id: Any) -> None:
        """Forgets a table."""
        self.tensors.pop(int(number(node_id)), None)

    def SaveParam(self, node_id: Any, folder: Any) -> None:
        """Writes a table to `<number>_0.dat` in a folder, as raw float32."""
        path = _path(folder, node_id)
        partial = path.with_suffix(".tmp")
        self.tensor(node_id).values.tofile(partial)
        os.replace(partial, path)

    def LoadParam(self, node_id: Any, folder: Any) -> None:
        """Reads what `SaveParam` wrote.  Raises GraphError for a file of another size."""
        tensor, path = self.tensor(node_id), _path(folder, node_id)
        values = np.fromfile(path, np.float32)
        if values.size != tensor.values.size:
            raise GraphError(f"{path} has {values.size} numbers, the tensor {tensor.values.shape}")
        tensor.values[:] = values.reshape(tensor.values.shape)

    def startRecord(self, folder: Any) -> None:
        """Begins to count what is pushed and pulled; `getLoads` writes it into the folder."""
        self._loads.clear()
        self._folder = Path(os.fsdecode(number(folder)))

    def getLoads(self) -> dict[str, int]:
        """The numbers of elements pushed and pulled since `startRecord`, by table; also written to `loads_0.json`."""
        loads = {f"{node_id} {what}": count for (node_id, what), count in sorted(self._loads.items())}
        if self._folder is not None:
            (self._folder / "loads_0.json").write_text(json.dumps(loads, indent=1), encoding="utf-8")
        return loads

    def _count(self, node_id: Any, what: str, size: int) -> None:
        if self._folder is not None:
            self._loads[int(number(node_id)), what] += int(size)

    def ssp_init(self, key: Any, group_size: Any, tolerance: Any) -> None:
        """Makes a group of workers that may be `tolerance` versions apart.  Raises GraphError for more than one."""
        if number(group_size) != 1:
            raise GraphError(f"a group of {number(group_size)} workers would wait for ever: there is one")

    def ssp_sync(self, key: Any, version: Any) -> None:
        """Waits for slower workers of the group, of which there are none."""

    def preduce_get_partner(self, key: Any, rank: Any, n: Any, wait_ms: Any, out: Any) -> int:
        """Writes the ranks that are ready into `out`, and returns how many they are: one, rank 0."""
        out[0] = 0
        return 1


def _path(folder: Any, node_id: Any) -> Path:
    return Path(os.fsdecode(number(folder))) / f"{int(number(node_id))}_0.dat"
