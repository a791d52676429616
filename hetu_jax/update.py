"""The node that `minimize` makes: gradients in, new parameters and slots out, rows of tables where rows are enough."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from . import in_place
from .gradients import Gradients
from .graph import Feed, Node, Variable, toposort
from .lr_scheduler import FixedScheduler
from .ops import embedding, quantize
from .trace import Env, Run

if TYPE_CHECKING:
    from .optimizer import Optimizer

# The parameters of each lookup that take the table and the row numbers.
LOOKUPS = {"embedding_lookup_op": ("embedding", "index"), **dict.fromkeys(quantize.GRIDS, ("embed", "indices"))}


UNLISTED: weakref.WeakSet[OptimizerOp] = weakref.WeakSet()  # what no Executor has in its lists


class LearningRate(Feed):
    """The rate of a schedule, read at each run.

    schedule: an object of `lr_scheduler` with `get()`.
    """

    def __init__(self, schedule: Any):
        super().__init__("learning_rate")
        self.schedule, self._rate = schedule, None

    def pull(self, group: str, advance: bool) -> tuple[None, tuple[Any, ...]]:
        rate = self.schedule.get()
        if rate != self._rate:
            self._rate, self._array = rate, jnp.float32(rate)
        return None, (self._array,)

    def state(self) -> dict[str, Any]:
        return self.schedule.state() if isinstance(self.schedule, FixedScheduler) else {}

    def resume(self, state: Mapping[str, Any]) -> None:
        if isinstance(self.schedule, FixedScheduler):
            self.schedule.resume(state)

    def _abstract(self) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((), jnp.float32)


class Whole:
    """All of a parameter takes part in the update.

    gradient: of the loss, in the parameter's shape.  one: what the step is multiplied by, which XLA does not know.
    """

    def __init__(self, gradient: jax.Array, one: jax.Array | None = None):
        self.gradient, self.one = gradient, one

    def read(self, array: jax.Array) -> jax.Array:
        """What the update sees of the parameter, or of a slot of its shape."""
        return array

    def write(self, array: jax.Array, new: jax.Array) -> jax.Array:
        """The array with what the update made of it."""
        return new.astype(array.dtype)

    read_parameter = read

    def move_parameter(self, array: jax.Array, old: jax.Array, step: jax.Array) -> jax.Array:
        """The parameter after `step` was added to what the update saw of it, `old`."""
        return self.write(array, old + (step if self.one is None else step * self.one.astype(step.dtype)))


class Rows(Whole):
    """Only the rows of a table that lookups touched take part, each once.

    numbers: of the rows, ascending, padded with the table's height.  gradient: the sums that reached them.
    """

    def __init__(self, numbers: jax.Array, gradient: jax.Array):
        super().__init__(gradient)
        self.numbers = numbers

    def read(self, array: jax.Array) -> jax.Array:
        return embedding.rows_in_halves(array, self.numbers)

    def write(self, array: jax.Array, new: jax.Array) -> jax.Array:
        return array.at[self.numbers].set(new.astype(array.dtype), mode="drop")

    read_parameter = read

    def move_parameter(self, array: jax.Array, old: jax.Array, step: jax.Array) -> jax.Array:
        if step.dtype != array.dtype:
            return self.write(array, old + step)
        return array.at[self.numbers].add(step, mode="drop")  # most optimizers need not read the rows then


class CodedRows(Rows):
    """Touched rows of a quantised table: read as numbers, written as codes, rounded at random.

    lookup: a lookup of the table, which knows its grid.  arguments: of the lookup, by name.  key: for the rounding.
    """

    def __init__(self, rows: Rows, lookup: Node, arguments: dict[str, Any], key: jax.Array):
        super().__init__(rows.numbers, rows.gradient)
        self.lookup, self.arguments, self.key = lookup, arguments, key

    def read_parameter(self, array: jax.Array) -> jax.Array:
        return self.lookup.op.fn(**self.arguments | {"embed": array, "indices": self.numbers})

    def move_parameter(self, array: jax.Array, old: jax.Array, step: jax.Array) -> jax.Array:
        new, arguments = old + step, self.arguments | {"embed": array}
        return quantize.write_rows(self.lookup.op, arguments, self.numbers, new, self.key)


def touched_rows(indices: Sequence[jax.Array], gradients: Sequence[jax.Array], height: int) -> Rows:
    """The rows that lookups touched.

    indices: one array of any shape S a lookup.  gradients: S + (width,) for each.  height: the table's rows.
    Returns: ascending numbers, as many as ids were looked up, padded with `height`, and the sums of the gradients;
        ids outside the table count for nothing.
    """
    width = gradients[0].shape[-1]
    ids = jnp.concatenate([jnp.asarray(i).reshape(-1).astype(jnp.int32) for i in indices])
    inside = (ids >= 0) & (ids < height)
    ids = jnp.where(inside, ids, height)
    numbers, places = _distinct(ids, height)
    values = jnp.concatenate([g.reshape(-1, width) for g in gradients]) * inside[:, None]
    return Rows(numbers, jnp.zeros_like(values).at[places].add(values))


def _distinct(ids: jax.Array, fill: int) -> tuple[jax.Array, jax.Array]:
    """The distinct ids, ascending and padded with `fill` to their number, and the place of each id among them.

    XLA sorts numbers alone ten times faster than with their places, which jnp.unique does; a search finds these again.
    """
    ordered = jnp.sort(ids)
    rank = jnp.cumsum(jnp.diff(ordered, prepend=-1) != 0) - 1
    distinct = jnp.full_like(ids, fill).at[rank].set(ordered)
    return distinct, jnp.searchsorted(distinct, ids, method="scan_unrolled")


class OptimizerOp(Node):
    """The update of all parameters of one `minimize`: it has no value, and writes the parameters and their slots.

    It is also the list of itself, as 2023 scripts expect of `minimize`: `[loss] + train_op`, `*train_op`.
    """

    trains = True

    def __init__(self, optimizer: Optimizer, loss: Sequence[Node], params: Sequence[Variable]):
        super().__init__(None, {}, name=f"Optimizer_{optimizer.name}")
        self.optimizer, self.losses = optimizer, tuple(loss)
        UNLISTED.add(self)
        self._lookups = _sparse_lookups(loss, params) if optimizer.sparse else {}
        dense = [param for param in params if param not in self._lookups]
        reads = [node for nodes in self._lookups.values() for node in nodes]
        self._gradients = Gradients(loss, [*dense, *reads], [None] * len(loss))
        self._followers = in_place.followers(loss, self._gradients.wrt)
        self.params = [*dense, *self._lookups]
        self._structure, self.slots = optimizer.make_slots(self.params)
        self._rate = optimizer.rate
        self._indices = {node: node.bound[LOOKUPS[node.op.__name__][1]] for node in reads}
        self._coded = {p: nodes[0] for p, nodes in self._lookups.items() if nodes[0].op.__name__ in quantize.GRIDS}
        self.writes = (*self.params, *self.slots)
        indices = [index for index in self._indices.values() if isinstance(index, Node)]
        owned = [node for lookup in self._coded.values() for node in lookup.inputs]
        self.inputs = list(dict.fromkeys([*self.writes, self._gradients, *indices, *owned, self._rate]))

    @property
    def draws(self) -> bool:
        return bool(self._coded)

    def evaluate(self, values: Sequence[Any], env: Env, run: Run, **given: Any) -> tuple[Any, ...]:
        at = dict(zip(self.inputs, values, strict=True))
        reach = self._reach(at, run)
        params = [reach[p].read_parameter(at[p]) for p in self.params]
        slots = [at[s] if s.of is None else reach[self.params[s.of]].read(at[s]) for s in self.slots]
        state = jax.tree.unflatten(self._structure, slots)
        transform = self.optimizer.transform(at[self._rate])
        steps, state = transform.update([reach[p].gradient for p in self.params], state, params)
        moved = zip(self.params, params, steps, strict=True)
        new = [reach[p].move_parameter(at[p], old, step) for p, old, step in moved]
        moved = zip(self.slots, jax.tree.leaves(state), strict=True)
        new += [x if s.of is None else reach[self.params[s.of]].write(at[s], x) for s, x in moved]
        return None, *new

    def _reach(self, at: dict[Node, Any], run: Run) -> dict[Variable, Whole]:
        """How the update reaches each parameter in this step."""
        by_node = dict(zip(self._gradients.wrt, at[self._gradients], strict=True))
        dense = [p for p in self.params if p not in self._lookups]
        reach: dict[Variable, Whole] = {p: Whole(by_node[p], self._one(p, by_node, run)) for p in dense}
        for table, reads in self._lookups.items():
            indices = [
                at.get(self._indices[n]) if isinstance(self._indices[n], Node) else self._indices[n] for n in reads
            ]
            rows = touched_rows(indices, [by_node[n] for n in reads], table.shape[0])
            if table in self._coded:
                lookup = self._coded[table]
                arguments = {k: at[v] if isinstance(v, Node) else v for k, v in lookup.bound.items()}
                rows = CodedRows(rows, lookup, arguments, jax.random.fold_in(run.key, run.positions.get(lookup, 0)))
            reach[table] = rows
        return reach

    def _one(self, param: Variable, gradients: Mapping[Node, jax.Array], run: Run) -> jax.Array | None:
        """What to multiply the step of a parameter by, or None."""
        one = in_place.one_after(self._followers.get(param, ()), gradients) if run.in_place else None
        # XLA's CPU backend goes through a sum on its own axis by axis, which for filters takes up to seven times as
        # long as a sum fused with something; a matrix loses nothing.
        return run.one if one is None and gradients[param].ndim > 2 else one

    @property
    def op_type(self) -> str:
        return "OptimizerOp"

    def __iter__(self) -> Iterator[Node]:
        return iter([self])

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: Any) -> Any:
        return [self][index]

    def __add__(self, other: Any) -> Any:
        return [self, *other] if isinstance(other, list | OptimizerOp) else NotImplemented

    def __radd__(self, other: Any) -> Any:
        return [*other, self] if isinstance(other, list) else NotImplemented


def _sparse_lookups(loss: Sequence[Node], params: Sequence[Variable]) -> dict[Variable, list[Node]]:
    """The tables among `params` that only lookups read, with those lookups."""
    readers: dict[Node, list[Node]] = {}
    for node in toposort(loss):
        for below in node.inputs:
            readers.setdefault(below, []).append(node)
    return {p: readers[p] for p in params if readers.get(p) and all(_looks_up(n, p) for n in readers[p])}


def _looks_up(node: Node, table: Variable) -> bool:
    return node.op is not None and node.op.__name__ in LOOKUPS and node.bound[LOOKUPS[node.op.__name__][0]] is table
