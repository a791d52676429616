"""The benchmark: its implementations agree, its comparison notices where they do not, its report is complete."""

import importlib.util
import json
import sys

import numpy as np
import pytest

from benchmarks import __main__ as main
from benchmarks import compare, heights, overhead, report, sides, worker
from benchmarks.workloads import WORKLOADS

OTHERS = ["JAX", *["PyTorch"] * (importlib.util.find_spec("torch") is not None)]
CHEAP = ("logistic", "mlp", "wide_deep", "moe")  # of the others a compilation takes long


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", CHEAP)
def test_implementations_agree(name, training):
    def firsts(side):
        _, first = worker.first_steps(worker.Setting(name, side, 8, training, quick=True, steps=3))
        assert len(first["results"]) == 3 and first["peak_mb"] > 10
        return first

    every = {side: firsts(side) for side in ["hetu_jax", *OTHERS]}
    assert compare._difference(every, WORKLOADS[name].tolerance) is None
    every["hetu_jax"]["results"][2][0] *= 1.01
    assert compare._difference(every, WORKLOADS[name].tolerance).startswith("step 2: hetu_jax gives")


def test_two_sides_in_fresh_processes():
    plan = compare.Plan(["hetu_jax", "JAX"], restarts=1, rounds=2, limit=120, quick=True)
    found = compare.compare("logistic", 4, True, plan)
    assert not found["differs"] and not found["absent"]
    assert all(side["wall_s"] > 0 and side["measurements"] == 2 for side in found["sides"].values())
    assert found["sides"]["hetu_jax"]["ours_to_it"] == 1


def test_what_cannot_be_measured_is_said():
    late = compare.Worker(worker.Setting("logistic", "JAX", 4, True, quick=True), limit=0.01)
    with pytest.raises(compare.Failed, match="no result within"):
        late.reply()
    late.close()
    wrong = compare.Worker(worker.Setting("logistic", "TensorFlow", 4, True), limit=120)
    with pytest.raises(compare.Failed, match="KeyError: 'TensorFlow'"):
        wrong.reply()
    wrong.close()


def test_report(tmp_path):
    times = {"wall_s": 0.002, "cpu_s": 0.002, "peak_mb": 300.0, "first_step_s": 1.0, "ours_to_it": 0.5}
    row = {"workload": "mlp", "title": "MLP", "batch": 32, "training": True, "differs": None}
    measured = row | {"sides": {"hetu_jax": times, "JAX": times}, "absent": {"PyTorch": "PyTorch is not installed"}}
    wrong = row | {"sides": {}, "absent": {}, "differs": "step 0: hetu_jax gives 1, JAX 2"}
    measures = {"overhead": [{"Variables": 10, "run_us": 12.5}], "depth": "failed: why"}
    results = {"date": "today", "machine": "a machine", "workloads": [measured, wrong], "measures": measures}
    main.save(results, tmp_path)
    assert json.loads((tmp_path / "results.json").read_text()) == results
    text = (tmp_path / "results.md").read_text()
    assert "| MLP | training | 32 | 2.00 | 2.00 | 0.50 |" in text and "not timed, step 0" in text
    assert "- PyTorch: PyTorch is not installed" in text and "| 10 | 12.5 |" in text and "failed: why" in text
    report.plot(results, tmp_path / "results.png")
    assert (tmp_path / "results.png").stat().st_size > 1000


def test_report_of_measures_alone_has_no_empty_table():
    results = {"date": "2026-01-01", "machine": "a machine", "workloads": [], "measures": {"depth": [{"layers": 10}]}}
    text = report.markdown(results)
    assert text == "Measured 2026-01-01 on a machine.\n\n### Depth\n\n| layers |\n| ---: |\n| 10 |\n"


def test_what_is_measured(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--quick", "--only", "mlp", "depth", "--mode", "inference"])
    options = main.arguments()
    assert list(main.settings(options)) == [("mlp", 8, False)] and "torch.compile" not in main.plan_of(options).sides


def test_measures_of_the_facade_and_of_tables():
    facade, raw = overhead.pair(3)
    facade(), raw()
    low = heights._side("adagrad", 1000)
    assert np.isfinite(low.numbers(low.step())).all()


def test_every_side_is_told_apart():
    assert list(sides.SIDES)[0] == compare.OURS
    assert compare.missing("JAX") is None
