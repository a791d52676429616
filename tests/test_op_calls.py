"""What the table of cases cannot say of ops: refusals, state from step to step, and attributes of nodes."""

import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax.errors import OpError


def variable(*shape):
    return ht.Variable("x", value=np.arange(np.prod(shape), dtype=np.float32).reshape(shape))


def run(*nodes, **options):
    return [array.asnumpy() for array in ht.Executor(list(nodes)).run(**options)]


REFUSALS = [
    (lambda: ht.sum_op([]), "empty list"),
    (lambda: ht.matrix_dot_op(variable(2, 3), variable(3)), r"2 rows of node_A \(2, 3\).*\(3,\)"),
    (lambda: ht.clamp_op(variable(2), min_mat=variable(2), max=1), "not both.*max=1"),
    (lambda: ht.bool_op(variable(2), variable(2), val=1.0), "not both.*val=1.0"),
    (lambda: ht.bool_op(variable(2), val=1.0, cond=7), "not 7"),
    (lambda: ht.reduce_sum_op(variable(2, 3), [0, 2]), r"axis 2 is out of range.*\(2, 3\)"),
    (lambda: ht.reduce_sum_op(variable(2, 3), [0, -2]), "names an axis twice"),
    (lambda: ht.reduce_sum_op(variable(2, 3), [0, 1], keepdims=[True]), "1 entries for the 2 axes"),
    (lambda: ht.norm_op(variable(2), 0, p=0), "p above 0, not 0"),
    (lambda: ht.argmax_partial_op(variable(2, 3), variable(2), 1, 0), "another dim than axis 0"),
    (lambda: ht.topk_idx_op(variable(2, 3), 4), "choose 4 of 3"),
    (lambda: ht.matmul_op(variable(2, 3), variable(2, 3)), "matmul_op"),
    (lambda: ht.concat_gradient_op(variable(4), variable(2), 0, 2), "idx is 0 or 1, not 2"),
    (lambda: ht.concatenate_gradient_op(variable(4), variable(3), 0, 2), "do not lie inside axis 0"),
    (lambda: ht.slice_gradient_op(variable(4), [1]), "needs begin and size"),
    (lambda: ht.slice_gradient_op(variable(4), [1], [4]), "does not lie inside"),
    (lambda: ht.tril_lookup_gradient_op(variable(4)), "no square has 4 elements"),
]


@pytest.mark.parametrize("make, message", REFUSALS, ids=[message for _, message in REFUSALS])
def test_an_op_that_cannot_be_computed_says_what_it_was_given(make, message):
    with pytest.raises(OpError, match=message):
        run(make())


def test_the_factor_of_mul_byconst_changes_after_each_training_step():
    x = variable(3)
    by_jax, on_host = (
        ht.mul_byconst_op(x, 1.0, const_updater=updater)
        for updater in (lambda n: 10.0 * n, lambda n: 2.0 if n < 2 else 3.0)
    )
    (gradient,) = ht.gradients(ht.reduce_sum_op(on_host, [0]), [x])
    executor = ht.Executor([by_jax, on_host, gradient])
    factors = []
    for inference in (False, True, False, False):
        values = [array.asnumpy() for array in executor.run(inference=inference)]
        factors.append((values[0][1], values[1][1], values[2][0]))
    assert factors == [(1, 1, 1), (10, 2, 2), (10, 2, 2), (20, 3, 3)]
    assert executor.compile_count == 2, "one step for training and one for inference"


def test_param_clip_comes_after_its_control():
    x = variable(2, 2)
    row = ht.Variable("row", value=np.int32([0]), dtype=np.int32, trainable=False)
    control = ht.assign_with_indexedslices_op(x, row, ht.Variable("new", value=np.float32([[-5, 5]])))
    ht.Executor([ht.param_clip_op(x, control, 0.5, 2.5)]).run()
    assert x.tensor_value.asnumpy().tolist() == [[0.5, 2.5], [2.0, 2.5]]


def test_the_offset_of_concatenate_gradient_may_be_set_on_the_node():
    node = ht.concatenate_gradient_op(variable(10), variable(3), 0)
    assert node.offset == 0
    node.offset = 4
    assert run(node)[0].tolist() == [4, 5, 6]


def test_array_reshape_gradient_takes_the_input_or_the_reshape():
    x, gradient = variable(2, 3), variable(3, 2)
    reshaped = ht.array_reshape_op(x, (3, 2))
    forms = [ht.array_reshape_gradient_op(x, gradient), ht.array_reshape_gradient_op(reshaped, gradient)]
    assert [value.shape for value in run(*forms)] == [(2, 3), (2, 3)]


