"""Hetu's name for the ops, the Executor and what goes with them: re-exports only."""

from .. import ops as _families
from ..communicator import (
    get_worker_communicate,
    new_group_comm,
    scheduler_finish,
    scheduler_init,
    server_finish,
    server_init,
    worker_finish,
    worker_init,
    wrapped_mpi_nccl_init,
)
from ..config import HetuConfig
from ..errors import hint_at_names as _hint_at_names
from ..executor import Executor
from ..gradients import gradients
from ..graph import OPS, Variable, placeholder_op
from ..ops.norm import softmax_func
from . import families  # finds hetu.gpu_ops.MatrixMult and the like

globals().update(OPS)

__all__ = [
    *OPS,
    "Executor",
    "HetuConfig",
    "Variable",
    "get_worker_communicate",
    "gradients",
    "new_group_comm",
    "placeholder_op",
    "scheduler_finish",
    "scheduler_init",
    "server_finish",
    "server_init",
    "softmax_func",
    "worker_finish",
    "worker_init",
    "wrapped_mpi_nccl_init",
]

_hint_at_names(__name__)
