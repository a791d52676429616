"""Optimizers: optax transformations under Hetu's names, formulas and defaults."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from .errors import GraphError, hint_at_names
from .graph import Node, Variable, flatten, toposort
from .initializers import ConstantInit
from .lr_scheduler import FixedScheduler
from .sites import user_site
from .trace import is_float
from .update import LearningRate, OptimizerOp
from .update_ops import *  # noqa: F403, Hetu's names of updates
from .update_ops import SparseUpdateOp, UpdateOp


class Slot(Variable):
    """A Variable of an optimizer.

    of: the position of the parameter whose shape it has, or None for a number shared by all.
    """

    def __init__(self, name: str, initializer: Any, dtype: Any, of: int | None):
        super().__init__(name, initializer=initializer, trainable=False, dtype=dtype)
        self.of = of


class Optimizer:
    """Minimises losses; a subclass gives `transform`.

    learning_rate: a number >= 0, or a scheduler of `lr_scheduler`, whose `step()` counts from the next run on.
    l2reg: adds l2reg * parameter to each gradient first.
    Raises ValueError for negative ones.
    """

    name = "Optimizer"
    sparse = True  # whether rows of an embedding table that no lookup touched are left alone
    slot_names: dict[str, str] = {}  # the attribute of optax's state -> Hetu's suffix
    opt_op_type, sparse_opt_op_type = UpdateOp, SparseUpdateOp  # for a single parameter, for some rows of one

    def __new__(cls, *args: Any, **options: Any) -> Any:
        parameters = inspect.signature(cls.__init__).parameters
        known = [name for name in parameters if name != "self"]
        unknown = [option for option in options if option not in known]
        if unknown and all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
            raise TypeError(
                f"{cls.__name__} has no argument {unknown[0]!r}; it has {', '.join(known)} (at {user_site()})"
            )
        return super().__new__(cls)

    def __init__(self, learning_rate: Any = 0.01, l2reg: float = 0):
        if not hasattr(learning_rate, "get"):
            _check(learning_rate=learning_rate)
            learning_rate = FixedScheduler(learning_rate)
        _check(l2reg=l2reg)
        self.lr_sched, self.l2reg = learning_rate, l2reg
        self.rate = LearningRate(self.lr_sched)
        self.params: list[Variable] = []
        self.loss: Any = None

    @property
    def learning_rate(self) -> float:
        """The rate that the next run uses."""
        return self.lr_sched.get()

    def transform(self, rate: jax.Array) -> optax.GradientTransformation:
        """The optax transformation from gradients to what is added to the parameters; `rate` is the learning rate."""
        raise GraphError(f"{type(self).__name__} has no update rule: define transform(rate) -> optax transformation")

    def slot_fill(self, attribute: str) -> float:
        """What a slot starts from."""
        return 0.0

    def decay(self) -> optax.GradientTransformation:
        """The l2 regularisation, coupled to the gradient."""
        return optax.add_decayed_weights(self.l2reg) if self.l2reg else optax.identity()

    def make_slots(self, params: Sequence[Variable]) -> tuple[Any, list[Slot]]:
        """The structure of the transformation's state over `params`, and a Variable for each of its arrays."""
        # A quantised table is codes, but its slots are of its rows' numbers.
        dtypes = [p.dtype if jnp.issubdtype(p.dtype, jnp.floating) else jnp.float32 for p in params]
        structs = [jax.ShapeDtypeStruct(p.shape, dtype) for p, dtype in zip(params, dtypes, strict=True)]
        state = jax.eval_shape(lambda p: self.transform(jnp.float32(0)).init(p), structs)
        leaves, structure = jax.tree_util.tree_flatten_with_path(state)
        return structure, [self._slot(path, leaf, params) for path, leaf in leaves]

    def _slot(self, path: Any, leaf: Any, params: Sequence[Variable]) -> Slot:
        attribute = next(key.name for key in reversed(path) if isinstance(key, jax.tree_util.GetAttrKey))
        of = path[-1].idx if isinstance(path[-1], jax.tree_util.SequenceKey) else None
        suffix = self.slot_names.get(attribute, attribute)
        name = f"{self.name}_{suffix}" if of is None else f"{params[of].name}_{suffix}"
        slot = Slot(name, ConstantInit(self.slot_fill(attribute), leaf.shape), leaf.dtype, of)
        slot.aliases = self.slot_aliases(attribute)
        return slot

    def slot_aliases(self, attribute: str) -> dict[str, Callable[[np.ndarray], Any]]:
        """Names under which other vintages' checkpoints keep a slot, with the conversion of its value."""
        return {}

    @staticmethod
    def get_var_list(loss: Node | Sequence[Node]) -> list[Variable]:
        """The trainable Variables below a loss, depth first, in the order in which they are met from above.

        Of those that are not float, which have no gradient, only quantised embedding tables count.
        """
        found: dict[Node, None] = {}
        stack = list(flatten([loss]))[::-1]
        while stack:
            node = stack.pop()
            if node not in found:
                found[node] = None
                stack.extend(reversed(node.inputs))
        variables = [node for node in found if isinstance(node, Variable) and node.trainable]
        return [variable for variable in variables if variable.is_embed or is_float(variable)]

    def minimize(self, loss: Node | Sequence[Node], var_list: Sequence[Variable] | None = None) -> OptimizerOp:
        """A node that updates the Variables by one step each time it is run.

        loss: a float node of any shape, whose sum is minimised, or a list of them.
        var_list: the Variables, or a single one; by default every trainable one below the loss.
        Returns: one node; its slot in the results of a run is None.
        Raises GraphError when a loss is no node, an entry of `var_list` no Variable, or there is nothing to update.
        """
        losses = list(flatten([loss]))
        for node in losses:
            if not isinstance(node, Node):
                raise GraphError(
                    f"{node!r} cannot be minimised: it is no node of a graph, but what a run gave or an array; "
                    f"give the node of the loss (at {user_site()})"
                )
        given = [var_list] if isinstance(var_list, Node) else var_list
        params = list(given or self.get_var_list(losses))
        if not params:
            raise GraphError(f"{_nothing_below(losses)} (at {user_site()})")
        for param in params:
            if not isinstance(param, Variable):
                raise GraphError(f"var_list has {param!r}, which is no Variable with a value (at {user_site()})")
        below = set(toposort(losses))
        cut = ", ".join(param.describe() for param in params if param not in below)
        if cut:
            warnings.warn(
                f"{cut} is not below the loss, so it is never trained: leave it out of var_list", stacklevel=2
            )
        self.params, self.loss = params, loss
        return OptimizerOp(self, losses, params)

    def get_config(self) -> tuple[int, tuple[float, ...], int]:
        """What Hetu sends to its parameter server: the number of the kind, its numbers, and their count."""
        kind, *numbers = self.config_row()
        return int(kind), tuple(map(float, numbers)), len(numbers)

    def config_row(self) -> tuple[float, ...]:
        """The number of the kind, the learning rate, and the further hyperparameters."""
        return 0, self.learning_rate

    def __repr__(self) -> str:
        return f"<{type(self).__name__} rate={self.learning_rate:g} l2reg={self.l2reg:g}>"


