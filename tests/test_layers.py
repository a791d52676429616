"""The layers: values against NumPy and PyTorch, the names, shapes and first values of parameters, and messages."""

import math

import numpy as np
import pytest

import hetu_jax as ht
import hetu_jax.layers as htl
from hetu_jax.errors import GraphError
from hetu_jax.layers.activation import Gelu
from hetu_jax.layers.base import BaseLayer, OpLayer, OpLayerGradient
from hetu_jax.optimizer import Optimizer

from .cases.case import integers, normal, positive

pytestmark = pytest.mark.usefixtures("compile_quickly")


def constant(value):
    value = np.asarray(value)
    return ht.Variable("x", value, trainable=False, dtype=value.dtype if value.dtype.kind == "i" else np.float32)


def evaluate(*nodes, inference=None):
    values = ht.Executor(list(nodes)).run(convert_to_numpy_ret_vals=True, inference=inference)
    return values[0] if len(values) == 1 else values


def value(variable):
    ht.Executor([variable])
    return variable.tensor_value.asnumpy()


def parameters(node):
    """Name, shape and trainability of every Variable below a node, but for the inputs."""
    return {
        n.name: (n.shape, n.trainable)
        for n in ht.Executor([node]).variables
        if n.name != "x" and "running" not in n.name
    }


def losses(loss, steps=30, learning_rate=0.5, feed_dict=None):
    """What a loss is before each step of training."""
    executor = ht.Executor([loss, ht.optim.SGDOptimizer(learning_rate).minimize(loss)], seed=1)
    return [float(executor.run(feed_dict=feed_dict)[0].asnumpy().item()) for _ in range(steps)]


def test_all_names_of_hetu_are_there():
    names = """
        Linear Conv2d BatchNorm LayerNorm Embedding MaxPool2d AvgPool2d DropOut Identity Relu Mish Reshape Slice
        Sequence SumLayers Concatenate ConcatenateLayers MultiHeadAttention BatchSplitOnlyLayer ReserveSplitLayer
        MSELoss MAELoss BCELoss BCEWithLogitsLoss SoftmaxCrossEntropyLoss
        TopKGate HashGate KTop1Gate SAMGate BalanceAssignmentGate Expert MoELayer HashLayer KTop1Layer SAMLayer
        """.split()
    assert len(names) == 35
    assert set(names) == {name for name, item in vars(htl).items() if isinstance(item, type)}
    assert all(issubclass(getattr(htl, name), BaseLayer) for name in names)


# --- Linear, Conv2d, Embedding -----------------------------------------------------------------------------------


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("activation", [None, "relu", ht.tanh_op, htl.Relu()])
def test_linear(transposed, activation):
    x = normal(4, 3)
    layer = htl.Linear(3, 5, activation=activation, weight_transpose=transposed, name="fc")
    layer.bias_var.tensor_value = normal(5)
    node = layer(constant(x))
    assert parameters(node) == {"fc_weight": ((5, 3) if transposed else (3, 5), True), "fc_bias": ((5,), True)}
    weight = value(layer.weight_var)
    out = x @ (weight.T if transposed else weight) + normal(5)
    expected = out if activation is None else np.tanh(out) if activation is ht.tanh_op else np.maximum(out, 0)
    np.testing.assert_allclose(evaluate(node), expected, rtol=1e-5, atol=1e-6)


def test_linear_without_bias_on_a_given_weight():
    weight = ht.Variable("shared", normal(3, 5))
    layer = htl.Linear(3, 5, initializer=weight, bias=False)
    assert layer.weight_var is weight and layer.bias_var is None
    np.testing.assert_allclose(evaluate(layer(constant(normal(2, 3)))), normal(2, 3) @ normal(3, 5), rtol=1e-5)


def test_first_values_of_parameters():
    layer = htl.Linear(400, 200)
    weight, limit = value(layer.weight_var), math.sqrt(6 / 600)
    assert abs(weight).max() <= limit and abs(weight).max() > 0.99 * limit
    assert weight.std() == pytest.approx(limit / math.sqrt(3), rel=0.02)
    assert not value(layer.bias_var).any()
    table = value(htl.Embedding(300, 100).embedding_table)
    assert table.std() == pytest.approx(math.sqrt(2 / 400), rel=0.03)
    filters = value(htl.Conv2d(16, 32, 3).weight_var)
    assert abs(filters).max() <= math.sqrt(6 / (16 * 9 + 32 * 9)) < 1.01 * abs(filters).max()


