"""First values of Variables, in Hetu's three spellings: `random_normal(...)`, `NormalInit(...)`, `GenNormal(...)`."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .context import DeviceGroup
from .errors import hint_at_names
from .graph import Variable
from .ndarray import DLContext

_MODES = ("fan_in", "fan_out", "avg")


class BaseInit:
    """How a Variable gets its first value.

    A subclass defines `__call__(key, dtype=jnp.float32)`: from a random key, an array of `shape` and `dtype`.

    shape: of the array; an int, or a sequence of ints from 0 up.
    Raises ValueError for anything else.
    """

    floats_only = True

    def __init__(self, shape: Any):
        sizes = tuple(shape) if isinstance(shape, Sequence | np.ndarray) else (shape,)
        if not all(isinstance(size, int | np.integer) and size >= 0 for size in sizes):
            raise ValueError(f"a shape is a sequence of sizes from 0 up, not {shape!r}")
        self.shape = tuple(int(size) for size in sizes)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


class ConstantInit(BaseInit):
    """The same number everywhere.

    constant: the number.  shape: of the array.
    """

    floats_only = False

    def __init__(self, constant: Any, shape: Any):
        super().__init__(shape)
        self.constant = constant

    def __call__(self, key: jax.Array, dtype: Any = jnp.float32) -> jax.Array:
        return jnp.full(self.shape, self.constant, dtype)


class ZerosInit(ConstantInit):
    """Zero everywhere."""

    def __init__(self, shape: Any):
        super().__init__(0.0, shape)


class OnesInit(ConstantInit):
    """One everywhere."""

    def __init__(self, shape: Any):
        super().__init__(1.0, shape)


class EmptyInit(ZerosInit):
    """Zero everywhere, where Hetu leaves memory as it finds it."""


class UniformInit(BaseInit):
    """Uniform between two numbers.

    low: the least value.  high: the bound of the values.  shape: of the array.
    """

    def __init__(self, low: float, high: float, shape: Any):
        super().__init__(shape)
        self.low, self.high = float(low), float(high)

    def __call__(self, key: jax.Array, dtype: Any = jnp.float32) -> jax.Array:
        return jax.random.uniform(key, self.shape, dtype, self.low, self.high)


class NormalInit(BaseInit):
    """Normal.

    mean, stddev: of the distribution.  shape: of the array.
    """

    def __init__(self, mean: float, stddev: float, shape: Any):
        super().__init__(shape)
        self.mean, self.stddev = float(mean), float(stddev)

    def __call__(self, key: jax.Array, dtype: Any = jnp.float32) -> jax.Array:
        return self.mean + self.stddev * self._standard(key, dtype)

    def _standard(self, key: jax.Array, dtype: Any) -> jax.Array:
        return jax.random.normal(key, self.shape, dtype)


class TruncatedNormalInit(NormalInit):
    """Normal, drawn again until within two standard deviations of the mean; the variance is not corrected.

    mean, stddev: of the normal distribution.  shape: of the array.
    """

    def _standard(self, key: jax.Array, dtype: Any) -> jax.Array:
        return jax.random.truncated_normal(key, -2, 2, self.shape, dtype)


class ReversedTruncatedNormalInit(NormalInit):
    """Normal, drawn again until two standard deviations away from the mean, or more.

    mean, stddev: of the normal distribution.  shape: of the array.
    """

    def _standard(self, key: jax.Array, dtype: Any) -> jax.Array:
        size_key, sign_key = jax.random.split(key)
        beyond = math.erfc(math.sqrt(2)) / 2 * jax.random.uniform(size_key, self.shape, jnp.float32, 2.0**-24)
        size = jnp.maximum(-jax.scipy.special.ndtri(beyond), 2)
        return (size * jax.random.rademacher(sign_key, self.shape, jnp.float32)).astype(dtype)


def _fan(shape: tuple[int, ...], mode: str) -> float:
    """Hetu's rule for every shape: fan_in belongs to axis 1, fan_out to axis 0, each times the other axes."""
    if mode not in _MODES:
        raise ValueError(f"mode is one of {', '.join(_MODES)}, not {mode!r}")
    if len(shape) < 2:
        raise ValueError(f"fans are of shapes with two axes or more, not {shape}: use random_normal or random_uniform")
    inner = math.prod(shape[2:])
    fan_in, fan_out = inner * shape[1], inner * shape[0]
    return max({"fan_in": fan_in, "fan_out": fan_out, "avg": (fan_in + fan_out) / 2}[mode], 1)


