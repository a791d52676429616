"""Times: of each op alone, of collectives, and of graphs put together from them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from .communicator import wrapped_mpi_nccl_init
from .graph import Feed, Node, Variable, toposort
from .ndarray import DLContext, as_value, gpu
from .trace import Run, evaluate, leaf_struct

WARM_UP = 5  # calls before the clock starts


def milliseconds(call: Callable[..., Any], arguments: Sequence[Any], iterations: int, profiler: str) -> float:
    """The mean time of a call.

    profiler: 'cpu' waits for each result, and so counts what the host does; 'gpu' only for the last one.
    Raises ValueError for another profiler.
    """
    if profiler not in ("cpu", "gpu"):
        raise ValueError(f"profiler is 'cpu' (each call by itself) or 'gpu' (all in a row), not {profiler!r}")
    for _ in range(WARM_UP):
        jax.block_until_ready(call(*arguments))
    begun, result = time.perf_counter(), None
    for _ in range(iterations):
        result = call(*arguments)
        if profiler == "cpu":
            jax.block_until_ready(result)
    jax.block_until_ready(result)
    return (time.perf_counter() - begun) / iterations * 1000


def _walk(nodes: Sequence[Node]) -> list[Node]:
    return toposort(nodes, edges=lambda node: node.needs)


def _inside(nodes: Sequence[Node], known: Sequence[Node]) -> Callable[..., Any]:
    """A function of a key and the values of `known`: the values of `nodes`, and all that they write."""

    def call(key: Any, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        run = Run(True, key, {node: i for i, node in enumerate(nodes)})
        results = evaluate(nodes, dict(zip(known, values, strict=True)), run)
        return results, list(run.updates.values())

    return call


class HetuProfiler:
    """Times the ops of a graph, each compiled alone on the shapes that it has there.

    computing_nodes: the nodes to time.  feed_shapes: placeholder -> shape.
    node_to_arr_map: node -> NDArray or None, values to use; for other nodes numbers are drawn.
    ctx: the device.
    """

    def __init__(
        self,
        computing_nodes: Sequence[Node],
        feed_shapes: Mapping[Node, Sequence[int]],
        node_to_arr_map: Mapping[Node, Any] | None = None,
        ctx: DLContext | None = None,
    ):
        self.ctx = ctx or gpu(0)
        self.renew_nodes(computing_nodes, feed_shapes, node_to_arr_map)

    def renew_nodes(
        self,
        computing_nodes: Sequence[Node],
        feed_shapes: Mapping[Node, Sequence[int]],
        node_to_arr_map: Mapping[Node, Any] | None = None,
    ) -> None:
        """Times other nodes from now on; the arguments are as of the class."""
        self.computing_nodes = [node for node in computing_nodes if not isinstance(node, Variable | Feed)]
        self.feed_shapes, self._given = dict(feed_shapes), dict(node_to_arr_map or {})
        self._key, self._values = jax.random.key(0), {}
        order = _walk(self.computing_nodes)
        leaves = [node for node in order if isinstance(node, Variable | Feed)]
        known = [self._leaf(leaf) for leaf in leaves]
        results = jax.eval_shape(lambda key, values: _inside(order, leaves)(key, values)[0], self._key, known)
        self._structs = dict(zip(order, results, strict=True))

    def _leaf(self, leaf: Node) -> Any:
        shape = self.feed_shapes.get(leaf)
        if shape is not None:
            return jax.ShapeDtypeStruct(tuple(int(n) for n in shape), leaf.dtype or np.float32)
        struct = leaf_struct(leaf)
        if struct is None:
            raise ValueError(f"{leaf.describe()} has no shape: say it in feed_shapes")
        return struct

    def _value(self, node: Node) -> Any:
        """What stands for a node's value: the one that is there, else numbers of its shape, on the device."""
        if node not in self._values:
            value = as_value(self._given.get(node))
            if value is None and isinstance(node, Variable):
                value = node.value
            value = jax.tree.map(_numbers, self._structs[node]) if value is None else value
            self._values[node] = jax.device_put(value, self.ctx.jax_device)
        return self._values[node]

    def _time(self, nodes: Sequence[Node], known: Sequence[Node], iterations: int, profiler: str) -> float:
        call = jax.jit(_inside(nodes, known))
        return milliseconds(call, (self._key, [self._value(node) for node in known]), iterations, profiler)

    def profile(self, num_iterations: int = 100, profiler: str = "gpu") -> float:
        """Milliseconds for all nodes, compiled together as an Executor does it.

        num_iterations: how often they are run.  profiler: 'cpu' or 'gpu', see `milliseconds`.
        """
        leaves = [node for node in _walk(self.computing_nodes) if isinstance(node, Variable | Feed)]
        return self._time(self.computing_nodes, leaves, num_iterations, profiler)

    def profile_all(self, num_iterations: int = 100, profiler: str = "gpu") -> dict[Any, float]:
        """Milliseconds for each node alone, by node, and their sum under 'all'; the arguments are as of `profile`."""
        times: dict[Any, float] = {
            node: self._time([node], list(dict.fromkeys(node.needs)), num_iterations, profiler)
            for node in self.computing_nodes
        }
        return times | {"all": sum(times.values())}

    def profile_n_log(self, log_file: str | os.PathLike[str], profiler: str = "cpu") -> None:
        """Writes `profile_all` to a file, a line `<node> <time> ms` each."""
        times = self.profile_all(profiler=profiler)
        lines = [f"{name} {spent} ms\n" for name, spent in times.items()]
        Path(log_file).write_text("".join(lines), encoding="utf-8")


