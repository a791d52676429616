"""Op, Node, Variable, Feed and the walk over them."""

import copy
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax.errors import FeedError, OpError
from hetu_jax.graph import OPS, Feed, Op, Placeholder, Variable, flatten, op, toposort
from hetu_jax.sites import Site


def evaluate(node, feed_dict=None):
    return ht.Executor([node]).run(feed_dict=feed_dict, convert_to_numpy_ret_vals=True)[0]


@pytest.fixture
def registry():
    """Ops defined in a test disappear after it."""
    before = dict(OPS)
    yield
    OPS.clear()
    OPS.update(before)


def test_an_op_records_its_arguments_and_the_line_of_the_script():
    a, b = ht.Variable("a", [1.0]), ht.Variable("b", [2.0])
    node = ht.add_op(a, node_B=b)
    assert node.inputs == [a, b]
    assert node.arguments == {"node_A": a, "node_B": b}
    assert node.site.filename == __file__
    assert node.op is OPS["add_op"]
    assert node.desc == f"{node.name}(a, b)"
    assert node.op_type == "AddOp" and str(node) == f"AddOp{node.id}"


def test_a_wrong_call_fails_at_once_and_shows_the_signature():
    with pytest.raises(TypeError, match=r"add_op\(node_A, node_B.*missing a required argument: 'node_B'"):
        ht.add_op(ht.Variable("a"))


def test_every_op_takes_ctx_last_and_a_name():
    a = ht.Variable("a", [1.0])
    node = ht.relu_op(a, ht.cpu(0), name="mine")
    assert node.ctx == ht.cpu(0) and node.name == "mine"
    assert "ctx" not in node.arguments and "name" not in node.arguments


def test_defining_an_op_twice_is_refused(registry):
    with pytest.raises(ValueError, match="two ops are called relu_op"):

        @op
        def relu_op(node):
            """Again."""


def test_a_users_own_op_records_differentiates_and_runs(registry):
    @op
    def cube_op(node, scale=1.0):
        """scale * node ** 3."""
        return scale * node**3

    x = ht.Variable("x", [2.0, -1.0])
    node = cube_op(x, scale=2.0)
    assert node.bound == {"node": x, "scale": 2.0}
    np.testing.assert_allclose(evaluate(node), [16, -2])
    np.testing.assert_allclose(evaluate(ht.gradients(node, [x])[0]), [24, 6])
    assert isinstance(cube_op, Op) and cube_op.fn(jnp.float32(1), 3.0) == 3


def test_nodes_inside_lists_and_ndarrays_as_constants():
    a, b = ht.Variable("a", [[1.0]]), ht.Variable("b", [[2.0]])
    node = ht.concatenate_op([a, b], axis=1)
    assert node.inputs == [a, b]
    np.testing.assert_array_equal(evaluate(node), [[1, 2]])
    np.testing.assert_array_equal(evaluate(ht.add_op(a, ht.array([[5.0]], ht.cpu(0)))), [[6]])


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (lambda a, b: a + b, [3, 1]),
        (lambda a, b: a + 1, [2, 4]),
        (lambda a, b: 1 + a, [2, 4]),
        (lambda a, b: a - b, [-1, 5]),
        (lambda a, b: a - 1, [0, 2]),
        (lambda a, b: 1 - a, [0, -2]),
        (lambda a, b: a * b, [2, -6]),
        (lambda a, b: 2 * a, [2, 6]),
        (lambda a, b: np.float32(2) * a, [2, 6]),
        (lambda a, b: a / b, [0.5, -1.5]),
        (lambda a, b: a / 2, [0.5, 1.5]),
        (lambda a, b: 3 / a, [3, 1]),
        (lambda a, b: a**2, [1, 9]),
        (lambda a, b: 2**a, [2, 8]),
        (lambda a, b: -a, [-1, -3]),
        (lambda a, b: a[1:], [3]),
        (lambda a, b: a[0], [1]),
    ],
)
def test_arithmetic_on_nodes(expression, expected):
    a, b = ht.Variable("a", [1.0, 3.0]), ht.Variable("b", [2.0, -2.0])
    np.testing.assert_allclose(evaluate(expression(a, b)), expected, rtol=1e-6)


def test_matmul_operator_and_identity_equality():
    a = ht.Variable("a", np.eye(2) * 3)
    np.testing.assert_array_equal(evaluate(a @ a), np.eye(2) * 9)
    assert a == a and a != ht.Variable("a", np.eye(2) * 3) and len({a, a}) == 1


def test_a_node_is_no_sequence():
    with pytest.raises(TypeError):
        iter(ht.Variable("a", [1.0, 2.0]))


def test_an_unknown_attribute_gets_a_hint():
    with pytest.raises(AttributeError, match="has no attribute 'shap'; did you mean shape"):
        _ = ht.Variable("a", [1.0]).shap


def test_shape_and_dtype_come_from_the_function():
    a = ht.Variable("a", np.ones((2, 3)))
    assert (a @ ht.Variable("b", np.ones((3, 5)))).shape == (2, 5)
    assert ht.argmax_op(a, 1).dtype == np.int32
    assert (a + ht.Variable("fed")).shape is None
    assert "float32[2, 3]" in repr(a) and "test_graph.py" in repr(a)


