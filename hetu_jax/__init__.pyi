"""Hetu's define-then-run deep learning on JAX; written by docs/build_stubs.py."""

from hetu_jax import cpu_links as cpu_links
from hetu_jax import data as data
from hetu_jax import dataloader as dataloader
from hetu_jax import distributed_strategies as distributed_strategies
from hetu_jax import errors as errors
from hetu_jax import gpu_links as gpu_links
from hetu_jax import initializers as initializers
from hetu_jax import layers as layers
from hetu_jax import lr_scheduler as lr_scheduler
from hetu_jax import ndarray as ndarray
from hetu_jax import optimizer as optimizer
from hetu_jax import parallel as parallel
from hetu_jax import random as random
from hetu_jax import stream as stream
from hetu_jax.cluster import DistConfig as DistConfig
from hetu_jax.context import DeviceGroup as DeviceGroup
from hetu_jax.context import context as context
from hetu_jax.context import get_current_context as get_current_context
from hetu_jax.dataloader import Dataloader as Dataloader
from hetu_jax.dataloader import GNNDataLoaderOp as GNNDataLoaderOp
from hetu_jax.dataloader import dataloader_op as dataloader_op
from hetu_jax.draw import draw as draw
from hetu_jax.gpu_ops import *  # noqa: F403
from hetu_jax.install import install as install
from hetu_jax.ndarray import IndexedSlices as IndexedSlices
from hetu_jax.ndarray import NDArray as NDArray
from hetu_jax.ndarray import array as array
from hetu_jax.ndarray import cpu as cpu
from hetu_jax.ndarray import empty as empty
from hetu_jax.ndarray import gpu as gpu
from hetu_jax.ndarray import is_gpu_ctx as is_gpu_ctx
from hetu_jax.ndarray import rcpu as rcpu
from hetu_jax.ndarray import rgpu as rgpu
from hetu_jax.ndarray import sparse_array as sparse_array
from hetu_jax.profiler import HetuProfiler as HetuProfiler
from hetu_jax.profiler import HetuSimulator as HetuSimulator
from hetu_jax.profiler import NCCLProfiler as NCCLProfiler
from hetu_jax.scope import name_scope as name_scope
from hetu_jax.tokenizers import BertTokenizer as BertTokenizer
from hetu_jax.training import progress as progress

dist = distributed_strategies
init = initializers
lr = lr_scheduler
optim = optimizer
__version__: str
