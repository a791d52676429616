"""What a node refuses because it has no value before a run, each with what to write instead."""

from __future__ import annotations

import inspect
import warnings
from typing import Any, NoReturn

from .errors import suggest

# NumPy's and PyTorch's names of what Hetu calls otherwise than `<name>_op`.
_OPS = {
    "T": "transpose_op",
    "absolute": "abs_op",
    "add": "add_op",
    "amax": "max_op",
    "amin": "reduce_min_op",
    "broadcast_to": "broadcastto_op",
    "clip": "clamp_op",
    "cross_entropy": "softmaxcrossentropy_op",
    "divide": "div_op",
    "dot": "matmul_op",
    "expand_dims": "array_reshape_op",
    "flatten": "array_reshape_op",
    "log_softmax": "log_softmax_op",
    "matmul": "matmul_op",
    "max": "max_op",
    "maximum": "max_op",
    "mean": "reduce_mean_op",
    "min": "reduce_min_op",
    "minimum": "min_op",
    "multiply": "mul_op",
    "negative": "opposite_op",
    "ones_like": "oneslike_op",
    "permute": "transpose_op",
    "power": "pow_op",
    "prod": "reduce_mul_op",
    "ravel": "array_reshape_op",
    "reshape": "array_reshape_op",
    "squeeze": "array_reshape_op",
    "stack": "concatenate_op",
    "subtract": "minus_op",
    "sum": "reduce_sum_op",
    "view": "array_reshape_op",
    "zeros_like": "zeroslike_op",
}
_RESULTS = frozenset({"asnumpy", "numpy", "item", "tolist", "eval", "cpu", "detach", "data", "value", "copyto"})
_REFLECTED = {
    "add": "__radd__",
    "subtract": "__rsub__",
    "multiply": "__rmul__",
    "divide": "__rtruediv__",
    "power": "__rpow__",
    "matmul": "__rmatmul__",
}
_RUN = "fetch it with an Executor: value, = executor.run(feed_dict={...}), and value.asnumpy() is an array"


class Valueless:
    """The side of a node that only looks like an array: what asks for a value fails, and says what to do."""

    __iter__: Any = None  # without it, [] would make every node an endless sequence

    def _refuse(self: Any, what: str, remedy: str = "") -> NoReturn:
        remedies = " or ".join(filter(None, [remedy, _value_of(self)]))
        raise TypeError(f"{self.describe()} is a node of the graph, so it cannot {what}: {remedies}")

    def __bool__(self: Any) -> bool:
        # Hetu's scripts may ask `if mask:` for whether there is one: that goes on to work.
        warnings.warn(
            f"{self.describe()} is a node of the graph, which always counts as true: write `is not None` to ask "
            f"whether there is a node, or {_value_of(self)}",
            stacklevel=2,
        )
        return True

    def __float__(self) -> float:
        self._refuse("become a number")

    __int__: Any = __float__
    __complex__: Any = __float__

    def __len__(self) -> int:
        self._refuse("have a length", "use that of the data,")

    def __lt__(self, other: Any) -> Any:
        self._refuse("be compared", "use ht.bool_op, which compares inside the graph,")

    __le__ = __gt__ = __ge__ = __lt__

    def __setitem__(self, index: Any, value: Any) -> None:
        self._refuse("be assigned to", "build the new value with ht.where_op, ht.concat_op or ht.slice_op,")

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        self._refuse("become a NumPy array")

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> NoReturn:
        self._refuse(f"go through numpy.{func.__name__}", _instead(func.__name__))

    def __array_ufunc__(self: Any, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        reflected = _REFLECTED.get(ufunc.__name__)
        if method == "__call__" and reflected and not kwargs and inputs[1] is self:  # array + node
            return getattr(self, reflected)(inputs[0])
        if ufunc.__name__ in ("equal", "not_equal"):  # a node is equal to itself only, as in `node in list`
            return ufunc.__name__ == "not_equal"
        self._refuse(f"go through numpy.{ufunc.__name__}", _instead(ufunc.__name__))

    def __getattr__(self: Any, attribute: str) -> Any:
        if attribute.startswith("_") or "site" not in vars(self):
            raise AttributeError(attribute)
        own = inspect.getattr_static(type(self), attribute, None)
        if isinstance(own, property):  # it has raised an AttributeError of its own: again, so that it is seen
            return own.__get__(self)
        raise AttributeError(f"{self.describe()} has no attribute {attribute!r}{_hint(self, attribute)}")


def _instead(name: str) -> str:
    """What to use where NumPy's function `name` was meant."""
    op = _op_like(name)
    return f"use ht.{op}," if op else ""


def _value_of(node: Any) -> str:
    """How to get at a node's value."""
    if hasattr(type(node), "tensor_value"):
        return f"take its value, {node.name}.tensor_value.asnumpy()"
    return _RUN


def _op_like(name: str) -> str | None:
    from .graph import OPS

    return next((op for op in (_OPS.get(name), f"{name}_op") if op in OPS), None)


def _hint(node: Any, attribute: str) -> str:
    """What to write instead of `node.attribute`."""
    op = _op_like(attribute)
    if attribute == "backward":
        return ": build the gradients into the graph with ht.gradients or an optimizer's minimize"
    if attribute in _RESULTS:
        return f": it is a node of the graph; {_value_of(node)}"
    if op:
        return f": use ht.{op}"
    return suggest(attribute, [name for name in dir(type(node)) if not name.startswith("_")])
