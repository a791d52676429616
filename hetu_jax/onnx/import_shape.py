"""Import of ai.onnx: shapes and layouts."""

import math

import jax.numpy as jnp
import numpy as np

from .arrays import astype, axis_of, host, ints, number, small, traced, xp
from .operators import operator


@operator
def Reshape(data, shape, *, allowzero=0):
    """The elements in another shape, in which 0 keeps the length of an axis, unless `allowzero`, and -1 follows."""
    wanted = ints(shape, "the shape")
    if not allowzero:
        wanted = [data.shape[i] if length == 0 else length for i, length in enumerate(wanted)]
    if -1 in wanted:
        rest = math.prod(length for length in wanted if length != -1)
        wanted[wanted.index(-1)] = data.size // rest if rest else 0
    return xp.reshape(data, wanted)


@operator
def Flatten(input, *, axis=1):
    axis = axis if axis >= 0 else axis + input.ndim
    return xp.reshape(input, (math.prod(input.shape[:axis]), math.prod(input.shape[axis:])))


@operator
def Transpose(data, *, perm=None):
    return xp.transpose(data, perm)


@operator
def Squeeze(data, axes=None):
    if axes is None:
        return xp.squeeze(data)
    return xp.squeeze(data, tuple(ints(axes, "the axes")))


@operator
def Unsqueeze(data, axes):
    return xp.expand_dims(data, tuple(ints(axes, "the axes")))


@operator
def Concat(*inputs, axis=1):
    return xp.concatenate(inputs, axis=axis)


@operator
def Split(input, split=None, *, axis=0, num_outputs=None, outputs):
    axis = axis_of(axis, input.ndim)
    length = input.shape[axis]
    if split is None:
        sizes = _even(length, num_outputs or outputs, outputs)
    else:
        sizes = ints(split, "the sizes of the parts")
        if sum(sizes) != length:
            raise ValueError(f"parts of sizes {sizes} do not make up axis {axis} of {input.shape}")
    ends = np.cumsum([0, *sizes]).tolist()
    return tuple(input[(slice(None),) * axis + (slice(a, b),)] for a, b in zip(ends, ends[1:], strict=False))


