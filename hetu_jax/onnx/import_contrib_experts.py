"""Import of com.microsoft: mixtures of experts."""

import jax
import jax.numpy as jnp
import numpy as np

from .arrays import device, wide
from .import_contrib_weights import unpacked
from .operators import MICROSOFT, operator_of

contrib = operator_of(MICROSOFT)


def _shares(scores, k, normalised, weights=None):
    """How much each of the k best experts of a token counts, (tokens, experts); 0 for the others.

    weights: what is taken of the chosen ones in place of the softmax of the scores.
    """
    _, best = jax.lax.top_k(scores, k)
    chosen = jnp.take_along_axis(jax.nn.softmax(scores, -1) if weights is None else weights, best, -1)
    if normalised:
        chosen = chosen / chosen.sum(-1, keepdims=True)
    return jnp.zeros_like(chosen, shape=scores.shape).at[jnp.arange(len(best))[:, None], best].set(chosen)


def _gated(gate, up, alpha, beta, limit):
    gate = jnp.minimum(gate, limit)
    return gate * jax.nn.sigmoid(alpha * gate) * (jnp.clip(up, -limit, limit) + beta)


_SIMPLE = {
    "relu": lambda x: jnp.maximum(x, 0),
    "relu2": lambda x: jnp.square(jnp.maximum(x, 0)),
    "gelu": lambda x: jax.nn.gelu(x, approximate=True),  # as ONNX Runtime's kernels have it
    "silu": jax.nn.silu,
    "identity": lambda x: x,
}


def _activated(hidden, third, activation, fusion, swiglu):
    """The hidden layer through the activation.

    third: the second projection where it is apart.  fusion: 1 where the projections alternate in `hidden`, 2 where one
    follows the other.  Raises ValueError for an unknown activation.
    """
    if activation in ("swiglu", "geglu"):
        if third is not None:
            gate, up = hidden, third
        else:
            gate, up = (hidden[..., ::2], hidden[..., 1::2]) if fusion == 1 else jnp.split(hidden, 2, axis=-1)
        return _gated(gate, up, *swiglu) if activation == "swiglu" else jax.nn.gelu(gate, approximate=True) * up
    if activation not in _SIMPLE:
        raise ValueError(f"the activation {activation!r} is none of {', '.join(_SIMPLE)}, swiglu, geglu")
    active = _SIMPLE[activation](hidden)
    return active if third is None else active * third


def _projected(equation, x, weights, bias):
    y = jnp.einsum(equation, x, weights)
    return y if bias is None else y + device(bias)[:, None]


def _mixture(input, shares, layers, activation, fusion, swiglu):
    """The sum of all experts' outputs by the tokens' shares.  layers: weights and bias of each projection, or None."""
    tokens = wide(device(input)).reshape(-1, input.shape[-1])
    first, second, third = layers
    hidden = _projected("th,eih->eti", tokens, *first)
    other = None if third[0] is None else _projected("th,eih->eti", tokens, *third)
    made = _projected("eti,ehi->eth", _activated(hidden, other, activation, fusion, swiglu), *second)
    return jnp.einsum("eth,te->th", made, shares).reshape(input.shape).astype(input.dtype)


def _swiglu(alpha, beta, limit, after):
    """The numbers of SwiGLU; raises ValueError for a limit behind the activation, which exists on other devices."""
    if after:
        raise ValueError("swiglu_limit_after_activation is not supported")
    return alpha, beta, np.inf if limit is None else limit


@contrib
def MoE(
    input,
    router_probs,
    fc1_experts_weights,
    fc1_experts_bias=None,
    fc2_experts_weights=None,
    fc2_experts_bias=None,
    fc3_experts_weights=None,
    fc3_experts_bias=None,
    *,
    activation_alpha=1.0,
    activation_beta=0.0,
    activation_type="relu",
    k=1,
    normalize_routing_weights=0,
    swiglu_fusion=0,
    swiglu_limit=None,
    swiglu_limit_after_activation=0,
    use_sparse_mixer=0,
):
    """Each token through the k experts of the highest scores, which share it by the softmax of the scores.

    Raises ValueError for the sparse mixer, which exists on other devices only.
    """
    if use_sparse_mixer:
        raise ValueError("the sparse mixer is not supported")
    layers = (
        (fc1_experts_weights, fc1_experts_bias),
        (fc2_experts_weights, fc2_experts_bias),
        (fc3_experts_weights, fc3_experts_bias),
    )
    shares = _shares(wide(device(router_probs)), k, normalize_routing_weights)
    swiglu = _swiglu(activation_alpha, activation_beta, swiglu_limit, swiglu_limit_after_activation)
    return _mixture(input, shares, layers, activation_type, swiglu_fusion, swiglu)


