"""`gradients`: leaves, inner nodes, seeds, higher order."""

import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax.errors import GraphError


def values(nodes):
    return ht.Executor(nodes).run(convert_to_numpy_ret_vals=True)


def test_leaves_inner_nodes_and_the_output_itself():
    a = ht.Variable("a", [2.0])
    b = ht.relu_op(a)
    c = b * b * b
    np.testing.assert_allclose(values(ht.gradients(c, [a, b, c])), [[12], [12], [1]])


def test_an_inner_node_gets_the_whole_gradient_even_where_another_is_below_it():
    a = ht.Variable("a", [3.0])
    b = a * a
    c = b + b
    np.testing.assert_allclose(values(ht.gradients(c * a, [b, a, c])), [[6], [54], [3]])


def test_the_sum_of_a_non_scalar_output_is_differentiated():
    x = ht.Variable("x", [[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(values(ht.gradients(x * x, [x]))[0], [[2, 4], [6, 8]])


def test_several_outputs_add_up():
    x = ht.Variable("x", [2.0])
    np.testing.assert_allclose(values(ht.gradients([x * x, 3 * x], [x]))[0], [7])


def test_a_seed_weights_the_output():
    x, seed = ht.Variable("x", [1.0, 2.0]), ht.Variable("seed", [10.0, -1.0])
    np.testing.assert_allclose(values(ht.gradients(x * x, [x], insert_grad=seed))[0], [20, -4])
    np.testing.assert_allclose(values(ht.gradients([x * x, x], [x], insert_grad=[seed, None]))[0], [21, -3])


def test_a_seed_may_depend_on_the_forward_pass():
    x = ht.Variable("x", [3.0])
    y = x * x
    np.testing.assert_allclose(values(ht.gradients(y, [x], insert_grad=y))[0], [54])


def test_the_numbers_of_seeds_and_outputs_must_agree():
    x = ht.Variable("x", [1.0])
    with pytest.raises(GraphError, match="insert_grad has 2 entries for 1 outputs"):
        ht.gradients(x, [x], insert_grad=[x, x])


def test_third_order():
    x = ht.Variable("x", [2.0])
    first = ht.gradients(ht.power_op(x, 4), [x])
    second = ht.gradients(first[0], [x])
    third = ht.gradients(second[0], [x])
    np.testing.assert_allclose(values([*first, *second, *third]), [[32], [48], [48]])


def test_second_order_at_an_inner_node():
    x = ht.Variable("x", [2.0])
    h = x * x
    (first,) = ht.gradients(h * h * h, [h])  # 3 h^2
    second = ht.gradients(first, [h, x])  # 6 h, 6 h * 2 x
    np.testing.assert_allclose(values([first, *second]), [[48], [24], [96]])


def test_a_gradient_penalty_trains_through_the_gradient():
    w, x = ht.Variable("w", [3.0]), ht.Variable("x", [2.0], trainable=False)
    (slope,) = ht.gradients(w * x * x, [x])  # 2 w x
    (penalty,) = ht.gradients(slope * slope, [w])  # d/dw 4 w^2 x^2 = 8 w x^2
    np.testing.assert_allclose(values([penalty])[0], [96])


def test_no_path_gives_zeros_and_one_warning():
    x, other = ht.Variable("x", [1.0]), ht.Variable("other", [[5.0, 6.0]])
    with pytest.warns(UserWarning, match="nothing flows from .* back to other"):
        grads = ht.gradients(x * x, [other, x])
    np.testing.assert_array_equal(values(grads)[0], [[0, 0]])


def test_integers_have_no_gradient_and_the_node_is_named():
    ids = ht.Variable("ids", [1, 2], dtype=np.int32)
    table = ht.Variable("table", np.ones((3, 2)))
    grads = ht.gradients(ht.embedding_lookup_op(table, ids), [ids])
    with pytest.raises(GraphError, match="'ids'.*dtype int32: only floats have gradients"):
        values(grads)


def test_gradient_of_an_integer_output_is_refused():
    x = ht.Variable("x", [[1.0, 2.0]])
    with pytest.raises(GraphError, match="argmax_op.*only floats"):
        values(ht.gradients(ht.argmax_op(x, 1), [x]))


def test_return_all_and_a_single_node():
    x = ht.Variable("x", [2.0])
    grads, backward, forward = ht.gradients(x * x, x, return_all=True)
    np.testing.assert_allclose(values(grads)[0], [4])
    assert backward == forward == {}


def test_the_forward_pass_is_traced_once():
    import jax

    from hetu_jax.trace import Run, evaluate

    x = ht.Variable("x", np.ones((2, 2)))
    node = x
    for _ in range(5):
        node = ht.matmul_op(node, x)
    grads = ht.gradients(node, [x])
    jaxpr = jax.make_jaxpr(lambda v: evaluate([*grads, node], {x: v}, Run(False)))(x.value)
    assert str(jaxpr).count("dot_general") <= 15  # 5 forward, 10 backward


def test_dropout_masks_agree_between_forward_and_backward():
    x = ht.Variable("x", np.ones(1000))
    y = ht.dropout_op(x, 0.5)
    executor = ht.Executor([y, *ht.gradients(y, [x])], inference=False)
    forward, backward = executor.run(convert_to_numpy_ret_vals=True)
    np.testing.assert_array_equal(forward, backward)
    assert 0.3 < np.mean(forward == 0) < 0.7
