"""Import of ai.onnx: reading and writing at indices, sorting and searching."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from .arrays import astype, axis_of, device, host, is_float, is_text, narrow, number, traced, xp
from .operators import operator


def _on_one_side(data, indices):
    """Indices that NumPy can use where the data are strings."""
    return host(indices, "an index of strings") if is_text(data) else indices


@operator
def Gather(data, indices, *, axis=0):
    return xp.take(data, _on_one_side(data, indices), axis=axis)


@operator
def GatherElements(data, indices, *, axis=0):
    axis = axis_of(axis, data.ndim)
    cuts = tuple(slice(None if i == axis else length) for i, length in enumerate(indices.shape))
    return xp.take_along_axis(data[cuts], _on_one_side(data, indices), axis=axis)


@operator
def GatherND(data, indices, *, batch_dims=0):
    indices = _on_one_side(data, indices)
    batch = np.indices(indices.shape[:batch_dims], sparse=True) if batch_dims else ()
    batch = [np.reshape(i, i.shape + (1,) * (indices.ndim - 1 - batch_dims)) for i in batch]
    places = [indices[..., i] for i in range(indices.shape[-1])]
    if not traced(data, indices):
        return data[(*batch, *places)]
    return device(data)[(*batch, *map(narrow, places))]


_UFUNCS = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def _written(data, places, updates, reduction):
    """`data` with `updates` put, or combined by `reduction`, at an index tuple."""
    if traced(data, places, updates):
        at = device(data).at[tuple(map(narrow, places))]
        how = {"none": at.set, "add": at.add, "mul": at.multiply, "max": at.max, "min": at.min}[reduction]
        return how(device(updates))
    result = np.array(data)
    if reduction == "none":
        result[places] = updates
    else:
        _UFUNCS[reduction].at(result, places, updates)
    return result


@operator
def ScatterElements(data, indices, updates, *, axis=0, reduction="none"):
    places = list(np.indices(indices.shape, sparse=True))
    places[axis_of(axis, data.ndim)] = indices
    return _written(data, tuple(places), updates, reduction)


@operator
def Scatter(data, indices, updates, *, axis=0):
    return ScatterElements.fn(data, indices, updates, axis=axis)


@operator
def ScatterND(data, indices, updates, *, reduction="none"):
    return _written(data, tuple(indices[..., i] for i in range(indices.shape[-1])), updates, reduction)


@operator
def TensorScatter(past_cache, update, write_indices=None, *, axis=-2, mode="linear"):
    """`past_cache` with `update` written along `axis` from an index per batch on, around the end where circular."""
    axis, length = axis_of(axis, past_cache.ndim), past_cache.shape[axis]
    starts = np.zeros(past_cache.shape[0], np.int64) if write_indices is None else write_indices
    places = xp.reshape(starts, (-1, 1)) + np.arange(update.shape[axis])
    places = places % length if mode == "circular" else places
    batch = np.arange(past_cache.shape[0])[:, None]
    swapped = _written(xp.moveaxis(past_cache, axis, 1), (batch, places), xp.moveaxis(update, axis, 1), "none")
    return xp.moveaxis(swapped, 1, axis)


@operator
def OneHot(indices, depth, values, *, axis=-1):
    depth = number(depth, "the depth")
    axis = axis_of(axis, indices.ndim + 1)
    places = xp.expand_dims(xp.where(indices < 0, indices + int(depth), indices), axis)
    shape = [1] * places.ndim
    shape[axis] = -1
    return xp.where(places == np.arange(int(depth)).reshape(shape), values[1], values[0])


@operator
def TopK(X, K, *, axis=-1, largest=1, sorted=1):
    """The largest (or smallest) elements along an axis, in order, and their indices; of equal ones the first come."""
    rows = jnp.moveaxis(device(X), axis, -1)
    k = number(K, "K")
    if not largest:
        rows = -rows if is_float(rows) else ~rows
    values, places = lax.top_k(rows, k)
    if not largest:
        values = -values if is_float(values) else ~values
    return jnp.moveaxis(values, -1, axis), astype(jnp.moveaxis(places, -1, axis), np.int64)


def _extreme(function):
    def compute(data, *, axis=0, keepdims=1, select_last_index=0):
        axis = axis_of(axis, data.ndim)
        found = function(xp.flip(data, axis) if select_last_index else data, axis=axis)
        found = data.shape[axis] - 1 - found if select_last_index else found
        return astype(xp.expand_dims(found, axis) if keepdims else found, np.int64)

    return compute


for _name, _function in (("ArgMax", "argmax"), ("ArgMin", "argmin")):
    _compute = _extreme(getattr(xp, _function))
    _compute.__name__ = _name
    operator(_compute)


@operator
def NonZero(X):
    return np.stack(np.nonzero(np.atleast_1d(host(X, "where elements are not zero")))).astype(np.int64)


@operator
def Unique(X, *, axis=None, sorted=1):
    """The different elements (or slices along an axis), where each is first, which each one is, and how many."""
    array = host(X, "what is unique")
    plain = array.astype(np.float32) if array.dtype.kind == "V" else array
    unique, first, inverse, counts = np.unique(
        plain, return_index=True, return_inverse=True, return_counts=True, axis=axis
    )
    inverse = inverse.reshape(-1)
    if not sorted:
        order = np.argsort(first, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        unique, first, inverse, counts = np.take(unique, order, axis or 0), first[order], rank[inverse], counts[order]
    return unique.astype(array.dtype), *(part.astype(np.int64) for part in (first, inverse, counts))


def _coordinates(boxes, center_point_box):
    """Boxes as (low y, low x, high y, high x)."""
    if center_point_box:
        x, y, w, h = boxes.T
        return np.stack([y - h / 2, x - w / 2, y + h / 2, x + w / 2])
    y1, x1, y2, x2 = boxes.T
    return np.stack([np.minimum(y1, y2), np.minimum(x1, x2), np.maximum(y1, y2), np.maximum(x1, x2)])


def _overlap(box, others):
    """The intersection over union of one box with others, (4, n)."""
    low, high = np.maximum(box[:2, None], others[:2]), np.minimum(box[2:, None], others[2:])
    common = np.prod(np.maximum(high - low, 0), axis=0)
    area = np.prod(box[2:] - box[:2])
    areas = np.prod(others[2:] - others[:2], axis=0)
    return common / np.maximum(area + areas - common, np.finfo(np.float32).tiny)


def _kept(boxes, scores, most, limit, threshold):
    """The indices of boxes, by falling score, that overlap no better one by more than `limit`."""
    order = np.argsort(-scores, kind="stable")
    order = order if threshold is None else order[scores[order] > threshold]
    kept = []
    while len(order) and len(kept) < most:
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[_overlap(boxes[:, best], boxes[:, order]) <= limit]
    return kept


@operator
def NonMaxSuppression(
    boxes, scores, max_output_boxes_per_class=None, iou_threshold=None, score_threshold=None, *, center_point_box=0
):
    """(batch, class, box) of each box that is kept."""
    boxes, scores = host(boxes, "where boxes are"), host(scores, "the scores of boxes")
    most = 0 if max_output_boxes_per_class is None else number(max_output_boxes_per_class)
    limit = 0.0 if iou_threshold is None else number(iou_threshold)
    threshold = None if score_threshold is None else number(score_threshold)
    chosen = [
        (batch, label, box)
        for batch in range(len(boxes))
        for label in range(scores.shape[1])
        for box in _kept(_coordinates(boxes[batch], center_point_box), scores[batch, label], most, limit, threshold)
    ]
    return np.array(chosen, np.int64).reshape(-1, 3)
