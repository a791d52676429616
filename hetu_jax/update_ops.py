"""Updates of single parameters by gradients that are given: what Hetu of 2023 builds its `minimize` from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from .graph import Node, Variable
from .trace import Env, Run
from .update import Rows, Whole

if TYPE_CHECKING:
    from .optimizer import Optimizer

__all__ = """
    AdaGradSparseUpdateOp AdaGradUpdateOp AdamSparseUpdateOp AdamUpdateOp AdamWUpdateOp BetatsUpdateOp LambUpdateOp
    MomentumUpdateOp OptimizerSparseOp SGDSparseUpdateOp SGDUpdateOp SparseUpdateOp UpdateOp betats_update_op
""".split()


class _Update(Node):
    """What both updates share.

    param: the Variable.  optimizer: has the rule; the slots are made here.
    owned: the Variables that are written besides the slots.  others: the nodes that are read.
    """

    trains = True

    def __init__(self, optimizer: Optimizer, param: Variable, owned: Sequence[Variable], others: Sequence[Node]):
        super().__init__(None, {}, name=f"{optimizer.name}_{param.name}")
        self.optimizer, self.param, self.others = optimizer, param, list(others)
        self._structure, self.slots = optimizer.make_slots([param])
        self.writes = (*owned, *self.slots)
        self.inputs = list(dict.fromkeys([param, *self.writes, *others, optimizer.rate]))

    @property
    def op_type(self) -> str:
        return type(self).__name__

    def step(self, at: dict[Node, Any], reach: Whole, old: jax.Array) -> tuple[jax.Array, list[jax.Array]]:
        """What becomes of `old`, the part of the parameter that takes part, and the new slots."""
        slots = [at[s] if s.of is None else reach.read(at[s]) for s in self.slots]
        state = jax.tree.unflatten(self._structure, slots)
        (step,), state = self.optimizer.transform(at[self.optimizer.rate]).update([reach.gradient], state, [old])
        new = zip(self.slots, jax.tree.leaves(state), strict=True)
        return old + step, [x if s.of is None else reach.write(at[s], x) for s, x in new]


class UpdateOp(_Update):
    """One step of one parameter.  It has no value.

    Hetu has a class for each rule; here the optimizer has the rule, and they are all this one.

    param: the Variable.  grad: node of its shape.  optimizer: any of `hetu_jax.optim`.
    """

    def __init__(self, param: Variable, grad: Node, optimizer: Optimizer):
        super().__init__(optimizer, param, [param], [grad])

    def evaluate(self, values: Sequence[Any], env: Env, run: Run, **given: Any) -> tuple[Any, ...]:
        at = dict(zip(self.inputs, values, strict=True))
        reach = Whole(at[self.others[0]])
        new, slots = self.step(at, reach, at[self.param])
        return None, reach.write(at[self.param], new), *slots


class SparseUpdateOp(_Update):
    """One step of some rows of a table: their new values, for `assign_with_indexedslices_op` to put in place.

    optimizer: one that leaves other rows alone.  param: the Variable (rows, width).
    unique: ids of any shape S, each once; negative ones are padding.  dedup_lookup, dedup_grad: nodes S + (width,),
    the rows as they are, and their gradients.
    """

    def __init__(self, optimizer: Optimizer, param: Variable, unique: Node, dedup_lookup: Node, dedup_grad: Node):
        super().__init__(optimizer, param, [], [unique, dedup_lookup, dedup_grad])

    def evaluate(self, values: Sequence[Any], env: Env, run: Run, **given: Any) -> Any:
        at = dict(zip(self.inputs, values, strict=True))
        ids, lookup, gradient = (at[node] for node in self.others)
        ids, (height, width) = ids.reshape(-1).astype(jnp.int32), self.param.shape
        reach = Rows(jnp.where(ids < 0, height, ids), gradient.reshape(-1, width))
        new, slots = self.step(at, reach, lookup.reshape(-1, width))
        new = new.reshape(lookup.shape)
        return (new, *slots) if self.writes else new


class BetatsUpdateOp(Node):
    """In place: the powers (beta1 ** t, beta2 ** t) of Adam move on to t + 1.  It has no value.

    Updates here count their steps by themselves, and do not read the powers.
    betats: Variable (2,).  beta1, beta2: numbers.  ctx: the device.
    """

    def __init__(self, betats: Variable, beta1: float, beta2: float, ctx: Any = None):
        super().__init__(None, {}, name=f"{betats.name}_update", ctx=ctx)
        self.betats, self.beta1, self.beta2 = betats, beta1, beta2
        self.inputs, self.writes = [betats], (betats,)

    @property
    def op_type(self) -> str:
        return type(self).__name__

    def evaluate(self, values: Sequence[Any], env: Env, run: Run, **given: Any) -> tuple[Any, ...]:
        return None, values[0] * jnp.array([self.beta1, self.beta2], values[0].dtype)


betats_update_op = BetatsUpdateOp
OptimizerSparseOp = SGDSparseUpdateOp = AdaGradSparseUpdateOp = AdamSparseUpdateOp = SparseUpdateOp
SGDUpdateOp = MomentumUpdateOp = AdaGradUpdateOp = AdamUpdateOp = AdamWUpdateOp = LambUpdateOp = UpdateOp
