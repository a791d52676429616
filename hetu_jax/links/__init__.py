"""Hetu's direct kernel functions, made from a table: one line is a function.

A line is written as a Python function of one line without its `def`: the signature, and what it does.
    relu(in_arr, out_arr): out_arr = relu_op(in_arr)
An assigned parameter is an NDArray that gets a new value; the right side is an op of the registry (its plain function),
or a function of `kernels` or `updates`, on the values of the other parameters.  `d_name(g, ...)` is the pullback of the
op `name` at cotangent `g`, towards as many first arguments as there are targets.  A name that stands on several lines
has several signatures, those of 2023 first; a call takes the first that it fits.
"""

from __future__ import annotations

import ast
import ctypes
import inspect
import re
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..graph import OPS
from ..ndarray import IndexedSlices, ND_Sparse_Array, NDArray
from ..stream import Stream
from . import kernels, updates


class Form(NamedTuple):
    """One line of the table: a signature, the parameters that get new values, and what is computed.

    text: the line after its colon.  returned: the parameter that the call returns, or None.
    plain: without targets, the computed value itself is returned.
    """

    signature: inspect.Signature
    targets: tuple[str, ...]
    code: CodeType
    text: str
    returned: str | None

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | str:
        """The arguments by name with defaults filled in, or why the call does not fit."""
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            return str(error)
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            default = self.signature.parameters[name].default
            if name == "stream" and value is not None:
                return f"'stream' must be a Stream or None, not {value!r}"
            if name in self.targets and isinstance(value, int | float | np.number):
                return f"{name!r} must be an NDArray to write into, not {value!r}"
            if isinstance(default, int | float) and isinstance(value, NDArray):
                return f"{name!r} must be a number, not {value!r}"
            if value is None and default is not inspect.Parameter.empty:
                bound.arguments[name] = default
        return bound.arguments

    def run(self, arguments: dict[str, Any]) -> Any:
        """Computes and stores; returns what the kernel returns."""
        scope = _Scope({name: plain(value) for name, value in arguments.items()}, len(self.targets))
        result = eval(self.code, {"__builtins__": {}}, scope)  # the code is a line of our own table
        if not self.targets:
            return result
        results = result if len(self.targets) > 1 else (result,)
        stored = {
            name: store(arguments[name], value, name)
            for name, value in zip(self.targets, results, strict=True)
            if arguments[name] is not None
        }
        return stored.get(self.returned)


class _Scope(Mapping):
    """What the right side of a line may name: its parameters, helpers, ops and pullbacks."""

    def __init__(self, values: dict[str, Any], count: int):
        self._values, self._count = values, count

    def __getitem__(self, name: str) -> Any:
        if name in self._values:
            return self._values[name]
        for home in (kernels, updates):
            if name in home.__all__:
                return getattr(home, name)
        return pullback(name[2:], self._count) if name.startswith("d_") else plain_op(name)

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def plain_op(name: str) -> Callable[..., Any]:
    """The plain function of an op, in training mode, with a new key where it asks for one and none is given."""
    from .. import ops  # noqa: F401  registers every op; late, because some of them use NDArrays

    op = OPS[name]
    if not op.asks:
        return op.fn

    def call(*args: Any, **kwargs: Any) -> Any:
        given: dict[str, Any] = {"training": True} if "training" in op.asks else {}
        if "key" in op.asks and "key" not in kwargs:
            given["key"] = kernels.new_key()
        return op.fn(*args, **given, **kwargs)

    return call


def pullback(name: str, count: int) -> Callable[..., Any]:
    """A function of a cotangent and the op's arguments: the gradients towards the first `count` of them."""
    forward = getattr(kernels, name) if name in kernels.__all__ else plain_op(name)

    def call(cotangent: Any, *args: Any) -> Any:
        moving = [jnp.asarray(array, jnp.result_type(array, float)) for array in args[:count]]
        value, pull = jax.vjp(lambda *first: forward(*first, *args[count:]), *moving)
        gradients = pull(jnp.reshape(cotangent, value.shape).astype(value.dtype))
        return gradients if count > 1 else gradients[0]

    return call


