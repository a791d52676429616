"""Hetu's kernels on CPU arrays, `from hetu import cpu_links`."""

from ..errors import hint_at_names as _hint_at_names
from .dnnl_op import *  # noqa: F403, the kernels are the module
from .dnnl_op import __all__

_hint_at_names(__name__)
