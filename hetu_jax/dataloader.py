"""Dataloaders: data that lies on the device and is picked from at each step, or is fetched ahead by a thread."""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import parallel
from .errors import GraphError, hint_at_names
from .graph import Feed
from .ndarray import DLContext, NDArray, as_value, cpu
from .raw_data import Ahead, BatchIndices, RawData
from .storage import storage_dtype, stored

SWITCH = "HETU_JAX_SHARE_BATCHES"  # 0: no batch shares the memory of all samples
PIECE = 4096  # bytes of a batch that a step notices slicing


class Dataloader:
    """The batches of a data set, one after the other, and again after the last.

    raw_data: an array (n, ...), a list of arrays that follow each other, or a `np.memmap`, which is read as needed.
    batch_size: samples in a batch.
    name: of the Executor's group that the data is for, or several names, which then share one position.
    func: applied once to the whole of `raw_data`.
    batch_func: applied to each batch, a NumPy array that it may change; what it returns is the batch.  2021 has
        `drop_last` in this place; a bool is understood as that.
    shuffle: go through the batches in another order in each epoch; see `BatchIndices`.
    drop_last: leave out the last batch where it is short.
    offset: the number of the first batch; 0 if there are not so many.
    dtype: of the batches; 64-bit dtypes are kept in 32 bits.

    A data set within the budget (`HETU_JAX_DEVICE_DATA_MB`, 1024 by default, for all together) goes to the device
    once; on CPUs batches then share its memory.  A larger one, or one with `batch_func`, is fetched by a thread, one
    batch ahead.
    Attributes: `batch_num`, `batch_index` (of the next batch), `samples_num`, and after a fetch `last_batch_size`.
    Raises ValueError when there is no batch.
    """

    def __init__(
        self,
        raw_data: Any,
        batch_size: int,
        name: str | Iterable[str] = "default",
        func: Callable[[Any], Any] | None = None,
        batch_func: Callable[[np.ndarray], Any] | bool | None = None,
        shuffle: bool = False,
        drop_last: bool = True,
        offset: int = 0,
        dtype: Any = np.float32,
    ):
        if isinstance(batch_func, bool | np.bool_):
            batch_func, drop_last = None, batch_func
        self.names = (str(name),) if isinstance(name, str | int) else tuple(map(str, name))
        self.name = "_".join(self.names)
        self.func, self.batch_func, self.drop_last = func, batch_func, bool(drop_last)
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | float | np.number) or batch_size % 1:
            raise TypeError(f"batch_size of Dataloader {self.name!r} must be a whole number, not {batch_size!r}")
        if batch_size < 1:
            raise ValueError(f"batch_size of Dataloader {self.name!r} must be 1 or more, not {batch_size!r}")
        self.shuffle, self.offset, self.batch_size = bool(shuffle), int(offset), int(batch_size)
        self.raw_data = RawData(raw_data, dtype, func).shared()
        self.dtype = self.raw_data.dtype
        self.dp_rank, self.dp_nrank = 0, 1
        self._parts: dict[int, tuple[int, int]] = {}
        self._device: jax.Device | jax.sharding.Mesh | None = None
        self.init_states()

    def init_states(self, rank: int | None = None, nrank: int | None = None) -> None:
        """Starts again from the first batch.

        rank, nrank: number and count of processes: from now on this loader has the `n // nrank` samples from
            `rank * (n // nrank)` on.
        """
        if nrank is not None:
            self.dp_rank, self.dp_nrank = int(rank or 0), int(nrank)
        self.samples_num = len(self.raw_data) // self.dp_nrank
        self.batch_num = self.get_batch_num()
        if self.batch_num <= 0:
            raise ValueError(
                f"Dataloader {self.name!r} has no batch: its batch_size is {self.batch_size} and it has "
                f"{self.samples_num} samples; take a smaller batch_size, or drop_last=False"
            )
        self.batch_index = self.offset if 0 <= self.offset < self.batch_num else 0
        self.epoch = 0
        self._indices = BatchIndices(self.batch_num, self.shuffle, self.name)
        self._order: Sequence[int] = ()
        self.place(self._device)

    def get_batch_num(self, samples_num: int | None = None) -> int:
        """The number of batches that `samples_num` samples make; by default, the loader's own."""
        samples = self.samples_num if samples_num is None else samples_num
        return samples // self.batch_size if self.drop_last else -(-samples // self.batch_size)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the first batch, before `batch_func`."""
        return (self._rows(0)[1], *self.raw_data.shape[1:])

    def get_cur_shape(self) -> tuple[int, ...]:
        """The shape of the batch fetched last, or of the first one before that; without `batch_func`."""
        return (getattr(self, "last_batch_size", self.shape[0]), *self.shape[1:])

    def set_dp_rank(self, dp_rank: int, dp_nrank: int) -> None:
        """Restricts the loader to the samples of process `dp_rank` of `dp_nrank`; see `init_states`.

        Raises ValueError when it was restricted to others before.
        """
        if (self.dp_rank, self.dp_nrank) == (dp_rank, dp_nrank):
            return
        if self.dp_nrank != 1:
            raise ValueError(f"Dataloader {self.name!r} is number {self.dp_rank} of {self.dp_nrank} already")
        self.init_states(dp_rank, dp_nrank)

    def set_mp_parts(self, cur_part: Mapping[int, int], parts: Mapping[int, int]) -> None:
        """Restricts every batch to one part of some axes, for model parallelism.

        cur_part: axis -> number of the part.  parts: axis -> how many.
        Raises ValueError when other parts were set before, or an axis cannot be divided so.
        """
        wanted = {axis: (cur_part[axis], count) for axis, count in parts.items() if count > 1}
        if self._parts == wanted:
            return
        if self._parts:
            raise ValueError(f"Dataloader {self.name!r} is split already: {{axis: (part, parts)}} is {self._parts}")
        for axis, (part, count) in wanted.items():
            if not 0 <= axis < len(self.shape) or self.shape[axis] % count or not 0 <= part < count:
                raise ValueError(f"batches of shape {self.shape} have no part {part} of {count} along axis {axis}")
        columns = []
        for axis, size in enumerate(self.shape[1:], 1):
            part, count = wanted.get(axis, (0, 1))
            columns.append(slice(part * size // count, (part + 1) * size // count))
        self.raw_data, self._parts = self.raw_data.parts(columns), wanted
        self.place(self._device)

    def set_batch_index(self, index: int) -> None:
        """Makes `index` the batch that is fetched next.  Raises ValueError where there is none."""
        if not 0 <= index < self.batch_num:
            raise ValueError(f"Dataloader {self.name!r} has batches 0 to {self.batch_num - 1}, not {index}")
        self.batch_index = int(index)

    @property
    def position(self) -> tuple[int, int, int]:
        """The number of the next batch, that of the epoch, and how many batches there are: what a checkpoint keeps."""
        return self.batch_index, self.epoch, self.batch_num

    def resume(self, position: Any) -> None:
        """Goes to a `position`, unless it is that of a loader with another number of batches, or none."""
        match position:
            case (int(index), int(epoch), self.batch_num) if 0 <= index < self.batch_num and epoch >= 0:
                self.batch_index, self.epoch, self._order = index, epoch, ()

    def place(self, where: jax.Device | jax.sharding.Mesh | None) -> None:
        """Sets the device that batches go to, or the mesh that each is split over; None is JAX's default device."""
        self._device, self._all, self._ahead, self._struct = where, None, None, None
        self._spread = isinstance(where, jax.sharding.Mesh)
        self._home = where.devices.flat[0] if self._spread else where
        self._pieces: dict[int, jax.Array | None] = {}

    def get_arr(self) -> NDArray:
        """The next batch, on the CPU; moves on."""
        return self._as_ndarray(self.pull(True))

    def get_next_arr(self) -> NDArray:
        """The batch that `get_arr` gives next, on the CPU; does not move on."""
        return self._as_ndarray(self.pull(False))

    def _as_ndarray(self, pulled: tuple[int | None, tuple[Any, ...]]) -> NDArray:
        return NDArray(jax.device_put(_batch(*pulled), cpu(0).jax_device), cpu(0))

    def pull(self, advance: bool, whole: bool = False) -> tuple[int | None, tuple[Any, ...]]:
        """The next batch: None with (itself,), or its rows with (all samples, its first row).

        advance: whether to move on to the batch after it.  whole: in the second form wherever the data is resident.
        """
        if not self._order:
            self._order = self._indices.order(self.epoch)
        number = self._order[self.batch_index]
        resident = self.resident()
        batch = None if whole and resident else self._piece(number)
        fetched = batch is None and not resident
        if fetched:
            batch = self._ahead.take(number)
        if advance:
            self._move(1)
        if fetched:
            self._ahead.prepare((self._order or self._indices.order(self.epoch))[self.batch_index])
        if batch is not None:
            self.last_batch_size = batch.shape[0]
            return None, (batch,)
        start, self.last_batch_size = self._rows(number)
        return self.last_batch_size, (self._all, _row(start))

    def _piece(self, number: int) -> jax.Array | None:
        """A batch that shares its memory with all samples on the host, where there is one, and a step gains by it."""
        if number not in self._pieces:
            alone = self._all is None or os.environ.get(SWITCH) == "0"
            self._pieces[number] = None if alone else self._cut(number)
        return self._pieces[number]

    def _cut(self, number: int) -> jax.Array | None:
        start, rows = self._rows(number)
        parts = self._device.size if self._spread else 1
        found = self.raw_data.aligned(start, start + rows, self._home, self.batch_size, rows // parts)
        gains = found is not None and (self._spread or found.nbytes >= PIECE)
        return parallel.put(found, self._device) if gains else None

    def step_back(self) -> None:
        """Makes the batch that was fetched last the next one again."""
        self._move(-1)

    def resident(self) -> bool:
        """Whether a step picks its batch from all of the data; decided, and done, when it is first asked for."""
        if self._all is None and self._ahead is None:
            streamed = self.batch_func or self._spread and self._home.platform != "cpu"
            self._all = None if streamed else self.raw_data.on_device(self._home)
            self._ahead = Ahead(self._fetch) if self._all is None or self._spread else None
        return self._ahead is None

    def _move(self, batches: int) -> None:
        self.batch_index += batches
        if not 0 <= self.batch_index < self.batch_num:
            epochs, self.batch_index = divmod(self.batch_index, self.batch_num)
            self.epoch, self._order = self.epoch + epochs, ()

    def _rows(self, number: int) -> tuple[int, int]:
        """First row and number of rows of a batch."""
        first = number * self.batch_size
        rows = min(self.batch_size, self.samples_num - first)
        part, count = self._parts.get(0, (0, 1))
        return self.dp_rank * self.samples_num + first + part * (rows // count), rows // count

    def _fetch(self, number: int) -> jax.Array:
        start, rows = self._rows(number)
        batch = self.raw_data[start : start + rows]
        if self.batch_func is not None:
            try:
                batch = stored(self.batch_func(batch.copy()), self.dtype, "the value of batch_func", device=False)
            except Exception as error:
                error.add_note(f"in batch_func of Dataloader {self.name!r}, at batch {number}")
                raise
        return parallel.put(batch, self._device)

    def struct(self) -> jax.ShapeDtypeStruct:
        """Shape and dtype of the first batch; `batch_func` is tried on it."""
        if self._struct is None:
            shape = self._fetch(0).shape if self.batch_func else self.shape
            self._struct = jax.ShapeDtypeStruct(shape, self.dtype)
        return self._struct

    def __deepcopy__(self, memo: dict[int, Any]) -> Dataloader:
        """A loader at the same position of the same data."""
        twin = memo[id(self)] = copy.copy(self)
        twin.place(self._device)
        return twin

    def _repr_html_(self) -> str:
        from . import display

        return display.of_dataloader(self)

    def __repr__(self) -> str:
        return f"<Dataloader {self.name!r}: {self.batch_num} batches of {list(self.shape)}, at {self.batch_index}>"


@functools.lru_cache(maxsize=1 << 16)
def _row(number: int) -> jax.Array:
    """A row number, on the device: one array for all loaders and epochs spares a step some microseconds each."""
    return jnp.int32(number)


def _batch(rows: int | None, arrays: tuple[Any, ...]) -> Any:
    return arrays[0] if rows is None else jax.lax.dynamic_slice_in_dim(*arrays, rows)


class DataloaderOp(Feed):
    """A leaf whose value is the next batch of the loader that has the name of the Executor's group.

    dataloaders: a Dataloader, or a list of them, or of lists or dicts of the arguments of one.
    dtype: of those that are no Dataloader yet.
    Raises ValueError for loaders of several dtypes, or two for one name.
    """

    on_cpu, on_gpu = True, False

    def __init__(self, dataloaders: Iterable[Any], dtype: Any = np.float32):
        super().__init__("DataloaderOp")
        entries = [dataloaders] if isinstance(dataloaders, Dataloader) else dataloaders
        loaders = [_as_loader(entry, dtype) for entry in entries]
        pairs = [(name, loader) for loader in loaders for name in loader.names]
        self.dataloaders: dict[str, Dataloader] = dict(pairs)
        self.name = f"DataloaderOp{self.id}({'_'.join(name for name, _ in pairs)})"
        dtypes = sorted({str(loader.dtype) for loader in loaders})
        if not loaders or len(dtypes) > 1 or len(pairs) != len(self.dataloaders):
            names = ", ".join(repr(name) for name, _ in pairs) or "none"
            raise ValueError(
                "dataloader_op takes one Dataloader or more, of one dtype, each name once; "
                f"these have the names {names} and the dtypes {', '.join(dtypes) or 'none'}"
            )

    def _loader(self, name: str) -> Dataloader:
        try:
            return self.dataloaders[name]
        except KeyError:
            known = ", ".join(map(repr, self.dataloaders))
            raise GraphError(
                f"{self.describe()} has no data for {name!r}, only for {known}: add a Dataloader of that name, "
                f"name the Executor's group after one, or pass dataloader_name= to the Executor"
            ) from None

    def pull(self, group: str, advance: bool) -> tuple[int | None, tuple[Any, ...]]:
        return self._loader(group).pull(advance)

    def pull_whole(self, group: str, advance: bool) -> tuple[int | None, tuple[Any, ...]]:
        return self._loader(group).pull(advance, whole=True)

    def step_back(self, group: str) -> None:
        self._loader(group).step_back()

    def read(self, static: int | None, arrays: tuple[Any, ...]) -> jax.Array:
        return _batch(static, arrays)

    def state(self) -> dict[str, Any]:
        return {loader.name: loader.position for loader in self.dataloaders.values()}

    def resume(self, state: Mapping[str, Any]) -> None:
        for loader in self.dataloaders.values():
            loader.resume(state.get(loader.name))

    def resident(self, group: str) -> bool:
        return self._loader(group).resident()

    def batch_num(self, group: str) -> int:
        return self._loader(group).batch_num

    get_batch_num = batch_num

    def shuffled(self, group: str) -> bool:
        return self._loader(group).shuffle

    def get_arr(self, name: str) -> NDArray:
        """The next batch of the loader `name`, on the CPU; moves on."""
        return self._loader(name).get_arr()

    def get_next_arr(self, name: str) -> NDArray:
        """The batch that `get_arr` gives next; does not move on."""
        return self._loader(name).get_next_arr()

    def get_cur_shape(self, name: str) -> tuple[int, ...]:
        """The shape of the batch fetched last from the loader `name`."""
        return self._loader(name).get_cur_shape()

    def set_batch_index(self, name: str, offset: int) -> None:
        """Makes `offset` the batch that the loader `name` gives next."""
        self._loader(name).set_batch_index(offset)

    def set_dp_rank(self, dp_rank: int, dp_nrank: int) -> None:
        """Restricts all loaders to the samples of one process; see `Dataloader.set_dp_rank`."""
        for loader in set(self.dataloaders.values()):
            loader.set_dp_rank(dp_rank, dp_nrank)

    def set_mp_parts(self, cur_part: Mapping[int, int], parts: Mapping[int, int]) -> None:
        """Restricts all batches to one part of some axes; see `Dataloader.set_mp_parts`."""
        for loader in set(self.dataloaders.values()):
            loader.set_mp_parts(cur_part, parts)

    def place(self, where: jax.Device | jax.sharding.Mesh | None) -> None:
        """Sets the device that batches go to, or the mesh that each is split over; None is JAX's default device."""
        for loader in set(self.dataloaders.values()):
            loader.place(where)

    def struct(self, group: str) -> jax.ShapeDtypeStruct:
        return self._loader(group).struct()

    @property
    def dtype(self) -> np.dtype:
        return next(iter(self.dataloaders.values())).dtype

    def _abstract(self) -> jax.ShapeDtypeStruct | None:
        """Of the first loader's first batch; None where the loaders' samples differ in shape."""
        structs = [loader.struct() for loader in self.dataloaders.values()]
        return structs[0] if len({struct.shape[1:] for struct in structs}) == 1 else None


def _as_loader(entry: Any, dtype: Any) -> Dataloader:
    if isinstance(entry, Dataloader):
        return entry
    if isinstance(entry, Mapping):
        return Dataloader(**{"dtype": dtype, **entry})
    if isinstance(entry, list | tuple):
        return Dataloader(*entry, **({} if len(entry) > 8 else {"dtype": dtype}))
    raise TypeError(
        f"dataloader_op takes Dataloaders, or lists or dicts of their arguments, not {type(entry).__name__}"
    )


def dataloader_op(dataloaders: Iterable[Any], dtype: Any = np.float32) -> DataloaderOp:
    """A node whose value is the next batch of the data for the group that runs.

    dataloaders: a list of Dataloaders, or of lists or dicts of the arguments of one; each is for the group of its name.
    dtype: of the batches of those that are no Dataloader yet.

    >>> import numpy as np
    >>> import hetu_jax as ht
    >>> x = ht.dataloader_op([ht.Dataloader(np.arange(6.0), 2, "train")])
    >>> executor = ht.Executor({"train": [x * 10.0]})
    >>> [executor.run("train")[0].asnumpy().tolist() for _ in range(executor.get_batch_num("train"))]
    [[0.0, 10.0], [20.0, 30.0], [40.0, 50.0]]
    """
    return DataloaderOp(dataloaders, dtype)


class GNNDataLoaderOp(Feed):
    """A leaf whose value is `handler(graph)` of the graph that `GNNDataLoaderOp.step` made current.

    handler: called at every run; returns an array, NDArray or sparse array.  ctx: the node's device.
    """

    graph: Any = None
    nxt_graph: Any = None
    on_cpu, on_gpu = True, False

    def __init__(self, handler: Callable[[Any], Any], ctx: DLContext | None = None):
        super().__init__("GNNDataloaderOp", ctx)
        self.handler = handler

    @classmethod
    def step(cls, graph: Any) -> None:
        """Makes the graph of the last call current, and `graph` the next; call it twice before the first run."""
        cls.graph, cls.nxt_graph = cls.nxt_graph, graph

    def _value(self, graph: Any) -> Any:
        if graph is None:
            raise GraphError(f"{self.describe()} has no graph: call GNNDataLoaderOp.step(graph) twice before a run")
        value = as_value(self.handler(graph))
        if isinstance(value, jax.Array):
            return value
        dtype = np.float32 if not hasattr(value, "dtype") else value.dtype
        return stored(value, storage_dtype(dtype), f"the value of the handler of {self.describe()}", device=False)

    def pull(self, group: str, advance: bool) -> tuple[None, tuple[Any, ...]]:
        return None, (self._value(GNNDataLoaderOp.graph),)

    def resident(self, group: str) -> bool:
        return False

    def get_batch_num(self, name: str) -> None:
        """None: graphs come one by one."""
        return self.batch_num(name)

    def get_arr(self, name: str) -> NDArray:
        """The value for the current graph."""
        return NDArray(self._value(GNNDataLoaderOp.graph))

    def get_next_arr(self, name: str) -> NDArray:
        """The value for the next graph."""
        return NDArray(self._value(GNNDataLoaderOp.nxt_graph))


hint_at_names(__name__)
