"""Embedding tables, the rows looked up in them, and writing rows back."""

import jax
import jax.numpy as jnp
import numpy as np

from .. import layout
from ..graph import Node, Placeholder, Variable, op
from ..ndarray import ND_Sparse_Array
from .index import cast_ids

SWITCH = "HETU_JAX_SPLIT_LOOKUPS"  # 0: a lookup is one piece; 1: large ones are two on any platform; by default on CPUs
LARGE = 256  # rows of a lookup from which two cores are faster than one


def rows(table, ids):
    """table[ids]; a row of zeros for an id outside the table."""
    if not len(table):
        return jnp.zeros(ids.shape + table.shape[1:], table.dtype)
    # JAX's "fill" mode counts negative ids from the end, so they are moved past it.
    return jnp.take(table, jnp.where(ids < 0, len(table), ids), axis=0, mode="fill", fill_value=0)


@jax.custom_jvp
def rows_in_halves(table, ids):
    """As `rows`; on CPUs two cores wait for the memory of many rows, where XLA would leave it to one."""
    if ids.size < LARGE or not layout.wanted(jax.default_backend(), SWITCH):
        return rows(table, ids)
    halves = jnp.array_split(ids.reshape(-1), 2)
    return jnp.concatenate([rows(table, half) for half in halves]).reshape(ids.shape + table.shape[1:])


@rows_in_halves.defjvp
def _rows_of_tangents(primals, tangents):
    table, ids = primals
    return rows_in_halves(table, ids), rows(tangents[0], ids)  # the gradient is one sum of rows, not two


def put_rows(table, ids, new):
    """`table` with new rows at `ids`; ids outside the table are left out."""
    ids = jnp.where(ids < 0, len(table), ids).reshape(-1)
    return table.at[ids].set(new.reshape(-1, *table.shape[1:]).astype(table.dtype), mode="drop")


def mark_table(parameter):
    """What marks the Variable in an argument as an embedding table when a lookup of it is recorded."""

    def mark(arguments):
        if isinstance(arguments[parameter], Variable | Placeholder):
            arguments[parameter].is_embed = True

    return mark


@op(on_record=mark_table("embedding"))
def embedding_lookup_op(embedding, index, *, alone=False):
    """The rows of a table with the given numbers.

    embedding: (rows, width), any dtype.  index: row numbers of any shape S; those outside the table give zeros.
    Returns: S + (width,), in the dtype of the table.  Marks the Variable `embedding` with `is_embed`.
    """
    if isinstance(embedding, ND_Sparse_Array):
        raise TypeError(f"the table is {embedding!r}: use sparse_embedding_lookup_op")
    return (rows_in_halves if alone else rows)(embedding, cast_ids(index))


def _check_sparse_table(arguments):
    """Refuses what the gather of `sparse_embedding_lookup_op` cannot see: unsorted or crowded rows."""
    mark_table("embedding")(arguments)
    matrix = arguments["embedding"].value if isinstance(arguments["embedding"], Variable) else None
    if not isinstance(matrix, ND_Sparse_Array):
        return
    row = np.asarray(matrix.row)
    if matrix.form == "coo" and np.any(np.diff(row) < 0):
        raise ValueError(f"the rows of {matrix!r} are not in ascending order: make it with ht.sparse_array")
    counts = np.diff(row) if matrix.form == "csr" else np.bincount(row)
    if counts.size and counts.max() > matrix.ncol:
        raise ValueError(f"a row of {matrix!r} stores {counts.max()} values: add up repeated columns first")


@op(on_record=_check_sparse_table)
def sparse_embedding_lookup_op(embedding, index):
    """The rows of a sparse table with the given numbers, made dense.

    embedding: ND_Sparse_Array (rows, width), its rows in ascending order and each column at most once in a row.
    index: row numbers of any shape S; those outside the table give zeros.
    Returns: S + (width,), in the dtype of the table.  Raises TypeError for a dense table, ValueError for a disorderly
    one.
    """
    if not isinstance(embedding, ND_Sparse_Array):
        raise TypeError(
            f"the table must be an ND_Sparse_Array, not {type(embedding).__name__}: use embedding_lookup_op"
        )
    ids, width = cast_ids(index), embedding.ncol
    first, last = _bounds(embedding, ids.reshape(-1))
    places = first[:, None] + jnp.arange(width)
    places = jnp.where(places < last[:, None], places, len(embedding.data))
    values = jnp.pad(jnp.asarray(embedding.data), (0, 1))[places]
    columns = jnp.pad(jnp.asarray(embedding.col), (0, 1), constant_values=width)[places]
    dense = (
        jnp.zeros((ids.size, width), values.dtype).at[jnp.arange(ids.size)[:, None], columns].add(values, mode="drop")
    )
    return dense.reshape(*ids.shape, width)


def _bounds(matrix, ids):
    """Where the stored values of each row begin and end; nothing for an id outside the matrix."""
    row = jnp.asarray(matrix.row)
    if matrix.form == "coo":
        return jnp.searchsorted(row, ids, side="left"), jnp.searchsorted(row, ids, side="right")
    ids = jnp.where((ids < 0) | (ids > matrix.nrow), matrix.nrow, ids)
    return row[ids], row[jnp.minimum(ids + 1, matrix.nrow)]


