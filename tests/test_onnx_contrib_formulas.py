"""Operators of com.microsoft that ONNX Runtime has on GPUs only: against what their schemas say, in NumPy."""

import math

import numpy as np
import pytest

from hetu_jax.onnx import backend, operators
from tests.test_onnx_runtime_ops import f, ids, ints, model_of, s, u

ROWS = np.arange(4)
TOKENS = ints(0, 4, 5, 8, 9, 10, 11, 1, 2, 3, 6, 7).reshape(3, 4)  # of lengths 1, 2 and 4
SUMS = ints(0, 1, 3, 7)
QUERIES = [f(7, 8), f(7, 8), f(7, 8)]
PROJECTION = [f(8, 24), f(24)]
FLOATS, BASE = f(2, 6, 6, 3), f(2, 3, 5, 8)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    shifted = np.exp(x - x.max(axis, keepdims=True))
    return shifted / shifted.sum(axis, keepdims=True)


def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def fast_gelu(x):
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def attention(q, k, v, heads, bias=0.0):
    """Of one sequence, (length, width)."""
    q, k, v = (x.reshape(len(x), heads, -1).swapaxes(0, 1) for x in (q, k, v))
    weights = softmax(q @ k.swapaxes(1, 2) / math.sqrt(q.shape[-1]) + bias)
    return (weights @ v).swapaxes(0, 1).reshape(q.shape[1], -1)


def each_sequence(q, k, v, heads):
    pairs = zip(SUMS[:-1], SUMS[1:], strict=True)
    return np.concatenate([attention(q[a:b], k[a:b], v[a:b], heads) for a, b in pairs])


def convolution(x, w, b):
    """Of x (batch, rows, columns, in) with w (out, rows, columns, in), no padding."""
    rows, columns = x.shape[1] - w.shape[1] + 1, x.shape[2] - w.shape[2] + 1
    cuts = [[x[:, i : i + w.shape[1], j : j + w.shape[2]] for j in range(columns)] for i in range(rows)]
    return np.stack([np.stack([np.einsum("nhwc,ohwc->no", cut, w) for cut in row], 1) for row in cuts], 1) + b


