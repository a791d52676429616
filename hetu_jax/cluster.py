"""Machines and layouts: `DistConfig`, the processes of a run, and `NodeStatus`, how a tensor is split."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import GraphError

DUPLICATE, PARTIAL = -1, -2  # the pseudo-dimensions of copies and of partial sums
PORTS = range(13100, 13200)
_KEYS = ("host", "servers", "workers", "chief")


def read_yaml(path: str) -> Any:
    """The content of a YAML file, as plain data."""
    try:
        import yaml
    except ImportError:
        raise ImportError(f"reading {path} needs PyYAML: pip install pyyaml") from None
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


class DistConfig:
    """The processes of a run: which hosts, and how many parameter servers and workers on each.

    file: YAML with a list `nodes` of {host, servers, workers, chief}, of which exactly one is the chief.
    num_local_servers, num_local_workers: the processes on this host, where there is no file; at least one worker.
    Raises GraphError for a description that is incomplete or contradicts itself.
    """

    def __init__(self, file: str | None = None, num_local_servers: int = 0, num_local_workers: int = 1):
        if file is None:
            here = {"host": "localhost", "servers": num_local_servers, "workers": num_local_workers, "chief": True}
            self.settings: dict[str, Any] = {"nodes": [here]}
        else:
            self.settings = read_yaml(file)
        nodes = self._checked(file or "the configuration")
        self.hosts = [node["host"] for node in nodes]
        self.servers = {node["host"]: int(node["servers"]) for node in nodes if node.get("servers")}
        self.workers = {node["host"]: int(node["workers"]) for node in nodes if node.get("workers")}
        self.num_servers, self.num_workers = sum(self.servers.values()), sum(self.workers.values())
        self.enable_PS = self.num_servers > 0
        self.chief = next(node["host"] for node in nodes if node.get("chief"))
        if self.num_workers < 1:
            raise GraphError("a run needs at least one worker: say so in `workers`")

    def _checked(self, source: str) -> list[dict[str, Any]]:
        nodes = self.settings.get("nodes") if isinstance(self.settings, dict) else None
        if not isinstance(nodes, list) or not nodes or not all(isinstance(node, dict) for node in nodes):
            raise GraphError(f"{source} must have a list `nodes` of hosts with {', '.join(_KEYS)}")
        for node in nodes:
            unknown = sorted(set(node) - set(_KEYS))
            if unknown or "host" not in node:
                raise GraphError(f"{source}: a node has the keys {', '.join(_KEYS)}, not {node}")
        chiefs = sum(bool(node.get("chief")) for node in nodes)
        if chiefs != 1:
            raise GraphError(f"{source} has {chiefs} nodes with `chief: true`, and needs one")
        return nodes

    @property
    def chief_address(self) -> str:
        """The address of the chief."""
        return socket.gethostbyname(self.chief)

    def get_available_port(self, host: str) -> int:
        """The first port from 13100 to 13199 that nothing on `host` answers at."""
        for port in PORTS:
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex((host, port)) != 0:
                    return port
        raise GraphError(f"{host} has no free port from {PORTS[0]} to {PORTS[-1]}")

    def make_ps_config(self) -> dict[str, Any]:
        """The environment variables that Hetu's parameter server is started with."""
        address = self.chief_address
        return {
            "DMLC_PS_ROOT_URI": address,
            "DMLC_PS_ROOT_PORT": self.get_available_port(address),
            "DMLC_NUM_WORKER": self.num_workers,
            "DMLC_NUM_SERVER": self.num_servers,
            "DMLC_PS_VAN_TYPE": "p3",
        }

    def save(self, path: str) -> None:
        """Writes the description as YAML."""
        Path(path).write_text(str(self), encoding="utf-8")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.settings["nodes"])

    def __str__(self) -> str:
        lines = ["nodes:"]
        for node in self:
            rows = [f"{key}: {str(node[key]).lower()}" for key in _KEYS if key in node]
            lines += [f"- {rows[0]}", *(f"  {row}" for row in rows[1:])]
        return "\n".join(lines) + "\n"


