"""Learning-rate schedules.  The script calls `step()`; the next run then uses `get()`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .errors import hint_at_names

_MOVING = ("learning_rate", "cnt", "best", "patience_step", "cooldown_step")


def _check(found: bool, message: str) -> None:
    if not found:
        raise ValueError(message)


def _check_numbers(**values: Any) -> None:
    for name, value in values.items():
        if not isinstance(value, int | float | np.number):
            raise TypeError(f"{name} of a schedule must be a number, not {value!r}")


class FixedScheduler:
    """A constant rate.

    learning_rate: a number >= 0.
    """

    def __init__(self, learning_rate: float):
        _check_numbers(learning_rate=learning_rate)
        _check(learning_rate >= 0, f"a learning rate must not be negative, but is {learning_rate}")
        self.learning_rate = learning_rate

    def get(self) -> float:
        """The rate that the next run uses."""
        return self.learning_rate

    def step(self) -> float:
        """Advances the schedule and returns the rate."""
        return self.learning_rate

    def state(self) -> dict[str, Any]:
        """Where the schedule is and which it is, for a checkpoint; a constant rate is nowhere."""
        return {}

    def resume(self, state: Mapping[str, Any]) -> None:
        """Goes on from a `state`, unless it is that of another schedule."""


class _Decaying(FixedScheduler):
    """A rate that is multiplied by a factor now and then, and stays at `ending` once it is that small."""

    def __init__(self, learning_rate: float, factor: float, ending: float):
        super().__init__(learning_rate)
        _check_numbers(factor=factor, ending=ending)
        _check(factor > 0, f"the factor of a schedule must be positive, but is {factor}")
        _check(
            learning_rate > ending >= 0,
            f"a schedule ends at or above 0 and below its start, not from {learning_rate} at {ending}",
        )
        self.ending, self._factor, self._start = ending, factor, learning_rate

    def state(self) -> dict[str, Any]:
        settings = {name: value for name, value in vars(self).items() if name not in _MOVING}
        moving = {name: value for name, value in vars(self).items() if name in _MOVING}
        return {"schedule": f"{type(self).__name__} {settings}", **moving}

    def resume(self, state: Mapping[str, Any]) -> None:
        own = self.state()
        moving = {name: state.get(name) for name in own if name in _MOVING}
        if state.get("schedule") == own["schedule"] and all(isinstance(v, float | int | None) for v in moving.values()):
            vars(self).update(moving)

    def _decay(self) -> None:
        if self.learning_rate > self.ending:
            self.learning_rate = max(self.learning_rate * self._factor, self.ending)


class StepScheduler(_Decaying):
    """learning_rate * gamma ** (k // step_size), where k counts the earlier calls of `step`; never below `ending`.

    learning_rate: of the first `step_size` calls.  step_size: calls between decays.  gamma: the factor.
    """

    def __init__(self, learning_rate: float, step_size: int, gamma: float = 0.1, ending: float = 1e-8):
        super().__init__(learning_rate, gamma, ending)
        _check_numbers(step_size=step_size)
        _check(step_size > 0, f"step_size must be positive, but is {step_size}")
        self.step_size, self.gamma, self.cnt = step_size, gamma, 0

    def step(self) -> float:
        if self.cnt and self.cnt % self.step_size == 0:
            self._decay()
        self.cnt += 1
        return self.learning_rate


class MultiStepScheduler(_Decaying):
    """learning_rate * gamma ** n, where n counts the milestones that the earlier calls of `step` have reached.

    learning_rate: of the calls before the first milestone.  milestones: numbers of calls, from 1 up and increasing.
    gamma: the factor.
    """

    def __init__(self, learning_rate: float, milestones: Sequence[int], gamma: float = 0.1):
        super().__init__(learning_rate, gamma, 0.0)
        self.milestones = list(milestones)
        _check_numbers(**{f"milestone {place}": number for place, number in enumerate(self.milestones)})
        increasing = all(a < b for a, b in zip([0, *self.milestones], self.milestones, strict=False))
        _check(increasing, f"milestones must increase from 1 up, but are {milestones}")
        self.gamma, self.cnt = gamma, 0

    def step(self) -> float:
        if self.cnt in self.milestones:
            self._decay()
        self.cnt += 1
        return self.learning_rate


class ExponentialScheduler(_Decaying):
    """learning_rate * gamma ** k at call k, from 0; never below `ending`.  `get` is one decay ahead of `step`.

    learning_rate: of the first call.  gamma: the factor.
    """

    def __init__(self, learning_rate: float, gamma: float = 0.9, ending: float = 1e-8):
        super().__init__(learning_rate, gamma, ending)
        self.gamma = gamma

    def step(self) -> float:
        rate = self.learning_rate
        self._decay()
        return rate


class ReduceOnPlateauScheduler(_Decaying):
    """Multiplies the rate by `factor` when a metric has been worse than its best for more than `patience` calls.

    mode: 'min' or 'max', which of them is best.  threshold: how much worse counts; a flat metric is not worse.
    threshold_mode: 'rel', relative to the value, or 'abs'.  cooldown: calls after a decay that only update the best.
    The first call only records.
    """

    def __init__(
        self,
        learning_rate: float,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        ending: float = 1e-8,
    ):
        super().__init__(learning_rate, factor, ending)
        _check(mode in ("min", "max"), f"mode is 'min' or 'max', not {mode!r}")
        _check(threshold_mode in ("rel", "abs"), f"threshold_mode is 'rel' or 'abs', not {threshold_mode!r}")
        _check_numbers(patience=patience, threshold=threshold, cooldown=cooldown)
        for name, value in (("patience", patience), ("threshold", threshold), ("cooldown", cooldown)):
            _check(value >= 0, f"{name} must not be negative, but is {value}")
        self.mode, self.threshold, self.threshold_mode = mode, threshold, threshold_mode
        self.factor, self.patience, self.cooldown = factor, patience, cooldown
        self.best: float | None = None
        self.patience_step = self.cooldown_step = 0

    def step(self, value: Any) -> float:
        """Takes the metric of this call, a number or an array of one element, and returns the rate."""
        value = np.asarray(value, np.float64).item()
        if self.best is None:
            self.best = value
            return self.learning_rate
        bad = self._is_bad(value)
        self.best = min(self.best, value) if self.mode == "min" else max(self.best, value)
        if self.cooldown_step:
            self.cooldown_step -= 1
        elif bad and self.patience_step >= self.patience:
            self._decay()
            self.patience_step, self.cooldown_step = 0, self.cooldown
        else:
            self.patience_step = self.patience_step + 1 if bad else 0
        return self.learning_rate

    def _is_bad(self, value: float) -> bool:
        low, high = (self.best, value) if self.mode == "min" else (value, self.best)
        return low < ((1 - self.threshold) * high if self.threshold_mode == "rel" else high - self.threshold)


hint_at_names(__name__)
