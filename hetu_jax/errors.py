"""The exceptions of hetu_jax; each says what was done, where, what was found and what to do."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable
from typing import NoReturn


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
    """An op needs a value on the host that a compiled step does not have; what follows then runs op by op."""


class NonFiniteError(GraphError, FloatingPointError):
    """An op made NaN in a run with `detect_nan=True`."""


def hint_at_names(module: str) -> None:
    """Gives a module a `__getattr__`: an AttributeError that names what is like an unknown name.

    Set from here, as type checkers take a `__getattr__` that they see for leave to ask for any name.
    """
    names = vars(sys.modules[module])

    def unknown(name: str) -> NoReturn:
        hint = suggest(name, [known for known in names if not known.startswith("_")])
        raise AttributeError(f"{module} has no {name!r}{hint}")

    names["__getattr__"] = unknown


# What to do about errors of JAX's, by a part of their text.
_REMEDIES = {
    "incompatible shapes for broadcasting": "lengths must be equal, or one of them 1, counted from the last axis",
    "Incompatible shapes for broadcasting": "lengths must be equal, or one of them 1, counted from the last axis",
    "cannot reshape array": "the new shape must have as many elements; one length may be -1, and is then worked out",
    "out of range for an array of": "axes count from 0, or from -1 backwards",
    "is out of bounds for array of dimension": "axes count from 0, or from -1 backwards",
    "Cannot concatenate arrays with shapes": "all axes but the one along which they are joined must be as long",
}


def remedy(message: str) -> str:
    """What to do about an error of JAX's, or nothing where that is not known."""
    found = next((advice for part, advice in _REMEDIES.items() if part in message), "")
    return f"; {found}" if found else ""


def suggest(name: str, known: Iterable[str]) -> str:
    """'; did you mean ...?' for the names nearest to `name`, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""
