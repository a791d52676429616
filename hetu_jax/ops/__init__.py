"""All ops, one decorated pure function each, by family."""

from . import (
    collective,
    compress,
    conv,
    elementwise,
    embedding,
    gradient,
    index,
    loss,
    matmul,
    moe,
    norm,
    pool,
    random,
    reduce,
    shape,
    sparse,
)

__all__ = [
    "collective",
    "compress",
    "conv",
    "elementwise",
    "embedding",
    "gradient",
    "index",
    "loss",
    "matmul",
    "moe",
    "norm",
    "pool",
    "random",
    "reduce",
    "shape",
    "sparse",
]
