"""`ht.dist`: how a graph is spread over devices.  `DataParallel` splits batches; the others leave the graph on one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from .cluster import DistConfig, NodeStatus
from .context import DeviceGroup
from .errors import GraphError, hint_at_names
from .graph import Node, toposort
from .ndarray import gpu
from .parallel import mesh_of

# The ops whose layout a plan says; that of the others follows.
BACKBONE = (
    "embedding_lookup_op",
    "conv2d_op",
    "conv2d_add_bias_op",
    "matmul_op",
    "linear_op",
    "sum_op",
    "concatenate_op",
    "softmaxcrossentropy_op",
    "softmaxcrossentropy_sparse_op",
    "crossentropy_op",
    "crossentropy_sparse_op",
    "binarycrossentropy_op",
    "binarycrossentropywithlogits_op",
    "nll_loss_op",
)


class Strategy:
    """How the nodes of a graph are spread over the devices of a run.

    save_path: where the plan is written as JSON, or None.
    `settings` are the processes of the run, one worker on this machine.
    """

    use_dispatch = False

    def __init__(self, save_path: str | None = None):
        self.settings = DistConfig()
        self.save_path, self.overlap, self.use_nccl_collectives = save_path, True, True

    def set_raw_ctxs(self, graph_status: Any) -> DeviceGroup:
        """The devices of the graph; `set_raw_ctxs_n_states` by the name for strategies that use `ht.dispatch`."""
        return self.set_raw_ctxs_n_states(graph_status, None)

    def set_raw_ctxs_n_states(self, graph_status: Any, memory_pool: Any = None) -> DeviceGroup:
        """The devices of the graph: the first.

        graph_status: the nodes to be evaluated; their plan is written where `save_path` says.
        memory_pool: accepted without effect, as one device leaves nothing to plan.
        Raises GraphError for several workers.
        """
        if self.settings.num_workers != 1 and self.mesh() is None:
            raise GraphError(
                f"{type(self).__name__} would spread the graph over {self.settings.num_workers} workers, which only "
                "DataParallel can: run it with one"
            )
        if self.save_path is not None:
            self.save_json(graph_status, self.save_path)
        return DeviceGroup(gpu(0))

    def mesh(self) -> jax.sharding.Mesh | None:
        """The devices that batches are split over, or None for one."""
        return None

    def check_backbone_node(self, node: Node) -> bool:
        """Whether a plan says how the node is laid out."""
        return node.name == "attention_mask" or (node.op is not None and node.op.__name__ in BACKBONE)

    def save_json(self, nodes: Sequence[Node], path: str) -> None:
        """Writes the plan of the nodes below `nodes`: for each its name, layout and device."""
        whole = NodeStatus(1, {})
        whole.set_one()
        status = {"splits": whole.state, "partial": whole.partial, "duplicate": whole.duplicate, "order": whole.order}
        rows = [
            {"name": node.name, "status": status, "device": "gpu:0", "unfixed": True}
            for node in toposort(nodes)
            if self.check_backbone_node(node)
        ]
        Path(path).write_text(json.dumps(rows, indent=1), encoding="utf-8")

    def load_json(self, nodes: Sequence[Node], path: str) -> list[dict[str, Any]]:
        """Reads a plan and checks that it is one for the nodes below `nodes` on one device.

        Raises GraphError for another graph's plan, or one for several devices.
        """
        rows = json.loads(Path(path).read_text(encoding="utf-8"))
        names = [node.name for node in toposort(nodes) if self.check_backbone_node(node)]
        if not isinstance(rows, list) or len(rows) != len(names):
            raise GraphError(f"{path} has no plan of the {len(names)} nodes {', '.join(names)}")
        for row in rows:
            if row["status"].get("splits") or row["status"].get("duplicate", 1) != 1:
                raise GraphError(f"{path} lays {row['name']} out over several devices, and there is one")
        return rows


class DataParallel(Strategy):
    """Every device has the whole graph and a part of the batch.

    The devices are all that JAX has here, or as many as `settings` has workers.  A batch is what the script feeds or
    loads, and is split over them; what does not divide is computed by each.
    aggregate: how gradients are added up, 'allreduce', 'ps', 'hybrid', in any case, or None for what the run offers.
    Raises ValueError for anything else.
    """

    def __init__(self, aggregate: str | None = None):
        super().__init__()
        chosen = ("ps" if self.settings.enable_PS else "allreduce") if aggregate is None else aggregate.lower()
        if chosen not in ("allreduce", "ps", "hybrid"):
            raise ValueError(f"aggregate is 'allreduce', 'ps' or 'hybrid', not {aggregate!r}")
        self.aggregate = chosen

    def mesh(self) -> jax.sharding.Mesh | None:
        devices, workers = jax.local_devices(), self.settings.num_workers
        if workers > len(devices):
            raise GraphError(
                f"the settings have {workers} workers and JAX has {len(devices)} devices here: take as many, or for a "
                f"trial on CPUs set JAX_NUM_CPU_DEVICES={workers} before the start"
            )
        chosen = devices if workers == 1 else devices[:workers]
        return mesh_of(tuple(chosen)) if len(chosen) > 1 else None


class ModelParallel4CNN(Strategy):
    """Convolutions and products are split by output channels, losses by samples."""

    def __init__(self) -> None:
        super().__init__()


class ModelParallel4LM(Strategy):
    """As `ModelParallel4CNN`, with embedding lookups split by samples."""

    def __init__(self) -> None:
        super().__init__()


class OneWeirdTrick4CNN(Strategy):
    """Convolutions and losses are split by samples, products by columns.

    feed_shapes: placeholder -> shape, by which products whose width does not divide are split by samples.
    """

    def __init__(self, feed_shapes: Mapping[Node, Sequence[int]] | None = None):
        super().__init__()
        self.feed_shapes = feed_shapes


class MegatronLM(Strategy):
    """Transformers with attention heads and inner layers split over devices.

    max_split: over at most so many.  save_path: where the plan is written.
    """

    def __init__(self, max_split: int | None = None, save_path: str | None = None):
        super().__init__(save_path)
        self.max_split = max_split


class BaseSearchingStrategy(Strategy):
    """A plan that is searched for, or read from a file.  On one device there is one plan, and nothing to search.

    feed_shapes: placeholder -> shape.  save_path: where the plan is written.  load_path: a plan to use as it is.
    load_init_path: a plan to begin with.  batch_size: where it is no placeholder's first dimension.
    load_with_simulate, include_duplicate, pix: what is timed and tried; without effect on one device.
    """

    def __init__(
        self,
        feed_shapes: Mapping[Node, Sequence[int]],
        save_path: str | None = None,
        load_path: str | None = None,
        load_init_path: str | None = None,
        batch_size: int | None = None,
        load_with_simulate: bool = False,
        include_duplicate: bool = True,
        pix: bool = True,
    ):
        super().__init__(save_path)
        self.feed_shapes, self.load_path, self.load_init_path = feed_shapes, load_path, load_init_path
        firsts = {tuple(shape)[0] for shape in feed_shapes.values() if len(shape)}
        if batch_size is None and len(firsts) == 1:
            (batch_size,) = firsts
        self.batch_size, self.load_with_simulate = batch_size, load_with_simulate
        self.include_duplicate, self.pix = include_duplicate, pix

    def set_raw_ctxs_n_states(self, graph_status: Any, memory_pool: Any = None) -> DeviceGroup:
        for path in (self.load_path, self.load_init_path):
            if path is not None:
                self.load_json(graph_status, path)
        return super().set_raw_ctxs_n_states(graph_status, memory_pool)

    def generate_random_config(
        self,
        eval_node_list: Sequence[Node],
        save_path: str,
        count: int | None = None,
        fixed_loss: bool = False,
        pipedream: bool = False,
    ) -> None:
        """Writes plans at random: on one device, always the only one.

        eval_node_list: the nodes to be evaluated.  save_path: where to; with `count` a text such as 'plan{}.json'.
        count: how many, numbered from 0.  fixed_loss, pipedream: what is drawn; without effect on one device.
        """
        for path in [save_path] if count is None else map(save_path.format, range(count)):
            self.save_json(eval_node_list, path)


class FlexFlowSearching(BaseSearchingStrategy):
    """Random changes to a plan, kept when they make it faster, and sometimes when they do not.

    time_budget: seconds.  round_budget: changes.  unit_round_budget: changes for each candidate.  alpha: how unlikely
    slower plans are kept.  On one device they have no effect.  base: as of BaseSearchingStrategy.
    """

    def __init__(
        self,
        feed_shapes: Mapping[Node, Sequence[int]],
        time_budget: float = -1,
        round_budget: int = -1,
        unit_round_budget: int = -1,
        alpha: float = 0.05,
        **base: Any,
    ):
        super().__init__(feed_shapes, **base)
        self.time_budget, self.round_budget = time_budget, round_budget
        self.unit_round_budget, self.alpha = unit_round_budget, alpha


class OptCNNSearching(BaseSearchingStrategy):
    """The fastest layout of each node, by dynamic programming over the graph."""


class GPipeSearching(BaseSearchingStrategy):
    """The stages of a pipeline, one a device."""


class PipeDreamSearching(BaseSearchingStrategy):
    """The stages of a pipeline, each copied.

    batch_num_factor: micro-batches for each device; `batch_num` is how many there are in all.
    """

    def __init__(self, feed_shapes: Mapping[Node, Sequence[int]], batch_num_factor: int = 1, **base: Any):
        super().__init__(feed_shapes, **base)
        self.batch_num = batch_num_factor * self.settings.num_workers


class PipeOptSearching(BaseSearchingStrategy):
    """The stages of a pipeline, each laid out in the best way.

    save_dir, load_dir: folders for the plans of stages; without effect on one device, which has one stage.
    batch_num_factor: micro-batches for each device.  ignore_batch_size: placeholders that are not cut into them.
    `num_parts`, `batch_num` and `batch_size` say how to feed it.
    """

    def __init__(
        self,
        feed_shapes: Mapping[Node, Sequence[int]],
        save_dir: str | None = None,
        load_dir: str | None = None,
        batch_num_factor: int = 1,
        ignore_batch_size: Sequence[Node] = (),
        **base: Any,
    ):
        super().__init__(feed_shapes, **base)
        self.save_dir, self.load_dir, self.ignore_batch_size = save_dir, load_dir, list(ignore_batch_size)
        self.num_parts, self.batch_num = 1, batch_num_factor


hint_at_names(__name__)