def test_the_parts_of_batch_normalization_gradient_are_those_of_gradients():
    rng = np.random.default_rng(0)
    x, g = (ht.Variable(name, value=rng.normal(size=(4, 3, 2, 2)).astype(np.float32)) for name in "xg")
    scale, bias = (ht.Variable(name, value=rng.normal(size=3).astype(np.float32)) for name in ("scale", "bias"))
    y = ht.batch_normalization_op(x, scale, bias)
    handle = ht.batch_normalization_gradient_op(g, x, scale, y, 1e-5)
    parts = [
        ht.batch_normalization_gradient_of_data_op(handle, x),
        ht.batch_normalization_gradient_of_scale_op(handle, scale),
        ht.batch_normalization_gradient_of_bias_op(handle, bias),
    ]
    values = run(*parts, *ht.gradients(y, [x, scale, bias], insert_grad=g), inference=False)
    for part, wanted in zip(values[:3], values[3:], strict=True):
        np.testing.assert_allclose(part, wanted, rtol=1e-5, atol=1e-5)


def test_dropout_gradient_uses_the_mask_of_the_forward_node():
    x = ht.Variable("x", value=np.ones((20, 20), np.float32))
    y = ht.dropout_op(x, 0.5)
    value, by_hand, derived = run(y, ht.dropout_gradient_op(x, 0.5, y), *ht.gradients(y, [x]), inference=False)
    assert set(np.unique(value)) == {0.0, 2.0}
    np.testing.assert_array_equal(by_hand, derived)


def test_statistics_move_once_in_a_step_that_fetches_a_value_before_its_gradient():
    x = variable(4, 2)
    y = ht.batch_normalization_op(x, ht.Variable("scale", value=np.ones(2)), ht.Variable("bias", value=np.zeros(2)))
    (gradient,) = ht.gradients(y, [x])
    run(y, gradient, inference=False)
    np.testing.assert_allclose(y.writes[0].tensor_value.asnumpy(), 0.1 * np.arange(8).reshape(4, 2).mean(0), rtol=1e-6)


@pytest.mark.filterwarnings("ignore:Some donated buffers were not usable")  # the statistics grow in the first step
def test_batch_normalisation_with_a_fed_scale_learns_the_number_of_channels():
    x, scale, bias = (ht.Variable(name) for name in ("x", "scale", "bias"))
    executor = ht.Executor([ht.batch_normalization_op(x, scale, bias, momentum=0.5)])
    images = np.random.default_rng(0).normal(2, 3, (4, 3, 5, 5)).astype(np.float32)
    feeds = {x: images, scale: np.ones(3), bias: np.zeros(3)}
    before = executor.run(feed_dict=feeds, convert_to_numpy_ret_vals=True, inference=True)[0]
    np.testing.assert_allclose(before, images, rtol=1e-4, atol=1e-5)
    for _ in range(2):
        executor.run(feed_dict=feeds, inference=False)
    np.testing.assert_allclose(executor.state_dict()["scale_running_mean"], 0.75 * images.mean((0, 2, 3)), rtol=1e-5)
    assert executor.run(feed_dict=feeds, inference=True)[0].shape == images.shape


def test_a_device_in_the_place_of_a_parameter_that_earlier_vintages_lack_is_the_ctx():
    x, group = variable(1, 2, 2, 3), ht.context(ht.cpu(0))
    with group as device_group:
        nodes = [ht.mul_byconst_op(x, 3.0, ht.cpu(0)), ht.log_op(x, device_group), ht.dropout_op(x, 0.5, ht.cpu(0))]
    assert [node.ctx for node in nodes] == [ht.cpu(0), device_group, ht.cpu(0)]
    np.testing.assert_allclose(run(nodes[0])[0], 3 * x.value)
    three = ht.gpu_ops.instance_normalization2d_gradient_op(x, x, x, ht.cpu(0))
    four = ht.gpu_ops.instance_normalization2d_gradient_op(x, x, x, 0.01)
    assert three.ctx == ht.cpu(0)
    np.testing.assert_array_equal(*run(three, four))
    with pytest.raises(TypeError, match="missing a required argument"):
        ht.leaky_relu_op(x, ctx=ht.cpu(0))


def test_an_empty_batch_leaves_the_running_statistics_alone():
    x, scale, bias = ht.Variable("x"), ht.Variable("s", value=np.ones(3)), ht.Variable("b", value=np.zeros(3))
    y = ht.reduce_sum_op(ht.batch_normalization_op(x, scale, bias), [0, 1])
    executor = ht.Executor([y, ht.optim.SGDOptimizer(0.1).minimize(y)])
    with pytest.warns(UserWarning, match=r"trains on \(0, 3\), which has no samples"):
        executor.run(feed_dict={x: np.zeros((0, 3))})
    state = executor.state_dict()
    assert state["s_running_mean"].tolist() == [0, 0, 0] and state["s_running_var"].tolist() == [1, 1, 1]
    assert state["s"].tolist() == [1, 1, 1]


def test_the_shape_of_a_sample_may_be_an_array():
    assert run(ht.uniform_sample_op(np.array([2, 3]), 0, 1))[0].shape == (2, 3)
    with pytest.raises(OpError, match="shape of integers"):
        run(ht.uniform_sample_op(np.array([2.5, 3]), 0, 1))