class GeneralXavierNormalInit(NormalInit):
    """Normal with standard deviation sqrt(gain / fan).

    gain: a number.  mode: the fan: 'fan_in', 'fan_out' or 'avg', the mean of both.
    shape: two axes or more; fan_in = shape[1] and fan_out = shape[0], each times the product of shape[2:], so that
        fan_in of an (in, out) matrix is out.
    """

    def __init__(self, gain: float, mode: str, shape: Any):
        BaseInit.__init__(self, shape)
        super().__init__(0.0, math.sqrt(gain / _fan(self.shape, mode)), self.shape)


class GeneralXavierUniformInit(UniformInit):
    """Uniform within sqrt(gain / fan) of 0.

    gain: a number.  mode: the fan: 'fan_in', 'fan_out' or 'avg', the mean of both.
    shape: two axes or more; fan_in = shape[1] and fan_out = shape[0], each times the product of shape[2:], so that
        fan_in of an (in, out) matrix is out.
    """

    def __init__(self, gain: float, mode: str, shape: Any):
        BaseInit.__init__(self, shape)
        limit = math.sqrt(gain / _fan(self.shape, mode))
        super().__init__(-limit, limit, self.shape)


class XavierNormalInit(GeneralXavierNormalInit):
    """Normal with standard deviation sqrt(2 / (fan_in + fan_out)); for fans see GeneralXavierNormalInit."""

    def __init__(self, shape: Any):
        super().__init__(1.0, "avg", shape)


class XavierUniformInit(GeneralXavierUniformInit):
    """Uniform within sqrt(6 / (fan_in + fan_out)) of 0; for fans see GeneralXavierUniformInit."""

    def __init__(self, shape: Any):
        super().__init__(3.0, "avg", shape)


class HeNormalInit(GeneralXavierNormalInit):
    """Normal with standard deviation sqrt(2 / fan_in); for fan_in see GeneralXavierNormalInit."""

    def __init__(self, shape: Any):
        super().__init__(2.0, "fan_in", shape)


class HeUniformInit(GeneralXavierUniformInit):
    """Uniform within sqrt(6 / fan_in) of 0; for fan_in see GeneralXavierUniformInit."""

    def __init__(self, shape: Any):
        super().__init__(6.0, "fan_in", shape)


class LecunNormalInit(GeneralXavierNormalInit):
    """Normal with standard deviation sqrt(1 / fan_in); for fan_in see GeneralXavierNormalInit."""

    def __init__(self, shape: Any):
        super().__init__(1.0, "fan_in", shape)


class LecunUniformInit(GeneralXavierUniformInit):
    """Uniform within sqrt(3 / fan_in) of 0; for fan_in see GeneralXavierUniformInit."""

    def __init__(self, shape: Any):
        super().__init__(3.0, "fan_in", shape)


GeneralizedXavierNormalInit, GeneralizedXavierUniformInit = GeneralXavierNormalInit, GeneralXavierUniformInit

_VARIABLE = {"name": None, "trainable": True, "dtype": np.float32, "ctx": None}
_VARIABLE_DOC = """shape: of the Variable.
name: of the Variable; {variable!r} by default.  trainable: whether `minimize` updates it.  dtype: its dtype.
ctx: its device; 2021's order, with `ctx` in the place of `dtype`, is understood."""


def _signature(*required: str, **defaults: Any) -> inspect.Signature:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    with_defaults = [inspect.Parameter(name, kind, default=value) for name, value in defaults.items()]
    return inspect.Signature([inspect.Parameter(name, kind) for name in required] + with_defaults)


