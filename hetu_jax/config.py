"""HetuConfig: the options of an Executor, and what scripts read from them."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import jax

from . import parallel, precision, random
from .context import DeviceGroup, get_current_context
from .errors import GraphError, suggest
from .graph import Node, Variable
from .logger import HetuLogger, make_logger
from .ndarray import DLContext, NDArray, cpu, gpu, is_gpu_ctx
from .stream import create_stream_handle

# Options of Hetu that have nothing to change here, with the reason why they are accepted.
WITHOUT_EFFECT = {
    "use_sparse_pull": "parameter-server traffic; there is no parameter server",
    "cstable_policy": "parameter-server cache; there is no parameter server",
    "bsp": "parameter-server barriers; steps are synchronous",
    "prefetch": "parameter-server prefetch; dataloaders prefetch by themselves",
    "enable_lazy": "strided views; XLA plans memory",
    "cache_bound": "parameter-server cache; there is no parameter server",
    "log_path": "parameter-server load records; there is no parameter server",
    "dynamic_memory": "buffer reuse; XLA plans memory",
    "overlap": "communication streams; XLA schedules them",
    "use_nccl_collectives": "choice of library; XLA chooses",
    "use_preduce": "partial reduce between processes; there is one",
}
PIPELINES = (None, "gpipe", "pipedream", "hetpipe")
COMM_MODES = {"allreduce": "AllReduce", "ps": "PS", "hybrid": "Hybrid"}


class LiveValues(Mapping):
    """Node -> NDArray that shows the node's value as it is now; placeholders map to None."""

    def __init__(self) -> None:
        self._nodes: dict[Node, None] = {}

    def add(self, nodes: Sequence[Node]) -> None:
        """Takes in more nodes."""
        self._nodes.update(dict.fromkeys(nodes))

    def __getitem__(self, node: Node) -> NDArray | None:
        self._nodes[node]  # raises KeyError for a node of another graph
        return LiveArray(node) if isinstance(node, Variable) else None

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)


class LiveArray(NDArray):
    """An NDArray whose value is a Variable's, now and after later steps; setting it sets the Variable."""

    __slots__ = ("_variable",)

    def __init__(self, variable: Variable):
        self._variable, self._ctx = variable, None

    @property
    def value(self) -> Any:
        """The Variable's value."""
        return self._variable.value

    @value.setter
    def value(self, value: Any) -> None:
        self._variable.value = value


