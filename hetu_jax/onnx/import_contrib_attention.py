"""Import of com.microsoft: the attention operators that ONNX Runtime's transformer optimizer and exporters emit."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from .arrays import device
from .import_attention import merge_heads, rotated, shared_heads, split_heads
from .import_nn import RMSNormalization
from .operators import MICROSOFT, operator_of

contrib = operator_of(MICROSOFT)


def attended(q, k, v, scale, bias, softcap=0.0, sink=None):
    """softmax(scale * q k' + bias) v, of (batch, heads, length, size); also the scores and their softmax.

    sink: for each head a further score, of a key that has no value.
    """
    factor = np.asarray(scale or 1 / math.sqrt(q.shape[-1]), q.dtype)
    scores = jnp.matmul(q, shared_heads(k, q.shape[1]).swapaxes(2, 3)) * factor
    scores = softcap * jnp.tanh(scores / softcap) if softcap else scores
    scores = scores if bias is None else scores + bias.astype(scores.dtype)
    weights = jax.nn.softmax(scores if sink is None else _with_sink(scores, sink), axis=-1)
    weights = weights[..., : k.shape[2]]
    return jnp.matmul(weights, shared_heads(v, q.shape[1])), scores, weights


def _with_sink(scores, sink):
    column = jnp.broadcast_to(device(sink).astype(scores.dtype).reshape(1, -1, 1, 1), (*scores.shape[:3], 1))
    return jnp.concatenate([scores, column], axis=-1)


def total(parts):
    parts = [part for part in parts if part is not None]
    return sum(parts[1:], parts[0]) if parts else None


def _causal(queries, keys, fill):
    """`fill` where a key is ahead of its query, the last query being at the last key."""
    ahead = np.arange(keys) > np.arange(queries)[:, None] + (keys - queries)
    return jnp.where(ahead, fill, 0)


def mask_of(mask, batch, queries, keys, fill):
    """What a mask adds to the scores.

    mask: (batch,), lengths; (2 batch,), ends and then starts; (batch, keys) or (batch, queries, keys), ones for what
    counts; or (batch, 1, most, most), of which the last rows are used.
    """
    if mask is None:
        return None
    mask, places = device(mask), np.arange(keys)
    if mask.ndim == 1:
        inside = places < mask[:batch, None]
        inside = inside if mask.shape[0] == batch else inside & (places >= mask[batch:, None])
        return jnp.where(inside, 0.0, fill)[:, None, None]
    if mask.ndim == 4:
        mask = mask[:, :, keys - queries : keys, :keys]
    mask = mask.reshape(mask.shape[0], 1, 1, -1) if mask.ndim == 2 else mask
    mask = mask[:, None] if mask.ndim == 3 else mask
    return jnp.where(mask != 0, 0.0, fill)


def extended(past, new):
    """The keys or values of the past, where there are some, and the new ones."""
    return new if past is None else jnp.concatenate([device(past), new], axis=2)


@contrib
def Attention(
    input,
    weights,
    bias=None,
    mask_index=None,
    past=None,
    attention_bias=None,
    past_sequence_length=None,
    *,
    do_rotary=0,
    mask_filter_value=-10000.0,
    num_heads,
    past_present_share_buffer=0,
    qkv_hidden_sizes=None,
    rotary_embedding_dim=0,
    scale=0.0,
    unidirectional=0,
):
    """Self-attention with the projections in it; also the keys and values of past and present, (2, ...).

    Raises ValueError for rotary embeddings and shared buffers, which exist on other devices only.
    """
    if do_rotary or past_present_share_buffer:
        raise ValueError("rotary embeddings and shared buffers inside Attention are not supported")
    projected = device(input) @ weights
    projected = projected if bias is None else projected + bias
    masks = mask_index, attention_bias, mask_filter_value, unidirectional
    return self_attended(projected, past, num_heads, qkv_hidden_sizes, scale, *masks)


def self_attended(
    projected, past, heads, widths=None, scale=0.0, mask=None, bias=None, fill=-10000.0, unidirectional=0
):
    """Attention among queries, keys and values beside each other in the last axis; also what is then past."""
    widths = widths or (projected.shape[-1] // 3,) * 3
    q, k, v = (split_heads(x, heads) for x in jnp.split(projected, np.cumsum(widths)[:2], axis=-1))
    if past is not None:
        k, v = extended(past[0], k), extended(past[1], v)
    queries, keys = q.shape[2], k.shape[2]
    masks = [mask_of(mask, q.shape[0], queries, keys, fill)]
    masks += [_causal(queries, keys, fill) if unidirectional else None, bias]
    Y, _, _ = attended(q, k, v, scale, total(masks))
    return merge_heads(Y), jnp.stack([k, v]) if widths[1] == widths[2] else k


@contrib
def MultiHeadAttention(
    query,
    key=None,
    value=None,
    bias=None,
    key_padding_mask=None,
    attention_bias=None,
    past_key=None,
    past_value=None,
    past_sequence_length=None,
    cache_indirection=None,
    *,
    mask_filter_value=-10000.0,
    num_heads,
    scale=0.0,
    unidirectional=0,
):
    """Attention of queries to keys; also all keys, all values, and the scores.

    Without key and value the query holds all three, (batch, length, heads, 3, size); with the key alone that holds
    the value too, (batch, length, heads, 2, size).
    """
    q, k, v = _unpacked(query, key, value, bias, num_heads)
    k, v = extended(past_key, k), extended(past_value, v)
    queries, keys = q.shape[2], k.shape[2]
    masks = [mask_of(key_padding_mask, q.shape[0], queries, keys, mask_filter_value)]
    masks += [_causal(queries, keys, mask_filter_value) if unidirectional else None, attention_bias]
    Y, scores, _ = attended(q, k, v, scale, total(masks))
    return merge_heads(Y), k, v, scores


def _unpacked(query, key, value, bias, heads):
    query = device(query)
    if key is None:
        return (query[:, :, :, i].swapaxes(1, 2) for i in range(3))
    if value is None:
        k, v = (device(key)[:, :, :, i].swapaxes(1, 2) for i in range(2))
        q = query if bias is None else query + device(bias)[: query.shape[-1]]
        return split_heads(q, heads), k, v
    parts, start = [query, device(key), device(value)], 0
    for i, part in enumerate(parts):
        width = part.shape[-1] if part.ndim == 3 else part.shape[1] * part.shape[3]
        own = None if bias is None else device(bias)[start : start + width]
        start += width
        if part.ndim == 4:
            parts[i] = part if own is None else part + own.reshape(heads, 1, -1)
        else:
            parts[i] = split_heads(part if own is None else part + own, heads)
    return parts


@contrib
def GroupQueryAttention(
    query,
    key=None,
    value=None,
    past_key=None,
    past_value=None,
    seqlens_k=None,
    total_sequence_length=None,
    cos_cache=None,
    sin_cache=None,
    position_ids=None,
    attention_bias=None,
    head_sink=None,
    k_scale=None,
    v_scale=None,
    q_norm_weight=None,
    k_norm_weight=None,
    query_seqlens=None,
    *,
    causal=1,
    do_rotary=0,
    k_norm_epsilon=None,
    k_quant_type="NONE",
    kv_cache_bit_width=0,
    kv_num_heads,
    local_window_size=-1,
    num_heads,
    q_norm_epsilon=None,
    qk_norm_epsilon=1e-6,
    qk_output=0,
    rotary_interleaved=0,
    scale=0.0,
    sliding_window_cache=0,
    smooth_softmax=0,
    softcap=0.0,
    v_quant_type="NONE",
):
    """Attention with fewer key heads than query heads; also all keys, all values, and what `qk_output` asks for.

    seqlens_k: of each sequence the number of keys, its own included, less one.  Keys and values grow by the new ones,
    which come right after the past of their sequence.
    head_sink: (num_heads,), a score of each head that takes its share of the softmax and gives nothing; with
    smooth_softmax it is 0.
    q_norm_weight, k_norm_weight: (size,), of an RMS normalisation of each head.
    qk_output: 1 for the scores, 0 where no key is seen, 2 for their softmax.
    Raises ValueError for quantised or sliding caches and padded queries.
    """
    if k_quant_type != "NONE" or v_quant_type != "NONE" or kv_cache_bit_width:
        raise ValueError("quantised keys and values are not supported")
    if sliding_window_cache or query_seqlens is not None:
        raise ValueError("sliding caches and padded queries are not supported")
    q, k, v = grouped(query, key, value, num_heads, kv_num_heads)
    q = _normalised(q, q_norm_weight, q_norm_epsilon or qk_norm_epsilon)
    k = _normalised(k, k_norm_weight, k_norm_epsilon or qk_norm_epsilon)
    batch, length = q.shape[0], q.shape[2]
    ends = device(seqlens_k).reshape(-1, 1) + 1
    places = (
        ends - length + np.arange(length)
        if past_key is not None
        else jnp.broadcast_to(np.arange(length), (batch, length))
    )
    if do_rotary:
        turn = places if position_ids is None else device(position_ids)
        turn = jnp.maximum(turn, 0)
        q, k = (rotated_heads(x, cos_cache, sin_cache, turn, rotary_interleaved) for x in (q, k))
    k, v = placed(past_key, k, places), placed(past_value, v, places)
    keys = np.arange(k.shape[2])
    allowed = keys < ends[:, :, None] if not causal else keys <= places[:, :, None]
    if local_window_size > 0:
        allowed &= keys > places[:, :, None] - local_window_size
    bias = jnp.where(allowed, 0.0, jnp.finfo(q.dtype).min.astype(q.dtype))[:, None]
    sink = np.zeros(num_heads, np.float32) if smooth_softmax == 1 and head_sink is None else head_sink
    Y, scores, weights = attended(q, k, v, scale, total([bias, attention_bias]), softcap, sink)
    return merge_heads(Y), k, v, jnp.where(allowed[:, None], scores, 0) if qk_output == 1 else weights


def _normalised(x, weight, epsilon):
    return x if weight is None else RMSNormalization.fn(x, device(weight), epsilon=epsilon)


def grouped(query, key, value, heads, kv_heads):
    query = device(query)
    if key is None:
        size = query.shape[-1] // (heads + 2 * kv_heads)
        query, key, value = jnp.split(query, [heads * size, (heads + kv_heads) * size], axis=-1)
    return split_heads(query, heads), split_heads(device(key), kv_heads), split_heads(device(value), kv_heads)


def placed(past, new, places):
    """The past, with room for more, and in it the new keys or values at their places."""
    if past is None or past.shape[2] == 0:
        return new
    past = device(past)
    room = jnp.pad(past, [(0, 0), (0, 0), (0, new.shape[2]), (0, 0)])
    batch = np.arange(new.shape[0])[:, None]
    return room.at[batch, :, places].set(new.swapaxes(1, 2), mode="drop")


def rotated_heads(x, cos_cache, sin_cache, places, interleaved):
    """Heads (batch, heads, length, size), the first part of them turned by their place."""
    cos, sin = device(cos_cache)[places][:, None], device(sin_cache)[places][:, None]
    width = 2 * cos.shape[-1]
    turned = rotated(x[..., :width], cos, sin, interleaved)
    return jnp.concatenate([turned, x[..., width:]], axis=-1).astype(x.dtype)


@contrib
def RotaryEmbedding(
    input,
    position_ids,
    cos_cache,
    sin_cache,
    *,
    interleaved=0,
    is_packed_batching=0,
    num_heads=0,
    rotary_embedding_dim=0,
    scale=1.0,
):
    """Heads turned by their places; `position_ids` are (batch, length), or the first place of all.

    is_packed_batching, scale: accepted without effect, as in ONNX Runtime's CPU kernel.
    """
    input, places = device(input), device(position_ids)
    size = 2 * cos_cache.shape[-1] if not rotary_embedding_dim else None
    heads = num_heads or input.shape[-1] // (size or input.shape[-1])
    x = split_heads(input, heads)
    places = places if places.size > 1 else places.reshape(1, 1) + np.arange(x.shape[2])
    places = jnp.broadcast_to(places.reshape(-1, x.shape[2]), (x.shape[0], x.shape[2]))
    Y = rotated_heads(x, cos_cache, sin_cache, places, interleaved)
    return merge_heads(Y) if input.ndim == 3 else Y