def _taking(name: str, signature: inspect.Signature, doc: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: a function that is called with one dict of arguments becomes one with a name and a signature."""

    def decorate(body: Callable[[dict[str, Any]], Any]) -> Callable[..., Any]:
        def function(*args: Any, **kwargs: Any) -> Any:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{name}{signature}: {error}") from None
            bound.apply_defaults()
            return body(dict(bound.arguments))

        function.__name__ = function.__qualname__ = name
        function.__signature__, function.__doc__ = signature, doc
        return function

    return decorate


def _spellings(kind: type[BaseInit], names: str, *required: str, default_name: str = "", **defaults: Any) -> Any:
    """The function and the generator of a class of initializers.

    names: of the two.  required, defaults: their parameters, in the order of the class's, which ends with `shape`.
    default_name: of the Variables, where it does not follow from the function's.
    """
    function_name, generator_name = names.split()
    settings = (*required, *defaults)
    variable = default_name or f"{function_name}_initializer"
    summary = " ".join(kind.__doc__.split("\n\n")[0].split())

    def make(arguments: dict[str, Any]) -> Variable:
        initializer = kind(*(arguments[setting] for setting in settings), arguments["shape"])
        dtype, ctx = arguments["dtype"], arguments["ctx"]
        if isinstance(dtype, DLContext | DeviceGroup):
            dtype, ctx = np.float32, dtype
        if kind.floats_only and not jnp.issubdtype(np.dtype(dtype), jnp.floating):
            raise TypeError(f"{function_name} draws floats, so its dtype cannot be {np.dtype(dtype)}")
        name = arguments["name"] or variable
        return Variable(name, initializer=initializer, trainable=arguments["trainable"], dtype=dtype, ctx=ctx)

    variable_doc = _VARIABLE_DOC.format(variable=variable)
    doc = f"A Variable with an initial value: {summary}\n\nFor the distribution see {kind.__name__}.\n{variable_doc}"
    generator_doc = (
        f"A function that makes Variables with an initial value: {summary}\n\nIts arguments:\n{variable_doc}"
    )
    function = _taking(function_name, _signature("shape", *required, **defaults, **_VARIABLE), doc)(make)

    @_taking(generator_name, _signature(*required, **defaults), generator_doc)
    def generator(chosen: dict[str, Any]) -> Callable[..., Variable]:
        return _taking(function_name, _signature("shape", **_VARIABLE), doc)(lambda rest: make(chosen | rest))

    return function, generator


zeros, GenZeros = _spellings(ZerosInit, "zeros GenZeros")
ones, GenOnes = _spellings(OnesInit, "ones GenOnes")
nulls, GenEmpty = _spellings(EmptyInit, "nulls GenEmpty", default_name="empty_initializer")
constant, GenConstant = _spellings(ConstantInit, "constant GenConstant", fill_value=0.0)
random_normal, GenNormal = _spellings(NormalInit, "random_normal GenNormal", mean=0.0, stddev=1.0)
random_uniform, GenUniform = _spellings(UniformInit, "random_uniform GenUniform", minval=-1.0, maxval=1.0)
truncated_normal, GenTruncatedNormal = _spellings(
    TruncatedNormalInit, "truncated_normal GenTruncatedNormal", mean=0.0, stddev=1.0
)
reversed_truncated_normal, GenReversedTruncatedNormal = _spellings(
    ReversedTruncatedNormalInit, "reversed_truncated_normal GenReversedTruncatedNormal", mean=0.0, stddev=1.0
)
general_xavier_normal, GenGeneralXavierNormal = _spellings(
    GeneralXavierNormalInit, "general_xavier_normal GenGeneralXavierNormal", "gain", "mode"
)
general_xavier_uniform, GenGeneralXavierUniform = _spellings(
    GeneralXavierUniformInit, "general_xavier_uniform GenGeneralXavierUniform", "gain", "mode"
)
xavier_normal, GenXavierNormal = _spellings(XavierNormalInit, "xavier_normal GenXavierNormal")
xavier_uniform, GenXavierUniform = _spellings(XavierUniformInit, "xavier_uniform GenXavierUniform")
he_normal, GenHeNormal = _spellings(HeNormalInit, "he_normal GenHeNormal")
he_uniform, GenHeUniform = _spellings(HeUniformInit, "he_uniform GenHeUniform")
lecun_normal, GenLecunNormal = _spellings(LecunNormalInit, "lecun_normal GenLecunNormal")
lecun_uniform, GenLecunUniform = _spellings(LecunUniformInit, "lecun_uniform GenLecunUniform")


hint_at_names(__name__)
