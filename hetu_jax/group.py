"""A group of nodes of an Executor: its compiled steps, and running them."""

from __future__ import annotations

import functools
import itertools
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from . import channels, costs, fences, in_place, layout, parallel, partial, precision, random, scan
from .errors import FeedError, GraphError, HostValueError, NonFiniteError
from .graph import Feed, Home, Node, Placeholder, Variable, flatten, toposort
from .sites import user_site, warn_user
from .trace import Env, Run, evaluate, missing_value
from .update import UNLISTED

if TYPE_CHECKING:
    from .executor import Executor

log = logging.getLogger("hetu_jax")

SHAPES_BEFORE_NOTICE = 4


class Step(NamedTuple):
    """One compiled step and what it takes and gives; `several` goes through many, `plain` is the same op by op.

    `begin` makes the values of the leaves from the arguments of the others.

    It replaces the values of `taken`, which live in `home` in this order, and may update others.
    """

    call: Callable[..., Any]
    several: Callable[..., Any]
    plain: Callable[..., Any]
    begin: Callable[..., Any]
    taken: tuple[Variable, ...]
    home: Home
    kept: tuple[Variable, ...]
    updated: list[Variable]
    draws: bool
    checked: list[Node]


class Work(NamedTuple):
    """What a step has to do: samples, and floating-point operations in its convolutions and in all.

    spent: the costs of its nodes.  Zeros and nothing where nobody can tell.
    """

    batch: int
    convolutions: float
    flops: float
    spent: Mapping[Node, costs.Cost]


