"""The exceptions of hetu_jax; each says what was done, where, what was found and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GraphError(ValueError):
    """The graph or the call of an Executor is not what it must be."""


class OpError(GraphError):
    """An op could not be evaluated on the values that reached it."""


class FeedError(GraphError):
    """A feed is missing, unexpected, or of the wrong kind."""


class CheckpointError(ValueError):
    """A checkpoint cannot be read, or does not fit the graph."""


class UnsafeFileError(CheckpointError):
    """A file from outside holds more than data."""


class DataNotFoundError(FileNotFoundError):
    """A data set is in none of the places where it is looked for, and could not be downloaded."""


class DataFileError(ValueError):
    """A file of a data set is damaged, or another than it should be."""


class OnnxExportError(ValueError):
    """A graph, or a part of it, has no ONNX form."""


class OnnxImportError(ValueError):
    """A file is no ONNX model, or one that does not make sense or asks for more than there is."""


class HostValueError(GraphError):
    """An op needs a value on the host that a compiled step does not have; the Executor then runs op by op."""


class NonFiniteError(GraphError, FloatingPointError):
    """An op made NaN in a run with `detect_nan=True`."""


def suggest(name: str, known: Iterable[str]) -> str:
    """'; did you mean ...?' for the names nearest to `name`, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""