def test_a_shape_error_names_the_op_the_line_and_both_shapes():
    a, b = ht.Variable("left", np.ones((2, 3))), ht.Variable("right", np.ones((2, 3)))
    product = ht.matmul_op(a, b)
    with pytest.raises(OpError) as caught:
        evaluate(product)
    message = str(caught.value)
    for part in ("matmul_op", f"{__file__}:{product.site.line}", "'left': float32[2, 3]", "'right': float32[2, 3]"):
        assert part in message


def test_a_node_that_cannot_be_computed_still_shows_itself():
    a = ht.Variable("a", np.ones((2, 3)))
    assert "matmul_op" in repr(ht.matmul_op(a, a))


class TestVariable:
    def test_without_value_and_initializer_it_is_a_placeholder_that_never_trains(self):
        node = ht.Variable("x", trainable=True)
        assert isinstance(node, Placeholder) and isinstance(node, Feed) and not node.trainable
        assert node.shape is None and node.dtype == np.float32
        node.dtype = np.int64
        assert node.dtype == np.int32

    def test_both_value_and_initializer_are_refused(self):
        with pytest.raises(ValueError, match="both a value and an initializer"):
            ht.Variable("w", value=[1.0], initializer=ht.init.ZerosInit((1,)))

    @pytest.mark.parametrize(
        ("value", "dtype", "stored"),
        [
            (np.float64([1.5]), np.float32, np.float32),
            (np.int64([3]), np.float32, np.float32),
            (np.int64([3]), np.int64, np.int32),
            (np.uint64([3]), np.uint64, np.uint32),
            (np.array([True]), np.float32, np.float32),
            ([1, 2], np.int32, np.int32),
            (3.0, np.float32, np.float32),
        ],
    )
    def test_values_are_stored_in_32_bits(self, value, dtype, stored):
        variable = ht.Variable("v", value=value, dtype=dtype)
        assert variable.dtype == variable.value.dtype == stored
        np.testing.assert_array_equal(np.asarray(variable.value), np.asarray(value))

    @pytest.mark.parametrize("value", ["text", [object()], np.array(["a"])])
    def test_a_value_that_is_no_array_is_refused(self, value):
        with pytest.raises(TypeError, match="must be an array of numbers"):
            ht.Variable("v", value=value)

    def test_integers_that_float32_cannot_hold_are_refused(self):
        with pytest.raises(ValueError, match="dtype=np.int32"):
            ht.Variable("v", value=np.array([2**24 + 1]))

    @pytest.mark.parametrize(
        ("value", "dtype"),
        [
            ([300], np.int8),
            ([-1], np.uint8),
            ([-1], np.uint32),
            ([2**32 + 1], np.int32),
            (3_000_000_000, np.int64),
            ([-(2**63)], np.float32),
            ([1.5], np.int32),
            ([np.nan], np.int32),
            ([np.inf], np.int32),
            ([2.0**31], np.int32),
        ],
    )
    def test_numbers_that_the_dtype_cannot_hold_are_refused(self, value, dtype):
        x = ht.Variable("x", dtype=dtype)
        with pytest.raises(ValueError, match="the value of Variable 'v' has"):
            ht.Variable("v", value=np.array(value), dtype=dtype)
        with pytest.raises(ValueError, match="the value fed to Placeholder 'x' at .* has"):
            ht.Executor([x + 0]).run(feed_dict={x: value})

    def test_whole_floats_are_row_numbers(self):
        x = ht.Variable("x", dtype=np.int32)
        (found,) = ht.Executor([x + 0]).run(feed_dict={x: [1.0, -2.0]}, convert_to_numpy_ret_vals=True)
        assert found.tolist() == [1, -2] and found.dtype == np.int32

    def test_the_value_is_a_copy(self):
        source = np.ones(3, np.float32)
        variable = ht.Variable("v", value=source)
        source[:] = 7
        np.testing.assert_array_equal(variable.tensor_value.asnumpy(), [1, 1, 1])

    def test_deepcopy_clones_the_graph(self):
        w = ht.Variable("w", [1.0])
        y = ht.relu_op(w * 2)
        twin = copy.deepcopy(y)
        twin_w = next(n for n in toposort([twin]) if isinstance(n, Variable))
        assert twin_w is not w and twin is not y and twin.op is y.op
        twin_w.tensor_value = [5.0]
        np.testing.assert_array_equal(evaluate(twin), [10])
        np.testing.assert_array_equal(evaluate(y), [2])


def test_toposort_is_left_to_right_and_needs_no_recursion():
    a, b = ht.Variable("a", [1.0]), ht.Variable("b", [1.0])
    left, right = ht.relu_op(b), ht.relu_op(a)
    top = left + right
    assert toposort([top]) == [b, left, a, right, top]
    node = a
    for _ in range(10_000):
        node = ht.addbyconst_op(node, 1.0)
    assert len(toposort([node])) == 10_001


def test_flatten():
    assert list(flatten([1, [2, (3, [4])], []])) == [1, 2, 3, 4]