class Group:
    """One named list of nodes of an Executor, evaluated together.

    executor: the owner.  name: its key; dataloaders are asked for the data of `loader`, which is the same unless given.
    """

    def __init__(self, executor: Executor, name: str, nodes: Sequence[Node], loader: str):
        self.executor, self.name, self.loader = executor, name, loader
        self._all_steps: dict[tuple[Node, ...], dict[Any, Step]] = {}
        self._shapes: defaultdict[Placeholder, dict[tuple[int, ...], None]] = defaultdict(dict)
        self.retarget(nodes)

    def retarget(self, nodes: Sequence[Node]) -> None:
        """Makes `nodes` what the group evaluates from now on; where it raises, the group stays as it was."""
        listed = listed_nodes(nodes, self.name)
        order = toposort(listed)
        loaders = [n for n in order if isinstance(n, Feed) and n.batch_num(self.loader) is not None]
        self.eval_node_list, self.topo_order, self.dataloader_nodes = listed, order, loaders
        asked = self.executor.config.inference
        self.inference = asked if asked is not None else not any(node.trains for node in order)
        self.param_nodes = [n for n in self.topo_order if isinstance(n, Variable) and n.trainable]
        self.need_feed_nodes = [n for n in self.topo_order if isinstance(n, Placeholder)]
        self.computing_nodes = [n for n in self.topo_order if not isinstance(n, Variable | Feed)]
        self._variables = [n for n in self.topo_order if isinstance(n, Variable)]
        self._feeds = [n for n in self.topo_order if isinstance(n, Feed)]
        self._written = tuple(dict.fromkeys(v for n in self.topo_order for v in n.writes))
        self._fetches = tuple(self.eval_node_list)
        self._moves_seen, self._known_work = -1, {}
        self._steps = self._all_steps.setdefault(self._fetches, {})

    @property
    def batch_num(self) -> int | None:
        """Batches in an epoch, or None without dataloaders.  Raises GraphError where dataloaders disagree."""
        counts = {node.name: node.batch_num(self.loader) for node in self.dataloader_nodes}
        if len(set(counts.values())) > 1:
            raise GraphError(f"the dataloaders of group {self.name!r} disagree on the number of batches: {counts}")
        return next(iter(counts.values()), None)

    @property
    def node_to_shape_map(self) -> dict[Node, tuple[int, ...] | None]:
        """The shape of every node, as far as it is known."""
        return {node: node.shape for node in self.topo_order}

    def set_dataloader_batch_index(self, index: int) -> None:
        """Moves the group's dataloaders to batch `index`."""
        for node in self.dataloader_nodes:
            node.set_batch_index(self.loader, index)

    def run(self, feed_dict: Mapping[Node, Any], inference: bool | None, advance: bool) -> list[Any]:
        """One step: the fetched values, as the step returned them."""
        training = self._begin(feed_dict, inference)
        return self._take_step(*self._pull(feed_dict, training, advance))

    def run_several(self, feed_dict: Mapping[Node, Any], inference: bool | None, steps: int) -> list[Any]:
        """Several steps, in one dispatch where that pays: each fetched value stacked along a new axis 0."""
        training = self._begin(feed_dict, inference)
        if isinstance(feed_dict, Mapping):  # converted once, and so the same arrays at every step
            feed_dict = {n: n.convert(x) if isinstance(n, Placeholder) else x for n, x in feed_dict.items()}
        taking = training and not self.executor.config.detect_nan
        fits = taking or not self._written
        if (
            fits
            and all(feed.resident(self.loader) for feed in self._feeds)
            and scan.wanted(self._work(feed_dict, training).flops)
        ):
            pulled = [self._pull(feed_dict, training, True, whole=True) for _ in range(steps)]
            runs = itertools.groupby(pulled, key=lambda pull: pull[0])
            parts = [self._in_one_dispatch(key, [arrays for _, arrays in run]) for key, run in runs]
            return [scan.joined(column) for column in zip(*parts, strict=True)]
        return self._one_by_one(self._pull(feed_dict, training, True) for _ in range(steps))

    def _one_by_one(self, pulled: Iterable[tuple[Any, list[Any]]]) -> list[Any]:
        values = [self._take_step(key, arrays) for key, arrays in pulled]
        return [scan.stacked(column) for column in zip(*values, strict=True)]

    def _in_one_dispatch(self, key: Any, fed: list[list[Any]]) -> list[Any]:
        """Steps that depend on the same; `fed` has the arrays of each."""
        step, parts = self._step(key), scan.split(fed)
        if len(fed) == 1 or parts is None or step.call is step.plain:
            return self._one_by_one((key, arrays) for arrays in fed)
        numbers = np.stack([random.next_seqnum() if step.draws else np.uint32(0) for _ in fed])
        kept = [variable.value for variable in step.kept]
        arguments = step.home.values, kept, *parts, random.base_key(), numbers, jax.tree.structure(fed[0])
        try:
            values, step.home.values[:] = step.several(*arguments)
        except HostValueError:
            random.step_seqnum(-len(fed) if step.draws else 0)
            return self._one_by_one((key, arrays) for arrays in fed)
        parallel.finish(self.executor.config.mesh, (values, step.home.values))
        return values

    def _begin(self, feed_dict: Mapping[Node, Any], inference: bool | None) -> bool:
        """Whether the run trains, after looking where it runs."""
        training = not (self.inference if inference is None else inference)
        if self._moves_seen != parallel.moves:
            self._consider_spreading(feed_dict, training)
        return training

    def _pull(
        self, feed_dict: Mapping[Node, Any], training: bool, advance: bool, whole: bool = False
    ) -> tuple[Any, list[Any]]:
        """What a step may depend on, and the arrays that it is fed; where it raises, no dataloader has moved on.

        whole: as `Feed.pull_whole`.
        """
        statics, arrays = [], []
        try:
            for feed in self._feeds:
                if isinstance(feed, Placeholder):
                    static, fed = None, (self._fed(feed, feed_dict),)
                else:
                    static, fed = (feed.pull_whole if whole else feed.pull)(self.loader, advance)
                statics.append(static)
                arrays.append(fed)
            if len(feed_dict) != len(self.need_feed_nodes):
                raise FeedError(self._feed_message(feed_dict))
        except BaseException:
            for feed in self._feeds[: len(arrays)] if advance else ():
                feed.step_back(self.loader)
            raise
        return (training, *statics), arrays

    def _step(self, key: Any) -> Step:
        step = self._steps.get(key)
        if step is None:
            step = self._steps[key] = self._build(key[0], key[1:])
        if not step.home.whole:  # another step took some of the Variables in
            step = self._steps[key] = step._replace(home=Home.of(step.taken))
        return step

    def _take_step(self, key: Any, arrays: list[Any]) -> list[Any]:
        step = self._step(key)
        draw = (random.base_key(), random.next_seqnum()) if step.draws else None
        arguments = step.home.values, [v._home.values[v._index] for v in step.kept], arrays, draw
        try:
            values, step.home.values[:], updates, faults = step.call(*arguments)
        except HostValueError as reason:
            values, step.home.values[:], updates, faults = self._op_by_op(key, reason, arguments)(*arguments)
        parallel.finish(self.executor.config.mesh, (values, step.home.values))
        if faults is not None:
            self._check_finite(step, faults)
        if updates:
            for variable, value in zip(step.updated, updates, strict=True):
                variable.value = value
        return values

    def _consider_spreading(self, feed_dict: Mapping[Node, Any], training: bool) -> None:
        """Spreads the Executor over a mesh where its Variables are on one already, or this step would gain."""
        self._moves_seen, config = parallel.moves, self.executor.config
        if config.mesh is not None:
            return
        mesh, split = parallel.mesh_under(variable.value for variable in self._variables), set()
        if mesh is None and (parallel.always() or any(map(_convolves, self.computing_nodes))):  # else spare the trace
            choice = parallel.candidate(config.context.jax_device)
            work = None if choice is None else self._work(feed_dict, training)
            if work is not None and parallel.gains(choice, work.batch, work.convolutions):
                mesh, split = choice, channels.to_split(self.topo_order, work.spent, choice.size)
        if mesh is not None:
            self.executor.spread(mesh, split)

    def _work(self, feed_dict: Mapping[Node, Any], training: bool) -> Work:
        if training not in self._known_work:
            self._known_work[training] = self._estimate(feed_dict, training)
        return self._known_work[training]

    def _estimate(self, feed_dict: Mapping[Node, Any], training: bool) -> Work:
        structs = {feed: self._struct(feed, feed_dict) for feed in self._feeds}
        sizes = Counter(struct.shape[0] for struct in structs.values() if struct is not None and struct.shape)
        if not sizes or None in structs.values():
            return Work(0, 0, 0, {})
        forward = [part for node in self._fetches for part in getattr(node, "losses", [node])]
        try:
            spent = costs.costs(forward, structs, training, strict=False)
        except GraphError:
            return Work(0, 0, 0, {})
        passes = 3 if training else 1  # the backward pass does each product twice
        convolutions = sum(cost.flops for node, cost in spent.items() if _convolves(node))
        batch = max(sizes, key=lambda size: (sizes[size], size))
        return Work(batch, convolutions * passes, sum(cost.flops for cost in spent.values()) * passes, spent)

    def _struct(self, feed: Feed, feed_dict: Mapping[Node, Any]) -> jax.ShapeDtypeStruct | None:
        if not isinstance(feed, Placeholder):
            return feed.struct(self.loader)
        value = feed.convert(feed_dict[feed]) if feed in feed_dict else None
        return jax.ShapeDtypeStruct(value.shape, value.dtype) if isinstance(value, jax.Array | np.ndarray) else None

    def forget_steps(self) -> None:
        """Drops the compiled steps; the next run makes them anew."""
        self._all_steps.clear()
        self._steps = self._all_steps.setdefault(self._fetches, {})

    def _op_by_op(self, key: Any, reason: HostValueError, arguments: Sequence[Any]) -> Callable[..., Any]:
        """The step, from now on not compiled as a whole, because it asks for values.

        Raises `reason` where it already is not.
        """
        step = self._steps[key]
        if step.call is step.plain:
            raise reason
        plain, compiled = step.plain, (0, len(self.computing_nodes))
        if partial.can_split(self.computing_nodes, key[0]):
            early = partial.Early(self.topo_order, self._fetches, step.begin, arguments)
            plain, compiled = partial.in_two_parts(early, step.plain), early.counts
        log.warning("group %r compiles %d of its %d ops and runs the rest one by one: %s", self.name, *compiled, reason)
        self._steps[key] = step._replace(call=plain, plain=plain)
        return plain

    def _fed(self, feed: Placeholder, feed_dict: Mapping[Node, Any]) -> Any:
        try:
            value = feed_dict[feed]
        except (KeyError, TypeError, IndexError):
            raise FeedError(self._feed_message(feed_dict)) from None
        value = feed.convert(value)
        if (mesh := self.executor.config.mesh) is not None:
            value = parallel.put(value, mesh)
        shapes, shape = self._shapes[feed], getattr(value, "shape", None)
        if shape not in shapes and shape is not None:
            shapes[shape] = None
            self._notice_shape(feed, shapes)
        return value

    def _notice_shape(self, feed: Placeholder, shapes: dict[tuple[int, ...], None]) -> None:
        self.executor.config.seen_shapes[feed] = next(reversed(shapes))
        if len(shapes) == SHAPES_BEFORE_NOTICE:
            log.warning(
                "%s has been fed %d shapes (%s), and each new one compiles the step again: "
                "pad the batches to one shape, or leave the short last one out",
                feed.describe(),
                len(shapes),
                ", ".join(map(str, shapes)),
            )

    def _feed_message(self, feed_dict: Mapping[Node, Any]) -> str:
        if not isinstance(feed_dict, Mapping):
            kind = type(feed_dict).__name__
            return f"feed_dict must be a dict from placeholders to arrays, not a {kind} (at {user_site()})"
        wanted = set(self.need_feed_nodes)
        problems = [missing_value(node) for node in self.need_feed_nodes if node not in feed_dict]
        for node in feed_dict:
            if not isinstance(node, Node):
                problems.append(f"{node!r} is no node: the keys of feed_dict are placeholders, not names")
            elif isinstance(node, Variable):
                problems.append(
                    f"{node.describe()} has a value, so it cannot be fed: set {node.name}.tensor_value = array, "
                    "or make it without a value"
                )
            elif not isinstance(node, Placeholder):
                problems.append(f"{node.describe()} cannot be fed, only a Variable without a value can: leave it out")
            elif node not in wanted:
                problems.append(f"{node.describe()} is no part of group {self.name!r}: leave it out of feed_dict")
        return "; ".join(problems)

    def _check_order(self) -> None:
        """Warns where some dataloaders shuffle and others do not: their rows would not belong together."""
        shuffled = {node.name: node.shuffled(self.loader) for node in self.dataloader_nodes}
        if len(set(shuffled.values())) > 1:
            names = ", ".join(name for name, value in shuffled.items() if not value)
            warn_user(
                f"group {self.name!r} shuffles some of its dataloaders, but not {names}: samples and labels "
                "will not match; give all of them the same shuffle="
            )
        counts = {node.name: node.batch_num(self.loader) for node in self.dataloader_nodes}
        if len(set(counts.values())) > 1:
            warn_user(
                f"the dataloaders of group {self.name!r} differ in their number of batches, {counts}: samples and "
                "labels will not match after the shortest has ended; give all as many samples and one batch_size"
            )

    def _check_training(self) -> None:
        """Warns where an optimizer minimises what the group computes, and no Executor was given its node."""
        for node in [node for node in UNLISTED if not set(node.losses).isdisjoint(self.topo_order)]:
            UNLISTED.discard(node)
            warn_user(
                f"group {self.name!r} trains nothing: {node.describe()} is in no Executor; call minimize first, "
                f"and list its node, as in Executor({{{self.name!r}: [loss, train]}})"
            )

    def _build(self, training: bool, statics: tuple[Any, ...]) -> Step:
        self._check_order()
        if self.inference:
            self._check_training()
        checked: list[Node] = []
        updated: list[Variable] = []
        detect_nan = self.executor.config.detect_nan
        taken = self._written if training and not detect_nan else ()
        takes = frozenset(taken)
        kept = tuple(variable for variable in self._variables if variable not in takes)
        fetches, feeds = self._fetches, self._feeds
        draws = any(node.draws for node in self.topo_order)
        positions, narrow = self.executor.positions, self.executor.config.compute_dtype
        platform = self.executor.ctx.jax_device.platform
        channels_last, cut = layout.wanted(platform), fences.wanted(platform)
        mesh = self.executor.config.mesh
        waits = in_place.wanted(platform)
        split = frozenset(variable for variable in self._variables if parallel.is_split(variable.value))

        def begin(taken_values, kept_values, arrays, draw):
            env: Env = dict(zip(taken, taken_values, strict=True)) | dict(zip(kept, kept_values, strict=True))
            for feed, static, fed in zip(feeds, statics, arrays, strict=True):
                env[feed] = feed.read(static, fed)
            one = fences.one(env.values()) if cut else None
            key = random.step_key(*draw) if draws else None
            return env, Run(training, key, positions, channels_last, narrow, one, mesh, split, waits)

        def step(compiled, taken_values, kept_values, arrays, draw, known=MappingProxyType({})):
            env, run = begin(taken_values, kept_values, arrays, draw)
            leaves = dict(env)
            env.update(known)
            # Updates first: they evaluate the forward pass under jax.vjp, and the other fetches then share it.
            evaluate(sorted(fetches, key=lambda node: not node.trains), env, run)
            renewed = [run.updates[v] if v in run.updates else jnp.copy(leaves[v]) for v in taken]
            others = {v: x for v, x in run.updates.items() if v not in takes and x is not leaves[v]}
            updated[:] = others
            held = {id(x) for x in [*leaves.values(), *renewed, *others.values()]}
            fetched = [run.updates.get(node, layout.plain(env[node])) for node in fetches]
            values = [_own(value if narrow is None else precision.widened(value), held) for value in fetched]
            if compiled and any(map(_is_text, jax.tree.leaves(values))):
                raise HostValueError("it gives strings")
            return values, renewed, list(others.values()), _nan_flags(env, checked) if detect_nan else None

        plain = functools.partial(step, False)
        on_host = any(feed.on_host for feed in feeds)
        traced = functools.partial(step, True)
        call = plain if on_host else self._compiled(traced, 4, taken)
        several = self._compiled(scan.scanned(traced), 2, taken, static_argnums=6)
        return Step(call, several, plain, begin, taken, Home.of(taken), kept, updated, draws, checked)

    def _compiled(
        self, function: Callable[..., Any], results: int, taken: Sequence[Variable], **options: Any
    ) -> Callable[..., Any]:
        """The function, whose first argument and second result are the values of `taken`."""
        mesh = self.executor.config.mesh
        if mesh is not None:
            replaced = [parallel.kept(variable.value, mesh) for variable in taken]
            options["out_shardings"] = (None, replaced, parallel.replicated(mesh), None)[:results]
        return jax.jit(function, donate_argnums=0, **options)

    def _check_finite(self, step: Step, faults: jax.Array) -> None:
        bad = np.flatnonzero(np.asarray(faults))
        if bad.size:
            node = step.checked[bad[0]]
            inputs = ", ".join(repr(below.name) for below in node.needs) or "nothing"
            raise NonFiniteError(
                f"{node.describe()} is the first to make NaN in this run of group {self.name!r}; "
                f"its inputs ({inputs}) had none.  The step's updates were not applied"
            )

    @property
    def compile_count(self) -> int:
        """How many times a step of this group was compiled."""
        steps = [step for by_key in self._all_steps.values() for step in by_key.values()]
        compiled = [step for step in steps if step.call is not step.plain]
        return sum(step.call._cache_size() + step.several._cache_size() for step in compiled)

    def __repr__(self) -> str:
        kind = "inference" if self.inference else "training"
        return f"<group {self.name!r}: {kind}, {len(self.eval_node_list)} fetched of {len(self.topo_order)} nodes>"


