"""Initial values: spellings, shapes, and that the numbers have the distribution that is documented."""

import inspect
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hetu_jax import initializers as init
from hetu_jax import ndarray
from hetu_jax.graph import Variable

pytestmark = pytest.mark.usefixtures("compile_quickly")
SPELLINGS = {
    "zeros": ("ZerosInit", "GenZeros", ()),
    "ones": ("OnesInit", "GenOnes", ()),
    "nulls": ("EmptyInit", "GenEmpty", ()),
    "constant": ("ConstantInit", "GenConstant", (2.5,)),
    "random_normal": ("NormalInit", "GenNormal", (0.5, 2.0)),
    "random_uniform": ("UniformInit", "GenUniform", (-3.0, 1.0)),
    "truncated_normal": ("TruncatedNormalInit", "GenTruncatedNormal", (0.5, 2.0)),
    "reversed_truncated_normal": ("ReversedTruncatedNormalInit", "GenReversedTruncatedNormal", (0.5, 2.0)),
    "general_xavier_normal": ("GeneralXavierNormalInit", "GenGeneralXavierNormal", (1.5, "fan_out")),
    "general_xavier_uniform": ("GeneralXavierUniformInit", "GenGeneralXavierUniform", (1.5, "fan_out")),
    "xavier_normal": ("XavierNormalInit", "GenXavierNormal", ()),
    "xavier_uniform": ("XavierUniformInit", "GenXavierUniform", ()),
    "he_normal": ("HeNormalInit", "GenHeNormal", ()),
    "he_uniform": ("HeUniformInit", "GenHeUniform", ()),
    "lecun_normal": ("LecunNormalInit", "GenLecunNormal", ()),
    "lecun_uniform": ("LecunUniformInit", "GenLecunUniform", ()),
}
KEY = jax.random.key(7)


def value(variable):
    return np.asarray(variable.initializer(KEY, variable.dtype))


@pytest.mark.parametrize("name", SPELLINGS)
def test_spellings_agree(name):
    class_name, generator_name, settings = SPELLINGS[name]
    function, kind, generator = (getattr(init, n) for n in (name, class_name, generator_name))
    shape = (3, 4, 2)
    by_function = function(shape, *settings)
    by_generator = generator(*settings)(shape=shape)
    initializer = kind(*settings, shape)
    assert isinstance(by_function, Variable) and by_function.trainable
    assert by_function.name == by_generator.name == ("empty" if name == "nulls" else name) + "_initializer"
    assert initializer.shape == by_function.shape == by_generator.shape == shape
    assert type(by_function.initializer) is type(by_generator.initializer) is kind
    expected = np.asarray(initializer(KEY))
    assert expected.shape == shape and expected.dtype == np.float32
    np.testing.assert_array_equal(value(by_function), expected)
    np.testing.assert_array_equal(value(by_generator), expected)
    for made in (function, generator, kind):
        assert made.__name__ in (name, class_name, generator_name) and made.__doc__
    parameters = list(inspect.signature(function).parameters)
    assert parameters[0] == "shape" and parameters[-4:] == ["name", "trainable", "dtype", "ctx"]


def test_defaults_of_the_documentation():
    defaults = {
        name: {k: p.default for k, p in inspect.signature(getattr(init, name)).parameters.items()}
        for name in ("constant", "random_normal", "random_uniform", "truncated_normal", "reversed_truncated_normal")
    }
    assert defaults["constant"]["fill_value"] == 0.0
    assert defaults["random_uniform"]["minval"] == -1.0 and defaults["random_uniform"]["maxval"] == 1.0
    for name in ("random_normal", "truncated_normal", "reversed_truncated_normal"):
        assert defaults[name]["mean"] == 0.0 and defaults[name]["stddev"] == 1.0
    assert list(inspect.signature(init.UniformInit).parameters) == ["low", "high", "shape"]
    assert list(inspect.signature(init.NormalInit).parameters) == ["mean", "stddev", "shape"]
    assert list(inspect.signature(init.ConstantInit).parameters) == ["constant", "shape"]