def _even(length, count, first):
    """The sizes of the `first` of `count` equal parts, the last of which is shorter where they cannot be equal."""
    size = -(-length // count)
    return [max(min(size, length - size * i), 0) for i in range(first)]


@operator
def Slice(data, starts, ends, axes=None, steps=None):
    starts, ends = ints(starts, "the starts of a slice"), ints(ends, "the ends of a slice")
    axes = range(len(starts)) if axes is None else ints(axes, "the axes of a slice")
    steps = [1] * len(starts) if steps is None else ints(steps, "the steps of a slice")
    cuts = [slice(None)] * data.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        axis = axis_of(axis, data.ndim)
        # Below 0 an end counts from the end of the axis; what is still below 0 then means "from the first element on".
        end = end + data.shape[axis] if end < 0 else end
        start = start + data.shape[axis] if start < 0 else start
        cuts[axis] = slice(max(start, 0), end if end >= 0 else None if step < 0 else 0, step)
    return data[tuple(cuts)]


@operator
def Expand(input, shape):
    wanted = np.broadcast_shapes(input.shape, tuple(ints(shape, "the shape")))
    if traced(input) or not small(wanted):
        return jnp.broadcast_to(input, wanted)
    return np.broadcast_to(input, wanted)


@operator
def Tile(input, tiles, axis):
    repeats = [1] * input.ndim
    repeats[number(axis, "the axis")] = number(tiles, "the repeats")
    return _tiled(input, repeats)


@operator
def Tile_6(input, repeats):
    return _tiled(input, ints(repeats, "the repeats"))


def _tiled(array, repeats):
    shape = [length * count for length, count in zip(array.shape, repeats, strict=True)]
    return xp.tile(array, repeats) if small(shape) or traced(array) else jnp.tile(array, repeats)


@operator
def Pad(data, pads, constant_value=None, axes=None, *, mode="constant"):
    """Adds elements at both ends of axes; cuts them off where a number is negative."""
    pads = ints(pads, "the padding")
    axes = range(data.ndim) if axes is None else [axis_of(a, data.ndim) for a in ints(axes, "the axes")]
    widths, cuts = [(0, 0)] * data.ndim, [slice(None)] * data.ndim
    for place, axis in enumerate(axes):
        before, after = pads[place], pads[place + len(axes)]
        widths[axis] = max(before, 0), max(after, 0)
        cuts[axis] = slice(max(-before, 0), data.shape[axis] - max(-after, 0))
    data = data[tuple(cuts)]
    if mode != "constant":
        return xp.pad(data, widths, mode=mode)
    fill = np.zeros((), data.dtype) if constant_value is None else xp.reshape(xp.asarray(constant_value), ())
    return xp.pad(data, widths, constant_values=astype(fill, data.dtype))


@operator
def CenterCropPad(input_data, shape, *, axes=None):
    lengths = ints(shape, "the shape")
    axes = range(input_data.ndim) if axes is None else [axis_of(axis, input_data.ndim) for axis in axes]
    pads = np.zeros((2, input_data.ndim), int)
    for axis, wanted in zip(axes, lengths, strict=True):
        missing = wanted - input_data.shape[axis]
        before = missing // 2 if missing >= 0 else -(-missing // 2)
        pads[:, axis] = before, missing - before
    return Pad.fn(input_data, pads.reshape(-1))


@operator
def DepthToSpace(input, *, blocksize, mode="DCR"):
    n, c, h, w = input.shape
    b, depth = blocksize, c // blocksize**2
    if mode == "DCR":
        blocks = xp.transpose(xp.reshape(input, (n, b, b, depth, h, w)), (0, 3, 4, 1, 5, 2))
    else:
        blocks = xp.transpose(xp.reshape(input, (n, depth, b, b, h, w)), (0, 1, 4, 2, 5, 3))
    return xp.reshape(blocks, (n, depth, h * b, w * b))


@operator
def SpaceToDepth(input, *, blocksize, mode="DCR"):
    n, c, h, w = input.shape
    b = blocksize
    blocks = xp.reshape(input, (n, c, h // b, b, w // b, b))
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    return xp.reshape(xp.transpose(blocks, order), (n, c * b * b, h // b, w // b))


@operator
def Trilu(input, k=0, *, upper=1):
    k = number(k, "the number of the diagonal")
    return xp.triu(input, k) if upper else xp.tril(input, k)


@operator
def ReverseSequence(input, sequence_lens, *, batch_axis=1, time_axis=0):
    """Each sequence of the batch reversed up to its length."""
    shape = [1, 1]
    shape[time_axis] = -1
    time = xp.reshape(np.arange(input.shape[time_axis]), shape)
    shape = [1, 1]
    shape[batch_axis] = -1
    length = xp.reshape(sequence_lens, shape)
    places = xp.where(time < length, length - 1 - time, time)
    return xp.take_along_axis(input, xp.reshape(places, places.shape + (1,) * (input.ndim - 2)), axis=time_axis)


@operator
def Hardmax(input, *, axis=1):
    """1 at the first maximum of each row of the matrix that begins its rows at `axis`."""
    flat = Flatten.fn(input, axis=axis)
    return xp.reshape(Hardmax_13.fn(flat), input.shape)


@operator
def Hardmax_13(input, *, axis=-1):
    first = xp.expand_dims(xp.argmax(input, axis=axis), axis)
    shape = [1] * input.ndim
    shape[axis] = -1
    return astype(first == np.arange(input.shape[axis]).reshape(shape), input.dtype)


@operator
def Compress(input, condition, *, axis=None):
    chosen = np.flatnonzero(host(condition, "the condition"))
    return xp.take(xp.reshape(input, (-1,)) if axis is None else input, chosen, axis=axis or 0)