def test_conv2d():
    torch = pytest.importorskip("torch")
    x = normal(2, 3, 8, 9)
    layer = htl.Conv2d(3, 4, (3, 5), stride=2, padding=(1, 2), activation="relu", name="conv")
    layer.bias_var.tensor_value = normal(4)
    node = layer(constant(x))
    assert parameters(node) == {"conv_weight": ((4, 3, 3, 5), True), "conv_bias": ((4,), True)}
    tensors = map(torch.from_numpy, (x, value(layer.weight_var).astype(np.float64), normal(4)))
    expected = torch.conv2d(*tensors, stride=2, padding=(1, 2)).relu()
    np.testing.assert_allclose(evaluate(node), expected, rtol=1e-4, atol=1e-5)


def test_conv2d_without_bias():
    layer = htl.Conv2d(3, 4, 3, bias=False, initializer=ht.init.GenOnes())
    out = evaluate(layer(constant(normal(1, 3, 3, 3))))
    np.testing.assert_allclose(out, np.full((1, 4, 1, 1), normal(1, 3, 3, 3).sum()), rtol=1e-5)


def test_embedding(tmp_path):
    layer = htl.Embedding(7, 4, name="table", ctx=ht.cpu(0), device="any")
    ids = integers(7, 2, 3)
    node = layer(constant(ids))
    assert parameters(node) == {"table": ((7, 4), True)}
    np.testing.assert_array_equal(evaluate(node), value(layer.embedding_table)[ids])
    assert repr(layer) == "table(7,4)"
    assert layer.kargs == {"device": "any"} and layer.ctx == ht.cpu(0)


def test_embedding_reads_the_name_of_the_year_before():
    layer = htl.Embedding(7, 4, name="table")
    executor = ht.Executor([layer(constant(integers(7, 2)))])
    executor.load_dict({"table.weight": normal(7, 4)})
    np.testing.assert_allclose(executor.state_dict()["table"], normal(7, 4), rtol=1e-6)


# --- normalisation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm(training):
    torch = pytest.importorskip("torch")
    x, layer, twin = normal(6, 3, 4, 4), htl.BatchNorm(3, name="bn"), torch.nn.BatchNorm2d(3, dtype=torch.float64)
    node = layer(constant(x))
    assert parameters(node) == {"bn_weight": ((3,), True), "bn_bias": ((3,), True)}
    assert value(layer.scale_var).tolist() == [1, 1, 1] and value(layer.bias_var).tolist() == [0, 0, 0]
    executor = ht.Executor([node])
    executor.run(inference=False)
    twin(torch.from_numpy(x))
    out = executor.run(inference=not training, convert_to_numpy_ret_vals=True)[0]
    expected = twin.train(training)(torch.from_numpy(x)).detach()
    np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer_class, last_name", [(htl.BatchNorm, "batchnorm"), (htl.LayerNorm, "layernorm")])
def test_frozen_scale_and_bias_are_still_there(layer_class, last_name):
    node = layer_class(3, scale=False, bias=False)(constant(normal(2, 3)))
    assert parameters(node) == {f"{last_name}_weight": ((3,), False), f"{last_name}_bias": ((3,), False)}


def test_layer_norm():
    x = normal(2, 5, 6)
    layer = htl.LayerNorm(6, name="ln", eps=0.1)
    layer.scale_var.tensor_value, layer.bias_var.tensor_value = positive(6), normal(6)
    centred = x - x.mean(-1, keepdims=True)
    expected = centred / np.sqrt(x.var(-1, keepdims=True) + 0.1) * positive(6) + normal(6)
    node = layer(constant(x))
    assert parameters(node) == {"ln_weight": ((6,), True), "ln_bias": ((6,), True)}
    np.testing.assert_allclose(evaluate(node), expected, rtol=1e-4, atol=1e-5)
    assert htl.LayerNorm(6).eps == 1e-12


def test_norms_take_the_name_second_as_in_2022():
    assert htl.BatchNorm(3, "bn").name == "bn" and htl.BatchNorm(3, "bn").scale is True
    layer = htl.LayerNorm(3, "ln", 1e-5)
    assert (layer.name, layer.eps, layer.bias, layer.scale_var.name) == ("ln", 1e-5, True, "ln_weight")


