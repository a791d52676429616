"""Schedules, against their closed forms and worked examples."""

import numpy as np
import pytest

from hetu_jax import lr_scheduler as lr


def test_fixed():
    schedule = lr.FixedScheduler(0.1)
    assert [schedule.step() for _ in range(5)] == [0.1] * 5 and schedule.get() == 0.1
    assert lr.FixedScheduler(0).get() == 0


@pytest.mark.parametrize("size, gamma", [(10, 0.1), (3, 0.5), (1, 0.9)])
def test_step(size, gamma):
    schedule = lr.StepScheduler(0.1, size, gamma)
    assert schedule.get() == 0.1
    for k in range(60):
        assert schedule.step() == pytest.approx(max(0.1 * gamma ** (k // size), 1e-8), rel=1e-12)
        assert schedule.get() == schedule.learning_rate


def test_step_stays_at_its_ending():
    schedule = lr.StepScheduler(1.0, 1, 0.1, ending=0.005)
    assert [schedule.step() for _ in range(6)] == pytest.approx([1, 0.1, 0.01, 0.005, 0.005, 0.005])


def test_multi_step():
    schedule = lr.MultiStepScheduler(0.1, [2, 3, 7], 0.5)
    expected = [0.1 * 0.5 ** sum(m <= k for m in (2, 3, 7)) for k in range(12)]
    for rate in expected:
        assert schedule.step() == pytest.approx(rate) and schedule.get() == pytest.approx(rate)


@pytest.mark.parametrize("gamma", [0.99, 0.5])
def test_exponential(gamma):
    schedule = lr.ExponentialScheduler(0.1, gamma)
    rate = 0.1
    for _ in range(100):
        assert schedule.step() == rate
        rate = max(rate * gamma, 1e-8)
        assert schedule.get() == rate


def rates(values, **options):
    schedule = lr.ReduceOnPlateauScheduler(1.0, **options)
    return [schedule.step(value) for value in values]


def test_plateau_with_cooldown():
    expected = [1, 1, 0.1, 0.1, 0.1, 0.1, 0.01]
    assert rates([1, 2, 2, 2, 2, 2, 2], patience=1, cooldown=2) == pytest.approx(expected)


def test_plateau_is_not_lowered_by_a_flat_metric():
    assert rates([1.0] * 30, patience=0) == [1.0] * 30


def test_plateau_patience_counts_calls_in_a_row():
    assert rates([1, 2, 0.5, 2, 2], patience=1) == pytest.approx([1, 1, 1, 1, 0.1])


def test_plateau_max_mode():
    assert rates([1, 0.5, 2, 1, 1], mode="max", patience=0) == pytest.approx([1, 0.1, 0.1, 0.01, 0.001])


@pytest.mark.parametrize(
    "options, just_bad, just_good",
    [
        ({"threshold_mode": "rel"}, 1 / 0.9 + 1e-6, 1 / 0.9 - 1e-6),
        ({"threshold_mode": "abs"}, 1.1 + 1e-6, 1.1 - 1e-6),
        ({"mode": "max", "threshold_mode": "rel"}, 0.9 - 1e-6, 0.9 + 1e-6),
        ({"mode": "max", "threshold_mode": "abs"}, 0.9 - 1e-6, 0.9 + 1e-6),
    ],
)
def test_plateau_thresholds(options, just_bad, just_good):
    options = {"patience": 0, "threshold": 0.1, **options}
    assert rates([1, just_bad], **options) == pytest.approx([1, 0.1])
    assert rates([1, just_good], **options) == [1, 1]


def test_plateau_cooldown_still_updates_the_best():
    # the best falls to 0.1 during the cooldown, so that 0.5 is bad after it
    assert rates([1, 2, 0.1, 0.5], patience=0, cooldown=1) == pytest.approx([1, 0.1, 0.1, 0.01])


def test_plateau_ending():
    assert rates([1, 2, 2, 2], patience=0, ending=0.05) == pytest.approx([1, 0.1, 0.05, 0.05])


def test_plateau_takes_arrays_of_one_element():
    schedule = lr.ReduceOnPlateauScheduler(1.0, patience=0)
    assert schedule.step(np.array([1.0], np.float32)) == 1.0
    assert schedule.step(np.float32(2)) == pytest.approx(0.1)
    assert schedule.step(float("nan")) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda: lr.FixedScheduler(-1), "negative"),
        (lambda: lr.StepScheduler(0.1, 0), "step_size"),
        (lambda: lr.StepScheduler(0.1, 1, 0), "factor"),
        (lambda: lr.StepScheduler(0.1, 1, 0.1, 0.2), "below its start"),
        (lambda: lr.StepScheduler(0.1, 1, 0.1, -1), "above 0"),
        (lambda: lr.MultiStepScheduler(0.1, [3, 3]), "milestones"),
        (lambda: lr.MultiStepScheduler(0.1, [0, 3]), "milestones"),
        (lambda: lr.ExponentialScheduler(0.1, -0.9), "factor"),
        (lambda: lr.ReduceOnPlateauScheduler(0.1, mode="mean"), "mode"),
        (lambda: lr.ReduceOnPlateauScheduler(0.1, threshold_mode="log"), "threshold_mode"),
        (lambda: lr.ReduceOnPlateauScheduler(0.1, patience=-1), "patience"),
        (lambda: lr.ReduceOnPlateauScheduler(0.1, cooldown=-1), "cooldown"),
    ],
)
def test_errors(make, says):
    with pytest.raises(ValueError, match=says):
        make()
