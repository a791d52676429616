"""Import of com.microsoft: batches of sequences without their padding, whose tokens lie one after the other."""

import jax.numpy as jnp
import numpy as np

from .arrays import device, host
from .import_attention import merge_heads, split_heads
from .import_contrib_attention import attended, mask_of, self_attended, total
from .operators import MICROSOFT, operator_of

contrib = operator_of(MICROSOFT)


@contrib
def RemovePadding(input, sequence_token_count):
    """The tokens of all sequences, padding left out; where each was and the padding was, and the sums of the lengths.

    Also the longest length.  The lengths must be known, as the shape depends on them.
    """
    counts = host(sequence_token_count, "how long the sequences are")
    batch, length = input.shape[:2]
    inside = np.arange(length) < counts[:, None]
    flat = np.arange(batch * length, dtype=np.int32).reshape(batch, length)
    offsets = np.concatenate([flat[inside], flat[~inside]])
    sums = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    tokens = device(input).reshape(batch * length, -1)[flat[inside]]
    return tokens, offsets.reshape(batch, length), sums, np.asarray([counts.max()], np.int32)


@contrib
def RestorePadding(input, token_offset):
    """The tokens where they were, (batch, length, width), and zeros elsewhere."""
    input, places = device(input), device(token_offset)
    flat = jnp.zeros((places.size, input.shape[-1]), input.dtype)
    return flat.at[places.reshape(-1)[: len(input)]].set(input).reshape(*places.shape, -1)


def _taken(padded, token_offset, count):
    """The tokens of (batch, length, width) that are no padding."""
    return padded.reshape(-1, padded.shape[-1])[device(token_offset).reshape(-1)[:count]]


def _lengths(cumulative_sequence_length):
    return jnp.diff(device(cumulative_sequence_length))


@contrib
def PackedAttention(
    input,
    weights,
    bias,
    token_offset,
    cumulative_sequence_length,
    attention_bias=None,
    *,
    num_heads,
    qkv_hidden_sizes=None,
    scale=0.0,
):
    """Self-attention within each of the sequences, with the projections in it."""
    projected = RestorePadding.fn(device(input) @ weights + bias, token_offset)
    lengths = _lengths(cumulative_sequence_length)
    Y, _ = self_attended(projected, None, num_heads, qkv_hidden_sizes, scale, lengths, attention_bias)
    return _taken(Y, token_offset, input.shape[0])


@contrib
def PackedMultiHeadAttention(
    query,
    key=None,
    value=None,
    bias=None,
    token_offset=None,
    cumulative_sequence_length=None,
    attention_bias=None,
    *,
    mask_filter_value=-10000.0,
    num_heads,
    scale=0.0,
):
    """Attention within each of the sequences; without key and value, of a query (tokens, heads, 3, size)."""
    parts = [device(query)[:, :, i].reshape(len(query), -1) for i in range(3)] if key is None else [query, key, value]
    if bias is not None:
        starts = np.cumsum([part.shape[-1] for part in parts])[:2]
        parts = [device(part) + own for part, own in zip(parts, jnp.split(device(bias), starts), strict=True)]
    q, k, v = (split_heads(RestorePadding.fn(part, token_offset), num_heads) for part in parts)
    mask = mask_of(_lengths(cumulative_sequence_length), q.shape[0], q.shape[2], k.shape[2], mask_filter_value)
    Y, _, _ = attended(q, k, v, scale, total([mask, attention_bias]))
    return _taken(merge_heads(Y), token_offset, query.shape[0])
