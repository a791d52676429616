"""Hetu's define-then-run deep learning on JAX: `import hetu_jax as ht`."""

from . import (
    cpu_links,
    data,
    dataloader,
    errors,
    gpu_links,
    initializers,
    layers,
    lr_scheduler,
    ndarray,
    optimizer,
    parallel,
    random,
    stream,
)
from . import distributed_strategies as dist
from . import initializers as init
from . import lr_scheduler as lr
from . import optimizer as optim
from .cluster import DistConfig
from .context import DeviceGroup, context, get_current_context
from .dataloader import Dataloader, GNNDataLoaderOp, dataloader_op
from .draw import draw
from .gpu_ops import *  # noqa: F403, the ops are the API
from .install import install
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
from .profiler import HetuProfiler, HetuSimulator, NCCLProfiler
from .scope import name_scope
from .tokenizers import BertTokenizer
from .training import progress

__version__ = "0.1.0"

parallel.offer_host_devices()
errors.hint_at_names(__name__)
