"""The graph that a script records: Op, Node, Variable and Feed."""

from __future__ import annotations

import copy
import inspect
import itertools
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from . import parallel
from .errors import GraphError, suggest
from .ndarray import DLContext, ND_Sparse_Array, NDArray, as_value
from .scope import current_scope
from .sites import user_site
from .storage import negative, operand, storage_dtype, stored
from .valueless import Valueless
from .walk import find_topo_sort, flatten, toposort  # noqa: F401, Hetu and the package have them here

OPS: dict[str, Op] = {}

_ids = itertools.count()
_ASKED = ("key", "training", "channel_axis", "site", "spread", "turn", "alone")


class Op:
    """One pure JAX function with Hetu's name; called, it records a `Node`.

    fn: the function.  `fn` stays reachable as `.fn` for use on arrays.
    state: given the bound arguments, makes the Variables that a call owns (running statistics and the like), by
        the name of the keyword-only parameter of `fn` that receives each; one that it leaves out is neither passed
        nor written.
    writes: names of the parameters whose Variables are replaced by outputs 1, 2, ... of `fn`.
    on_record: given the bound arguments of a call, `ctx` and `name` among them, may refuse it, mark its Variables, or
        put a node in the place of an argument.
    on_build: given the arguments of a call and a random key when an Executor over it is built, may replace the values
        of its Variables, which have them by then; called by every such Executor.
    node: the class of the nodes that calls record, `Node` unless given.
    registry: where ops are found by name, `OPS` unless given.
    Keyword-only parameters of `fn` named `key`, `training`, `channel_axis` (see `layout`), `site` (the node and its
    line, for messages), `spread` (a `parallel.Spread`, where there is one), `turn` (whether gradients may turn the
    sides of products, see `ops/outer.py`) and `alone` (whether one device runs the step) are filled in by the trace
    and are no part of the signature.
    Raises ValueError when another op has the name.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        state: Callable[[dict[str, Any]], dict[str, Variable]] | None = None,
        writes: Sequence[str] = (),
        on_record: Callable[[dict[str, Any]], None] | None = None,
        on_build: Callable[[dict[str, Any], jax.Array], None] | None = None,
        node: type[Node] | None = None,
        registry: dict[str, Op] | None = None,
    ):
        _refuse_class(fn)
        self.fn, self.state, self.writes, self.node = fn, state, tuple(writes), node or Node
        self.on_record, self.on_build = on_record, on_build
        self.__name__, self.__doc__, self.__module__ = fn.__name__, fn.__doc__, fn.__module__
        self.__qualname__, self.__wrapped__ = fn.__qualname__, fn
        self.call_signature = inspect.signature(fn)
        parameters = self.call_signature.parameters
        keyword_only = {name for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}
        self.asks = tuple(name for name in _ASKED if name in keyword_only)
        self.owns = tuple(name for name in self.writes if state is not None)
        shown = [p for name, p in parameters.items() if name not in self.asks and name not in self.owns]
        self.signature = inspect.Signature(_with_ctx_and_name(shown))
        self.__signature__ = self.signature
        first = (OPS if registry is None else registry).setdefault(self.__name__, self)
        if first is not self:
            raise ValueError(f"two ops are called {self.__name__}: in {first.__module__} and {fn.__module__}")

    def __call__(self, *args: Any, **kwargs: Any) -> Node:
        try:
            arguments = self.signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(f"{self.__name__}{self.signature}: {error}") from None
        self._find_ctx(arguments)
        if self.on_record is not None:
            self.on_record(arguments)
        ctx, name = arguments.pop("ctx", None), arguments.pop("name", None)
        if self.state is not None:
            arguments.update(self.state(arguments))
        written = tuple(_variable(self, target, arguments[target]) for target in self.writes if target in arguments)
        return self.node(self, arguments, name=name, ctx=ctx, writes=written)

    def _find_ctx(self, arguments: dict[str, Any]) -> None:
        """Moves a device in the place of an optional parameter, which earlier vintages lack, to `ctx`."""
        from .context import DeviceGroup

        for name, value in arguments.items():
            optional = self.signature.parameters[name].default is not inspect.Parameter.empty
            if isinstance(value, DLContext | DeviceGroup) and optional and arguments.get("ctx") is None:
                arguments["ctx"] = arguments.pop(name)
                return

    def __repr__(self) -> str:
        return f"<op {self.__name__}{self.signature}>"


def op(fn: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Decorator: register a pure function as an op; see `Op` for the options."""
    return Op(fn, **options) if fn is not None else lambda fn: Op(fn, **options)