def _dequantised(packed, scales, zero_points, bits, block_size):
    """Experts' weights (experts, out, in) of a few bits a number, with a scale a row or a block of one."""
    if packed is None:
        return None
    values = unpacked(device(packed), bits).astype(np.float32)
    scales = device(scales).astype(np.float32)
    if scales.ndim == 2:
        scales = scales[..., None]
    blocks = scales.shape[-1]
    if zero_points is None:
        zero = np.float32(2 ** (bits - 1))
    else:
        zero = unpacked(device(zero_points), bits).astype(np.float32)
        zero = (zero[:, : values.shape[1]] if zero.ndim == 2 else zero[..., :blocks]).reshape(scales.shape)[..., None]
    length = block_size or values.shape[-1]
    grouped = values.reshape(*values.shape[:2], blocks, length)
    return ((grouped - zero) * scales[..., None]).reshape(values.shape)


@contrib
def QMoE(
    input,
    router_probs,
    fc1_experts_weights,
    fc1_scales,
    fc1_experts_bias=None,
    fc2_experts_weights=None,
    fc2_scales=None,
    fc2_experts_bias=None,
    fc3_experts_weights=None,
    fc3_scales=None,
    fc3_experts_bias=None,
    fc1_zero_points=None,
    fc2_zero_points=None,
    fc3_zero_points=None,
    router_weights=None,
    *,
    accuracy_level=0,
    activation_alpha=1.0,
    activation_beta=0.0,
    activation_type="relu",
    block_size=0,
    expert_weight_bits=4,
    fc1_expert_weight_bits=None,
    fc2_expert_weight_bits=None,
    fc3_expert_weight_bits=None,
    k=1,
    normalize_routing_weights=0,
    quant_type="int",
    swiglu_fusion=0,
    swiglu_limit=None,
    swiglu_limit_after_activation=0,
    use_sparse_mixer=0,
    weights_prepacked=-1,
):
    """MoE of weights kept in 2, 4 or 8 bits a number, in rows.

    router_weights: what is taken of the chosen experts; without them the shares of the chosen sum to 1, whatever
    `normalize_routing_weights` says, as in ONNX Runtime's CPU kernel.  weights_prepacked, accuracy_level: accepted
    without effect; all is computed in float32.  Raises ValueError for weights of 3
    bits or narrow floats, and for the sparse mixer, which exist on other devices only.
    """
    if quant_type != "int" or use_sparse_mixer:
        raise ValueError(f"experts of the quantisation {quant_type!r}, and the sparse mixer, are not supported")
    quantised = (
        (fc1_experts_weights, fc1_scales, fc1_zero_points, fc1_expert_weight_bits),
        (fc2_experts_weights, fc2_scales, fc2_zero_points, fc2_expert_weight_bits),
        (fc3_experts_weights, fc3_scales, fc3_zero_points, fc3_expert_weight_bits),
    )
    if 3 in (expert_weight_bits, *(bits for *_, bits in quantised)):
        raise ValueError("experts of 3 bits a number are not supported")
    biases = fc1_experts_bias, fc2_experts_bias, fc3_experts_bias
    layers = [
        (_dequantised(packed, scales, zero, bits or expert_weight_bits, block_size), bias)
        for (packed, scales, zero, bits), bias in zip(quantised, biases, strict=True)
    ]
    taken = None if router_weights is None else wide(device(router_weights))
    shares = _shares(wide(device(router_probs)), k, normalize_routing_weights or taken is None, taken)
    swiglu = _swiglu(activation_alpha, activation_beta, swiglu_limit, swiglu_limit_after_activation)
    return _mixture(input, shares, layers, activation_type, swiglu_fusion, swiglu)
