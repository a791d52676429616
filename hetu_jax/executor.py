"""The Executor: named groups of nodes, each compiled into one step."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from . import checkpoint, compilation_cache, heap, parallel, pipeline, random
from .config import HetuConfig
from .errors import GraphError, suggest
from .graph import Feed, Node, Placeholder, Variable, toposort
from .group import Group, listed_nodes
from .ndarray import ND_Sparse_Array, NDArray, as_numpy
from .profiles import Profiles
from .reports import Reports
from .sites import user_site
from .timing import timers
from .update import UNLISTED


class Executor(Reports, Profiles):
    """Runs a graph: each named group of nodes is one compiled step.

    eval_node_dict: a list of nodes, which makes the group 'default', or a dict from group names to lists; lists may
        be nested.  A group that holds an optimizer's node is a training group.
    config: a HetuConfig to share; it replaces the keyword arguments.
    timing: 'cpu' or 'gpu' times the runs, for `logOut`: a run then waits for its results.
    kwargs: the options of `HetuConfig` (ctx, seed, dataloader_name, inference, detect_nan, ...).
    Raises GraphError for lists that hold no nodes, TypeError for an unknown option.

    >>> import hetu_jax as ht
    >>> x = ht.Variable("x")
    >>> ht.Executor([x * 2.0]).run(feed_dict={x: [1.0, 2.0]}, convert_to_numpy_ret_vals=True)
    [array([2., 4.], dtype=float32)]
    """

    def __init__(self, eval_node_dict: Any, config: HetuConfig | None = None, timing: str | None = None, **kwargs: Any):
        compilation_cache.enable()
        if isinstance(eval_node_dict, Mapping):
            self.eval_node_dict = {str(name): listed_nodes(nodes, name) for name, nodes in eval_node_dict.items()}
        else:
            self.eval_node_dict = {"default": listed_nodes(eval_node_dict, "default")}
        if config is not None and kwargs:
            raise TypeError(f"Executor got config= and also {', '.join(kwargs)}: put those into the config")
        wanted = [node for nodes in self.eval_node_dict.values() for node in nodes]
        if not wanted:
            raise GraphError(f"Executor got no nodes: give it a list of them, or a dict of lists (at {user_site()})")
        if not isinstance(config, HetuConfig | None):
            raise TypeError(
                f"config must be a HetuConfig, not {config!r}: nodes go into one list, Executor([a, b]), "
                f"or one dict of lists (at {user_site()})"
            )
        heap.prepare(toposort(wanted))  # before the config, which starts JAX
        self.config = config or HetuConfig(wanted, **kwargs)
        self.config.eval_node_list = wanted
        self.positions: dict[Node, int] = {}
        self._add(self.config.eval_node_list)
        self.subexecutor = {
            name: pipeline.group_of(self, name, nodes, self.config.dataloader_name or name)
            for name, nodes in self.eval_node_dict.items()
        }
        self.timers = timers(timing, self.subexecutor)

    def _add(self, nodes: Sequence[Node]) -> None:
        """Takes in nodes: their order, and values for Variables that have none."""
        self.topo_order = toposort([*self.config.eval_node_list, *nodes])
        self.param_nodes = [n for n in self.topo_order if isinstance(n, Variable) and n.trainable]
        UNLISTED.difference_update(node for node in self.topo_order if node.trains)
        new = [node for node in self.topo_order if node not in self.positions]
        self.positions.update(zip(new, itertools.count(len(self.positions))))
        variables = [n for n in self.topo_order if isinstance(n, Variable)]
        self.config.placeholder_to_arr_map.add(variables + [n for n in self.topo_order if isinstance(n, Placeholder)])
        pending = [variable for variable in variables if variable.value is None]
        builders = [node for node in new if node.op is not None and node.op.on_build is not None]
        if pending or builders:
            key = random.step_key(random.base_key(), random.next_seqnum())
            for variable in pending:
                own = jax.random.fold_in(key, self.positions[variable])
                variable.value = variable.initializer(own, variable.dtype)
            for node in builders:
                node.op.on_build(node.bound, jax.random.fold_in(key, self.positions[node]))
        for leaf in self.topo_order:
            if isinstance(leaf, Variable | Feed):
                self.config.place(leaf)

    def spread(self, mesh: jax.sharding.Mesh, split: Collection[Variable] = ()) -> None:
        """Splits the batches of all groups over a mesh from now on, and keeps the Variables on each of its devices.

        split: Variables of which each device has a part of axis 0 only, which its size must allow.
        """
        self.config.mesh, self.config.split = mesh, split
        parallel.moves += 1
        for group in self.subexecutor.values():
            group.forget_steps()
        for leaf in self.topo_order:
            if isinstance(leaf, Variable | Feed):
                self.config.place(leaf)

    def run(
        self,
        name: str = "default",
        eval_node_list: Sequence[Node] = (),
        feed_dict: Mapping[Node, Any] | Sequence[Mapping[Node, Any]] | None = None,
        convert_to_numpy_ret_vals: bool = False,
        inference: bool | None = None,
        dataloader_step: bool = True,
        steps: int | None = None,
        batch_num: int | None = None,
    ) -> list[Any]:
        """One step of a group, or several.

        name: the group; the only one where there is but one.
        eval_node_list: if given, what the group evaluates from now on.
        feed_dict: a value for each placeholder of the group, and for nothing else.
        convert_to_numpy_ret_vals: NumPy arrays instead of NDArrays.
        inference: True or False overrides what dropout and batch norm do; updates still happen.
        dataloader_step: False takes the next batch without moving on.
        steps: how many steps to take, with the same `feed_dict`; small ones in one dispatch (`HETU_JAX_SCAN`).  The
            numbers are those of as many calls.
        batch_num: with `pipeline=`, how many micro-batches a training step takes; `feed_dict` is then a list with a
            dict for each, and the results are those of `pipeline.MicroBatches` or `pipeline.GPipe`.
        Returns: one entry a node, in order: an NDArray, or None for a node that only updates.  With `steps` an NDArray
            has a further axis 0 of that size; a node whose value changes its shape has a list instead.
        Raises GraphError for an unknown group, FeedError for wrong feeds, OpError where an op refuses its inputs,
            ValueError for `steps` below 1, or together with dataloader_step=False.
        """
        group = self._group(name)
        if isinstance(eval_node_list, Node) or eval_node_list:  # a node is not to be asked for its truth
            nodes = listed_nodes(eval_node_list, name)
            if nodes != group.eval_node_list:
                self._add(nodes)
                group.retarget(nodes)
        if batch_num is not None or isinstance(group, pipeline.MicroBatches):
            pipeline.check(group, steps)
            return group.run_batches(feed_dict, batch_num, inference, dataloader_step, convert_to_numpy_ret_vals)
        if steps is None:
            values = group.run(feed_dict or {}, inference, dataloader_step)
        else:
            _check_steps(steps, dataloader_step)
            values = group.run_several(feed_dict or {}, inference, int(steps))
        if convert_to_numpy_ret_vals:
            return [_numpy(value) for value in values]
        return [NDArray(value) if isinstance(value, jax.Array) else _held(value) for value in values]

    def run_epoch(
        self,
        name: str = "default",
        feed_dict: Mapping[Node, Any] | None = None,
        convert_to_numpy_ret_vals: bool = False,
        inference: bool | None = None,
    ) -> list[Any]:
        """As many steps of a group as its dataloaders have batches.

        The arguments and what is returned are as of `run` with `steps`.
        Raises GraphError for a group without dataloaders, and what `run` raises.
        """
        batches = self.get_batch_num(name)
        if batches is None:
            raise GraphError(f"group {name!r} has no dataloader, and so no epoch: use run({name!r}, steps=...)")
        return self.run(name, (), feed_dict, convert_to_numpy_ret_vals, inference, steps=batches)

    def _group(self, name: str) -> Group:
        try:
            return self.subexecutor[name]
        except TypeError:
            kind = type(name).__name__
            raise GraphError(
                f"run takes the name of a group first, not a {kind}: write run(feed_dict=...) (at {user_site()})"
            ) from None
        except KeyError:
            if str(name) in self.subexecutor:  # the groups of {0: [...], 1: [...]}
                return self.subexecutor[str(name)]
            if name == "default" and len(self.subexecutor) == 1:
                return next(iter(self.subexecutor.values()))
            known = ", ".join(map(repr, self.subexecutor))
            hint = suggest(str(name), self.subexecutor)
            raise GraphError(
                f"this Executor has no group {name!r}; it has {known}{hint or ': name one of them'} (at {user_site()})"
            ) from None

    @property
    def batch_num(self) -> int | None:
        """Batches in an epoch of the only group.  Raises GraphError where there are several."""
        if len(self.subexecutor) > 1:
            raise GraphError(f"this Executor has the groups {', '.join(self.subexecutor)}: use get_batch_num(name)")
        return next(iter(self.subexecutor.values())).batch_num

    def get_batch_num(self, name: str = "default") -> int | None:
        """Batches in an epoch of a group, or None without dataloaders."""
        return self._group(name).batch_num

    def set_dataloader_batch_index(self, name: str, index: int) -> None:
        """Moves the dataloaders of a group to batch `index`."""
        self._group(name).set_dataloader_batch_index(index)

    @property
    def variables(self) -> list[Variable]:
        """Every Variable of the graph: parameters, constants, slots and statistics."""
        return [node for node in self.topo_order if isinstance(node, Variable)]

    @property
    def _feeds(self) -> list[Feed]:
        return [node for node in self.topo_order if isinstance(node, Feed)]

    @property
    def compile_count(self) -> int:
        """How many times a step was compiled."""
        return sum(group.compile_count for group in self.subexecutor.values())

    def state_dict(self) -> dict[str, np.ndarray]:
        """A copy of every Variable's value, by name; a repeated name gets a suffix (`w`, `w#1`, ...)."""
        return checkpoint.state_dict(self.variables)

    def load_dict(
        self, state_dict: Mapping[str, Any], file_path: str | None = None, consider_splits: bool = False
    ) -> None:
        """Sets the Variables that `state_dict` names; see `checkpoint.load_dict`.

        file_path: accepted without effect; Hetu's parameter servers read their part of the values there.
        """
        checkpoint.load_dict(self.variables, state_dict, consider_splits)

    def save(self, file_path: str, file_name: str | None = None, others: Mapping[str, Any] | None = None) -> str:
        """Writes all Variables, the random state, and where dataloaders and schedules are; see `checkpoint.save`."""
        return checkpoint.save(self.variables, file_path, file_name, others, self._feeds)

    def load(self, file_path: str, file_name: str | None = None, consider_splits: bool = False) -> dict[str, Any]:
        """Reads a checkpoint of any vintage; see `checkpoint.load`."""
        return checkpoint.load(self.variables, file_path, file_name, consider_splits, self._feeds)

    def load_seeds(self, seeds: tuple[int, int]) -> None:
        """Sets the random state to (seed, sequence number), as a checkpoint stores it."""
        random.set_seed_status(*seeds)

    def return_tensor_values(self) -> None:
        """Nothing to give back: values live on the Variables, where any Executor finds them."""

    def sync_all_streams(self) -> None:
        """Waits until every value is there."""
        jax.block_until_ready([variable.value for variable in self.variables])

    def reduceMean(self, arr: Any, root: int = 0) -> Any:  # noqa: N802, the name is Hetu's
        """The mean over the processes: of one, `arr` itself.

        root: accepted without effect; there is one process to have it.
        """
        return arr

    def gatherPredict(self, arr: Any) -> Any:  # noqa: N802, the name is Hetu's
        """The rows of all processes: of one, `arr` itself."""
        return arr

    ctx = property(lambda self: self.config.context, doc="The device the Executor was given, or the default one.")
    rank = property(lambda self: self.config.rank, doc="The number of this process, or None when there is one.")
    local_rank = property(lambda self: self.config.local_rank, doc="The number on this machine, or None.")
    comm_mode = property(lambda self: self.config.comm_mode, doc="None, 'AllReduce', 'PS' or 'Hybrid'.")

    def __repr__(self) -> str:
        lines = [f"<Executor on {self.ctx!r}, {len(self.param_nodes)} trainable Variables"]
        lines += [f"  {group!r}" for group in self.subexecutor.values()]
        return "\n".join(lines) + ">"


def _check_steps(steps: Any, dataloader_step: bool) -> None:
    if not isinstance(steps, int | np.integer) or steps < 1:
        raise ValueError(f"steps is how many steps to take, an integer from 1 on, not {steps!r} (at {user_site()})")
    if not dataloader_step:
        raise ValueError(f"steps= moves the dataloaders on; leave out dataloader_step=False (at {user_site()})")


def _held(value: Any) -> Any:
    """A fetched value as the user holds it: lists of arrays become lists of NDArrays."""
    if isinstance(value, jax.Array):
        return NDArray(value)
    return [_held(part) for part in value] if isinstance(value, list) else value


def _numpy(value: Any) -> Any:
    if isinstance(value, ND_Sparse_Array):
        return value.asnumpy()
    return as_numpy(value) if isinstance(value, jax.Array) else jax.tree.map(as_numpy, value)
