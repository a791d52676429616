"""Hetu's name for the ops, the Executor and what goes with them: re-exports only."""

from .. import ops as _families
from ..config import HetuConfig
from ..executor import Executor
from ..gradients import gradients
from ..graph import OPS, Variable, placeholder_op

globals().update(OPS)

__all__ = [*OPS, "Executor", "HetuConfig", "Variable", "gradients", "placeholder_op"]