class HetuConfig:
    """The options of an Executor.

    ctx: the device, a DeviceGroup, or what one is made from; None means the innermost `ht.context`, else JAX's default.
    seed: sets the random seed and starts its sequence anew; None leaves the random state as it is.
    dataloader_name: the name under which dataloaders are asked for data, where it is not the group's.
    inference: True makes every group an inference group, False a training group; None decides by its optimizer.
    detect_nan: check every float value of a step for NaN; the first op that made one is named, at some cost in speed.
    compute_dtype: 'bfloat16' computes convolutions and products in it, and what only passes their values on; Variables,
        sums, norms, losses and what is fetched stay float32.  None or 'float32' computes all in float32.
    dist_strategy: a strategy of `hetu_jax.dist`, which then says the device.
    comm_mode: how gradients travel between processes, without effect as XLA inserts the collectives.
    pipeline: 'gpipe', 'pipedream' or 'hetpipe': a training step takes several micro-batches, see `pipeline`.
    With one of these three, `rank` and `local_rank` are 0 and `nrank` is 1, else they are None.
    logger: where `Executor.log` and `progress` write numbers: 'hetu' (Python's logger hetu_jax at level INFO, which
        `logging.basicConfig(level=logging.INFO)` shows), 'tensorboard' (event files under runs/<project>/<run_name>),
        'wandb', or an object of `hetu_jax.logger`.
    project, run_name, run_id: of the run there; 'wandb' needs the first two.
    Other options of Hetu are accepted without effect, see WITHOUT_EFFECT for the reasons.
    Raises TypeError for an unknown option, GraphError for a pipeline or comm_mode that is none of Hetu's.
    """

    def __init__(
        self,
        eval_node_list: Sequence[Node] = (),
        *,
        ctx: Any = None,
        seed: int | None = None,
        dataloader_name: str | None = None,
        inference: bool | None = None,
        detect_nan: bool = False,
        compute_dtype: Any = None,
        dist_strategy: Any = None,
        comm_mode: str | None = None,
        pipeline: str | None = None,
        logger: Any = None,
        project: str | None = None,
        run_name: str | None = None,
        run_id: str | None = None,
        **accepted: Any,
    ):
        for option in accepted:
            if option not in WITHOUT_EFFECT:
                known = [*WITHOUT_EFFECT, *inspect.signature(HetuConfig).parameters]
                raise TypeError(f"Executor has no option {option!r}{suggest(option, known)}")
        if pipeline not in PIPELINES:
            known = ", ".join(map(repr, PIPELINES))
            raise GraphError(f"pipeline={pipeline!r} is not one of {known}{suggest(str(pipeline), PIPELINES[1:])}")
        if comm_mode not in (None, *COMM_MODES.values()):
            known = ", ".join(map(repr, (None, *COMM_MODES.values())))
            raise GraphError(
                f"comm_mode={comm_mode!r} is not one of {known}{suggest(str(comm_mode), COMM_MODES.values())}"
            )
        if dist_strategy is not None:
            ctx = dist_strategy.set_raw_ctxs_n_states(eval_node_list)
            comm_mode = comm_mode or COMM_MODES.get(getattr(dist_strategy, "aggregate", None))
        group = DeviceGroup(ctx) if ctx is not None else get_current_context()
        self._explicit = group is not None
        self.context: Any = _first_device(group)
        self.mesh: jax.sharding.Mesh | None = None if dist_strategy is None else dist_strategy.mesh()
        self.split: Collection[Variable] = ()  # what is not whole on every device of the mesh, see `channels`
        if seed is not None:
            random.set_seed_status(seed)
        self.seed = random.get_seed()
        self.np_rand = random.get_np_rand()
        self.dataloader_name = None if dataloader_name is None else str(dataloader_name)
        self.inference, self.detect_nan = inference, bool(detect_nan)
        self.dist_strategy, self.comm_mode = dist_strategy, comm_mode
        self.compute_dtype = precision.compute_dtype(compute_dtype)
        self.eval_node_list = self.my_eval_nodes = list(eval_node_list)
        self.placeholder_to_arr_map = LiveValues()
        self.seen_shapes: dict[Node, tuple[int, ...]] = {}
        self.pipeline = pipeline
        worker = dist_strategy is not None or comm_mode is not None or pipeline is not None
        self.rank, self.nrank, self.local_rank = (0, 1, 0) if worker else (None, None, None)
        self.logger: HetuLogger | None = make_logger(logger, project, run_name, run_id, self.rank, self.nrank)
        self.pp_rank, self.pp_nrank, self.dp_rank, self.dp_nrank = 0, 1, 0, 1
        self.nccl_comm = self.ps_comm = None
        stream = create_stream_handle(self.context) if is_gpu_ctx(self.context) else None
        self.comp_stream = self.h2d_stream = self.d2h_stream = self.nccl_stream = self.p2p_stream = stream

    def place(self, leaf: Node) -> None:
        """Moves a Variable, or what a feed keeps, to the mesh of the Executor, or to the device that it was given."""
        if isinstance(leaf, Variable):
            self._place_variable(leaf)
        elif self.mesh is not None:
            leaf.place(self.mesh)
        elif self._explicit and self.context.jax_device != jax.local_devices()[0]:
            leaf.place(self.context.jax_device)

    def _place_variable(self, leaf: Variable) -> None:
        held = jax.tree.leaves(leaf.value)[0]
        if self.mesh is not None:
            if not parallel.on_mesh(held, self.mesh):
                where = parallel.in_parts if leaf in self.split else parallel.replicated
                leaf.value = jax.device_put(leaf.value, where(self.mesh))
        elif self._explicit and held.sharding.num_devices == 1 and held.devices() != {self.context.jax_device}:
            leaf.value = jax.device_put(leaf.value, self.context.jax_device)


def _first_device(group: DeviceGroup | None) -> DLContext:
    if group is None:
        device = jax.local_devices()[0]
        return cpu(device.id) if device.platform == "cpu" else gpu(device.id)
    first = group[0]
    return first[0] if isinstance(first, tuple) else first
