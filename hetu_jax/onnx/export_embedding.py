"""The ONNX forms of `ops/embedding.py`."""

import numpy as np

from .registry import exporter


@exporter
def embedding_lookup_op(g, embedding, index):
    if embedding.shape is not None and embedding.shape[0] == 0:
        g.refuse("the table has no rows")
    return rows(g, embedding, index) if g.guard_ids else g.Gather(embedding, g.ids(index))


def rows(g, table, index):
    """The rows of a table; zeros for an id outside."""
    ids = g.ids(index)
    if _all_inside(index, table):
        return g.Gather(table, ids)
    inside, valid = guarded(g, table, ids, index.rank)
    return g.Where(valid, g.Gather(table, inside), 0)


def guarded(g, table, ids, rank):
    """The ids, of this rank, with those outside moved inside; and which were inside, as broadcasts to the rows."""
    inside = g.Clip(ids, 0, g.last(table, 0))
    return inside, g.Unsqueeze(g.Equal(ids, inside), list(range(rank, rank + table.rank - 1)))


def _all_inside(index, table):
    """Whether the ids are stored in the model, and none of them is outside the table."""
    ids, height = index.array, table.shape and table.shape[0]
    return ids is not None and isinstance(height, int) and bool(np.all((ids >= 0) & (ids < height)))