def test_positional_arguments_of_both_vintages():
    device = ndarray.cpu(0)
    new = init.random_normal((2, 2), 0.0, 1.0, "w", False, np.float16, device)
    old = init.random_normal((2, 2), 0.0, 1.0, "w", False, device)
    generated = init.GenNormal(0.0, 1.0)((2, 2), "w", False, device)
    assert new.dtype == np.float16 and old.dtype == generated.dtype == np.float32
    for variable in (new, old, generated):
        assert variable.ctx == device and variable.name == "w" and not variable.trainable


def test_documentation_call():
    weight = init.random_normal(shape=(32, 1, 5, 5), stddev=0.1)
    assert weight.shape == (32, 1, 5, 5)
    assert init.random_normal(shape=[4], stddev=0.1, name="bias").name == "bias"
    assert init.zeros(5).shape == (5,) and init.ones(()).shape == ()


@pytest.mark.parametrize("dtype", [np.int32, np.int8, np.float16, jnp.bfloat16])
def test_dtypes_of_constants(dtype):
    variable = init.constant((2,), 3, dtype=dtype)
    assert value(variable).dtype == dtype and value(variable).tolist() == [3, 3]


@pytest.mark.parametrize("name", [n for n, row in SPELLINGS.items() if n not in ("zeros", "ones", "nulls", "constant")])
def test_dtypes_of_draws(name):
    function, settings = getattr(init, name), SPELLINGS[name][2]
    for dtype in (np.float16, jnp.bfloat16):
        drawn = value(function((20, 30), *settings, dtype=dtype))
        assert drawn.dtype == dtype and np.isfinite(drawn.astype(np.float32)).all()
    with pytest.raises(TypeError, match=f"{name} draws floats"):
        function((2, 2), *settings, dtype=np.int32)


@pytest.mark.parametrize("name", SPELLINGS)
def test_keys(name):
    class_name, _, settings = SPELLINGS[name]
    initializer = getattr(init, class_name)(*settings, (40, 50))
    np.testing.assert_array_equal(initializer(KEY), initializer(KEY))
    other = np.asarray(initializer(jax.random.key(8)))
    assert (other != np.asarray(initializer(KEY))).any() == (name not in ("zeros", "ones", "nulls", "constant"))
    np.testing.assert_allclose(jax.jit(initializer)(KEY), initializer(KEY), rtol=1e-5, atol=1e-6)


def test_constants():
    assert value(init.zeros((2,))).tolist() == value(init.nulls((2,))).tolist() == [0, 0]
    assert value(init.ones((2,))).tolist() == [1, 1]
    assert value(init.constant((2,), 2.5)).tolist() == [2.5, 2.5]


# Distributions: moments within five standard errors, and the greatest distance between the distribution functions.

COUNT = 200_000


def phi(z):
    return 0.5 * (1 + np.vectorize(math.erf)(np.asarray(z) / math.sqrt(2)))


def kolmogorov_smirnov(sample, distribution):
    """sqrt(n) times the greatest distance; above 1.95 in one of a thousand samples."""
    ordered = np.sort(sample)
    at = distribution(ordered)
    steps = np.arange(len(at) + 1) / len(at)
    return math.sqrt(len(at)) * max(np.abs(at - steps[1:]).max(), np.abs(at - steps[:-1]).max())


def check(sample, distribution, mean, stddev):
    sample = np.asarray(sample, np.float64).ravel()
    assert abs(sample.mean() - mean) < 5 * stddev / math.sqrt(len(sample))
    assert abs(sample.std() / stddev - 1) < 5 / math.sqrt(len(sample))
    assert kolmogorov_smirnov(sample, distribution) < 1.95


def check_normal(sample, stddev, mean=0.0):
    check(sample, lambda x: phi((x - mean) / stddev), mean, stddev)


def check_uniform(sample, low, high):
    assert low <= sample.min() < low + (high - low) / 1000 and high >= sample.max() > high - (high - low) / 1000
    check(sample, lambda x: (x - low) / (high - low), (low + high) / 2, (high - low) / math.sqrt(12))


def test_normal():
    check_normal(value(init.random_normal((COUNT,), 1.5, 0.5)), 0.5, 1.5)