def _check(**values: float) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            schedule = " or a scheduler such as ht.lr.StepScheduler" if name == "learning_rate" else ""
            raise TypeError(f"{name} must be a number{schedule}, not {value!r} (at {user_site()})")
        if not value >= 0:
            raise ValueError(f"{name} must not be negative, but is {value} (at {user_site()})")


def _nothing_below(losses: Sequence[Node]) -> str:
    """Why there is nothing to minimise."""
    names = ", ".join(node.name for node in losses)
    whole = [v.describe() for v in toposort(losses) if isinstance(v, Variable) and v.trainable]
    found = f"; {', '.join(whole)} holds whole numbers: give dtype=np.float32" if whole else ""
    return f"there is no trainable Variable of floats below {names}, so nothing to minimise{found}"


class SGDOptimizer(Optimizer):
    """p <- p - rate * g."""

    name = "SGD"

    def transform(self, rate: jax.Array) -> optax.GradientTransformation:
        return optax.chain(self.decay(), optax.scale(-rate))


class MomentumOptimizer(Optimizer):
    """v <- momentum * v - rate * g; p <- p + v; with Nesterov's look-ahead p <- p + momentum * v - rate * g.

    The rate is inside the velocity, so a change of rate takes effect gradually.  Every row of an embedding table moves.
    """

    name = "Momentum"
    sparse, sparse_opt_op_type = False, None

    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.9, nesterov: bool = False, l2reg: float = 0):
        super().__init__(learning_rate, l2reg)
        _check(momentum=momentum)
        self.momentum, self.nesterov = momentum, bool(nesterov)
        # Hetu stores Nesterov's velocity times the momentum, optax without it: two names, so they cannot be mixed up.
        self.slot_names = {"trace": "nesterov_v" if nesterov else "momentum_v"}

    def transform(self, rate: jax.Array) -> optax.GradientTransformation:
        return optax.chain(self.decay(), optax.scale(-rate), optax.trace(self.momentum, self.nesterov))

    def slot_aliases(self, attribute: str) -> dict[str, Callable[[np.ndarray], Any]]:
        return {"momentum_v": lambda v: v / self.momentum} if self.nesterov and self.momentum else {}

    def config_row(self) -> tuple[float, ...]:
        return 2 if self.nesterov else 1, self.learning_rate, self.momentum


