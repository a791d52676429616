"""Import of com.microsoft: what decoders of language models add: steps of attention, biases, rotations, penalties."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .arrays import device, ints
from .import_attention import merge_heads, rotated, split_heads
from .import_contrib_attention import attended, extended, grouped, mask_of, placed, rotated_heads, total
from .operators import MICROSOFT, operator_of

contrib = operator_of(MICROSOFT)


def _grown(past, new, length):
    """The past and the new key or value; with `length` given, the past is a buffer that is full up to there."""
    if past is None or length is None:
        return extended(past, new)
    place = jnp.reshape(device(length), ())
    return lax.dynamic_update_slice_in_dim(device(past), new.astype(past.dtype), place, axis=2)


def _one_step(q, k, v, mask, bias, length, scale, fill):
    """Attention of one query a sequence to keys, of which those behind `length`, where it is given, do not count."""
    beyond = None
    if length is not None:
        beyond = jnp.where(np.arange(k.shape[2]) <= jnp.reshape(device(length), ()), 0, jnp.finfo(q.dtype).min)
    if mask is not None and mask.shape[-1] < k.shape[2]:
        mask = jnp.pad(device(mask), [(0, 0), (0, k.shape[2] - mask.shape[-1])])
    if bias is not None and bias.shape[-1] < k.shape[2]:
        bias = jnp.pad(device(bias), [(0, 0)] * 3 + [(0, k.shape[2] - bias.shape[-1])])
    Y, _, weights = attended(q, k, v, scale, total([mask_of(mask, q.shape[0], 1, k.shape[2], fill), beyond, bias]))
    return merge_heads(Y), weights


def _refuse_beams(cache_indirection):
    if cache_indirection is not None:
        raise ValueError("keys and values that beams share are not supported: do the beam search outside the model")


@contrib
def DecoderMaskedSelfAttention(
    input,
    weights,
    bias,
    mask_index=None,
    past=None,
    attention_bias=None,
    past_sequence_length=None,
    beam_width=None,
    cache_indirection=None,
    *,
    do_rotary=0,
    mask_filter_value=-10000.0,
    num_heads,
    past_present_share_buffer=0,
    scale=0.0,
):
    """Self-attention of one more token to all before it, with the projections in it; also the keys and values.

    Raises ValueError for rotary embeddings and for beams, which exist on other devices only.
    """
    if do_rotary:
        raise ValueError("rotary embeddings inside DecoderMaskedSelfAttention are not supported")
    _refuse_beams(cache_indirection)
    width = past.shape[2] * past.shape[4]
    parts = jnp.split(device(input) @ weights + bias, [width, 2 * width], axis=-1)
    length = past_sequence_length if past_present_share_buffer else None
    q, k, v = (split_heads(part, num_heads) for part in parts)
    k, v = _grown(past[0], k, length), _grown(past[1], v, length)
    Y, _ = _one_step(q, k, v, mask_index, attention_bias, length, scale, mask_filter_value)
    return Y, jnp.stack([k, v])


@contrib
def DecoderMaskedMultiHeadAttention(
    query,
    key=None,
    value=None,
    mask_index=None,
    attention_bias=None,
    past_key=None,
    past_value=None,
    past_sequence_length=None,
    beam_width=None,
    cache_indirection=None,
    bias=None,
    *,
    mask_filter_value=-10000.0,
    num_heads,
    output_qk=0,
    past_present_share_buffer=0,
    scale=0.0,
):
    """Attention of one more token to all before it, or to given keys; also the keys, the values, and the weights.

    key, value: (batch, 1, width), or (batch, heads, length, size) of another sequence.  Raises ValueError for beams.
    """
    _refuse_beams(cache_indirection)
    crossed = key is not None and key.ndim == 4
    if key is None:
        query, key, value = jnp.split(device(query), 3, axis=-1)
    if bias is not None:
        width = query.shape[-1]
        query = query + device(bias)[:width]
        key, value = (key, value) if crossed else (key + device(bias)[width : 2 * width], value + bias[2 * width :])
    q, k, v = (split_heads(device(part), num_heads) for part in (query, key, value))
    length = past_sequence_length if past_present_share_buffer and not crossed else None
    if not crossed:
        k, v = _grown(past_key, k, length), _grown(past_value, v, length)
    Y, weights = _one_step(q, k, v, mask_index, attention_bias, length, scale, mask_filter_value)
    return Y, k, v, weights


@contrib
def SparseAttention(
    query,
    key=None,
    value=None,
    past_key=None,
    past_value=None,
    block_row_indices=None,
    block_col_indices=None,
    total_sequence_length=None,
    key_total_sequence_lengths=None,
    cos_cache=None,
    sin_cache=None,
    *,
    do_rotary=0,
    kv_num_heads,
    num_heads,
    rotary_interleaved=0,
    scale=0.0,
    sparse_block_size,
):
    """Causal attention to some blocks of keys; also all keys and all values, in the buffers of the past.

    block_row_indices, block_col_indices: (layouts, ...), the blocks of keys that each block of queries sees, in
    compressed rows; heads take the layouts by turns.
    """
    q, k, v = grouped(query, key, value, num_heads, kv_num_heads)
    length, most = q.shape[2], past_key.shape[2]
    places = device(key_total_sequence_lengths).reshape(-1, 1) - length + np.arange(length)
    prompt = jnp.reshape(device(total_sequence_length), ()) == length
    places = jnp.where(prompt, np.arange(length), places)
    if do_rotary:
        q, k = (rotated_heads(x, cos_cache, sin_cache, places, rotary_interleaved) for x in (q, k))
    k, v = (placed(past, new, places)[:, :, :most] for past, new in ((past_key, k), (past_value, v)))
    blocks = _blocks(device(block_row_indices), device(block_col_indices))
    seen = jnp.tile(blocks, (num_heads // len(blocks), 1, 1))[
        :, (places // sparse_block_size)[:, :, None], np.arange(most) // sparse_block_size
    ].swapaxes(0, 1)
    allowed = seen & (np.arange(most) <= places[:, :, None])[:, None]
    Y, _, _ = attended(q, k, v, scale, jnp.where(allowed, 0, jnp.finfo(q.dtype).min))
    return merge_heads(Y), k, v


def _blocks(rows, columns):
    """Which blocks of keys each block of queries sees, (layouts, blocks, blocks), of compressed rows."""
    count = rows.shape[1] - 1
    row = jax.vmap(lambda ends: jnp.searchsorted(ends, np.arange(columns.shape[1]), side="right"))(rows[:, 1:])
    layouts = np.arange(len(rows))[:, None]
    column = jnp.where(columns < 0, count, columns)
    return jnp.zeros((len(rows), count, count), bool).at[layouts, row, column].set(True, mode="drop")


@contrib
def RelativePositionBias(bias_table, query_length, key_length, *, is_bidirectional=0, max_distance):
    """What T5 adds to the scores: for each head a number by how far a key is from the query, (1, heads, ...).

    bias_table: (buckets, heads).  Half of the buckets are exact distances, the others grow to `max_distance`.
    """
    queries, keys = ints(query_length, "the length")[0], ints(key_length, "the length")[0]
    ahead, buckets = np.arange(keys) - np.arange(queries)[:, None], bias_table.shape[0]
    bucket = np.zeros_like(ahead)
    if is_bidirectional:
        buckets //= 2
        bucket, distance = np.where(ahead > 0, buckets, 0), np.abs(ahead)
    else:
        distance = np.maximum(-ahead, 0)
    exact = buckets // 2
    growth = np.log(np.maximum(distance, 1).astype(np.float32) / exact) / np.log(np.float32(max_distance / exact))
    far = np.minimum(exact + (growth * (buckets - exact)).astype(np.int64), buckets - 1)
    return jnp.moveaxis(device(bias_table)[bucket + np.where(distance < exact, distance, far)], -1, 0)[None]


@contrib
def GatedRelativePositionBias(query_layer, query_bias, rel_pos, weight, bias, eco_a, token_offset=None, *, num_heads):
    """A bias of positions (1, heads, length, length), which each query scales by two gates.

    Raises ValueError for tokens without padding, which exist on other devices only.
    """
    if token_offset is not None:
        raise ValueError("tokens without padding are not supported in GatedRelativePositionBias")
    query = split_heads(device(query_layer) + query_bias, num_heads)
    gates = (query @ weight + bias).reshape(*query.shape[:3], 2, -1).sum(-1)
    first, second = jnp.split(jax.nn.sigmoid(gates), 2, axis=-1)
    return (first * (second * eco_a - 1) + 2) * rel_pos


@contrib
def MRotaryEmbedding(
    input,
    position_ids,
    cos_cache,
    sin_cache,
    *,
    interleaved=0,
    is_packed_batching=0,
    mrope_layout=0,
    mrope_section,
    num_heads=0,
    rotary_embedding_dim=0,
    scale=1.0,
):
    """Heads turned by three kinds of places: of time, of rows and of columns.

    position_ids: (3, batch, length).  mrope_section: how many of the angles go by each of them.  mrope_layout: 0 where
    they are side by side, 1 where they alternate.  is_packed_batching, scale: accepted without effect.
    """
    input = device(input)
    half = sum(mrope_section)
    if mrope_layout:
        kinds = np.zeros(half, np.int32)
        for kind in (1, 2):
            kinds[kind : 3 * mrope_section[kind] : 3] = kind
    else:
        kinds = np.repeat(np.arange(3), mrope_section)
    places = device(position_ids)[kinds].transpose(1, 2, 0)
    cos, sin = (device(cache)[places, np.arange(half)][:, None] for cache in (cos_cache, sin_cache))
    size = 2 * half if not rotary_embedding_dim else input.shape[-1] // num_heads if input.ndim == 3 else None
    x = split_heads(input, num_heads or input.shape[-1] // (size or 1))
    turned = rotated(x[..., : 2 * half], cos, sin, interleaved)
    Y = jnp.concatenate([turned, x[..., 2 * half :]], axis=-1).astype(x.dtype)
    return merge_heads(Y) if input.ndim == 3 else Y


@contrib
def NGramRepeatBlock(input_ids, scores, *, ngram_size):
    """The scores, -infinity for each token that would repeat a run of `ngram_size` tokens."""
    words, scores = device(input_ids), device(scores)
    length = words.shape[1]
    if length < ngram_size:
        return scores
    starts = np.arange(length - ngram_size + 1)
    runs = words[:, starts[:, None] + np.arange(ngram_size)]
    repeated = jnp.all(runs[..., :-1] == words[:, None, length - ngram_size + 1 :], axis=-1)
    batch = np.arange(len(words))[:, None]
    barred = jnp.where(repeated, runs[..., -1], scores.shape[1])
    return scores.at[batch, barred].set(-jnp.inf, mode="drop")