def _refuse_class(op: Any, *others: Any) -> None:
    """Raises GraphError for an op in Hetu's form, a class whose constructor passes itself, its inputs and ctx on."""
    if isinstance(op, type) or others:
        raise GraphError(
            "an op is no class here, with compute and gradient, but one function of arrays: write it with "
            f"`from hetu_jax.graph import op` and @op, as docs/faq.md shows (at {user_site()})"
        )


def _with_ctx_and_name(parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
    """Adds the `ctx` and `name` that every constructor of Hetu takes last, and leaves out annotations."""
    taken = {p.name for p in parameters}
    kinds = [p.kind for p in parameters]
    ctx_kind = (
        inspect.Parameter.KEYWORD_ONLY
        if inspect.Parameter.VAR_POSITIONAL in kinds
        else inspect.Parameter.POSITIONAL_OR_KEYWORD
    )
    extra = [] if "ctx" in taken else [inspect.Parameter("ctx", ctx_kind, default=None)]
    extra += [] if "name" in taken else [inspect.Parameter("name", inspect.Parameter.KEYWORD_ONLY, default=None)]
    return sorted((p.replace(annotation=p.empty) for p in parameters + extra), key=lambda p: p.kind)


def _variable(op: Op, parameter: str, value: Any) -> Variable:
    if not isinstance(value, Variable):
        raise TypeError(
            f"{op.__name__} writes into its argument {parameter!r}, which must be a Variable with a value, "
            f"not {value!r} (at {user_site()})"
        )
    return value


class Node(Valueless):
    """One recorded call of an op.

    op: the Op, or None for a leaf.  name: for people and ONNX.  site: where the user made it.
    inputs: the nodes among the arguments, in the order of the signature.
    writes: Variables that outputs 1, 2, ... of the op replace when the step ends.
    """

    trains = False  # whether evaluating it makes a group a training group

    # What Hetu's executors keep on nodes, as it is before they do: nothing here needs it.
    inplace = lazy_execution = use_indexed_slices = False
    event = embedding_offsets = parts = cur_part = None

    def __init__(
        self,
        op: Op | None,
        arguments: dict[str, Any],
        *others: Any,
        name: str | None = None,
        ctx: Any = None,
        writes: tuple[Variable, ...] = (),
    ):
        from .context import current_group

        _refuse_class(op, *others)
        self.op, self.writes, self.ctx = op, writes, ctx
        self.id, self.site = next(_ids), user_site()
        self.name = name or f"{self.op_type}{self.id}"
        self.raw_ctx, self.scope = current_group(ctx), current_scope()
        self._names = tuple(arguments)
        leaves, self._structure = jax.tree.flatten(list(arguments.values()), is_leaf=_is_constant)
        self._leaves = [as_value(leaf) if isinstance(leaf, NDArray) else leaf for leaf in leaves]
        self.inputs: list[Node] = [leaf for leaf in self._leaves if isinstance(leaf, Node)]

    @property
    def draws(self) -> bool:
        """Whether evaluating it takes a random key."""
        return self.op is not None and "key" in self.op.asks

    @property
    def needs(self) -> list[Node]:
        """The nodes whose values `compute` reads; `inputs` unless the node walks the graph by itself."""
        return self.inputs

    @property
    def arguments(self) -> dict[str, Any]:
        """The bound arguments by parameter name, without defaults; nodes stand for their values."""
        return dict(zip(self._names, jax.tree.unflatten(self._structure, self._leaves), strict=True))

    @property
    def bound(self) -> dict[str, Any]:
        """The bound arguments by parameter name, with the defaults of the signature filled in."""
        defaults = {
            name: parameter.default
            for name, parameter in self.op.signature.parameters.items()
            if parameter.default is not inspect.Parameter.empty and name not in ("ctx", "name")
        }
        return {**defaults, **self.arguments}

    @property
    def op_type(self) -> str:
        """The name in Hetu's manner: AddOp for add_op."""
        return "".join(part[:1].upper() + part[1:] for part in self.op.__name__.split("_"))

    @property
    def desc(self) -> str:
        """The name and the names of the inputs."""
        return f"{self.name}({', '.join(node.name for node in self.inputs)})"

    @property
    def const_attr(self) -> Any:
        """The scalar operand of the `*const*` ops, or None."""
        arguments = self.arguments
        return next((arguments[key] for key in ("const_val", "const_attr") if key in arguments), None)

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape of the value, or None while a placeholder below it has none."""
        return getattr(self._abstract(), "shape", None)

    @property
    def dtype(self) -> np.dtype | None:
        """The dtype of the value, or None while a placeholder below it has no shape."""
        return getattr(self._abstract(), "dtype", None)

    def _abstract(self) -> jax.ShapeDtypeStruct | None:
        from .trace import abstract_value

        return abstract_value(self)

    @property
    def first_is_node(self) -> bool:
        """Whether the first argument is a node, so that the first of `needs` is its value."""
        return bool(self.inputs) and self._leaves[0] is self.inputs[0]

    def evaluate(self, values: Sequence[Any], env: Any, run: Any, **given: Any) -> Any:
        """The value inside a traced step.

        values: of `needs`.  env: all values so far.  run: the `trace.Run`, which supplies what ops ask for, except
        for what is `given`.
        """
        remaining = iter(values)
        leaves = [next(remaining) if isinstance(leaf, Node) else leaf for leaf in self._leaves]
        arguments = dict(zip(self._names, jax.tree.unflatten(self._structure, leaves), strict=True))
        arguments.update(run.asked(self), **given)
        call = inspect.BoundArguments(self.op.call_signature, arguments)
        return self.op.fn(*call.args, **call.kwargs)

    def __repr__(self) -> str:
        try:
            shape = self.shape
        except GraphError:  # a node that cannot be computed still has a name
            shape = None
        return f"<{self.describe()}{'' if shape is None else f' {self.dtype}{list(shape)}'}>"

    def _repr_html_(self) -> str:
        from . import display

        return display.of_node(self)

    def __str__(self) -> str:
        return self.name

    def describe(self) -> str:
        """Kind, name and place, for messages."""
        return f"{self.op.__name__ if self.op else type(self).__name__} {self.name!r} at {self.site}"

    def __deepcopy__(self, memo: dict[int, Any]) -> Node:
        """The same call on copies of what is below; Variables start from the same value."""
        twin = memo[id(self)] = object.__new__(type(self))
        shared = {"op": self.op, "site": self.site, "ctx": self.ctx, "raw_ctx": self.raw_ctx, "id": next(_ids)}
        twin.__dict__.update(
            {
                key: shared.get(key, value) if key in shared else copy.deepcopy(value, memo)
                for key, value in vars(self).items()
            }
        )
        return twin

    def __add__(self, other: Any) -> Node:
        return _binary("add_op", "addbyconst_op", self, other)

    __radd__ = __add__

    def __mul__(self, other: Any) -> Node:
        return _binary("mul_op", "mul_byconst_op", self, other)

    __rmul__ = __mul__

    def __sub__(self, other: Any) -> Node:
        other = operand(self, other)
        return OPS["minus_op"](self, other) if isinstance(other, Node) else OPS["addbyconst_op"](self, negative(other))

    def __rsub__(self, other: Any) -> Node:
        return OPS["minus_byconst_op"](self, operand(self, other))

    def __truediv__(self, other: Any) -> Node:
        return OPS["div_op"](self, operand(self, other))

    def __rtruediv__(self, other: Any) -> Node:
        return OPS["div_const_op"](operand(self, other), self)

    def __pow__(self, other: Any) -> Node:
        return OPS["power_op"](self, operand(self, other))

    def __rpow__(self, other: Any) -> Node:
        return OPS["const_pow_op"](self, operand(self, other))

    def __matmul__(self, other: Any) -> Node:
        return OPS["matmul_op"](self, operand(self, other))

    def __rmatmul__(self, other: Any) -> Node:
        return OPS["matmul_op"](operand(self, other), self)

    def __abs__(self) -> Node:
        return OPS["abs_op"](self)

    def __neg__(self) -> Node:
        return OPS["opposite_op"](self)

    def __getitem__(self, index: Any) -> Node:
        return OPS["item_op"](self, index)


def _binary(on_nodes: str, on_constant: str, node: Node, other: Any) -> Node:
    other = operand(node, other)
    return OPS[on_nodes](node, other) if isinstance(other, Node) else OPS[on_constant](node, other)


def _is_constant(leaf: Any) -> bool:
    """NDArrays and None are arguments in their own right, not containers."""
    return leaf is None or isinstance(leaf, NDArray | ND_Sparse_Array)


class Home:
    """Where Variables keep their values: one list, which a step can take and replace as a whole.

    whole: whether every Variable that moved in is still here.
    """

    __slots__ = ("values", "whole")

    def __init__(self, values: list[Any]):
        self.values, self.whole = values, True

    @classmethod
    def of(cls, variables: Sequence[Variable]) -> Home:
        """A home for `variables`, in their order; they move in, and their homes so far are no longer whole."""
        home = cls([variable.value for variable in variables])
        for index, variable in enumerate(variables):
            variable._home.whole = False
            variable._home, variable._index = home, index
        return home


class Variable(Node):
    """A leaf that owns a value: parameter, constant, optimizer slot, running statistic or embedding table.

    name: for people and checkpoints; need not be unique.
    value: anything that NumPy makes an array of, an NDArray, or a sparse array; cast to `dtype` and copied.
    initializer: an object of `hetu_jax.initializers` with a `shape`; gives the value when an Executor is built.
    trainable: whether `minimize` updates it; a sparse value never is.
    dtype: of the stored value; 64-bit dtypes are stored in 32 bits, as Hetu does.
    ctx: the device; None means the Executor's.
    Without value and initializer the call returns a `Placeholder`, to be fed at each run.
    Raises ValueError when both are given, TypeError for a value that is no array or an initializer that is none.
    """

    aliases: dict[str, Callable[[np.ndarray], Any]] = {}  # names in other vintages' checkpoints, with a conversion

    def __new__(cls, name: str, value: Any = None, initializer: Any = None, *args: Any, **kwargs: Any) -> Any:
        _check_variable(name, kwargs)
        if value is None and initializer is None:
            return Placeholder(name, *_placeholder_arguments(*args, **kwargs))
        return super().__new__(cls)

    def __init__(
        self,
        name: str,
        value: Any = None,
        initializer: Any = None,
        trainable: bool = True,
        dtype: Any = np.float32,
        ctx: Any = None,
    ):
        if value is not None and initializer is not None:
            raise ValueError(f"Variable {name!r} has both a value and an initializer: give one (at {user_site()})")
        if initializer is not None and not (callable(initializer) and hasattr(initializer, "shape")):
            raise TypeError(
                f"the initializer of Variable {name!r} must be an object with a shape, such as "
                f"ht.init.ZerosInit((3, 4)), not {initializer!r}: or write ht.init.zeros((3, 4), name={name!r}), which "
                f"makes the Variable (at {user_site()})"
            )
        super().__init__(None, {}, name=name, ctx=ctx)
        self.trainable, self.initializer, self.is_embed, self.reshaped = bool(trainable), initializer, False, False
        self._dtype = storage_dtype(dtype)
        # A value from the host stays there until it is read, so that a graph can be built before JAX starts.
        held = None if value is None else stored(value, self._dtype, f"the value of Variable {name!r}", device=False)
        self._home, self._index = Home([held]), 0
        self.trainable &= not isinstance(held, ND_Sparse_Array)

    def __deepcopy__(self, memo: dict[int, Any]) -> Variable:
        """A second Variable that starts from the same value."""
        twin = object.__new__(Variable)
        memo[id(self)] = twin
        held = jnp.array(self.value, copy=True) if isinstance(self.value, jax.Array) else self.value
        twin.__dict__.update(self.__dict__, id=next(_ids), _home=Home([held]), _index=0)
        return twin

    @property
    def value(self) -> Any:
        """The current `jax.Array` (or sparse array); None before an Executor ran the initializer.

        A training step gives its memory away: an array from here is valid until the next run.
        """
        if isinstance(self._held, np.ndarray):
            with jax.ensure_compile_time_eval():  # it may be read for the first time while JAX traces
                self._home.values[self._index] = jnp.array(self._held, copy=True)
        return self._held

    @value.setter
    def value(self, value: Any) -> None:
        held = self._home.values
        held[self._index] = parallel.like(held[self._index], value)

    @property
    def _held(self) -> Any:
        return self._home.values[self._index]

    def become(self, value: jax.Array) -> None:
        """Replaces the value and the dtype."""
        self.value, self._dtype = value, np.dtype(value.dtype)

    @property
    def tensor_value(self) -> NDArray | ND_Sparse_Array | None:
        """A copy of the current value, which later runs leave alone, or None; assigning replaces the value."""
        held = jax.tree.map(lambda part: jnp.array(part, copy=True), self.value)
        return NDArray(held) if isinstance(held, jax.Array) else held

    @tensor_value.setter
    def tensor_value(self, value: Any) -> None:
        self.value = None if value is None else stored(value, self._dtype, f"the value of Variable {self.name!r}")

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple((self._held if self._held is not None else self.initializer).shape)

    @property
    def dtype(self) -> np.dtype:
        return self._dtype if self._held is None else np.dtype(self._held.dtype)

    @property
    def op_type(self) -> str:
        return "PlaceholderOp"


# What editors and help() show; __new__ itself takes any keyword, so that it can say what a wrong one is like.
Variable.__new__.__signature__ = inspect.signature(Variable.__init__)


def _check_variable(name: Any, options: dict[str, Any]) -> None:
    """Raises TypeError for a name that is no string, and for an option that there is not."""
    if not isinstance(name, str):
        kind = type(name).__name__
        raise TypeError(
            f"the first argument of Variable is its name, a string, not {kind}: for an array write "
            f"ht.Variable('w', value=array) (at {user_site()})"
        )
    for option in set(options) - {"trainable", "dtype", "ctx"}:
        hint = suggest(option, ["value", "initializer", "trainable", "dtype", "ctx"])
        raise TypeError(f"Variable {name!r} has no argument {option!r}{hint} (at {user_site()})")


def _placeholder_arguments(trainable: bool = True, dtype: Any = np.float32, ctx: Any = None) -> tuple[Any, Any]:
    """What is left of Variable's arguments for a placeholder, which is never trainable."""
    return dtype, ctx


class Feed(Node):
    """A leaf that the host fills before each step.

    A subclass gives `pull`, which the Executor calls once a run, and `read`, which it calls inside the step.
    """

    trainable = False
    on_host = False  # whether it feeds what no compiled step takes, such as strings

    def __init__(self, name: str, ctx: Any = None):
        super().__init__(None, {}, name=name, ctx=ctx)

    def pull(self, group: str, advance: bool) -> tuple[Hashable, tuple[Any, ...]]:
        """What this run feeds.

        group: the Executor's group that runs.  advance: whether to move on to the next batch.
        Returns what the compiled step may depend on, and the arrays that it takes.
        """
        raise GraphError(f"{self.describe()} does not say what it feeds: define pull()")

    def pull_whole(self, group: str, advance: bool) -> tuple[Hashable, tuple[Any, ...]]:
        """As `pull`, in the form that steps in one dispatch take: arrays that they share, and numbers."""
        return self.pull(group, advance)

    def step_back(self, group: str) -> None:
        """Undoes the move of the last `pull`, for feeds that move on by themselves."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of a feed that moves on from run to run: plain data."""
        return {}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Goes on from a `state`; what does not fit, as from another script or a broken file, changes nothing."""

    def read(self, static: Hashable, arrays: tuple[Any, ...]) -> Any:
        """The node's value inside the step, from what `pull` returned."""
        return arrays[0]

    def place(self, where: jax.Device | jax.sharding.Mesh | None) -> None:
        """Told the device of an Executor that was given one, or its mesh; for feeds that keep arrays there."""

    def struct(self, group: str) -> jax.ShapeDtypeStruct | None:
        """Shape and dtype of what the group is fed, where that is known."""
        return self._abstract()

    def resident(self, group: str) -> bool:
        """Whether all that the group is ever fed is on the device, and a step picks from it."""
        return True

    def batch_num(self, group: str) -> int | None:
        """The number of batches in an epoch of the group, or None where that means nothing."""
        return None

    def shuffled(self, group: str) -> bool:
        """Whether the group's batches come in a random order."""
        return False

    def _abstract(self) -> jax.ShapeDtypeStruct | None:
        return None

    @property
    def op_type(self) -> str:
        return type(self).__name__


_ARRAYS = (np.ndarray, jax.Array)  # a tuple: a union would be made anew at every run; JAX's check is slow


class Placeholder(Feed):
    """A leaf that `feed_dict` fills.

    dtype: what fed values are cast to.  Bools are kept as float32; an exported model takes them as bools.
    """

    def __init__(self, name: str, dtype: Any = np.float32, ctx: Any = None):
        super().__init__(name, ctx)
        self._dtype, self.boolean = storage_dtype(dtype), np.dtype(dtype) == np.bool_
        self.tensor_value = self.initializer = None
        self.is_embed = self.reshaped = False

    def convert(self, value: Any) -> Any:
        """A fed value as the step takes it.

        value: array, NDArray, nested list, number, or scipy / ND_Sparse_Array matrix.
        Raises TypeError for anything else, ValueError for integers that float32 cannot hold.
        """
        if isinstance(value, _ARRAYS) and value.dtype == self._dtype:
            return value
        return stored(value, self._dtype, f"the value fed to {self.describe()}", device=False)

    @property
    def shape(self) -> None:
        """Unknown until it is fed."""
        return None

    @property
    def dtype(self) -> np.dtype:
        return self._dtype

    @dtype.setter
    def dtype(self, dtype: Any) -> None:
        self._dtype, self.boolean = storage_dtype(dtype), np.dtype(dtype) == np.bool_

    @property
    def op_type(self) -> str:
        return "PlaceholderOp"


def placeholder_op(
    name: str,
    value: Any = None,
    initializer: Any = None,
    trainable: bool = True,
    dtype: Any = np.float32,
    ctx: Any = None,
) -> Variable | Placeholder:
    """Hetu's other name for `Variable`; see there."""
    return Variable(name, value, initializer, trainable, dtype, ctx)