# --- without parameters ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["relu", "gelu", "mish"])
def test_activations_and_their_gradients_like_pytorch(name):
    torch = pytest.importorskip("torch")
    x = np.concatenate([normal(20) * 3, [-200.0, -30.0, 30.0, 200.0]])
    layer = {"relu": htl.Relu(), "gelu": Gelu(), "mish": htl.Mish()}[name]
    leaf = ht.Variable("x", x)
    out = layer(leaf)
    tensor = torch.tensor(x, requires_grad=True)
    expected = getattr(torch.nn.functional, name)(tensor)
    expected.sum().backward()
    found, gradient = evaluate(out, *ht.gradients(out, [leaf]))
    np.testing.assert_allclose(found, expected.detach(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, tensor.grad, rtol=1e-4, atol=1e-5)


def test_identity_returns_its_input():
    x = constant(normal(3))
    assert htl.Identity()(x) is x and htl.DropOut(0)(x) is x


def test_dropout():
    x = constant(np.ones((100, 100)))
    kept = evaluate(htl.DropOut(0.2)(x), inference=False)
    assert set(np.unique(kept)) == {0, np.float32(1.25)} and kept.mean() == pytest.approx(1, abs=0.03)
    np.testing.assert_array_equal(evaluate(htl.DropOut(0.2)(x), inference=True), 1)


def test_pools():
    torch = pytest.importorskip("torch")
    x = normal(2, 3, 7, 7)
    for layer, twin in [
        (htl.MaxPool2d(3, 2, 1), torch.nn.MaxPool2d(3, 2, 1)),
        (htl.AvgPool2d(kernel_size=3, stride=1, padding=1), torch.nn.AvgPool2d(3, 1, 1)),
        (htl.AvgPool2d(7, stride=1), torch.nn.AvgPool2d(7, 1)),
    ]:
        np.testing.assert_allclose(evaluate(layer(constant(x))), twin(torch.from_numpy(x)), rtol=1e-5, atol=1e-6)


def test_reshape_slice_and_sequence():
    x = normal(4, 6)
    layer = htl.Sequence(htl.Reshape((-1, 2, 3)), htl.Slice((0, 1, 0), (-1, 1, 2)), htl.Reshape([-1]), ht.relu_op)
    np.testing.assert_allclose(evaluate(layer(constant(x))), np.maximum(x.reshape(4, 2, 3)[:, 1, :2].ravel(), 0))


def test_sum_layers():
    x, y = constant(normal(3)), constant(normal(3, seed=1))
    layers = htl.SumLayers([htl.Identity(), htl.Relu()])
    np.testing.assert_allclose(evaluate(layers(x)), normal(3) + np.maximum(normal(3), 0), rtol=1e-6)
    np.testing.assert_allclose(evaluate(layers([x, y])), normal(3) + np.maximum(normal(3, seed=1), 0), rtol=1e-6)
    assert htl.SumLayers([htl.Identity()])(x) is x


def test_concatenate():
    x, y = constant(normal(2, 3)), constant(normal(2, 1))
    joined = np.concatenate([normal(2, 3), normal(2, 1)], 1)
    np.testing.assert_allclose(evaluate(htl.Concatenate(1)(x, y)), joined)
    np.testing.assert_allclose(evaluate(htl.Concatenate(axis=1)([x, y])), joined)
    assert htl.Concatenate(1)(x) is x
    twice = htl.ConcatenateLayers([htl.Identity(), htl.Relu()], axis=1)
    np.testing.assert_allclose(evaluate(twice(x)), np.concatenate([normal(2, 3), np.maximum(normal(2, 3), 0)], 1))


@pytest.mark.parametrize("layer_class", [htl.BatchSplitOnlyLayer, htl.ReserveSplitLayer])
def test_layers_for_distribution_change_nothing(layer_class):
    layer = layer_class(htl.Sequence(htl.Reshape((2, 6)), htl.Slice((0, 1), (-1, -1))))
    out = layer(constant(normal(4, 3)))
    np.testing.assert_allclose(evaluate(out), normal(4, 3).reshape(2, 6)[:, 1:])
    assert layer.output is out


# --- losses ------------------------------------------------------------------------------------------------------

P, LOGITS, LABELS = positive(5, 3) / 3, normal(5, 3), (positive(5, 3) > 1).astype(np.float64)
LOSSES = {
    "MSELoss": (LOGITS, LABELS, (LOGITS - LABELS) ** 2),
    "MAELoss": (LOGITS, LABELS, abs(LOGITS - LABELS)),
    "BCELoss": (P, LABELS, -LABELS * np.log(P) - (1 - LABELS) * np.log(1 - P)),
    "BCEWithLogitsLoss": (LOGITS, LABELS, (1 - LABELS) * LOGITS + np.log1p(np.exp(-LOGITS))),
}
REDUCED = {"mean": lambda x: x.mean(0), "sum": lambda x: x.sum(0), "none": lambda x: x, None: lambda x: x}


@pytest.mark.parametrize("reduction", REDUCED)
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name, reduction):
    inputs, targets, each = LOSSES[name]
    loss = getattr(htl, name)(reduction)
    expected = REDUCED[reduction](each)
    np.testing.assert_allclose(evaluate(loss(constant(inputs), constant(targets))), expected, rtol=1e-5, atol=1e-6)
    vectors = loss(constant(inputs[:, 0]), constant(targets[:, 0]))
    np.testing.assert_allclose(evaluate(vectors), np.atleast_1d(REDUCED[reduction](each[:, 0])), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reduction", REDUCED)
def test_softmax_cross_entropy_loss(reduction):
    ids = np.array([0, 2, 1, 1, 2])
    each = np.log(np.exp(LOGITS).sum(1)) - LOGITS[np.arange(5), ids]
    expected = np.atleast_1d(REDUCED[reduction](each))
    sparse = htl.SoftmaxCrossEntropyLoss(reduction)(constant(LOGITS), constant(ids.astype(np.int32)))
    one_hot = htl.SoftmaxCrossEntropyLoss(reduction, sparse=False)(constant(LOGITS), constant(np.eye(3)[ids]))
    np.testing.assert_allclose(evaluate(sparse), expected, rtol=1e-5)
    np.testing.assert_allclose(evaluate(one_hot), expected, rtol=1e-5)


# --- attention ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_and_its_gradients_like_pytorch(causal, masked):
    torch = pytest.importorskip("torch")
    batch, length, heads, hidden = 2, 5, 3, 12
    arrays = [normal(batch * length, hidden, seed=i) for i in range(3)]
    weights, mask = normal(batch * length, hidden, seed=4), np.zeros((batch, 1, 1, length))
    if masked:
        mask[0, ..., 3:] = -1e4

    leaves = [ht.Variable(f"x{i}", array) for i, array in enumerate(arrays)]
    layer = htl.MultiHeadAttention(hidden, heads, length, causal_mask=causal)
    out = layer(*leaves, constant(mask) if masked else None)
    found = evaluate(out, *ht.gradients(out * constant(weights), leaves))

    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    split = [t.reshape(batch, length, heads, hidden // heads).transpose(1, 2) for t in tensors]
    future = torch.full((length, length), -1e4 if causal else 0.0).triu(1)
    expected = torch.nn.functional.scaled_dot_product_attention(*split, attn_mask=torch.from_numpy(mask) + future)
    expected = expected.transpose(1, 2).reshape(batch * length, hidden)
    (expected * torch.from_numpy(weights)).sum().backward()
    for mine, theirs in zip(found, [expected.detach(), *(t.grad for t in tensors)], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_attention_owns_only_the_causal_mask():
    q = constant(normal(8, 6))
    assert parameters(htl.MultiHeadAttention(6, 2, 4, causal_mask=True)(q, q, q, None)) == {
        "causal_mask": ((1, 1, 4, 4), False)
    }
    assert parameters(htl.MultiHeadAttention(6, 2, 4)(q, q, q)) == {}


def test_attention_drops_probabilities_in_training_only():
    q, ones = constant(normal(40, 6)), constant(np.ones((40, 6)))
    node = htl.MultiHeadAttention(6, 2, 10, dropout_rate=0.5)(q, q, ones)
    np.testing.assert_allclose(evaluate(node, inference=True), 1, rtol=1e-5)
    assert np.ptp(evaluate(node, inference=False)) > 0.1


def test_the_attention_mask_gets_no_gradient():
    q, mask = constant(normal(4, 6)), ht.Variable("mask", normal(1, 1, 1, 4))
    out = htl.MultiHeadAttention(6, 2, 4)(q, q, q, mask)
    assert not evaluate(*ht.gradients(out * out, [mask])).any()


def test_the_gradient_of_an_op_layer():
    leaf, layer = ht.Variable("x", normal(2, 3)), htl.BatchSplitOnlyLayer(lambda x: x * x)
    with pytest.raises(GraphError, match="call it on its inputs first"):
        OpLayerGradient(layer)(leaf)
    layer(leaf)
    (gradient,) = OpLayerGradient(layer)(constant(normal(2, 3, seed=1)))
    np.testing.assert_allclose(evaluate(gradient), 2 * normal(2, 3) * normal(2, 3, seed=1), rtol=1e-5)


# --- mixture of experts ------------------------------------------------------------------------------------------

TOKENS, WIDTH, EXPERTS = 12, 5, 4


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def queues(chosen):
    """Each token's place in its expert's queue: all first choices, then all second ones.  chosen: (choices, tokens)."""
    seen, places = {}, np.zeros(chosen.shape, int)
    for choice, token in np.ndindex(chosen.shape):
        expert = chosen[choice, token]
        places[choice, token] = seen.get(expert, 0)
        seen[expert] = places[choice, token] + 1
    return places


def imbalance(gates, ids, experts):
    return experts * sum(gates[:, e].mean() * (ids == e).mean() for e in range(experts))


def through_experts(x, experts, chosen, gates, capacity, ranks=1):
    """The sum over choices of gate * expert(x), without choices that find their expert full."""
    weights = [[value(w).astype(np.float64) for w in expert.weight_vars] for expert in experts] * ranks
    y, places = np.zeros_like(x), queues(chosen)
    for choice, token in np.ndindex(chosen.shape):
        if places[choice, token] < capacity:
            first, second = weights[chosen[choice, token]]
            y[token] += gates[choice, token] * (np.maximum(x[token] @ first, 0) @ second)
    return y


def experts_of(count, **kwargs):
    return [htl.Expert(WIDTH, 7, 0.0, activation="relu", name=f"expert_{i}", **kwargs) for i in range(count)]


def check_gate(found, gates, chosen, capacity):
    """The lists and the capacity that a gate gives."""
    indices, locations, chosen_gates, found_capacity = found
    assert found_capacity == capacity
    results = evaluate(*indices, *locations, *chosen_gates)
    k = len(indices)
    np.testing.assert_array_equal(np.array(results[:k])[..., 0], chosen)
    np.testing.assert_array_equal(results[k : 2 * k], queues(chosen))
    np.testing.assert_allclose(results[2 * k :], gates, rtol=1e-5)
    assert all(index.shape == (TOKENS, 1) and index.dtype == np.float32 for index in results[:k])


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("ranks", [1, 2])
def test_top_k(k, ranks):
    x = normal(TOKENS, WIDTH)
    gate = htl.TopKGate(WIDTH, TOKENS, EXPERTS, k=k, capacity_factor=0.7)
    experts = experts_of(EXPERTS // ranks)
    layer = htl.MoELayer(gate, experts, TOKENS, WIDTH, ranks, top=k)
    y, l_aux = layer(constant(x.reshape(3, 4, WIDTH)))
    names = {"TopK_Gate_linear_weight": ((WIDTH, EXPERTS), True), "TopK_Gate_linear_bias": ((1, EXPERTS), True)}
    for i in range(EXPERTS // ranks):
        names |= {f"expert_{i}_weight_1": ((WIDTH, 7), True), f"expert_{i}_weight_2": ((7, WIDTH), True)}
    assert parameters(y) == names

    gates = softmax(x @ value(gate.weight_var))
    chosen = np.argsort(-gates, axis=1)[:, :k].T
    picked, capacity = np.take_along_axis(gates, chosen.T, 1).T, k * math.ceil(TOKENS / EXPERTS * 0.7)
    check_gate(gate(constant(x))[1:], picked, chosen, capacity)
    found_y, found_aux = evaluate(y, l_aux)
    np.testing.assert_allclose(found_aux, [sum(imbalance(gates, ids, EXPERTS) for ids in chosen)], rtol=1e-5)
    expected = through_experts(x, experts, chosen, picked, capacity, ranks)
    np.testing.assert_allclose(found_y, expected, rtol=1e-4, atol=1e-5)
    assert found_y.shape == (TOKENS, WIDTH)


def test_second_choices_stand_behind_first_ones():
    """Hetu gives them slots that are already taken."""
    gate = htl.TopKGate(WIDTH, TOKENS, EXPERTS, k=2, capacity_factor=2.0)
    _, indices, locations, *_ = gate(constant(normal(TOKENS, WIDTH)))
    experts, places = np.split(np.concatenate([i.ravel() for i in evaluate(*indices, *locations)]), 2)
    assert len(set(zip(experts, places, strict=True))) == 2 * TOKENS


@pytest.mark.parametrize("k", [1, 2])
def test_k_top_1(k):
    x, width = normal(TOKENS, WIDTH), EXPERTS // k
    gate, experts = htl.KTop1Gate(WIDTH, TOKENS, EXPERTS, k=k), experts_of(EXPERTS)
    y, l_aux = htl.KTop1Layer(gate, experts, TOKENS, WIDTH, 1, k=k)(constant(x))
    groups = [softmax(s) for s in np.split(x @ value(gate.weight_var), k, axis=1)]
    chosen = np.array([gates.argmax(1) + i * width for i, gates in enumerate(groups)])
    picked = np.array([gates.max(1) for gates in groups])
    capacity = k * math.ceil(TOKENS / EXPERTS)
    check_gate(gate(constant(x))[1:], picked, chosen, capacity)
    found_y, found_aux = evaluate(y, l_aux)
    expected = sum(imbalance(gates, gates.argmax(1), width) for gates in groups)
    np.testing.assert_allclose(found_aux, [expected], rtol=1e-5)
    np.testing.assert_allclose(found_y, through_experts(x, experts, chosen, picked, capacity), rtol=1e-4, atol=1e-5)
    assert "KTop1_Gate_linear_weight" in parameters(y)


def test_hash():
    x, ids = normal(TOKENS, WIDTH), integers(EXPERTS, TOKENS)
    gate, experts = htl.HashGate(WIDTH, TOKENS, EXPERTS), experts_of(EXPERTS)
    y = htl.HashLayer(gate, experts, TOKENS, WIDTH, 1)(constant(x), constant(ids[:, None].astype(np.float64)))
    expected = through_experts(x, experts, ids[None], np.ones((1, TOKENS)), math.ceil(TOKENS / EXPERTS))
    np.testing.assert_allclose(evaluate(y), expected, rtol=1e-4, atol=1e-5)
    assert all(name.startswith("expert") for name in parameters(y))


@pytest.mark.parametrize("k", [1, 2])
def test_sam(k):
    x, count, groups = normal(TOKENS, WIDTH), 8, 4
    gate, experts = htl.SAMGate(WIDTH, TOKENS, count, k=k, num_local_gpus=groups), experts_of(count)
    y, l_aux, l_alignment = htl.SAMLayer(gate, experts, TOKENS, WIDTH, 1, k=k, num_local_gpus=groups)(constant(x))
    gates = softmax(x @ value(gate.weight_var))
    group = gates.reshape(TOKENS, groups, -1).sum(2).argmax(1)
    own = np.arange(count) // (count // groups) == group[:, None]
    chosen = np.argsort(-np.where(own, gates, -1), axis=1)[:, :k].T
    picked, capacity = np.take_along_axis(gates, chosen.T, 1).T, k * math.ceil(TOKENS / count)
    check_gate(gate(constant(x))[2:], picked, chosen, capacity)
    found_y, found_aux, found_alignment = evaluate(y, l_aux, l_alignment)
    excess = np.where(own, 0, np.maximum(gates - picked[-1][:, None], 0)).sum()
    np.testing.assert_allclose(found_alignment, [excess], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found_aux, [sum(imbalance(gates, ids, count) for ids in chosen)], rtol=1e-5)
    np.testing.assert_allclose(found_y, through_experts(x, experts, chosen, picked, capacity), rtol=1e-4, atol=1e-5)


def test_balance_assignment():
    x = normal(TOKENS, WIDTH)
    gate = htl.BalanceAssignmentGate(WIDTH, TOKENS, EXPERTS, device_id=2)
    experts = experts_of(EXPERTS)
    y = htl.MoELayer(gate, experts, TOKENS, WIDTH, 1, name="BalanceAssignmentLayer", device_id=2)(constant(x))
    assert parameters(y)["centroids"] == ((EXPERTS, WIDTH), False)
    centroids = value(gate.centroids)
    np.testing.assert_allclose(centroids @ centroids.T, 0.01 * np.eye(EXPERTS), atol=1e-6)
    order, own = evaluate(*gate(constant(x)))
    np.testing.assert_array_equal(own, centroids[2:3].T)
    assert sorted(order) == list(range(TOKENS))
    chosen = np.empty(TOKENS, int)
    chosen[order.astype(int)] = np.repeat(np.arange(EXPERTS), TOKENS // EXPERTS)
    trust = 1 / (1 + np.exp(-(x * centroids[chosen]).sum(1, keepdims=True)))
    served = through_experts(x, experts, chosen[None], np.ones((1, TOKENS)), TOKENS)
    np.testing.assert_allclose(evaluate(y), x + trust * (served - x), rtol=1e-4, atol=1e-5)


def test_balance_assignment_takes_given_centroids():
    gate = htl.BalanceAssignmentGate(WIDTH, TOKENS, EXPERTS, initializer=ht.init.GenOnes())
    assert value(gate.centroids).tolist() == [[1] * WIDTH] * EXPERTS and not gate.centroids.trainable


def test_expert_with_biases():
    expert = htl.Expert(WIDTH, 7, 0.1, bias=True, activation=ht.tanh_op, name="expert_3")
    for variable, number in zip(expert.bias_vars, (7, WIDTH), strict=True):
        assert not value(variable).any()
        variable.tensor_value = normal(number)
    node = expert(constant(normal(2, 3, WIDTH)))
    assert set(parameters(node)) == {f"expert_3_{what}_{i}" for what in ("weight", "bias") for i in (1, 2)}
    first, second = map(value, expert.weight_vars)
    x = normal(2, 3, WIDTH).reshape(6, WIDTH)
    expected = np.tanh(x @ first + normal(7)) @ second + normal(WIDTH)
    np.testing.assert_allclose(evaluate(node), expected, rtol=1e-4, atol=1e-5)


def test_a_second_call_shares_the_parameters():
    gate = htl.TopKGate(WIDTH, TOKENS, EXPERTS)
    layer, x = htl.MoELayer(gate, experts_of(EXPERTS)), constant(normal(TOKENS, WIDTH))
    one, two = layer(x)[0], layer(x)[0]
    assert Optimizer.get_var_list(one) == Optimizer.get_var_list(two)
    np.testing.assert_array_equal(*evaluate(one, two))


def moe(kind, x):
    """A layer's output and the losses that come with it."""
    experts = experts_of(EXPERTS, bias=True)
    if kind == "hash":
        ids = constant(integers(EXPERTS, TOKENS, 1).astype(np.float64))
        return htl.HashLayer(htl.HashGate(WIDTH, TOKENS, EXPERTS, 4.0), experts)(x, ids), []
    if kind == "balance":
        return htl.MoELayer(htl.BalanceAssignmentGate(WIDTH, TOKENS, EXPERTS), experts)(x), []
    initial = ht.Variable("gate", value=normal(WIDTH, EXPERTS, seed=5))  # sends tokens to every expert
    gate, layer = {
        "top1": (htl.TopKGate(WIDTH, TOKENS, EXPERTS, initializer=initial), htl.MoELayer),
        "top2": (htl.TopKGate(WIDTH, TOKENS, EXPERTS, k=2), htl.MoELayer),
        "ktop1": (htl.KTop1Gate(WIDTH, TOKENS, EXPERTS, k=2), htl.KTop1Layer),
        "sam": (htl.SAMGate(WIDTH, TOKENS, EXPERTS, k=2, num_local_gpus=2), htl.SAMLayer),
    }[kind]
    y, *others = layer(gate, experts)(x)
    return y, others


@pytest.mark.parametrize("kind", ["top1", "top2", "ktop1", "sam", "hash", "balance"])
def test_training_moves_gates_and_experts_and_lowers_the_loss(kind):
    y, others = moe(kind, constant(normal(TOKENS, WIDTH)))
    loss = ht.reduce_mean_op(htl.MSELoss()(y, constant(normal(TOKENS, WIDTH, seed=3))), [0])
    total = loss
    for other in others:
        total = total + other * 0.01
    before = {v: value(v) for v in Optimizer.get_var_list(total)}
    history = losses(total, steps=60, learning_rate=0.3)
    assert history[-1] < 0.8 * history[0] and np.isfinite(history).all()
    still = [v.name for v, old in before.items() if np.array_equal(value(v), old)]
    assert still == []
    assert any("gate" in v.name.lower() for v in before) == (kind not in ("hash", "balance"))


# --- wrong arguments, and what layers look like ------------------------------------------------------------------

WRONG = {
    "hidden_size must be a multiple of num_heads, but 10 is not one of 3": lambda: htl.MultiHeadAttention(10, 3, 4),
    "there is no activation 'rleu': use one of relu, gelu, sigmoid, tanh": lambda: htl.Linear(2, 3, activation="rleu"),
    "activation must be a name or a callable": lambda: htl.Conv2d(2, 3, 1, activation=3),
    "there is no reduction 'avg': use one of 'mean', 'sum', 'none' and None": lambda: htl.MSELoss("avg"),
    "DropOut's p is the probability of dropping": lambda: htl.DropOut(1.0),
    "Sequence takes layers or functions from node to node, not": lambda: htl.Sequence([htl.Relu()]),
    "SumLayers has 1 layers, but got 2 nodes": lambda: htl.SumLayers([htl.Relu()])([constant([1.0])] * 2),
    "linear_weight: initializer must make Variables": lambda: htl.Linear(2, 3, ht.init.XavierUniformInit((2, 3))),
    "kernel_size must be an int or a pair": lambda: htl.Conv2d(1, 1, (1, 2, 3)),
    "k is 5, but it must be from 1 to num_experts, 4": lambda: htl.TopKGate(5, 12, 4, k=5),
    "4 experts cannot be cut into 3 equal groups": lambda: htl.KTop1Gate(5, 12, 4, k=3),
    "4 experts cannot be cut into 8 equal groups": lambda: htl.SAMGate(5, 12, 4),
    "each of the 2 groups has only 2 experts": lambda: htl.SAMGate(5, 12, 4, k=3, num_local_gpus=2),
    "needs a gate and a list of experts": lambda: htl.MoELayer(),
    "needs a BalanceAssignmentGate": lambda: htl.MoELayer(
        htl.TopKGate(5, 12, 4), experts_of(4), name="BalanceAssignmentLayer"
    ),
    "number of experts is 4 in the gate, but 6 by": lambda: htl.MoELayer(
        htl.TopKGate(5, 12, 4), experts_of(3), 12, 5, 2
    ),
    "number of choices is 1 in the gate, but 2 by top or k": lambda: htl.MoELayer(
        htl.TopKGate(5, 12, 4), experts_of(4), top=2
    ),
    "Half does not say what it computes: define __call__": lambda: type("Half", (BaseLayer,), {})()(1),
    "Half does not say what it computes: define build": lambda: type("Half", (OpLayer,), {})()(1),
    "Half has no function for dataloaders": lambda: type("Half", (BaseLayer,), {})().make_dataloader_func(),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_arguments(message):
    with pytest.raises((ValueError, TypeError)) as error:
        WRONG[message]()
    assert message in str(error.value)


@pytest.mark.parametrize(
    "layer, text",
    [
        (htl.Linear(784, 10, name="fc"), "Linear(in_features=784, out_features=10, name='fc')"),
        (htl.Sequence(htl.Relu(), htl.Reshape((-1,))), "Sequence(Relu(), Reshape(shape=(-1,)))"),
        (htl.Linear(2, 3, activation=ht.relu_op), "Linear(in_features=2, out_features=3, activation=relu_op)"),
        (
            htl.Conv2d(1, 2, 3, initializer=ht.init.GenHeNormal()),
            "Conv2d(in_channels=1, out_channels=2, kernel_size=3, initializer=he_normal)",
        ),
        (htl.BatchNorm(3, "bn"), "BatchNorm(num_channels=3, name='bn')"),
        (htl.SoftmaxCrossEntropyLoss("sum", False), "SoftmaxCrossEntropyLoss(reduction='sum', sparse=False)"),
        (htl.BatchSplitOnlyLayer(htl.Relu()), "BatchSplitOnlyLayer(sequence=Relu())"),
        (htl.TopKGate(4, 8, 2, k=2), "TopKGate(embed_dim=4, num_tokens=8, num_experts=2, k=2)"),
        (htl.Identity(), "Identity()"),
    ],
)
def test_a_layer_shows_its_settings(layer, text):
    assert repr(layer) == text


def test_a_residual_network_trains():
    """Layers together: convolution, batch norm, a shortcut, pooling and dropout, on images with a bright half."""
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(64, 1, 8, 8)), rng.integers(0, 2, 64)
    images[labels == 1, :, :, :4] += 1
    block = htl.Sequence(
        htl.Conv2d(4, 4, 3, padding=1, bias=False, name="c2"), htl.BatchNorm(4, name="bn2"), htl.Relu()
    )
    model = htl.Sequence(
        htl.Conv2d(1, 4, 3, padding=1, name="c1"),
        htl.BatchNorm(4, name="bn1"),
        htl.SumLayers([block, htl.Identity()]),
        htl.AvgPool2d(4, 4),
        htl.Reshape((-1, 16)),
        htl.DropOut(0.1),
        htl.Linear(16, 2, name="fc"),
    )
    x, y_ = ht.Variable("x"), ht.Variable("y_", dtype=np.int32)
    history = losses(htl.SoftmaxCrossEntropyLoss()(model(x), y_), 20, 0.2, {x: images, y_: labels})
    assert history[-1] < 0.3 * history[0]


def test_layers_that_build_take_keywords():
    q, k, v = (constant(normal(8, 6, seed=seed)) for seed in range(3))
    mask = constant(np.zeros((2, 1, 1, 4)))
    layer = htl.MultiHeadAttention(6, 2, 4)
    by_name = layer(value=v, query=q, key=k, attention_mask=mask)
    assert layer.inputs == [v, q, k, mask]
    same, wanted = evaluate(by_name, layer(q, k, v, mask))
    np.testing.assert_array_equal(same, wanted)
    np.testing.assert_array_equal(*evaluate(htl.BatchSplitOnlyLayer(htl.Relu())(x=q), ht.relu_op(q)))


@pytest.mark.parametrize("loss", [htl.MSELoss(), htl.MAELoss()])
def test_losses_of_differences_refuse_other_shapes(loss):
    x = ht.Variable("x")
    with pytest.raises(GraphError, match=r"inputs \(3,\) with targets \(3, 1\).*array_reshape_op"):
        ht.Executor([loss(x, constant(np.zeros((3, 1))))]).run(feed_dict={x: np.zeros(3)})


def test_the_default_eps_of_a_layer_norm_is_that_of_its_vintage():
    assert htl.LayerNorm(4, "ln").eps == 1e-5 and htl.LayerNorm(4, name="ln").eps == 1e-12
    assert htl.LayerNorm(4, "ln", eps=1e-12).eps == 1e-12 and htl.LayerNorm(4, "ln", 1e-3).eps == 1e-3
