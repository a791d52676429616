"""What looks like an array but is a node: NumPy's operators reach it, all else says what to do."""

import copy
import inspect

import numpy as np
import pytest

import hetu_jax as ht


@pytest.fixture
def node() -> ht.Variable:
    return ht.Variable("w", value=[[1.0, 2.0], [3.0, 4.0]])


VALUE = np.array([[1, 2], [3, 4]], np.float32)
LEFT = np.array([[5, 6], [7, 8]], np.float32)


NUMBERS = [(left, sign) for left in (np.float32(2), 3.0) for sign in ("+", "-", "*", "/", "**")]


@pytest.mark.parametrize(("left", "sign"), [*NUMBERS, *((LEFT, sign) for sign in "+-*/")])
def test_operators_with_numpy_on_the_left(node: ht.Variable, left: object, sign: str) -> None:
    recorded = eval(f"left {sign} node", {"left": left, "node": node})
    (found,) = ht.Executor([recorded]).run(convert_to_numpy_ret_vals=True)
    np.testing.assert_allclose(found, eval(f"left {sign} right", {"left": left, "right": VALUE}), rtol=1e-6)


def test_products_with_numpy_on_either_side(node: ht.Variable) -> None:
    found = ht.Executor([LEFT @ node, node @ LEFT, abs(-node)]).run(convert_to_numpy_ret_vals=True)
    for value, expected in zip(found, [LEFT @ VALUE, VALUE @ LEFT, VALUE], strict=True):
        np.testing.assert_array_equal(value, expected)


def test_a_node_is_equal_to_itself_only(node: ht.Variable) -> None:
    other = ht.Variable("v", value=VALUE)
    assert node == node and node != other
    assert node not in [other, VALUE] and node in [VALUE, node]
    assert {node: 1}[node] == 1


def test_what_is_no_attribute_is_none(node: ht.Variable) -> None:
    for name in ("asnumpy", "__len_hint__", "_repr_png_", "backward", "reshape", "nothing_like_it"):
        assert not hasattr(node, name)
    assert copy.deepcopy(node).name == "w"


def test_the_truth_of_a_node_is_that_there_is_one(node: ht.Variable) -> None:
    with pytest.warns(UserWarning, match="always counts as true"):
        assert node or None


@pytest.mark.parametrize(
    "use",
    [len, float, int, complex, list, np.asarray, np.sum, np.tanh, lambda w: w < 1, lambda w: np.add.reduce(w)],
    ids=range(10),
)
def test_what_asks_for_a_value(node: ht.Variable, use: object) -> None:
    with pytest.raises(TypeError, match=r"Variable 'w' at .*test_errors_nodes.py|not iterable"):
        use(node)


def test_an_error_inside_a_property_is_seen() -> None:
    class Odd(ht.graph.Feed):
        @property
        def width(self) -> int:
            return self.shape.lenght

    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'lenght'"):
        assert Odd("odd").width


def test_help_shows_the_arguments_of_variable() -> None:
    assert list(inspect.signature(ht.Variable).parameters) == [
        "name",
        "value",
        "initializer",
        "trainable",
        "dtype",
        "ctx",
    ]
    assert str(ht.gradients.__globals__["item_op"].signature) == "(node, index, ctx=None, *, name=None)"
