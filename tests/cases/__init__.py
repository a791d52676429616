"""The table of op cases: each row drives every check of `tests/test_ops.py`."""

from importlib import import_module
from pathlib import Path

from .case import Case

CASES: list[Case] = [
    case
    for path in sorted(Path(__file__).parent.glob("[!_]*.py"))
    if path.stem != "case"
    for case in import_module(f"{__name__}.{path.stem}").CASES
]
