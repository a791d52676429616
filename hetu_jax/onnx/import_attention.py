"""Import of ai.onnx and its preview: attention and what goes with it."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .arrays import astype, device, dtype_of
from .operators import PREVIEW, operator, operator_of


def split_heads(x, count):
    """(batch, length, heads * size) as (batch, heads, length, size); what has four axes stays."""
    if x.ndim == 4:
        return x
    batch, length, width = x.shape
    return x.reshape(batch, length, count, width // count).swapaxes(1, 2)


def merge_heads(x):
    """(batch, heads, length, size) as (batch, length, heads * size)."""
    batch, heads, length, size = x.shape
    return x.swapaxes(1, 2).reshape(batch, length, heads * size)


def shared_heads(x, heads):
    """Each key or value head as often as query heads share it."""
    return x if x.shape[1] == heads else jnp.repeat(x, heads // x.shape[1], axis=1)


def guarded_softmax(scores, bias):
    """The softmax over the last axis; zeros where the bias leaves no key at all."""
    weights = jax.nn.softmax(scores, axis=-1)
    if bias is None:
        return weights
    nothing = jnp.max(bias, axis=-1, keepdims=True) == -jnp.inf
    return jnp.where(nothing, 0, weights)


def _allowed(queries, keys, offset, causal, left, right):
    """Which keys each query sees, (queries, keys) or (batch, 1, queries, keys); None for all."""
    if not causal and left < 0 and right < 0:
        return None
    offset = offset if np.ndim(offset) == 0 else offset.reshape(-1, 1, 1, 1)
    ahead = np.arange(keys) - (np.arange(queries)[:, None] + offset)
    allowed = ahead <= 0 if causal else ahead <= np.iinfo(np.int32).max
    if left >= 0:
        allowed &= -ahead <= left
    return allowed & (ahead <= right) if right >= 0 else allowed


def _masked(allowed, dtype):
    return jnp.where(device(allowed), 0, -jnp.inf).astype(dtype)


def _bias(attn_mask, allowed, valid, keys, dtype):
    """What is added to the scores: 0 or -infinity for masks, and the numbers of a float mask; None for nothing."""
    parts = [_masked(mask, dtype) for mask in (allowed, valid) if mask is not None]
    if attn_mask is not None:
        mask = device(attn_mask)
        added = _masked(mask, dtype) if mask.dtype == bool else mask
        missing = [(0, 0)] * (mask.ndim - 1) + [(0, keys - mask.shape[-1])]
        parts.append(jnp.pad(added, missing, constant_values=-jnp.inf))
    return sum(parts[1:], parts[0]) if parts else None


@operator
def Attention(
    Q,
    K,
    V,
    attn_mask=None,
    past_key=None,
    past_value=None,
    nonpad_kv_seqlen=None,
    *,
    is_causal=0,
    kv_num_heads=None,
    left_window_size=-1,
    q_num_heads=None,
    qk_matmul_output_mode=0,
    right_window_size=-1,
    scale=None,
    softcap=0.0,
    softmax_precision=None,
):
    """softmax(scale * Q K' + masks) V, with the keys and values of the past before the new ones.

    Also returns all keys, all values, and the scores at the stage that `qk_matmul_output_mode` names.
    """
    packed, dtype = Q.ndim == 3, Q.dtype
    Q, K, V = (split_heads(device(x), n) for x, n in ((Q, q_num_heads), (K, kv_num_heads), (V, kv_num_heads)))
    if past_key is not None:
        K, V = jnp.concatenate([past_key, K], 2), jnp.concatenate([past_value, V], 2)
    (queries, size), keys = Q.shape[2:], K.shape[2]
    offset, valid = (0 if past_key is None else past_key.shape[2]), None
    if nonpad_kv_seqlen is not None:
        lengths = device(nonpad_kv_seqlen).reshape(-1, 1, 1, 1)
        offset, valid = lengths - queries, np.arange(keys) < lengths
    allowed = _allowed(queries, keys, offset, is_causal, left_window_size, right_window_size)
    bias = _bias(attn_mask, allowed, valid, keys, dtype)
    root = np.asarray(math.sqrt(1 / math.sqrt(size) if scale is None else scale), dtype)
    raw = jnp.matmul(Q * root, (shared_heads(K, Q.shape[1]) * root).swapaxes(2, 3))
    capped = softcap * jnp.tanh(raw / softcap) if softcap else raw
    biased = capped if bias is None else capped + bias
    weights = guarded_softmax(
        biased if softmax_precision is None else astype(biased, dtype_of(softmax_precision)), bias
    )
    weights = weights.astype(dtype)
    Y = jnp.matmul(weights, shared_heads(V, Q.shape[1]))
    stage = (raw, capped, biased, weights)[qk_matmul_output_mode]
    return merge_heads(Y) if packed else Y, K, V, stage.astype(dtype)


@operator_of(PREVIEW)
def FlexAttention(Q, K, V, *, prob_mod=None, scale=None, score_mod=None, softmax_precision=None):
    """Attention whose scores and weights pass through graphs of the model's."""
    Q, K, V = device(Q), device(K), device(V)
    wide = np.float64 if Q.dtype == np.float64 else np.float32
    precision = wide if softmax_precision is None else dtype_of(softmax_precision)
    factor = 1 / math.sqrt(Q.shape[-1]) if scale is None else scale
    scores = astype(jnp.matmul(Q, shared_heads(K, Q.shape[1]).swapaxes(2, 3)), precision) * factor
    scores = scores if score_mod is None else score_mod(scores)[0]
    weights = jax.nn.softmax(scores, axis=-1)
    weights = weights if prob_mod is None else prob_mod(weights)[0]
    return jnp.matmul(weights.astype(Q.dtype), shared_heads(V, Q.shape[1]))


def rotated(x, cos, sin, interleaved):
    """The pairs of the last axis of x, turned by angles of which the last axis of `cos` and `sin` is half as long."""
    first, second = (x[..., 0::2], x[..., 1::2]) if interleaved else jnp.split(x, 2, axis=-1)
    real, imaginary = cos * first - sin * second, sin * first + cos * second
    if interleaved:
        return jnp.stack([real, imaginary], axis=-1).reshape(x.shape)
    return jnp.concatenate([real, imaginary], axis=-1)


@operator
def RotaryEmbedding(
    X, cos_cache, sin_cache, position_ids=None, *, interleaved=0, num_heads=None, rotary_embedding_dim=0
):
    heads = split_heads(device(X), num_heads)
    cos, sin = device(cos_cache), device(sin_cache)
    if position_ids is not None:
        cos, sin = cos[device(position_ids)], sin[device(position_ids)]
    width = rotary_embedding_dim or heads.shape[-1]
    turned = rotated(heads[..., :width], cos[:, None], sin[:, None], interleaved)
    Y = jnp.concatenate([turned, heads[..., width:]], axis=-1).astype(heads.dtype)
    return merge_heads(Y) if X.ndim == 3 else Y


@operator
def CausalConvWithState(input, weight, bias=None, past_state=None, *, activation="none"):
    """Each channel convolved with its kernel over the present and the past; also the last inputs, for the next call."""
    input, weight = device(input), device(weight)
    kept = weight.shape[-1] - 1
    past = jnp.zeros((*input.shape[:2], kept), input.dtype) if past_state is None else device(past_state)
    whole = jnp.concatenate([past, input], axis=-1)
    output = lax.conv_general_dilated(
        whole, weight, (1,), [(0, 0)], dimension_numbers=("NCH", "OIH", "NCH"), feature_group_count=input.shape[1]
    )
    output = output if bias is None else output + device(bias)[:, None]
    if activation in ("silu", "swish"):
        output = jax.nn.silu(output)
    return output, whole[..., whole.shape[-1] - kept :]


@operator
def LinearAttention(
    query,
    key,
    value,
    past_state=None,
    decay=None,
    beta=None,
    *,
    chunk_size=64,
    kv_num_heads,
    q_num_heads,
    scale=0.0,
    update_rule="gated_delta",
):
    """Attention as a recurrence over a matrix per head.  `chunk_size` is a hint about speed, and not needed."""
    q, k, v = (split_heads(device(x), n) for x, n in ((query, q_num_heads), (key, kv_num_heads), (value, kv_num_heads)))
    dtype, wide = q.dtype, jnp.promote_types(q.dtype, jnp.float32)
    factor = scale or 1 / math.sqrt(q.shape[-1])
    batch, heads, length, _ = k.shape
    start = jnp.zeros((batch, heads, k.shape[-1], v.shape[-1])) if past_state is None else device(past_state)
    gates = _per_step(decay if "gated" in update_rule else None, kv_num_heads, (batch, heads, length), 0)
    rates = _per_step(beta if "delta" in update_rule else None, kv_num_heads, (batch, heads, length), 1)

    def step(state, inputs):
        query, key, value, gate, rate = (x.astype(wide) for x in inputs)
        state = jnp.exp(gate)[..., None] * state
        if "delta" in update_rule:
            value = value - jnp.einsum("bhkv,bhk->bhv", state, key)
        state = state + jnp.einsum("bhk,bhv->bhkv", rate * key, value)
        return state, jnp.einsum("bhgk,bhkv->bhgv", query, state)

    grouped = q.reshape(batch, heads, -1, length, q.shape[-1])
    series = [jnp.moveaxis(x, axis, 0) for x, axis in ((grouped, 3), (k, 2), (v, 2), (gates, 2), (rates, 2))]
    state, outputs = lax.scan(step, start.astype(wide), series)
    found = jnp.moveaxis(outputs, 0, 3).reshape(batch, q.shape[1], length, -1) * factor
    return merge_heads(found).astype(dtype), state.astype(dtype)


def _per_step(x, heads, shape, default):
    """Gates or rates as (batch, heads, length, 1 or size of a key)."""
    if x is None:
        return jnp.full((*shape, 1), default, jnp.float32)
    x = device(x)
    return jnp.broadcast_to(x[:, None], (*shape, 1)) if x.shape[-1] == 1 else split_heads(x, heads)
