"""Import of com.microsoft: weights kept in a few bits a number, a block at a time."""

import jax.numpy as jnp
import numpy as np

from .arrays import astype, axis_of, device
from .operators import MICROSOFT, operator_of

contrib = operator_of(MICROSOFT)

# Of bitsandbytes: the sixteen numbers of a quarter of a byte in its 4-bit floats, and in its 4-bit normal floats.
FP4 = np.array([0, 1 / 192, 2 / 3, 1, 1 / 3, 1 / 2, 1 / 6, 1 / 4], np.float32)
FP4 = np.concatenate([FP4, -FP4])
NF4 = np.array(
    [
        *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453),
        *(-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0.0),
        *(0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224),
        *(0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
    ],
    np.float32,
)


def unpacked(packed, bits):
    """The numbers in bytes, lowest bits first, along the last axis."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    values = (packed[..., None] >> shifts) & np.uint8(2**bits - 1)
    return values.reshape(*packed.shape[:-1], -1)


@contrib
def MatMulNBits(
    A,
    B,
    scales,
    zero_points=None,
    g_idx=None,
    bias=None,
    *,
    K,
    N,
    accuracy_level=0,
    bits=4,
    block_size,
    weight_prepacked=0,
):
    """A times a matrix (K, N) kept in a few bits a number, with a scale, and perhaps a zero point, a block of a column.

    g_idx: the block of each row of the matrix, where they are not in order.  accuracy_level: all is computed in the
    dtype of A, whatever it allows.  weight_prepacked: 0, the only layout that files have.
    """
    blocks = -(-K // block_size)
    values = unpacked(device(B).reshape(N, blocks, -1), bits).astype(A.dtype)
    if zero_points is None:
        zero = np.asarray(2 ** (bits - 1), A.dtype)
    elif jnp.issubdtype(zero_points.dtype, jnp.floating):
        zero = device(zero_points).reshape(N, blocks, 1)
    else:
        zero = unpacked(device(zero_points).reshape(N, -1), bits)[:, :blocks, None].astype(A.dtype)
    if g_idx is None:
        matrix = ((values - zero) * device(scales).reshape(N, blocks, 1)).reshape(N, -1)[:, :K]
    else:
        group, flat = device(g_idx), values.reshape(N, -1)[:, :K]
        zero = zero if zero.ndim == 0 else zero[..., 0][:, group]
        matrix = (flat - zero) * device(scales).reshape(N, blocks)[:, group]
    product = jnp.matmul(A, matrix.T.astype(A.dtype))
    return product if bias is None else product + bias


@contrib
def MatMulBnb4(A, B, absmax, *, K, N, block_size, quant_type, training_mode=0, transB=1):
    """A times a matrix kept as 4-bit floats, which each block's largest magnitude scales.

    B: (N * K + 1) / 2 bytes, the upper half of each first, of a matrix (N, K).  transB: whether A is multiplied with
    its transpose.  training_mode: accepted without effect.
    """
    B = device(B).reshape(-1)
    codes = jnp.stack([B >> 4, B & 15], axis=-1).reshape(-1)[: N * K]
    scales = jnp.repeat(device(absmax).reshape(-1), block_size)[: N * K]
    matrix = (jnp.asarray(NF4 if quant_type else FP4)[codes].astype(scales.dtype) * scales).reshape(N, K)
    return jnp.matmul(A, matrix.T if transB else matrix)


@contrib
def GatherBlockQuantized(
    data, indices, scales, zero_points=None, *, bits=4, block_size=128, gather_axis=0, quantize_axis=1
):
    """What quantised numbers stand for at indices along an axis; zeros where an index is out of range.

    data: a narrow dtype, or bytes of `bits` bits a number, lowest first.  scales, zero_points: one a block of
    `block_size` along `quantize_axis`; a block size of 0 takes in the whole axis.
    """
    data, zero = device(data), None if zero_points is None else device(zero_points)
    if data.dtype == np.uint8:
        data = unpacked(data, bits)
        zero = np.full((1,) * data.ndim, 2 ** (bits - 1), np.uint8) if zero is None else unpacked(zero, bits)
    across, along = axis_of(gather_axis, data.ndim), axis_of(quantize_axis, data.ndim)
    indices, block = device(indices), block_size or data.shape[along]
    length = data.shape[across]
    places = jnp.where(indices < 0, indices + length, indices)
    inside = (places >= 0) & (places < length)
    moved = along + indices.ndim - 1 if along > across else along

    def taken(x):
        """What belongs to the indices of scales or zero points, as many as there are numbers."""
        at = places // block if across == along else places
        x = jnp.take(x, jnp.zeros_like(at) if x.shape[across] == 1 else at, axis=across, mode="clip")
        if across == along or x.shape[moved] == 1:
            return x
        return jnp.repeat(x, block, axis=moved)[(slice(None),) * moved + (slice(data.shape[along]),)]

    values = astype(jnp.take(data, places, axis=across, mode="clip"), scales.dtype)
    if zero is not None:
        values = values - astype(taken(zero[..., : scales.shape[-1]]), scales.dtype)
    around = (1,) * (data.ndim - 1 - across)
    return jnp.where(inside.reshape(*inside.shape, *around), values * taken(device(scales)), 0)
