"""The embedding table."""

from __future__ import annotations

from typing import Any

from ..graph import Node
from ..initializers import GenXavierNormal
from ..ops.embedding import embedding_lookup_op
from .base import BaseLayer, parameter

_XAVIER_NORMAL = GenXavierNormal()


class Embedding(BaseLayer):
    """The rows of a table that the ids name.

    num_embeddings, embedding_dim: the table's shape; a call takes ids (...) and gives (..., embedding_dim).
    initializer: a generator, or a node to use as the table.
    name: of the Variable, without a suffix; checkpoints with `<name>.weight` are read too.  Attribute
        `embedding_table`.  ctx: the device of the table and of the lookups.
    kargs: kept as the attribute `kargs` for subclasses, without effect.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        initializer: Any = _XAVIER_NORMAL,
        name: str = "embedding",
        ctx: Any = None,
        **kargs: Any,
    ):
        self.num_embeddings, self.embedding_dim, self.initializer = num_embeddings, embedding_dim, initializer
        self.name, self.ctx, self.kargs = name, ctx, kargs
        self.embedding_table = parameter(initializer, (num_embeddings, embedding_dim), name, ctx=ctx)
        if self.embedding_table is not initializer:
            self.embedding_table.aliases = {f"{name}.weight": lambda value: value}

    def __call__(self, x: Node) -> Node:
        return embedding_lookup_op(self.embedding_table, x, ctx=self.ctx)

    def __repr__(self) -> str:
        return f"{self.name}({self.num_embeddings},{self.embedding_dim})"