def _numbers(struct: jax.ShapeDtypeStruct) -> jax.Array:
    """Small positive numbers, or zeros where they have to be whole."""
    if jnp.issubdtype(struct.dtype, jnp.floating):
        return jax.random.uniform(jax.random.key(1), struct.shape, struct.dtype, 0.1, 1)
    return jnp.zeros(struct.shape, struct.dtype)


class NCCLOP(Enum):
    """The collectives that `NCCLProfiler` times."""

    AllReduce = 0
    AllGather = 1
    ReduceScatter = 2
    Reduce = 3
    Broadcast = 4


def _from_root(x: jax.Array) -> jax.Array:
    mine = jnp.where(jax.lax.axis_index("devices") == 0, x, 0)
    return jax.lax.psum(mine, "devices")


_COLLECTIVES = {
    NCCLOP.AllReduce: lambda x: jax.lax.psum(x, "devices"),
    NCCLOP.AllGather: lambda x: jax.lax.all_gather(x, "devices", tiled=True),
    NCCLOP.ReduceScatter: lambda x: jax.lax.psum_scatter(x, "devices", tiled=True),
    NCCLOP.Reduce: lambda x: jax.lax.psum(x, "devices"),
    NCCLOP.Broadcast: _from_root,
}


class NCCLProfiler:
    """Times collectives over the devices of this process.

    Of the device numbers in a call those count that are here; over one device a collective is next to nothing.
    """

    def __init__(self) -> None:
        self.mpi_comm = wrapped_mpi_nccl_init(init_nccl=False)

    def profile_allreduce(
        self,
        size: int,
        devices: Sequence[int],
        num_iterations: int = 10,
        primitive: NCCLOP = NCCLOP.AllReduce,
    ) -> float:
        """Milliseconds for a collective.

        size: float32 numbers on each device.  devices: their numbers.  primitive: which collective.
        """
        return self._time(_COLLECTIVES[primitive], size, devices, num_iterations)

    def profile_sendrecv(self, size: int, devices: Sequence[int], num_iterations: int = 10) -> float:
        """Milliseconds for sending `size` float32 numbers from the first of two devices to the second."""
        pair = [(0, 1)] if len(self._here(devices)) > 1 else [(0, 0)]
        return self._time(lambda x: jax.lax.ppermute(x, "devices", pair), size, devices, num_iterations)

    @staticmethod
    def _here(devices: Sequence[int]) -> list[jax.Device]:
        here = jax.local_devices()
        return [here[i] for i in dict.fromkeys(devices) if i < len(here)] or here[:1]

    def _time(self, collective: Callable[[Any], Any], size: int, devices: Sequence[int], iterations: int) -> float:
        mesh = Mesh(np.array(self._here(devices)), ("devices",))
        split = PartitionSpec("devices")
        count = mesh.size
        each = -(-size // count) * count  # a multiple, for the collectives that cut it up
        call = jax.jit(jax.shard_map(collective, mesh=mesh, in_specs=split, out_specs=split, check_vma=False))
        x = jax.device_put(jnp.ones(count * each, jnp.float32), jax.sharding.NamedSharding(mesh, split))
        return milliseconds(call, (x,), iterations, "gpu")


class HetuSimulator:
    """Times of ops and collectives, each measured once and kept in a file, and what graphs take by them.

    feed_shapes: placeholder -> shape.  ctx: the device.  mpi_comm: the communicator of the world.
    num_ctxs: the number of devices of a run.  pix: accepted without effect, as JAX does not tell how devices are wired.
    cache_path: the file, JSON; one that is none is written anew.  None for no file.
    """

    def __init__(
        self,
        feed_shapes: Mapping[Node, Sequence[int]],
        ctx: DLContext | None = None,
        mpi_comm: Any = None,
        num_ctxs: int = 1,
        pix: bool = True,
        cache_path: str | None = "/tmp/hetu_cached_exetime.bin",
    ):
        self.feed_shapes, self.ctx, self.num_ctxs = dict(feed_shapes), ctx or gpu(0), int(num_ctxs)
        self.mpi_comm, self.cache_path = mpi_comm, cache_path
        self.nccl_profiler = NCCLProfiler()
        self.cached_exetime: dict[str, float] = self._read()

    def _read(self) -> dict[str, float]:
        try:
            found = json.loads(Path(self.cache_path or "").read_text(encoding="utf-8"))
            return {str(key): float(value) for key, value in found.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def write_cache(self) -> None:
        """Writes the measured times to the file."""
        if self.cache_path is not None:
            partial = Path(f"{self.cache_path}.{os.getpid()}.tmp")
            partial.write_text(json.dumps(self.cached_exetime, indent=1), encoding="utf-8")
            os.replace(partial, self.cache_path)

    def node_times(self, nodes: Sequence[Node], num_iterations: int = 10) -> dict[Node, float]:
        """Milliseconds for each op below `nodes` alone; equal ops on equal shapes are measured once."""
        profiler = HetuProfiler(_walk(nodes), self.feed_shapes, ctx=self.ctx)
        times = {}
        for node in profiler.computing_nodes:
            key = self._key(node, profiler)
            if key not in self.cached_exetime:
                known = list(dict.fromkeys(node.needs))
                self.cached_exetime[key] = profiler._time([node], known, num_iterations, "gpu")
            times[node] = self.cached_exetime[key]
        self.write_cache()
        return times

    def _key(self, node: Node, profiler: HetuProfiler) -> str:
        shapes = [jax.tree.map(lambda s: f"{s.dtype}{list(s.shape)}", profiler._structs[below]) for below in node.needs]
        settings = (
            {} if node.op is None else {k: v for k, v in node.arguments.items() if isinstance(v, int | float | str)}
        )
        return f"{self.ctx.jax_device.device_kind} {node.op_type} {shapes} {settings}"

    def collective_time(
        self, size: int, devices: Sequence[int] | None = None, primitive: NCCLOP = NCCLOP.AllReduce
    ) -> float:
        """Milliseconds for a collective of `size` numbers over some devices, by default all of the run."""
        devices = list(range(self.num_ctxs)) if devices is None else list(devices)
        key = f"{primitive.name} {size} {devices}"
        if key not in self.cached_exetime:
            self.cached_exetime[key] = self.nccl_profiler.profile_allreduce(size, devices, primitive=primitive)
            self.write_cache()
        return self.cached_exetime[key]

    def simulate_time(self, nodes: Sequence[Node]) -> float:
        """Milliseconds for the ops below `nodes`, one after another."""
        return sum(self.node_times(nodes).values())
