"""Operators that onnx's suite does not cover, against ONNX Runtime: com.microsoft and ai.onnx.ml."""

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from hetu_jax.onnx import backend

RNG = np.random.default_rng(0)


def f(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def u(*shape):
    return RNG.integers(0, 256, shape).astype(np.uint8)


def ids(high, *shape):
    return RNG.integers(0, high, shape)


def ints(*values):
    return np.array(values, np.int32)


def s(value):
    return np.array(value, np.float32)


def z(value):
    return np.array(value, np.uint8)


def i8(*shape):
    return RNG.integers(-128, 128, shape).astype(np.int8)


def nibbles(*shape):
    return RNG.integers(0, 16, shape).astype(ml_dtypes.uint4)


def case(operator, inputs, outputs=1, domain="com.microsoft", tolerance=1e-4, **attributes):
    """One call; None among the inputs is one left out."""
    return pytest.param(operator, inputs, outputs, domain, tolerance, attributes, id=operator)


def ml(operator, x, outputs=1, **attributes):
    return case(operator, [x], outputs, "ai.onnx.ml", **attributes)


HEADS = dict(num_heads=4, kv_num_heads=2)
TURN = dict(**HEADS, do_rotary=1)
ANGLES = [np.cos(f(16, 8)), np.sin(f(16, 8))]
PROMPT = [f(2, 4, 64), f(2, 4, 32), f(2, 4, 32), None, None, ints(3, 3), np.array(4, np.int32)]
NEXT = [f(2, 1, 64), f(2, 1, 32), f(2, 1, 32), f(2, 2, 5, 16), f(2, 2, 5, 16), ints(5, 5), np.array(6, np.int32)]
QUERY, KEY, VALUE = f(2, 4, 8), f(2, 6, 8), f(2, 6, 8)
MASK = np.array([[1, 1, 0, 1, 1], [1, 0, 0, 1, 0]], np.int32)
WORDS = ids(9, 2, 5).astype(np.int32)
SCALES = [np.full(1, 0.01, np.float32), np.full(1, 100, np.uint8)]
KEPT = dict(num_heads=2, past_present_share_buffer=1)
STEP = [f(2, 1, 8), f(2, 1, 8), f(2, 1, 8)]
KEPT_MASK = np.array([[1, 0, 1, 1], [0, 1, 1, 1]], np.int32)
BUFFERS = [f(2, 2, 7, 4), f(2, 2, 7, 4), ints(3)]
SCALED = [f(24), s(0.02), s(0.02)]
ROUTED = [f(5, 8), f(5, 4)]
EXPERT, INNER = [f(4, 16, 8), f(4, 16), f(4, 8, 16), f(4, 8)], [f(4, 32, 8), f(4, 32), f(4, 8, 16), f(4, 8)]
FOUR = [f(5, 32), f(5, 4), u(4, 64, 16), abs(f(4, 64)) / 20, f(4, 64), u(4, 32, 32), abs(f(4, 32)) / 20, f(4, 32)]
BLOCKED = [*FOUR[:3], abs(f(4, 64, 2)) / 20, None, FOUR[5], abs(f(4, 32, 4)) / 20]
EIGHT = [*FOUR[:2], u(4, 64, 32), abs(f(4, 64)) / 20, f(4, 64), u(4, 32, 64), abs(f(4, 32)) / 20]
IMAGE, LATTICE = f(1, 2, 4, 5), np.tanh(f(1, 3, 3, 2))
REGIONS = np.array([[0, 0, 1, 1], [0.2, 0.3, 0.7, 1.2], [0.9, 0.8, 0.1, -0.1]], np.float32)
QUANTISED = [u(1, 6, 6, 3), s(0.1), z(100), u(4, 3, 3, 3), s(0.2), z(90), s(2.0), z(110), ids(90, 4).astype(np.int32)]
TABLES = [WORDS, WORDS % 2, u(9, 8), u(6, 8), u(2, 8), u(8), u(8), MASK]
A, B = [u(2, 4), s(0.1), z(3)], [u(2, 4), s(0.2), z(100)]

CONTRIB = [
    case("Gelu", [f(2, 8)]),
    case("QuickGelu", [f(2, 8)]),
    case("FastGelu", [f(2, 8), f(8)]),
    case("BiasGelu", [f(2, 8), f(8)]),
    case("FusedMatMul", [f(2, 3, 4), f(2, 5, 4)], alpha=0.5, transB=1),
    case("FusedMatMul", [f(2, 4, 3), f(4, 5)], transA=1),
    case("FusedMatMul", [f(3, 2, 4), f(5, 2, 4)], transBatchA=1, transBatchB=1, transB=1),
    case("TransposeMatMul", [f(4, 3), f(4, 5)], transA=1),
    case("FusedConv", [f(1, 3, 6, 6), f(4, 3, 3, 3), f(4)], activation="Relu", pads=[1, 1, 1, 1]),
    case("FusedConv", [f(1, 3, 6, 6), f(4, 3, 3, 3)], activation="Clip", activation_params=[-0.3, 0.4]),
    case("FusedConv", [f(1, 3, 6, 6), f(4, 3, 3, 3)], activation="HardSigmoid", activation_params=[0.3, 0.4]),
    case("FusedGemm", [f(3, 4), f(4, 5), f(5)], activation="LeakyRelu", activation_alpha=0.2, alpha=0.5, beta=2.0),
    case("LayerNormalization", [f(2, 3, 8), f(8), f(8)], 3, domain=""),
    case("SimplifiedLayerNormalization", [f(2, 3, 8), f(8)], 2, domain=""),
    case("SkipLayerNormalization", [f(2, 3, 8), f(2, 3, 8), f(8), f(8), f(8)], 4),
    case("SkipLayerNormalization", [f(2, 3, 8), f(3, 8), f(8)]),
    case("SkipSimplifiedLayerNormalization", [f(2, 3, 8), f(2, 3, 8), f(8), f(8)], 4),
    case("EmbedLayerNormalization", [WORDS, WORDS % 2, f(9, 8), f(6, 8), f(2, 8), f(8), f(8), MASK], 3),
    case("EmbedLayerNormalization", [WORDS, None, f(9, 8), f(6, 8), None, f(8), f(8)], 2),
    case("Attention", [f(2, 5, 8), f(8, 24), f(24)], num_heads=2),
    case("Attention", [f(2, 5, 8), f(8, 24), f(24), MASK], num_heads=2),
    case("Attention", [f(2, 5, 8), f(8, 24), f(24), ints(3, 5)], num_heads=2, unidirectional=1),
    case("Attention", [f(2, 5, 8), f(8, 24), f(24), ints(4, 5, 1, 0)], num_heads=2),
    case("Attention", [f(2, 5, 8), f(8, 24), f(24), None, f(2, 2, 2, 3, 4)], 2, num_heads=2, unidirectional=1),
    case("Attention", [f(2, 5, 8), f(8, 24), f(24), None, None, f(2, 2, 5, 5)], num_heads=2, scale=0.3),
    case("Attention", [f(2, 5, 8), f(8, 20), f(20)], num_heads=2, qkv_hidden_sizes=[8, 8, 4]),
    case("MultiHeadAttention", [QUERY, KEY, VALUE, f(24)], num_heads=2),
    case("MultiHeadAttention", [QUERY, KEY, VALUE, None, (ids(5, 2, 6) > 0).astype(np.int32)], num_heads=2),
    case("MultiHeadAttention", [QUERY, KEY, VALUE, None, ints(3, 6)], num_heads=2),
    case("MultiHeadAttention", [QUERY, KEY, VALUE, None, None, f(1, 2, 4, 6)], num_heads=2),
    case(
        "MultiHeadAttention",
        [QUERY, f(2, 4, 8), f(2, 4, 8), None, None, None, f(2, 2, 3, 4), f(2, 2, 3, 4)],
        3,
        num_heads=2,
        unidirectional=1,
    ),
    case("MultiHeadAttention", [QUERY, f(2, 2, 6, 4), f(2, 2, 6, 4)], num_heads=2),
    case("RotaryEmbedding", [f(2, 4, 32), np.array([2]), *ANGLES]),
    case("RotaryEmbedding", [f(2, 4, 32), ids(9, 2, 4), *ANGLES], interleaved=1),
    case("RotaryEmbedding", [f(2, 2, 4, 16), ids(9, 2, 4), *ANGLES]),
    case("RotaryEmbedding", [f(2, 4, 48), ids(9, 2, 4), *ANGLES], num_heads=2, rotary_embedding_dim=16),
    case("GroupQueryAttention", PROMPT, 3, **HEADS),
    case("GroupQueryAttention", [*PROMPT, *ANGLES], 3, **TURN),
    case("GroupQueryAttention", [*PROMPT, *ANGLES], 3, **TURN, local_window_size=3),
    case("GroupQueryAttention", [*PROMPT, *ANGLES], 3, **TURN, scale=0.2, softcap=5.0),
    case("GroupQueryAttention", [*NEXT, *ANGLES], 3, **TURN),
    case("GroupQueryAttention", [*NEXT, *ANGLES], 3, **TURN, local_window_size=3),
    case("GroupQueryAttention", [*NEXT, *ANGLES, None, None, f(4)], 3, **TURN),
    case("GroupQueryAttention", PROMPT, 3, **HEADS, smooth_softmax=1),
    case("MatMulNBits", [f(2, 3, 64), u(6, 2, 16), abs(f(12))], K=64, N=6, bits=4, block_size=32, tolerance=1e-3),
    case("MatMulNBits", [f(3, 64), u(6, 2, 16), abs(f(6, 2)), u(6, 1)], K=64, N=6, block_size=32, tolerance=1e-3),
    case(
        "MatMulNBits", [f(3, 64), u(6, 2, 32), abs(f(6, 2)), u(6, 2)], K=64, N=6, bits=8, block_size=32, tolerance=1e-3
    ),
    case("QLinearAdd", [*A, *B, s(0.3), z(50)]),
    case("QLinearMul", [*A, *B, s(3.0), z(50)]),
    case("QLinearSigmoid", [*A, s(1 / 256), z(0)]),
    case("QLinearLeakyRelu", [*A, s(0.05), z(90)], alpha=0.1),
    case("QLinearSoftmax", [*A, s(1 / 256), z(0)], opset=13),
    case("QLinearGlobalAveragePool", [u(1, 3, 4, 4), s(0.05), z(100), s(0.05), z(90)]),
    case("QLinearAveragePool", [u(1, 3, 4, 4), s(0.05), z(100), s(0.04), z(90)], kernel_shape=[3, 3]),
    case("QLinearConcat", [s(0.1), z(2), u(2, 3), s(0.2), z(1), u(2, 4), s(0.3), z(9)], axis=1),
    case("QLinearWhere", [ids(2, 2, 4) > 0, *A, *B, s(0.2), z(5)]),
    case("QGemm", [u(3, 4), s(0.1), z(3), u(4, 5), s(0.2), z(7), ids(90, 5).astype(np.int32), s(0.5), z(100)]),
    case("QGemm", [u(3, 4), s(0.1), z(3), u(5, 4), s(0.2), z(7)], transB=1, alpha=0.5),
    case("MatMulIntegerToFloat", [u(3, 4), u(4, 5), s(0.1), s(0.2), z(3), z(7), f(5)]),
    case("DynamicQuantizeMatMul", [f(3, 4), u(4, 5), s(0.2), z(7), f(5)], tolerance=1e-3),
    case(
        "DynamicQuantizeLSTM",
        [f(4, 1, 6), u(1, 6, 20), u(1, 5, 20), f(1, 40), None, None, None, None, *SCALES, *SCALES],
        3,
        hidden_size=5,
        tolerance=2e-3,
    ),
    case("QuantizeLinear", [f(2, 4), s(0.1), z(3)]),
    case("DequantizeLinear", [u(2, 4), s(0.1), z(3)]),
    case("Inverse", [f(2, 3, 3)], tolerance=1e-3),
    case("GroupQueryAttention", PROMPT, 3, **HEADS, causal=0),
    case("GroupQueryAttention", PROMPT, 4, **HEADS, qk_output=1),
    case("GroupQueryAttention", NEXT, 4, **HEADS, qk_output=2),
    case("SkipSimplifiedLayerNormalization", [f(2, 3, 8), f(2, 3, 8), f(8)]),
    case("GatherBlockQuantized", [u(9, 32), ids(9, 2, 3), abs(f(9, 4))], block_size=16),
    case("GatherBlockQuantized", [u(9, 64), ids(9, 2, 3), abs(f(9, 4))], bits=8, block_size=16),
    case("GatherBlockQuantized", [u(9, 20), ids(9, 2, 3), abs(f(9, 3)), u(9, 2)], block_size=16, quantize_axis=-1),
    case("GatherBlockQuantized", [u(9, 32), np.array([0, -1, 8]), abs(f(9, 4)), u(9, 2)], block_size=16),
    case("GatherBlockQuantized", [nibbles(9, 64), ids(9, 2, 3), abs(f(9, 4)), nibbles(9, 4)], block_size=16),
    case(
        "GatherBlockQuantized",
        [nibbles(3, 32, 5), ids(32, 2, 3), abs(f(3, 2, 5)), nibbles(3, 2, 5)],
        block_size=16,
        gather_axis=1,
    ),
    case(
        "GatherBlockQuantized",
        [nibbles(32, 3, 5), ids(5, 2, 3), abs(f(2, 3, 5)), nibbles(2, 3, 5)],
        block_size=16,
        gather_axis=2,
        quantize_axis=0,
    ),
    *(case("MatMulBnb4", [f(3, 64), u(192), abs(f(12))], K=64, N=6, block_size=32, quant_type=kind) for kind in (0, 1)),
    case("NhwcMaxPool", [u(1, 6, 6, 3)], kernel_shape=[2, 2], strides=[2, 2]),
    case("NhwcMaxPool", [i8(1, 6, 6, 3)], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    case("QLinearConv", QUANTISED, channels_last=1),
    case("QLinearConv", [np.moveaxis(QUANTISED[0], -1, 1).copy(), *QUANTISED[1:8]], pads=[1, 1, 1, 1]),
    case("QAttention", [u(2, 5, 8), u(8, 24), *SCALED, MASK, z(128), z(120)], num_heads=2),
    case("QAttention", [u(2, 5, 8), u(8, 24), *SCALED, None, z(128), z(120), f(2, 2, 2, 3, 4)], 2, num_heads=2),
    case(
        "QAttention",
        [u(2, 5, 8), i8(8, 24), f(24), s(0.02), abs(f(24)) / 50, ints(3, 5), z(128), np.zeros(24, np.int8)],
        num_heads=2,
        unidirectional=1,
    ),
    case(
        "QEmbedLayerNormalization",
        [*TABLES, *map(s, (0.1, 0.2, 0.3, 0.05, 0.04)), *map(z, (1, 2, 3, 4, 5))],
        2,
        tolerance=1e-3,
    ),
    case(
        "QEmbedLayerNormalization",
        [WORDS, None, *TABLES[2:4], None, *TABLES[5:7], None, s(0.1), s(0.2), None, s(0.05), s(0.04)]
        + [z(1), z(2), None, z(4), z(5)],
        2,
        tolerance=1e-3,
    ),
    case("MoE", [*ROUTED, *EXPERT], k=2),
    case("MoE", [*ROUTED, *EXPERT], k=2, normalize_routing_weights=1, activation_type="gelu"),
    case("MoE", [f(1, 5, 8), f(5, 4), EXPERT[0], None, EXPERT[2]], activation_type="silu"),
    case(
        "MoE",
        [*ROUTED, *INNER],
        k=2,
        activation_type="swiglu",
        swiglu_fusion=1,
        swiglu_limit=1.5,
        activation_alpha=1.7,
        activation_beta=1.0,
    ),
    case("QMoE", FOUR, k=2, activation_type="silu", tolerance=2e-3),
    case("QMoE", [*FOUR, *[None] * 6, abs(f(5, 4))], k=2, tolerance=2e-3),
    case("QMoE", [*BLOCKED, *[None] * 4, u(4, 64, 1), u(4, 32, 2)], k=2, block_size=16, tolerance=2e-3),
    case("QMoE", EIGHT, k=2, expert_weight_bits=8, tolerance=2e-3),
    case("DecoderMaskedMultiHeadAttention", [f(2, 1, 8), f(2, 2, 6, 4), f(2, 2, 6, 4)], num_heads=2),
    case(
        "DecoderMaskedMultiHeadAttention", [f(2, 1, 8), f(2, 2, 6, 4), f(2, 2, 6, 4), *[None] * 7, f(24)], num_heads=2
    ),
    case("DecoderMaskedMultiHeadAttention", [*STEP, None, None, *BUFFERS], 3, **KEPT),
    case("DecoderMaskedMultiHeadAttention", [*STEP, KEPT_MASK, None, *BUFFERS], 3, **KEPT),
    case("DecoderMaskedMultiHeadAttention", [*STEP, None, f(1, 2, 1, 4), *BUFFERS, None, None, f(24)], 3, **KEPT),
    case("MRotaryEmbedding", [f(2, 4, 32), ids(9, 3, 2, 4), *ANGLES], mrope_section=[2, 3, 3], num_heads=2),
    case("MRotaryEmbedding", [f(2, 2, 4, 16), ids(9, 3, 2, 4), *ANGLES], mrope_section=[4, 2, 2], mrope_layout=1),
    case(
        "MRotaryEmbedding",
        [f(2, 4, 48), ids(9, 3, 2, 4), *ANGLES],
        mrope_section=[4, 2, 2],
        num_heads=2,
        rotary_embedding_dim=16,
        interleaved=1,
    ),
    case("NGramRepeatBlock", [np.array([[1, 2, 3, 1, 2], [4, 4, 4, 4, 4]]), f(2, 6)], ngram_size=3),
    case("NGramRepeatBlock", [np.array([[1, 2, 3, 1, 2], [4, 4, 1, 4, 4]]), f(2, 6)], ngram_size=1),
    case("GatherND", [f(3, 4, 5), np.array([[0, 1], [2, 3]])]),
    case("ExpandDims", [f(3, 4), np.array(-1, np.int32)]),
    case("Pad", [f(3, 4), np.array([1, 0, 0, 2]), np.array([2.0], np.float32)]),
    case("Pad", [f(3, 4), np.array([[1, 0, 0, 2]])], mode="edge"),
    case("Trilu", [f(3, 4), np.array(1)]),
    case("Unique", [np.array([2, 1, 1, 3, 4, 3], np.float32)], 3),
    case("GridSample", [IMAGE, LATTICE]),
    *(
        case("GridSample", [IMAGE, LATTICE], mode="bicubic", padding_mode=padding)
        for padding in ("zeros", "border", "reflection")
    ),
    case("Range", [s(1.0), s(5.0), s(0.7)]),
    case("Range", [np.array([2], np.int32), np.array([7], np.int32)]),
    case("MatMulInteger16", [ids(3000, 3, 4).astype(np.int16), ids(3000, 4, 5).astype(np.int16)]),
    case("UnfoldTensor", [f(3, 7, 2)], dim=1, size=3, step=2),
    *(case("CDist", [f(3, 4), f(5, 4)], metric=metric) for metric in ("euclidean", "sqeuclidean")),
    case("CropAndResize", [f(2, 3, 5, 6), REGIONS, ints(0, 1, 1), ints(3, 4)], extrapolation_value=7.0),
    case("CropAndResize", [f(2, 3, 5, 6), REGIONS, ints(0, 1, 1), ints(1, 4)], mode="nearest"),
    case("GatedRMSNorm", [f(2, 3, 8), f(4), f(2, 3, 8)]),
    case("GatedRMSNorm", [f(2, 3, 8), f(8), f(2, 3, 8)], activation="sigmoid"),
    case("GatedAdd", [f(2, 3, 8), f(2, 3, 8), f(2, 3, 1)]),
    case("ScaledSiLU", [f(2, 3)], alpha=0.5),
    case("ScaledSiLU", [f(2, 3), s(2.0)]),
    case(
        "LinearAttention",
        [f(2, 5, 8), f(2, 5, 8), f(2, 5, 8), None, f(2, 5, 2) - 1, abs(f(2, 5, 2))],
        2,
        q_num_heads=2,
        kv_num_heads=2,
    ),
    case("DequantizeLinear", [np.array([1, -200, 300], np.int16), s(0.1)]),
    case("DequantizeLinear", [nibbles(2, 4), s(0.1)]),
]

X = f(6, 4)
HOLES = np.where(X > 1, np.nan, X).astype(np.float32)
TEXT = np.array(["a", "b", "x"], object)
VECTORS = f(7, 4).reshape(-1).tolist()
KERNEL = dict(support_vectors=VECTORS, kernel_params=[0.3, 0.1, 3.0])
TREES = dict(
    nodes_treeids=[0, 0, 0, 1, 1, 1],
    nodes_nodeids=[0, 1, 2, 0, 1, 2],
    nodes_featureids=[0, 0, 0, 1, 0, 0],
    nodes_values=[0.1, 0.0, 0.0, -0.2, 0.0, 0.0],
    nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_GT", "LEAF", "LEAF"],
    nodes_truenodeids=[1, 0, 0, 1, 0, 0],
    nodes_falsenodeids=[2, 0, 0, 2, 0, 0],
)
TARGETS = dict(**TREES, target_treeids=[0, 0, 1, 1], target_nodeids=[1, 2, 1, 2], target_ids=[0, 0, 0, 0])
CLASSES = dict(**TREES, class_treeids=[0, 0, 1, 1], class_nodeids=[1, 2, 1, 2])
MIXED, POSITIVE = [1.0, -2.0, 3.0, -0.5], [0.1, 0.2, 0.3, 0.5]
TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO")
KERNELS = ("LINEAR", "RBF", "POLY", "SIGMOID")

LEARNED = [
    *(
        ml(
            "LinearClassifier",
            X,
            2,
            coefficients=f(12).tolist(),
            intercepts=[0.1, 0.2, 0.3],
            classlabels_ints=[5, 6, 7],
            post_transform=how,
        )
        for how in TRANSFORMS
    ),
    *(
        ml(
            "LinearClassifier",
            X,
            2,
            coefficients=f(4).tolist(),
            intercepts=[0.1],
            classlabels_ints=[0, 1],
            post_transform=how,
        )
        for how in TRANSFORMS
    ),
    ml("LinearClassifier", X, 2, coefficients=f(8).tolist(), intercepts=[0.1, 0.2], classlabels_strings=["a", "b"]),
    ml("LinearRegressor", X, coefficients=f(8).tolist(), intercepts=[0.1, 0.2], targets=2),
    ml("Scaler", X, offset=[1.0, 2.0, 3.0, 4.0], scale=[2.0, 2.0, 2.0, 2.0]),
    *(ml("Normalizer", X, norm=norm) for norm in ("MAX", "L1", "L2")),
    ml("Imputer", HOLES, imputed_value_floats=[1.0, 2.0, 3.0, 4.0], replaced_value_float=float("nan")),
    ml("OneHotEncoder", ids(4, 3), cats_int64s=[0, 2, 3]),
    ml("OneHotEncoder", TEXT, cats_strings=["a", "b"]),
    ml("CategoryMapper", TEXT, cats_strings=["a", "b"], cats_int64s=[4, 5]),
    ml("FeatureVectorizer", X, inputdimensions=[4]),
    ml("ZipMap", abs(X[:, :2]), classlabels_int64s=[3, 4]),
    *(
        ml("SVMRegressor", X, coefficients=f(7).tolist(), n_supports=7, rho=[0.2], kernel_type=k, **KERNEL)
        for k in KERNELS
    ),
    ml(
        "SVMRegressor", X, coefficients=f(7).tolist(), n_supports=7, rho=[0.2], kernel_type="RBF", one_class=1, **KERNEL
    ),
    *(
        ml(
            "SVMClassifier",
            X,
            2,
            coefficients=f(14).tolist(),
            kernel_type=kernel,
            rho=[0.2, 0.1, -0.3],
            vectors_per_class=[2, 3, 2],
            classlabels_ints=[0, 1, 2],
            **probabilities,
            **KERNEL,
        )
        for kernel in KERNELS
        for probabilities in ({}, {"prob_a": [-1.0, -1.2, -0.8], "prob_b": [0.1, 0.0, 0.2]})
    ),
    *(
        ml(
            "SVMClassifier",
            X,
            2,
            coefficients=f(7).tolist(),
            rho=[0.2],
            vectors_per_class=[4, 3],
            kernel_type="RBF",
            **labels,
            **KERNEL,
        )
        for labels in (
            {"classlabels_ints": [0, 1]},
            {"classlabels_strings": ["n", "y"], "prob_a": [-1.0], "prob_b": [0.1]},
        )
    ),
    *(
        ml(
            "TreeEnsembleRegressor",
            X,
            **TARGETS,
            target_weights=MIXED,
            aggregate_function=how,
            base_values=[0.5],
            n_targets=1,
        )
        for how in ("SUM", "AVERAGE", "MIN", "MAX")
    ),
    *(
        ml(
            "TreeEnsembleClassifier",
            X,
            2,
            **CLASSES,
            class_ids=kind,
            class_weights=weights,
            post_transform=how,
            **labels,
        )
        for kind, weights, labels in (
            ([0, 1, 2, 0], MIXED, {"classlabels_int64s": [0, 1, 2]}),
            ([0, 0, 0, 0], MIXED, {"classlabels_int64s": [0, 1]}),
            ([0, 0, 0, 0], POSITIVE, {"classlabels_strings": ["x", "y"]}),
        )
        for how in TRANSFORMS[:3]
    ),
]


pytestmark = pytest.mark.usefixtures("compile_quickly")


def model_of(operator, inputs, outputs, domain, attributes):
    names = ["" if value is None else f"i{number}" for number, value in enumerate(inputs)]
    results = [f"o{number}" for number in range(outputs)]
    node = helper.make_node(operator, names, results, domain=domain, **attributes)
    given = {name: value for name, value in zip(names, inputs, strict=True) if name}
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in given.items()
        if value.dtype != ml_dtypes.uint4
    ]
    stored = [numpy_helper.from_array(v, name) for name, v in given.items() if v.dtype == ml_dtypes.uint4]
    graph = helper.make_graph([node], "g", infos, [onnx.ValueInfoProto(name=name) for name in results], stored)
    imports = [
        helper.make_opsetid("", 17),
        helper.make_opsetid("com.microsoft", 1),
        helper.make_opsetid("ai.onnx.ml", 3),
    ]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


@pytest.mark.parametrize("operator, inputs, outputs, domain, tolerance, attributes", CONTRIB + LEARNED)
def test_as_onnxruntime(operator, inputs, outputs, domain, tolerance, attributes):
    model = model_of(operator, inputs, outputs, domain, attributes)
    feeds = {f"i{number}": value for number, value in enumerate(inputs) if value is not None}
    feeds = {name: value for name, value in feeds.items() if value.dtype != ml_dtypes.uint4}  # which is stored
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for ours, theirs in zip(backend.prepare(model).run(feeds), session.run(None, feeds), strict=True):
        if isinstance(theirs, list):
            assert ours == theirs
        elif theirs.dtype.kind in "OU":
            assert ours.tolist() == theirs.tolist()
        else:
            assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def test_sparse_attention_as_onnxruntime():
    """It writes into the buffers of the past, which must be those of the present."""
    rows, columns = (
        np.array([[0, 1, 3, 5, 8], [0, 1, 3, 6, 9]]),
        [[0, 0, 1, 1, 2, 1, 2, 3, -1], [0, 0, 1, 0, 1, 2, 0, 2, 3]],
    )
    blocks = [rows.astype(np.int32), np.array(columns, np.int32)]
    turn = [np.cos(f(64, 8)), np.sin(f(64, 8))]
    options = dict(num_heads=4, kv_num_heads=2, sparse_block_size=16)
    prompt = [f(1, 20, 64), f(1, 20, 32), f(1, 20, 32), f(1, 2, 64, 16), f(1, 2, 64, 16)]
    step = [f(2, 1, 128), None, None, f(2, 2, 64, 16), f(2, 2, 64, 16)]
    for inputs, attributes in (
        ([*prompt, *blocks, np.array(20, np.int32), ints(20)], options),
        ([*step, *blocks, np.array(40, np.int32), ints(40, 40), *turn], dict(**options, do_rotary=1)),
    ):
        model = model_of("SparseAttention", inputs, 3, "com.microsoft", attributes)
        feeds = {f"i{number}": value for number, value in enumerate(inputs) if value is not None}
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        binding = session.io_binding()
        values = {name: onnxruntime.OrtValue.ortvalue_from_numpy(value.copy()) for name, value in feeds.items()}
        for name, value in values.items():
            binding.bind_ortvalue_input(name, value)
        binding.bind_output("o0")
        binding.bind_ortvalue_output("o1", values["i3"])
        binding.bind_ortvalue_output("o2", values["i4"])
        session.run_with_iobinding(binding)
        for ours, theirs in zip(backend.prepare(model).run(feeds), binding.copy_outputs_to_cpu(), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_what_is_not_imported_is_listed_with_a_reason():
    from onnxruntime.capi import onnxruntime_pybind11_state

    from hetu_jax.onnx import operators

    lines = (Path(__file__).parent / "data" / "onnx_contrib_missing.txt").read_text(encoding="utf-8").splitlines()
    listed = dict(line.split(": ", 1) for line in lines if not line.startswith("#"))
    schemas = onnxruntime_pybind11_state.get_all_operator_schema()
    known = {schema.name for schema in schemas if schema.domain == "com.microsoft"}
    missing = {name for name in known if operators.find("com.microsoft", name, 1) is None}
    assert all(listed.values()) and not [name for name in listed if operators.find("com.microsoft", name, 1)]
    newer = tuple(map(int, onnxruntime.__version__.split(".")[:2])) > (1, 32)
    assert newer or missing <= listed.keys()


def test_the_cases_cover_both_domains():
    from hetu_jax.onnx import importers, operators
    from tests.test_onnx_contrib_formulas import FORMULAS

    tested = {(p.values[3], p.values[0]) for p in CONTRIB + LEARNED}
    elsewhere = {"SparseAttention", *FORMULAS}  # ONNX Runtime has the latter on GPUs only
    elsewhere |= {"ArrayFeatureExtractor", "Binarizer", "LabelEncoder"}  # in the suite, or of maps
    elsewhere |= {"TreeEnsemble", "DictVectorizer", "CastMap"}
    for domain in ("com.microsoft", "ai.onnx.ml"):
        names = {operator.onnx_name for operator in operators.REGISTRIES[domain].values()}
        assert names - elsewhere == {name for of, name in tested if of == domain} - elsewhere
        assert names >= {name for of, name in tested if of == domain}
    assert importers.FAMILIES