class SumOfSquares(NamedTuple):
    """The state of `scale_by_adagrad`."""

    accum: Any


def scale_by_adagrad(initial: float, eps: float) -> optax.GradientTransformation:
    """a <- a + g^2; g / (sqrt(a) + eps).  Optax's own adds eps inside the root."""

    def init(params):
        return SumOfSquares(jax.tree.map(lambda p: jnp.full_like(p, initial), params))

    def update(grads, state, params=None):
        accum = jax.tree.map(lambda a, g: a + g * g, state.accum, grads)
        return jax.tree.map(lambda g, a: g / (jnp.sqrt(a) + eps), grads, accum), SumOfSquares(accum)

    return optax.GradientTransformation(init, update)


class AdaGradOptimizer(Optimizer):
    """a <- a + g^2; p <- p - rate * g / (sqrt(a) + eps)."""

    name = "AdaGrad"
    slot_names = {"accum": "adagrad_accum"}

    def __init__(
        self, learning_rate: Any = 0.01, initial_accumulator_value: float = 0.0, eps: float = 1e-7, l2reg: float = 0
    ):
        super().__init__(learning_rate, l2reg)
        _check(initial_accumulator_value=initial_accumulator_value)
        if not eps > 0:
            raise ValueError(f"eps must be positive, but is {eps}")
        self.initial_accumulator_value, self.eps = initial_accumulator_value, eps

    def transform(self, rate: jax.Array) -> optax.GradientTransformation:
        scale = scale_by_adagrad(self.initial_accumulator_value, self.eps)
        return optax.chain(self.decay(), scale, optax.scale(-rate))

    def slot_fill(self, attribute: str) -> float:
        return self.initial_accumulator_value

    def config_row(self) -> tuple[float, ...]:
        return 3, self.learning_rate, self.initial_accumulator_value, self.eps