def test_a_feed_of_ones_own():
    class Counter(Feed):
        count = 0

        def pull(self, group, advance):
            self.count += advance
            return None, (np.float32(self.count),)

    counter = Counter("count")
    executor = ht.Executor([ht.Variable("w", [10.0]) + counter])
    assert [float(executor.run()[0].asnumpy()) for _ in range(3)] == [11, 12, 13]
    assert executor.compile_count == 1


def test_sites_print_as_file_and_line():
    assert str(Site("script.py", 3)) == "script.py:3"


def test_a_graph_of_many_layers_traces_in_linear_time():
    node = x = ht.Variable("x", [1.0])
    for _ in range(300):
        node = node + x
    traced = jax.eval_shape(lambda v: v, x.value)
    assert node.shape == traced.shape


def test_feeding_a_string_key_says_what_keys_are():
    x = ht.Variable("x")
    with pytest.raises(FeedError, match="'x' is no node"):
        ht.Executor([x * 2]).run(feed_dict={"x": [1.0]})


class TestConstants:
    """Constants beside nodes: exact whatever their own dtype is."""

    @pytest.mark.parametrize(
        "constant",
        [np.array([1, 2], np.uint8), np.array([True, False]), [1, 2], (3, 4), np.uint32(3), np.int8(-128), 5],
    )
    def test_every_operator_takes_them_from_both_sides(self, constant):
        x, held, numbers = ht.Variable("x", value=[5.0, 6.0]), np.array([5.0, 6.0]), np.asarray(constant, float)
        for operate in (operator.add, operator.sub, operator.mul, operator.truediv):
            with np.errstate(divide="ignore"):
                expected = operate(held, numbers), operate(numbers, held)
            found = evaluate(operate(x, constant)), evaluate(operate(constant, x))
            np.testing.assert_allclose(found, expected, rtol=1e-6)

    def test_arrays_on_the_device(self):
        x = ht.Variable("x", value=[5.0, 6.0])
        for constant in (ht.array([1, 2]), jnp.ones(2, jnp.uint8)):
            np.testing.assert_array_equal(evaluate(x - constant), [5, 6] - np.asarray(constant, float))

    @pytest.mark.parametrize(
        ("dtype", "operate", "expected", "found"),
        [
            (np.int32, lambda x: x + 2**40, 3 + 2.0**40, np.float32),
            (np.int32, lambda x: x * 2**33, 3 * 2.0**33, np.float32),
            (np.int32, lambda x: x + np.array([2**40]), 3 + 2.0**40, np.float32),
            (np.int32, lambda x: x + 3e9, 3 + 3e9, np.float32),
            (np.int32, lambda x: x - 2**31, 3 - 2**31, np.int32),
            (np.int32, lambda x: x + 7, 10, np.int32),
            (np.int32, lambda x: x + 0.5, 3.5, np.float32),
            (np.uint8, lambda x: x - 128, -125, np.int32),
            (np.uint8, lambda x: x + 200, 203, np.uint8),
            (np.uint8, lambda x: x + 2**31, 3 + 2.0**31, np.float32),
            (np.int16, lambda x: x * 70_000, 210_000, np.int32),
        ],
    )
    def test_one_that_integers_cannot_hold_widens_the_result(self, dtype, operate, expected, found):
        value = evaluate(operate(ht.Variable("x", value=[3], dtype=dtype)))
        assert value.dtype == found
        np.testing.assert_allclose(value, [expected], rtol=1e-6)

    @pytest.mark.parametrize("other", [None, 1j, "a", np.array([None])])
    def test_what_is_no_number_is_refused_where_it_is_written(self, other):
        x = ht.Variable("x", value=[1.0])
        for operate in (lambda: x + other, lambda: x - other, lambda: x * other, lambda: x / other, lambda: x**other):
            with pytest.raises(TypeError, match="what Variable 'x' at .* is combined with must be an array of numbers"):
                operate()
        with pytest.raises(TypeError, match="combined with"):
            other - x
        with pytest.raises(OpError, match="a constant must be an array of numbers"):
            evaluate(ht.addbyconst_op(x, other))

    @pytest.mark.parametrize("index", [7, -4, (0, 9), np.array([0, 9])])
    def test_a_place_outside_is_an_error(self, index):
        with pytest.raises(OpError, match="item_op.*(is out of bounds for axis 0 with size 3|too many indices)"):
            evaluate(ht.Variable("v", value=[0.0, 1.0, 2.0])[index])


def test_what_hetus_executors_keep_on_nodes_is_there():
    for node in (ht.Variable("p"), ht.Variable("v", value=[1.0]), ht.relu_op(ht.Variable("p"))):
        assert node.inplace is node.lazy_execution is node.use_indexed_slices is False
        assert node.event is node.embedding_offsets is node.parts is node.cur_part is None


def test_a_value_read_first_while_jax_traces_is_a_value():
    w = ht.Variable("w", value=[1.0, 2.0])
    assert jax.jit(lambda x: x + w.value)(1.0).tolist() == [2.0, 3.0]
    assert np.asarray(w.value).tolist() == [1.0, 2.0]