@op
def unique_indices_op(indices):
    """The distinct ids in ascending order, padded with -1.

    indices: any shape.  Returns: the same shape, int32.
    """
    ids = cast_ids(indices)
    return jnp.unique(ids, size=ids.size, fill_value=-1).reshape(ids.shape)


def _ids_behind(arguments):
    """Puts the ids that a `unique_indices_op` sorts in the place of its node: its padded value has lost their order."""
    unique = arguments["unique"]
    if isinstance(unique, Node) and unique.op is unique_indices_op:
        arguments["unique"] = unique.arguments["indices"]


@op(on_record=_ids_behind)
def unique_indices_offsets_op(unique):
    """Where each distinct id occurs: [their number u, n positions grouped by id, n + 1 starts of the groups].

    unique: the node of unique_indices_op, or the ids themselves, n in any shape.
    Returns: (2n + 2,) int32; positions ascend within a group, groups by id; starts from the u-th on are n.
    """
    ids = cast_ids(unique).reshape(-1)
    positions = jnp.argsort(ids, stable=True)
    ordered = ids[positions]
    first = jnp.ones(ids.shape, bool).at[1:].set(ordered[1:] != ordered[:-1])
    starts = jnp.flatnonzero(first, size=ids.size + 1, fill_value=ids.size)
    return jnp.concatenate([first.sum()[None], positions, starts]).astype(jnp.int32)


def _groups(array, idoffsets):
    """The rows of `array` as (n, width), and from `idoffsets` the number of groups, positions and starts."""
    offsets = cast_ids(idoffsets)
    n = offsets.size // 2 - 1
    if array.ndim < 1 or array.size != n * array.shape[-1]:
        raise ValueError(f"idoffsets of shape {offsets.shape} are for {n} ids, but the rows have shape {array.shape}")
    starts = jnp.where(jnp.arange(n + 1) < offsets[0], offsets[n + 1 :], n)
    return array.reshape(n, array.shape[-1]), offsets[0], offsets[1 : n + 1], starts


@op
def deduplicate_lookup_op(lookup, idoffsets):
    """One row for each distinct id: that of its first occurrence.

    lookup: S + (width,).  idoffsets: (2n + 2,) from unique_indices_offsets_op, n the number of ids in S.
    Returns: the shape of `lookup`; flat row i is the i-th distinct id's, further rows are zeros.
    """
    values, count, positions, starts = _groups(lookup, idoffsets)
    n = len(values)
    first = jnp.where(jnp.arange(n) < count, rows(positions, starts[:n]), n)
    return rows(values, first).reshape(lookup.shape)


@op
def deduplicate_grad_op(grad, idoffsets):
    """One row for each distinct id: the sum over its occurrences.

    grad: S + (width,).  idoffsets: (2n + 2,) from unique_indices_offsets_op, n the number of ids in S.
    Returns: the shape of `grad`; flat row i is the i-th distinct id's, further rows are zeros.
    """
    values, _, positions, starts = _groups(grad, idoffsets)
    n = len(values)
    group = jnp.searchsorted(starts, jnp.arange(n), side="right") - 1
    sums = jax.ops.segment_sum(values[positions], group, n, indices_are_sorted=True)
    return sums.reshape(grad.shape)


@op
def sum_sparse_gradient_op(dense_shape, *pairs_or_denses, dtype=np.float32):
    """The sum of dense tables and of (ids, rows) pairs, whose rows are added at their ids.

    dense_shape: (rows, width).  pairs_or_denses: arrays of that shape, and pairs of ids of any shape S and rows
    S + (width,); ids outside the table are left out, repeated ones add up.
    dtype: of the sum, unless the items are wider.  Returns: an array of `dense_shape`.
    """
    shape = tuple(dense_shape)
    if len(shape) != 2 or not pairs_or_denses:
        raise ValueError(f"sum_sparse_gradient_op needs a shape (rows, width) and something to add, not {shape}")
    items = [item if isinstance(item, list | tuple) else (None, item) for item in pairs_or_denses]
    total = jnp.zeros(shape, jnp.result_type(dtype or np.float32, *(values for _, values in items)))
    for ids, values in items:
        total = total + values if ids is None else _add_rows(total, cast_ids(ids), values)
    return total


def _add_rows(table, ids, values):
    ids = jnp.where(ids < 0, len(table), ids).reshape(-1)
    return table.at[ids].add(values.reshape(-1, table.shape[1]).astype(table.dtype), mode="drop")


@op(writes=("embed",))
def assign_with_indexedslices_op(embed, unique, newparam):
    """In place: embed[unique[i]] = newparam[i].

    embed: Variable (rows, width).  unique: ids of any shape S, those outside the table are left out; a repeated id
    keeps one of its rows.  newparam: S + (width,).  Returns: nothing.  Raises TypeError for a quantised table.
    """
    if embed.dtype.itemsize < 4 and jnp.issubdtype(embed.dtype, jnp.integer):
        raise TypeError(f"the table holds {embed.dtype}: use assign_quantized_embedding_op, which rounds the rows")
    return None, put_rows(embed, cast_ids(unique), newparam)


@op(writes=("table",))
def sparse_set_op(table, ind, data):
    """In place: table[ind[i]] = data[i].

    table: Variable (rows, width).  ind: m ids of any shape, those outside the table are left out; a repeated id keeps
    one of its rows.  data: m * width elements in any shape.  Returns: nothing.
    """
    return None, put_rows(table, cast_ids(ind), jnp.asarray(data))