def group_norm(x, gamma, beta, groups, epsilon=1e-5):
    grouped = x.reshape(len(x), -1, groups, x.shape[-1] // groups)
    mean, variance = grouped.mean((1, 3), keepdims=True), grouped.var((1, 3), keepdims=True)
    return ((grouped - mean) / np.sqrt(variance + epsilon)).reshape(x.shape) * gamma + beta


def t5_bucket(ahead, buckets, most, both):
    """The bucket of one distance, as the article on T5 has it."""
    first = 0
    if both:
        buckets //= 2
        first = buckets if ahead > 0 else 0
        distance = abs(ahead)
    else:
        distance = max(-ahead, 0)
    exact = buckets // 2
    if distance < exact:
        return first + distance
    far = exact + int(math.log(distance / exact) / math.log(most / exact) * (buckets - exact))
    return first + min(far, buckets - 1)


def t5_bias(table, queries, keys, most, both):
    places = [[t5_bucket(k - q, len(table), most, both) for k in range(keys)] for q in range(queries)]
    return np.moveaxis(table[np.array(places)], -1, 0)[None]


def gated_bias(query, query_bias, rel_pos, weight, bias, eco_a):
    """The lines of PyTorch in the operator's schema."""
    layer = (query + query_bias).reshape(2, 3, 2, 4).swapaxes(1, 2)
    gates = sigmoid((layer @ weight + bias).reshape(2, 2, 3, 2, 4).sum(-1))
    u_gate, r_gate = gates[..., :1], gates[..., 1:]
    return (u_gate * (r_gate * eco_a - 1) + 2) * rel_pos


def one_step(x, weights, bias, past, heads=2):
    """Self-attention of one more token to the past, (2, batch, heads, length, size), and itself."""
    q, k, v = np.split(x @ weights + bias, 3, axis=-1)
    new = np.stack([part.reshape(len(x), 1, heads, -1).swapaxes(1, 2) for part in (k, v)])
    k, v = present = np.concatenate([past, new], axis=3)
    keys, values = (part.swapaxes(1, 2).reshape(len(x), part.shape[2], -1) for part in (k, v))
    return np.stack([attention(*one, heads) for one in zip(q, keys, values, strict=True)]), present


def removed(x, counts):
    places = np.concatenate([n * x.shape[1] + np.arange(count) for n, count in enumerate(counts)])
    others = np.setdiff1d(np.arange(x.shape[0] * x.shape[1]), places)
    offsets = np.concatenate([places, others]).reshape(x.shape[:2])
    return x.reshape(-1, x.shape[-1])[places], offsets, np.cumsum([0, *counts]), [max(counts)]


def restored(x, offsets):
    whole = np.zeros((offsets.size, x.shape[-1]), np.float32)
    whole[offsets.reshape(-1)[: len(x)]] = x
    return whole.reshape(*offsets.shape, -1)


def silu(x):
    return x * sigmoid(x)


def swiglu(gate, up, alpha, beta, limit):
    gate, up = np.minimum(gate, limit), np.clip(up, -limit, limit)
    return gate * sigmoid(alpha * gate) * (up + beta)


def multiplied(a, b):
    product = (a[..., 0] + 1j * a[..., 1]) * (b[..., 0] + 1j * b[..., 1])
    return np.stack([product.real, product.imag], -1)


def conjugate(x):
    return x * np.array([1, -1], np.float32)


def transformed(x):
    found = np.fft.rfft(x)
    return np.stack([found.real, found.imag], -1)


CLIPPED = dict(activation_alpha=1.7, activation_beta=1.0, limit=0.8)

# The inputs, attributes, and formula of each; a formula gives the outputs that it checks.
FORMULAS = {
    "BiasAdd": ([BASE, f(8), BASE], {}, lambda x, bias, skip: x + bias + skip),
    "BiasSplitGelu": ([f(2, 3, 8), f(8)], {}, lambda x, b: (x + b)[..., :4] * gelu((x + b)[..., 4:])),
    "GroupNorm": (
        [BASE, f(8), f(8)],
        dict(groups=2, activation=1),
        lambda x, gamma, beta: silu(group_norm(x, gamma, beta, 2)),
    ),
    "SkipGroupNorm": (
        [BASE, f(8), f(8), f(2, 8), f(8)],
        dict(groups=2, activation=0),
        lambda x, gamma, beta, skip, bias: (
            group_norm(x + skip[:, None, None] + bias, gamma, beta, 2),
            x + skip[:, None, None] + bias,
        ),
    ),
    "NhwcConv": ([FLOATS, f(4, 2, 3, 3), f(4)], dict(kernel_shape=[2, 3]), convolution),
    "NhwcFusedConv": (
        [FLOATS, f(4, 3, 2, 3), f(4), f(2, 5, 4, 4)],
        dict(activation="Relu"),
        lambda x, w, b, z: np.maximum(convolution(x, np.moveaxis(w, 1, -1), b) + z, 0),
    ),
    "BiasSoftmax": (
        [f(2, 3, 4, 5), f(2, 5)],
        dict(axis=3, is_inner_broadcast=1),
        lambda x, bias: softmax(x + bias[:, None, None]),
    ),
    "BiasDropout": ([f(2, 8), f(8), f(2, 8)], {}, lambda x, bias, rest: x + bias + rest),
    "GemmFastGelu": ([f(2, 4), f(4, 8), f(8)], {}, lambda x, w, b: fast_gelu(x @ w + b)),
    "FusedMatMulActivation": (
        [f(2, 4), f(6, 4)],
        dict(activation="LeakyRelu", activation_alpha=0.2, alpha=0.5, transB=1),
        lambda a, b: np.where(a @ b.T > 0, 1, 0.2) * (a @ b.T) / 2,
    ),
    "SwiGLU": ([f(2, 8)], CLIPPED, lambda x: swiglu(x[:, :4], x[:, 4:], 1.7, 1.0, 0.8)),
    "QLinearReduceMean": (
        [u(2, 6), s(0.1), np.array(7, np.uint8), s(0.2), np.array(9, np.uint8)],
        dict(axes=[1], keepdims=1),
        lambda x, a, x0, b, y0: np.round(((x.astype(np.float32) - x0) * a).mean(1, keepdims=True) / b) + y0,
    ),
    "ReduceSumInteger": ([u(2, 6)], dict(axes=[1], keepdims=0), lambda x: x.astype(np.int32).sum(1)),
    "MulInteger": (
        [u(2, 6), np.array(7, np.uint8), u(6)],
        {},
        lambda a, zero, b: (a.astype(np.int32) - zero) * b.astype(np.int32),
    ),
    "RemovePadding": ([f(3, 4, 8), ints(1, 2, 4)], {}, removed),
    "RestorePadding": ([f(7, 8), TOKENS], {}, restored),
    "PackedAttention": (
        [f(7, 8), *PROJECTION, TOKENS, SUMS],
        dict(num_heads=2),
        lambda x, w, b, *_: each_sequence(*np.split(x @ w + b, 3, axis=1), 2),
    ),
    "PackedMultiHeadAttention": (
        [*QUERIES, f(24), TOKENS, SUMS],
        dict(num_heads=2),
        lambda q, k, v, b, *_: each_sequence(q + b[:8], k + b[8:16], v + b[16:], 2),
    ),
    "DecoderMaskedSelfAttention": (
        [f(2, 1, 8), *PROJECTION, None, f(2, 2, 2, 3, 4)],
        dict(num_heads=2),
        one_step,
    ),
    "RelativePositionBias": (
        [f(8, 2), np.array([12]), np.array([12])],
        dict(max_distance=10, is_bidirectional=1),
        lambda table, *_: t5_bias(table, 12, 12, 10, True),
    ),
    "GatedRelativePositionBias": (
        [f(2, 3, 8), f(8), f(1, 2, 3, 3), f(4, 8), f(8), f(1, 2, 1, 1)],
        dict(num_heads=2),
        gated_bias,
    ),
    "TorchEmbedding": ([f(5, 3), ids(5, 2, 4)], {}, lambda table, places: table[places]),
    "ComplexMul": ([f(3, 4, 2), f(4, 2)], {}, multiplied),
    "ComplexMulConj": ([f(3, 4, 2), f(4, 2)], {}, lambda a, b: multiplied(a, conjugate(b))),
    "Rfft": ([f(3, 8)], dict(signal_ndim=1), transformed),
    "Irfft": ([transformed(f(3, 8))], dict(signal_ndim=1), lambda x: np.fft.irfft(x[..., 0] + 1j * x[..., 1])),
    "IsAllFinite": ([f(3), np.array([1, np.nan], np.float32)], dict(isinf_only=1), lambda *_: np.array(True)),
}


def computed(operator, inputs, outputs, attributes):
    model = model_of(operator, inputs, outputs, "com.microsoft", attributes)
    return backend.prepare(model).run([value for value in inputs if value is not None])


def compare(results, wanted):
    for result, right in zip(results, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(result, np.float64), right, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("operator", FORMULAS)
def test_as_the_schema_says(operator):
    inputs, attributes, formula = FORMULAS[operator]
    wanted = formula(*[value for value in inputs if value is not None])
    wanted = wanted if isinstance(wanted, tuple) else (wanted,)
    compare(computed(operator, inputs, len(wanted), attributes), wanted)


def test_convolutions_take_filters_of_the_schema_and_of_the_optimizer():
    filters, bias = f(4, 2, 2, 3), f(4)
    wanted = convolution(FLOATS, filters, bias)
    compare(computed("NhwcConv", [FLOATS, filters, bias], 1, {}), [wanted])
    first = np.ascontiguousarray(np.moveaxis(filters, -1, 1))
    compare(computed("NhwcConv", [FLOATS, first, bias], 1, {}), [wanted])


@pytest.mark.parametrize("fusion", [0, 2])
def test_experts_with_two_projections(fusion):
    """Which ONNX Runtime's CPU kernel takes only where they alternate."""
    x, router, (gate, up), down = f(5, 8), f(5, 3), (f(3, 6, 8), f(3, 6, 8)), f(3, 8, 6)
    inputs = [x, router, gate, None, down, None, up] if fusion == 0 else [x, router, np.concatenate([gate, up], 1)]
    inputs = inputs if fusion == 0 else [*inputs, None, down]
    shares, best = softmax(router), router.argsort(-1)[:, ::-1][:, :2]
    wanted = np.zeros_like(x)
    for row, chosen in zip(ROWS.tolist() + [4], best, strict=True):
        for e in chosen:
            hidden = silu(gate[e] @ x[row]) * (up[e] @ x[row])
            wanted[row] += shares[row, e] * (down[e] @ hidden)
    compare(computed("MoE", inputs, 1, dict(k=2, activation_type="swiglu", swiglu_fusion=fusion)), [wanted])


def test_steps_write_into_buffers():
    x, (weights, bias), past = f(2, 1, 8), PROJECTION, f(2, 2, 2, 3, 4)
    buffer = np.concatenate([past, f(2, 2, 2, 2, 4)], axis=3)
    wanted, present = one_step(x, weights, bias, past)
    inputs = [x, weights, bias, None, buffer, None, ints(3)]
    Y, kept = computed("DecoderMaskedSelfAttention", inputs, 2, dict(num_heads=2, past_present_share_buffer=1))
    compare([Y, kept[..., :4, :], kept[..., 4:, :]], [wanted, present, buffer[..., 4:, :]])


def test_indices_outside_a_quantised_table_give_zeros():
    table = [u(9, 32), np.array([0, 9, -10]), abs(f(9, 4))]
    (rows,) = computed("GatherBlockQuantized", table, 1, dict(block_size=16))
    assert rows[0].any() and not rows[1:].any()


def test_norms_of_heads_come_before_the_rotation():
    x, weight = [f(2, 4, 32), f(2, 4, 16), f(2, 4, 16)], abs(f(16))
    norm = lambda x: x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * weight  # noqa: E731
    normed = [norm(x[0].reshape(2, 4, 2, 16)).reshape(2, 4, 32), norm(x[1]), x[2]]
    rest, heads = [None, None, ints(3, 3), np.array(4, np.int32)], dict(num_heads=2, kv_num_heads=1)
    wanted = computed("GroupQueryAttention", [*normed, *rest], 3, heads)
    compare(computed("GroupQueryAttention", [*x, *rest, *[None] * 7, weight, weight], 3, heads), wanted)


REFUSED = {
    "GroupQueryAttention": ([f(1, 2, 4), f(1, 2, 4), f(1, 2, 4), None, None, ints(1), ints(2)], "quantised keys"),
    "MoE": ([f(5, 8), f(5, 4), f(4, 16, 8), None, f(4, 8, 16)], "sparse mixer"),
    "QMoE": ([f(5, 8), f(5, 4), u(4, 16, 4), f(4, 16), None, u(4, 8, 8), f(4, 8)], "'fp8'"),
    "CDist": ([f(3, 4), f(5, 4)], "'cosine'"),
}
ASKING = {
    "GroupQueryAttention": dict(num_heads=1, kv_num_heads=1, k_quant_type="PER_TENSOR"),
    "MoE": dict(use_sparse_mixer=1),
    "QMoE": dict(quant_type="fp8"),
    "CDist": dict(metric="cosine"),
}


@pytest.mark.parametrize("operator", REFUSED)
def test_what_is_left_out_is_said(operator):
    inputs, words = REFUSED[operator]
    with pytest.raises(Exception, match=words):
        computed(operator, inputs, 1, ASKING[operator])


def test_all_that_is_checked_here_is_registered():
    operators.find("", "Add", 1)
    known = {operator.onnx_name for operator in operators.REGISTRIES[operators.MICROSOFT].values()}
    assert FORMULAS.keys() <= known
