"""The ONNX forms of `ops/embedding.py`."""

import numpy as np

from .registry import exporter


@exporter
def embedding_lookup_op(g, embedding, index):
    if embedding.shape is not None and embedding.shape[0] == 0:
        g.refuse("the table has no rows")
    ids = g.cast(index, np.int64)
    if _all_inside(index, embedding):
        return g.Gather(embedding, ids)
    inside = g.Clip(ids, g.constant(0), g.Sub(g.length(embedding, 0, scalar=True), g.constant(1)))
    valid = g.Unsqueeze(g.Equal(ids, inside), list(range(index.rank, index.rank + embedding.rank - 1)))
    return g.Where(valid, g.Gather(embedding, inside), 0)


def _all_inside(index, embedding):
    """Whether the ids are stored in the model, and none of them is outside the table."""
    ids, rows = index.array, embedding.shape and embedding.shape[0]
    return ids is not None and isinstance(rows, int) and bool(np.all((ids >= 0) & (ids < rows)))