class NodeStatus:
    """How one tensor lies on `dev_num` devices: split along dimensions, copied, or as partial sums.

    state: the number of parts along each dimension, a dict or a sequence; None while it is not known.
    partial_or_node: whether partial sums are allowed; a node allows them where its op is one of `PARTIAL_OPS`.
    `duplicate` copies, pseudo-dimension -1, and `partial` sums, pseudo-dimension -2, make up for the other devices.
    `order` are the dimensions from the one that changes slowest over the devices to the one that changes fastest.
    """

    PARTIAL_OPS = frozenset(
        f"{name}_op"
        for name in (
            "matmul",
            "linear",
            "conv2d",
            "conv2d_add_bias",
            "conv2d_gradient_of_data",
            "conv2d_gradient_of_filter",
            "conv2d_reducesum",
            "reduce_sum",
            "reduce_mean",
            "embedding_lookup",
            "embedding_lookup_gradient",
            "batch_normalization_gradient_of_scale",
            "batch_normalization_gradient_of_bias",
            "layer_normalization_gradient_of_scale",
            "layer_normalization_gradient_of_bias",
            "oneslike",
            "sum",
            "div",
            "add",
            "mul",
            "softmaxcrossentropy_sparse",
        )
    )

    def __init__(
        self, dev_num: int, state: Mapping[int, int] | Sequence[int] | None = None, partial_or_node: Any = False
    ):
        self.dev_num = int(dev_num)
        op = getattr(partial_or_node, "op", None)
        self.enable_partial = partial_or_node is True or (op is not None and op.__name__ in self.PARTIAL_OPS)
        self.state: dict[int, int] | None = None
        self.duplicate: int | None = None
        self.partial: int | None = None if self.enable_partial else 1
        self.order: tuple[int, ...] | None = None
        if state is not None:
            self.set_state(state)

    def get(self) -> tuple[Any, ...]:
        """State, copies and partial sums."""
        return self.state, self.duplicate, self.partial

    def get_all(self) -> tuple[Any, ...]:
        """State, copies, partial sums and order."""
        return *self.get(), self.order

    def get_dim(self, dim: int) -> int:
        """The parts along a dimension, or of the pseudo-dimensions -1 and -2."""
        special = {DUPLICATE: self.duplicate, PARTIAL: self.partial}
        found = special[dim] if dim in special else (self.state or {}).get(dim, 1)
        return 1 if found is None else found

    def is_dist(self) -> bool:
        """Whether there is more than one device."""
        return self.dev_num > 1

    def set_state(self, state: Mapping[int, int] | Sequence[int] | None) -> None:
        """Sets the parts along dimensions, and what follows from them; None changes nothing."""
        if state is not None:
            items = state.items() if isinstance(state, Mapping) else enumerate(state)
            self.state = {int(dim): int(parts) for dim, parts in sorted(items) if parts != 1}
            self._complete()

    def set_duplicate(self, duplicate: int | None) -> None:
        """Sets the copies, and what follows from them; None changes nothing."""
        if duplicate is not None:
            self.duplicate = int(duplicate)
            self._complete()

    def set_partial(self, partial: int | None) -> None:
        """Sets the partial sums, and what follows from them; None changes nothing."""
        if partial is not None:
            if partial != 1 and not self.enable_partial:
                raise GraphError(f"{partial} partial sums of a node that must be whole on every device")
            self.partial = int(partial)
            self._complete()

    def set_order(self, order: Iterable[int] | None) -> None:
        """Sets the order.  Raises GraphError unless it names what is split, each once; None changes nothing."""
        if order is not None:
            found = tuple(order)
            if self.valid_state() and sorted(found) != sorted(self.get_default_order()):
                raise GraphError(f"the order {found} must name each of {self.get_default_order()} once")
            self.order = found

    def set_one(self) -> None:
        """Makes it whole on one device."""
        if self.dev_num != 1:
            raise GraphError(f"a tensor on {self.dev_num} devices is not on one")
        self.state, self.duplicate, self.partial, self.order = {}, 1, 1, ()

    def _complete(self) -> None:
        """What is left of the devices: copies, once state and partial sums are known, or sums, once copies are."""
        if self.state is None:
            return
        splits = self._product(self.state.values())
        known = splits * (self.duplicate or 1) * (self.partial or 1)
        if self.dev_num % known:
            raise GraphError(f"{self.dev_num} devices cannot hold {known} parts: {self!r}")
        if self.duplicate is None and self.partial is not None:
            self.duplicate = self.dev_num // known
        elif self.partial is None and self.duplicate is not None:
            self.partial = self.dev_num // known

    @staticmethod
    def _product(numbers: Iterable[int]) -> int:
        total = 1
        for count in numbers:
            total *= count
        return total

    def copy_from(self, other: NodeStatus, copy_order: bool = True) -> None:
        """Takes over what another status knows.  copy_order: its order too."""
        for attribute in ("state", "duplicate", "partial", *(["order"] if copy_order else [])):
            if getattr(other, attribute) is not None:
                setattr(self, attribute, getattr(other, attribute))

    def valid_state(self) -> bool:
        """Whether state, copies and partial sums are all known."""
        return self.state is not None and self.duplicate is not None and self.partial is not None

    def valid_all(self) -> bool:
        """Whether the order is known too."""
        return self.valid_state() and self.order is not None

    def get_default_order(self) -> tuple[int, ...]:
        """Partial sums, copies, then dimensions ascending; only those with more than one part."""
        return tuple(dim for dim in (PARTIAL, DUPLICATE, *(self.state or {})) if self.get_dim(dim) > 1)

    def check_state(self, max_dim: int, check_order: bool) -> None:
        """Raises GraphError where a dimension from `max_dim` on is split, or with `check_order` ordered."""
        dims = [*(self.state or {}), *((self.order or ()) if check_order else ())]
        if any(dim >= max_dim for dim in dims):
            raise GraphError(f"{self!r} splits a dimension beyond the {max_dim} allowed")

    def get_loop_sizes(self) -> list[int]:
        """For each entry of the order, the distance in devices between its neighbouring parts."""
        order = self.order or ()
        return [self._product(self.get_dim(dim) for dim in order[i + 1 :]) for i in range(len(order))]

    def map_dev_to_index(self, global_index: int, containing_duplicate: bool = False) -> dict[int, int]:
        """Which part a device holds, by dimension; with `containing_duplicate` also by pseudo-dimension."""
        found = {}
        for dim in reversed(self.order or ()):
            global_index, part = divmod(global_index, self.get_dim(dim))
            if dim >= 0 or containing_duplicate:
                found[dim] = part
        return found

    def get_devices_by_dim(self, dim: int, index: int, devices: Sequence[Any] | None = None) -> list[Any]:
        """The devices that differ from the `index`-th only along one dimension, itself among them."""
        own = self.map_dev_to_index(index, containing_duplicate=True)
        others = (self.map_dev_to_index(i, containing_duplicate=True) for i in range(self.dev_num))
        group = [i for i, at in enumerate(others) if all(at[key] == own[key] for key in own if key != dim)]
        return group if devices is None else [devices[i] for i in group]

    def combine_state(self, *pairs: tuple[int, int]) -> tuple[Any, ...]:
        """State, copies and partial sums with the parts of each `source` given to its `target`, as (source, target)."""
        sizes = {dim: self.get_dim(dim) for dim in (PARTIAL, DUPLICATE, *(self.state or {}))}
        for source, target in pairs:
            sizes[target] = sizes.get(target, 1) * sizes.pop(source, 1)
        return self._split(sizes)

    def combine_order(self, *pairs: tuple[int, int]) -> tuple[int, ...] | None:
        """The order with each `source` called `target`; None where equal ones are not neighbours."""
        names = dict(pairs)
        renamed = [names.get(dim, dim) for dim in self.order or ()]
        merged = [dim for i, dim in enumerate(renamed) if i == 0 or renamed[i - 1] != dim]
        return tuple(merged) if len(set(merged)) == len(merged) else None

    def exchange_state(self, *pairs: tuple[int, int]) -> tuple[Any, ...]:
        """State, copies and partial sums with two dimensions in each other's place, for each pair."""
        names = {a: b for pair in pairs for a, b in (pair, pair[::-1])}
        dims = (PARTIAL, DUPLICATE, *(self.state or {}))
        return self._split({names.get(dim, dim): self.get_dim(dim) for dim in dims})

    def exchange_order(self, *pairs: tuple[int, int]) -> tuple[int, ...]:
        """The order with two dimensions in each other's place, for each pair."""
        names = {a: b for pair in pairs for a, b in (pair, pair[::-1])}
        return tuple(names.get(dim, dim) for dim in self.order or ())

    def reduce_state(self, dim: int) -> tuple[Any, ...]:
        """State, copies and partial sums with one part along a dimension."""
        return self._split({d: self.get_dim(d) for d in (PARTIAL, DUPLICATE, *(self.state or {})) if d != dim})

    def reduce_order(self, dim: int) -> tuple[int, ...]:
        """The order without a dimension."""
        return tuple(d for d in self.order or () if d != dim)

    @staticmethod
    def _split(sizes: Mapping[int, int]) -> tuple[Any, ...]:
        state = {dim: parts for dim, parts in sorted(sizes.items()) if dim >= 0 and parts > 1}
        return state, sizes.get(DUPLICATE, 1), sizes.get(PARTIAL, 1)

    def remove_partial(self) -> NodeStatus:
        """The layout after the partial sums are added up: they become copies."""
        whole = NodeStatus(self.dev_num)
        whole.state, whole.duplicate, whole.partial = self.combine_state((PARTIAL, DUPLICATE))
        order = self.combine_order((PARTIAL, DUPLICATE))
        whole.order = whole.get_default_order() if order is None else order
        return whole

    def _becomes(self, target: NodeStatus, state: tuple[Any, ...], order: tuple[int, ...] | None) -> bool:
        return target.get() == state and target.order == order and order is not None

    def check_allreduce(self, target: NodeStatus) -> bool:
        """Whether adding up partial sums everywhere leads to `target`."""
        pair = (PARTIAL, DUPLICATE)
        return self.get_dim(PARTIAL) > 1 and self._becomes(target, self.combine_state(pair), self.combine_order(pair))

    def check_allgather(self, target: NodeStatus) -> bool:
        """Whether collecting the parts along dimension 0 everywhere leads to `target`."""
        pair = (0, DUPLICATE)
        return self.get_dim(0) > 1 and self._becomes(target, self.combine_state(pair), self.combine_order(pair))

    def check_reducescatter(self, target: NodeStatus) -> bool:
        """Whether adding up partial sums, each device a part along dimension 0, leads to `target`."""
        pair = (PARTIAL, 0)
        return self.get_dim(PARTIAL) > 1 and self._becomes(target, self.combine_state(pair), self.combine_order(pair))

    def check_broadcast(self, target: NodeStatus) -> bool:
        """Whether copying to further devices leads to `target`."""
        return (
            self.get_dim(DUPLICATE) == 1
            and target.get_dim(DUPLICATE) > 1
            and target.reduce_state(DUPLICATE) == self.get()
            and target.reduce_order(DUPLICATE) == self.order
        )

    def check_reduce(self, target: NodeStatus) -> bool:
        """Whether adding up partial sums on one device each leads to `target`."""
        return self.get_dim(PARTIAL) > 1 and self._becomes(
            target, self.reduce_state(PARTIAL), self.reduce_order(PARTIAL)
        )

    def content_hash(self) -> int:
        """A number that equal layouts share."""
        return hash((self.dev_num, tuple(sorted((self.state or {}).items())), self.duplicate, self.partial, self.order))

    def value_equal(self, other: NodeStatus) -> bool:
        """Whether both say the same."""
        return self.dev_num == other.dev_num and self.get_all() == other.get_all()

    def effect_equal(self, other: NodeStatus) -> bool:
        """Whether every device holds the same under both."""
        return (
            self.dev_num == other.dev_num
            and self.get() == other.get()
            and all(self.map_dev_to_index(i) == other.map_dev_to_index(i) for i in range(self.dev_num))
        )

    def __repr__(self) -> str:
        return (
            f"NodeStatus(dev_num={self.dev_num}, state={self.state}, duplicate={self.duplicate}, "
            f"partial={self.partial}, order={self.order})"
        )