class AdamOptimizer(Optimizer):
    """m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g^2; p <- p - rate * m^ / (sqrt(v^) + epsilon), ^ bias-corrected.

    amsgrad: divide by the largest bias-corrected v so far.  Rows of an embedding table move only when looked up.
    Defaults are 2023's; 2021 has rate 0.01 and epsilon 1e-7.
    """

    name = "Adam"
    slot_names = {"mu": "adam_m", "nu": "adam_v", "nu_max": "adam_maxv"}

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        l2reg: float = 0,
        amsgrad: bool = False,
    ):
        super().__init__(learning_rate, l2reg)
        _check(beta1=beta1, beta2=beta2, epsilon=epsilon)
        self.beta1, self.beta2, self.epsilon, self.amsgrad = beta1, beta2, epsilon, bool(amsgrad)

    def direction(self) -> optax.GradientTransformation:
        """Adam's step without the rate."""
        scale = optax.scale_by_amsgrad if self.amsgrad else optax.scale_by_adam
        return scale(self.beta1, self.beta2, self.epsilon)

    def transform(self, rate: jax.Array) -> optax.GradientTransformation:
        return optax.chain(self.decay(), self.direction(), optax.scale(-rate))

    def slot_aliases(self, attribute: str) -> dict[str, Callable[[np.ndarray], Any]]:
        return {"betats_0": self._count} if attribute == "count" else {}

    def _count(self, powers: np.ndarray) -> int:
        """The number of updates behind 2023's stored powers (beta1**t, beta2**t)."""
        power, beta = (powers[1], self.beta2) if powers[1] > 0 else (np.finfo(np.float32).tiny, self.beta2)
        return round(math.log(float(power)) / math.log(beta)) if 0 < beta < 1 else 0

    def config_row(self) -> tuple[float, ...]:
        return 4, self.learning_rate, self.beta1, self.beta2, self.epsilon


class AMSGradOptimizer(AdamOptimizer):
    """Adam with `amsgrad`, and its own defaults."""

    name = "AMSGrad"

    def __init__(
        self,
        learning_rate: Any = 0.01,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-7,
        l2reg: float = 0,
    ):
        super().__init__(learning_rate, beta1, beta2, epsilon, l2reg, amsgrad=True)


class AdamWOptimizer(AdamOptimizer):
    """Adam with decoupled decay: p <- p - rate * (u + weight_decay * p), u Adam's direction."""

    name = "AdamW"
    slot_names = {"mu": "adamw_m", "nu": "adamw_v"}

    def __init__(
        self,
        learning_rate: Any = 0.01,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-7,
        weight_decay: float = 0,
    ):
        super().__init__(learning_rate, beta1, beta2, epsilon)
        _check(weight_decay=weight_decay)
        self.weight_decay = weight_decay

    def transform(self, rate: jax.Array) -> optax.GradientTransformation:
        return optax.chain(self.direction(), optax.add_decayed_weights(self.weight_decay), optax.scale(-rate))

    def config_row(self) -> tuple[float, ...]:
        return 5, *super().config_row()[1:], self.weight_decay


def scale_by_norm_ratio(weight_decay: float) -> optax.GradientTransformation:
    """(|p| / |u|) * (u + weight_decay * p): LAMB's step with Hetu's ratio, which leaves the decay out of |u|."""

    def step(u, p):
        norm = jnp.linalg.norm(u)
        ratio = jnp.where(norm > 0, jnp.linalg.norm(p) / jnp.where(norm > 0, norm, 1), 1)
        return ratio * (u + weight_decay * p)

    return optax.stateless(lambda updates, params: jax.tree.map(step, updates, params))


class LambOptimizer(AdamWOptimizer):
    """p <- p - rate * (|p| / |u|) * (u + weight_decay * p), u Adam's direction, norms over the whole tensor.

    Of an embedding table the norms are over the rows that were looked up.
    """

    name = "Lamb"
    slot_names = {"mu": "lamb_m", "nu": "lamb_v"}

    def transform(self, rate: jax.Array) -> optax.GradientTransformation:
        return optax.chain(self.direction(), scale_by_norm_ratio(self.weight_decay), optax.scale(-rate))


hint_at_names(__name__)
