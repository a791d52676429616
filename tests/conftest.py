"""The surroundings of the tests, and what pytest says at its end about the table of ops."""

import os
from collections import Counter

import pytest

os.environ.setdefault("HETU_JAX_CACHE", "0")  # tests leave nothing outside the checkout
os.environ.setdefault("JAX_NUM_CPU_DEVICES", "2")  # for what is spread over devices, also on one core


@pytest.fixture
def compile_quickly():
    """For tests of numbers: programs that run once need no optimising."""
    import jax

    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


def pytest_terminal_summary(terminalreporter):
    """One line: how many ops and cases there are, and how many checks they went through."""
    checks = Counter(
        outcome
        for outcome in ("passed", "failed", "skipped")
        for report in terminalreporter.stats.get(outcome, [])
        if "test_ops.py" in getattr(report, "nodeid", "") or "test_onnx_ops.py" in getattr(report, "nodeid", "")
    )
    if checks:
        from hetu_jax.graph import OPS

        from .cases import CASES

        total = ", ".join(f"{count} {outcome}" for outcome, count in checks.items())
        terminalreporter.write_line(f"{len(OPS)} ops, {len(CASES)} cases, {sum(checks.values())} checks: {total}")
    suite = {
        outcome: sum(
            "::OnnxBackend" in getattr(report, "nodeid", "") for report in terminalreporter.stats.get(outcome, [])
        )
        for outcome in ("passed", "failed", "xfailed")
    }
    if any(suite.values()):
        total = sum(suite.values())
        terminalreporter.write_line(f"onnx's backend suite: {suite['passed']:,} of {total:,} tests pass")
