"""Hetu's define-then-run deep learning on JAX: `import hetu_jax as ht`."""

from .context import DeviceGroup, context, get_current_context
from .gpu_ops import *  # noqa: F403, the ops are the API
from .ndarray import (
    IndexedSlices,
    NDArray,
    array,
    cpu,
    empty,
    gpu,
    is_gpu_ctx,
    rcpu,
    rgpu,
    sparse_array,
)
