"""Lines of the user's script: those that made a node, and those that a warning points to."""

from __future__ import annotations

import os
import sys
import types
import warnings
from typing import NamedTuple

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class Site(NamedTuple):
    """The line of the user's script that made a node."""

    filename: str
    line: int

    def __str__(self) -> str:
        return f"{self.filename}:{self.line}"


def user_site() -> Site:
    """The innermost line outside this package."""
    frame, _ = _user_frame()
    return Site(frame.f_code.co_filename, frame.f_lineno)


def warn_user(message: str) -> None:
    """A warning that points to the innermost line outside this package."""
    warnings.warn(message, stacklevel=_user_frame()[1])


def _user_frame() -> tuple[types.FrameType, int]:
    """The innermost frame outside this package, and its number, counted from the caller, which is 1."""
    frame, number = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame, number = frame.f_back, number + 1
    return frame, number