def test_uniform():
    check_uniform(value(init.random_uniform((COUNT,), -3, 5)), -3, 5)
    check_uniform(value(init.random_uniform((COUNT,))), -1, 1)


TAIL = float(phi(-2.0))
DENSITY = math.exp(-2) / math.sqrt(2 * math.pi)  # of the standard normal at 2


def test_truncated_normal():
    drawn = value(init.truncated_normal((COUNT,), 1.0, 3.0))
    z = (np.float64(drawn) - 1.0) / 3.0
    assert np.abs(z).max() <= 2.000001 and np.abs(z).max() > 1.999
    inside = 1 - 2 * TAIL
    check(z, lambda x: np.clip((phi(x) - TAIL) / inside, 0, 1), 0, math.sqrt(1 - 4 * DENSITY / inside))


def test_reversed_truncated_normal():
    drawn = value(init.reversed_truncated_normal((COUNT,), 1.0, 3.0))
    z = (np.float64(drawn) - 1.0) / 3.0
    assert np.abs(z).min() >= 1.999999 and np.abs(z).min() < 2.001
    assert 4 < np.abs(z).max() < 6
    assert abs((z > 0).mean() - 0.5) < 5 * 0.5 / math.sqrt(COUNT)
    # of |z|: P(|z| < x) = (phi(x) - phi(2)) / phi(-2)
    second = 1 + 2 * DENSITY / TAIL
    mean = DENSITY / TAIL
    check(np.abs(z), lambda x: np.clip((phi(x) - 1 + TAIL) / TAIL, 0, 1), mean, math.sqrt(second - mean**2))


SHAPE = (40, 50, 10, 10)  # fan_in 5000, fan_out 4000


@pytest.mark.parametrize(
    "name, settings, variance",
    [
        ("xavier", (), 2 / 9000),
        ("he", (), 2 / 5000),
        ("lecun", (), 1 / 5000),
        ("general_xavier", (1.7, "fan_in"), 1.7 / 5000),
        ("general_xavier", (1.7, "fan_out"), 1.7 / 4000),
        ("general_xavier", (1.7, "avg"), 1.7 / 4500),
    ],
)
def test_fans(name, settings, variance):
    check_normal(value(getattr(init, f"{name}_normal")(SHAPE, *settings)), math.sqrt(variance))
    limit = math.sqrt(variance) * (1 if settings else math.sqrt(3))
    check_uniform(value(getattr(init, f"{name}_uniform")(SHAPE, *settings)), -limit, limit)


def test_fan_in_of_a_matrix_is_its_second_axis():
    assert init.HeNormalInit((1000, 10)).stddev == math.sqrt(2 / 10)
    assert init.LecunUniformInit((1000, 10)).high == math.sqrt(3 / 10)
    assert init.XavierUniformInit((4, 2)).high == 1.0


@pytest.mark.parametrize("name", ["xavier_normal", "he_uniform", "lecun_normal"])
def test_fans_need_two_axes(name):
    with pytest.raises(ValueError, match=r"two axes or more, not \(3,\)"):
        getattr(init, name)((3,))


def test_errors():
    with pytest.raises(ValueError, match="mode is one of fan_in, fan_out, avg, not 'sum'"):
        init.GenGeneralXavierNormal(1.0, "sum")((2, 2))
    with pytest.raises(ValueError, match="a shape is a sequence of sizes"):
        init.zeros((2, -1))
    with pytest.raises(ValueError, match="a shape is a sequence of sizes"):
        init.zeros((2.5,))
    with pytest.raises(TypeError, match="random_normal.*missing a required argument: 'shape'"):
        init.random_normal(stddev=1.0)
    with pytest.raises(TypeError, match="GenNormal.*unexpected keyword argument 'sigma'"):
        init.GenNormal(sigma=1)


def test_the_variable_knows_the_users_line():
    variable = init.zeros((2,))
    assert variable.site.filename == __file__
    assert init.GenZeros()((2,)).site.filename == __file__


def test_2021_names():
    assert init.GeneralizedXavierUniformInit is init.GeneralXavierUniformInit
    assert init.GeneralizedXavierNormalInit is init.GeneralXavierNormalInit
