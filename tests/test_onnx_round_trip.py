"""The models of onnx's backend suite, there and back; `data/onnx_round_trip.txt` says which do not, and why."""

from pathlib import Path

import pytest

from tests import onnx_round_trip

LISTED = Path(__file__).parent / "data" / "onnx_round_trip.txt"
PARTS = 20  # so that they run beside each other


def listed():
    """The reason of each, by name."""
    lines = [line for line in LISTED.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return dict(line.split(": ", 1) for line in lines)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.filterwarnings("ignore")
def test_models_come_back_as_they_were(part):
    cases, random = onnx_round_trip.cases(), {name for name, reason in listed().items() if reason == "random numbers"}
    names = [name for name in sorted(cases)[part::PARTS] if name not in random]
    problems = {name: text for name in names if (text := onnx_round_trip.problem(cases[name]))}
    unlisted = {name: text for name, text in problems.items() if name not in listed()}
    assert not unlisted
    assert not {name for name in names if name in listed()} - problems.keys()


def test_what_is_listed_is_in_the_suite():
    assert listed().keys() <= onnx_round_trip.cases().keys()