def _convolves(node: Node) -> bool:
    return node.op is not None and node.op.__module__.endswith("ops.conv")


def _own(value: Any, held: set[int]) -> Any:
    """`value`, as a copy where a later step may give its buffer away; NumPy's numbers as arrays of JAX's."""
    return jax.tree.map(lambda part: _fetched(part, id(part) in held), value)


def _fetched(part: Any, held: bool) -> Any:
    if isinstance(part, np.ndarray):
        return part if _is_text(part) else jnp.array(part)
    return jnp.copy(part) if held else part


def _is_text(part: Any) -> bool:
    return isinstance(part, np.ndarray) and part.dtype.kind in "OUS"


def _nan_flags(env: Env, checked: list[Node]) -> jax.Array:
    """For each node with a float value, in the order of evaluation, whether it holds NaN; the nodes go to `checked`."""
    flags = {}
    for node, value in env.items():
        parts = [p for p in jax.tree.leaves(value) if hasattr(p, "dtype") and jnp.issubdtype(p.dtype, jnp.inexact)]
        if parts:
            flags[node] = jnp.any(jnp.stack([jnp.any(jnp.isnan(part)) for part in parts]))
    checked[:] = flags
    return jnp.stack(list(flags.values()))


def listed_nodes(nodes: Any, name: str) -> list[Node]:
    """The flat list of a group's nodes.  Raises GraphError for anything that is no node."""
    nodes = [nodes] if isinstance(nodes, Node) else nodes
    if not isinstance(nodes, Iterable) or isinstance(nodes, str | Mapping):
        hint = ": what is to be fed goes into feed_dict=" if isinstance(nodes, Mapping) else ""
        kind = type(nodes).__name__
        raise GraphError(f"the nodes of group {name!r} are given as a {kind}, not a list{hint} (at {user_site()})")
    found = list(flatten(nodes))
    for node in found:
        if not isinstance(node, Node):
            raise GraphError(f"group {name!r} has {node!r} in its list, which is no node of a graph (at {user_site()})")
    return found