def plain(value: Any) -> Any:
    """What kernels compute on: the array inside an NDArray, the number inside a ctypes one, lists of those."""
    if isinstance(value, NDArray):
        return jnp.asarray(value.value) if isinstance(value.value, np.ndarray) else value.value
    if isinstance(value, ctypes._SimpleCData):
        return value.value
    if isinstance(value, list | tuple) and any(isinstance(item, NDArray) for item in value):
        return [plain(item) for item in value]
    return value


def store(target: Any, value: Any, name: str) -> Any:
    """Puts a value into the NDArray, list of NDArrays or ctypes number `target`, and returns it.

    Raises ValueError when the value has another number of elements than the NDArray.
    """
    if isinstance(target, list | tuple):
        return [store(one, new, name) for one, new in zip(target, value, strict=True)]
    if isinstance(target, ND_Sparse_Array | IndexedSlices):
        return NDArray(value)
    if isinstance(target, NDArray) and target.value is not None:
        if np.size(value) != np.prod(target.shape, dtype=int):
            raise ValueError(f"{name} has shape {target.shape}, but the result has shape {np.shape(value)}")
        value = jnp.reshape(value, target.shape).astype(target.dtype)
    target.value = value
    return target


def build(table: str, module: str, stream: bool) -> dict[str, Callable[..., None]]:
    """The functions of a table by name.

    module: what they say they come from.  stream: whether each takes a trailing `stream=None`, as GPU kernels do.
    """
    forms: dict[str, list[Form]] = {}
    for line in re.split(r"\n(?=\S)", table.strip()):
        name, form = parse(line, stream)
        forms.setdefault(name, []).append(form)
    return {name: _kernel(name, rows, module) for name, rows in forms.items()}


def parse(line: str, stream: bool) -> tuple[str, Form]:
    """The name and the Form of one line of a table."""
    function = ast.parse(f"def {line}").body[0]
    parameters = ast.unparse(function.args)
    if stream and "stream" not in [argument.arg for argument in function.args.args]:
        parameters += ", stream=None"
    signature = inspect.signature(eval(f"lambda {parameters}: None"))
    action, *rest = function.body
    targets = ()
    if isinstance(action, ast.Assign):
        names = action.targets[0].elts if isinstance(action.targets[0], ast.Tuple) else action.targets
        targets = tuple(target.id for target in names)
    code = compile(ast.fix_missing_locations(ast.Expression(action.value)), f"<kernel {function.name}>", "eval")
    text = ast.unparse(ast.Module(function.body[:1], []))
    return function.name, Form(signature, targets, code, text, rest[0].value.id if rest else None)


def _kernel(name: str, forms: list[Form], module: str) -> Callable[..., None]:
    def kernel(*args: Any, **kwargs: Any) -> Any:
        # The order of work is JAX's business, so a stream says nothing; old calls pass it in various places.
        args = tuple(value for value in args if not isinstance(value, Stream))
        kwargs = {key: value for key, value in kwargs.items() if not isinstance(value, Stream)}
        refusals = []
        for form in forms:
            arguments = form.bind(args, kwargs)
            if not isinstance(arguments, str):
                return form.run(arguments)
            refusals.append(f"{name}{form.signature}: {arguments}")
        raise TypeError("\n".join(refusals))

    kernel.__name__ = kernel.__qualname__ = name
    kernel.__module__, kernel.__doc__ = module, _describe(name, forms)
    kernel.__signature__ = forms[0].signature
    return kernel


def _describe(name: str, forms: list[Form]) -> str:
    lines = [f"In place: {forms[0].text}." if forms[0].targets else f"Returns {forms[0].text}.", ""]
    for form in forms[1:]:
        lines.append(f"Also called as {name}{form.signature}: {form.text}.")
    used = {node.id for form in forms for node in ast.walk(ast.parse(form.text)) if isinstance(node, ast.Name)}
    idle = [parameter for parameter in forms[0].signature.parameters if parameter not in used]
    if idle:
        lines.append(f"Accepted without effect, as nothing here depends on it: {', '.join(idle)}.")
    return "\n".join(lines).strip()
