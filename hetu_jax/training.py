"""`progress`: epochs of training with a bar in the terminal, and what came out of them as arrays."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from .errors import GraphError
from .graph import Node
from .ndarray import as_value
from .pipeline import MicroBatches
from .tables import new_figure

if TYPE_CHECKING:
    from .executor import Executor, Group

SECONDS_BETWEEN_READINGS = 0.25  # reading a loss waits for the device

Feeds = Mapping[Node, Any] | Iterable[Mapping[Node, Any]] | Callable[[], Iterable[Mapping[Node, Any]]] | None


class History(Mapping[str, np.ndarray]):
    """The numbers of a training by name: `history["loss"]` has one for each epoch, float64.

    steps: name -> one number for each step, float64, of what every step gives.
    """

    def __init__(self) -> None:
        self._epochs: dict[str, list[float]] = {}
        self._steps: dict[str, list[float]] = {}

    @property
    def steps(self) -> dict[str, np.ndarray]:
        """The numbers of the single steps, by name."""
        return {name: np.array(values) for name, values in self._steps.items()}

    def add(self, name: str, value: float) -> None:
        """Appends the number of an epoch."""
        self._epochs.setdefault(name, []).append(float(value))

    def add_steps(self, name: str, values: Sequence[float]) -> None:
        """Appends the numbers of steps."""
        self._steps.setdefault(name, []).extend(values)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """One curve for each name, over epochs; the single steps are faint behind it.

        path: where to write the picture, if anywhere; the end of its name says the format.
        Returns: the matplotlib Figure, which a notebook shows.  Raises ImportError where there is no matplotlib.
        """
        figure = new_figure(4 * max(len(self), 1), 3.2)
        for axes, name in zip(figure.subplots(1, max(len(self), 1), squeeze=False)[0], self, strict=False):
            self._curve(axes, name)
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure

    def _curve(self, axes: Any, name: str) -> None:
        values, steps = self[name], self._steps.get(name, [])
        if len(steps) > len(values):
            axes.plot((np.arange(len(steps)) + 1) * len(values) / len(steps), steps, color="#4c8dd6", alpha=0.3, lw=0.8)
        axes.plot(np.arange(len(values)) + 1, values, marker="o", color="#4c8dd6")
        axes.set(title=name, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)

    def __getitem__(self, name: str) -> np.ndarray:
        return np.array(self._epochs[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._epochs)

    def __len__(self) -> int:
        return len(self._epochs)

    def __repr__(self) -> str:
        parts = (f"{name} {values[-1]:.4g}" for name, values in self._epochs.items())
        count = max(map(len, self._epochs.values()), default=0)
        return f"<History of {count} epochs{''.join(f'; {part}' for part in parts)}>"


class Progress:
    """The epochs of a training; going through it trains.  See `progress`.

    history: what came out so far, a `History`.
    """

    def __init__(self, executor: Executor, name: str, epochs: int, feeds: Feeds = None, console: Any = None):
        if epochs < 1:
            raise ValueError(f"epochs must be 1 or more, not {epochs}")
        self.executor, self.name, self.epochs, self.history = executor, name, int(epochs), History()
        self._group: Group = executor._group(name)
        self._feeds, self._open = feeds, False
        if isinstance(self._group, MicroBatches):
            raise GraphError(
                f"group {self._group.name!r} takes micro-batches (pipeline={executor.config.pipeline!r}), which "
                f"progress does not: loop over executor.run({self._group.name!r}, batch_num=...)"
            )
        if feeds is None and self._group.need_feed_nodes:
            names = ", ".join(node.name for node in self._group.need_feed_nodes)
            raise GraphError(
                f"group {self._group.name!r} has to be fed {names}: pass feeds=, one feed_dict for each step"
            )
        if feeds is None and self._group.batch_num is None:
            raise GraphError(f"group {self._group.name!r} has no dataloader, so no epochs: pass feeds=[{{}}] * steps")
        self._names = _names(self._group)
        self._bar = _Bar(console, self.epochs, self._batches())

    def _batches(self) -> int | None:
        if isinstance(self._feeds, Mapping):
            return 1
        return self._group.batch_num if self._feeds is None else getattr(self._feeds, "__len__", lambda: None)()

    def run(self) -> History:
        """Trains all epochs; the history."""
        for _ in self:
            pass
        return self.history

    def __iter__(self) -> Iterator[int]:
        try:
            with self._bar:
                for epoch in range(self.epochs):
                    self._epoch(epoch)
                    yield epoch
        finally:  # also where the body of the loop breaks off
            self._end_step()

    def log(self, name: str, value: Any) -> None:
        """Adds a number to the history of the epoch that just ended, and hands it to the Executor's logger if any."""
        self.history.add(name, np.asarray(as_value(value)).item())
        if self.executor.logger is not None:
            self.executor.log(name, value)

    def _epoch(self, epoch: int) -> None:
        found, rows = self._steps(epoch)
        if not rows:
            raise GraphError(f"feeds gave nothing in epoch {epoch}: pass a list or a function, not an iterator")
        numbers = {name: _numbers(values) for name, values in found.items() if len(values) == len(rows)}
        for name, series in numbers.items():
            self.history.add_steps(name, series)
            self.history.add(name, np.average(series, weights=rows))
        if self.executor.logger is not None:
            self._hand_over(numbers, len(rows))

    def _steps(self, epoch: int) -> tuple[dict[str, list[jax.Array]], list[int]]:
        """Takes the steps of an epoch: the single numbers that they gave, by name, and how many samples each had."""
        found: dict[str, list[jax.Array]] = {}
        rows: list[int] = []
        for feed_dict in self._feed_dicts():
            values = self.executor.run(self.name, feed_dict=feed_dict)
            given = {name: as_value(values[place]) for name, place in self._names.items()}
            given = {name: array for name, array in given.items() if getattr(array, "size", 0) == 1}
            for name, array in given.items():
                found.setdefault(name, []).append(array)
            rows.append(self._rows(feed_dict))
            self._bar.advance(epoch, rows[-1], given)
        return found, rows

    def _hand_over(self, numbers: Mapping[str, Sequence[float]], steps: int) -> None:
        for step in range(steps):
            self._end_step()
            self.executor.multi_log({label: series[step] for label, series in numbers.items()})
            self._open = True  # an epoch's last step stays so for what the body of the loop logs

    def _end_step(self) -> None:
        if self._open:
            self.executor.step_logger()
        self._open = False

    def _feed_dicts(self) -> Iterable[Mapping[Node, Any]]:
        if self._feeds is None:
            return ({} for _ in range(self._group.batch_num))
        if isinstance(self._feeds, Mapping):
            return [self._feeds]
        return self._feeds() if callable(self._feeds) else self._feeds

    def _rows(self, feed_dict: Mapping[Node, Any]) -> int:
        """The samples of the step that was just run."""
        for node in self._group.dataloader_nodes:
            return node.get_cur_shape(self._group.loader)[0]
        return next((np.shape(as_value(value))[0] for value in feed_dict.values() if np.ndim(as_value(value))), 1)


def _names(group: Group) -> dict[str, int]:
    """The names of the values that a run returns, with their places; what only updates is left out."""
    losses = [loss for node in group.eval_node_list if node.trains for loss in getattr(node, "losses", ())]
    found: dict[str, int] = {}
    for place, node in enumerate(group.eval_node_list):
        if not node.trains:
            found.setdefault("loss" if losses == [node] else node.name, place)
    return found


def _numbers(arrays: Sequence[jax.Array]) -> list[float]:
    """The numbers that arrays of one element hold; waits for them."""
    return [float(np.asarray(array).item()) for array in jax.device_get(list(arrays))]


class _Bar:
    """The bar in the terminal; nothing at all where the output is none.

    console: Rich's, or None for the standard one.  epochs, batches: how many; None where that is not known.
    """

    def __init__(self, console: Any, epochs: int, batches: int | None):
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = "{task.description}", BarColumn(), TextColumn("{task.fields[speed]}"), TimeRemainingColumn()
        self._live = Progress(*columns, console=console, transient=True)
        self._live.disable = not self._live.console.is_terminal
        self._epochs = epochs
        self._task = self._live.add_task("compiling", total=batches and batches * epochs, speed="")
        self._read, self._rows, self._begun = 0.0, 0, 0.0

    def __enter__(self) -> _Bar:
        self._live.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._live.stop()

    def advance(self, epoch: int, rows: int, values: Mapping[str, Any]) -> None:
        """Moves on by one batch of `rows` samples, and says now and then what it gave."""
        if self._live.disable:
            return
        self._live.advance(self._task)
        self._rows += rows
        now = time.monotonic()
        if now - self._read < SECONDS_BETWEEN_READINGS:
            return
        shown = ", ".join(f"{name} {_numbers([value])[0]:.4f}" for name, value in values.items())
        speed = f"{self._rows / (now - self._begun):,.0f} samples/s" if self._begun else ""
        if not self._begun:  # the first step compiled, which is no measure
            self._begun, self._rows = now, 0
        self._read = now
        self._live.update(self._task, description=f"epoch {epoch + 1}/{self._epochs}  {shown}", speed=speed)


def progress(
    executor: Executor, name: str = "default", epochs: int = 1, feeds: Feeds = None, *, console: Any = None
) -> Progress:
    """Trains a group for some epochs: an iterator of their numbers, with a progress bar in a terminal.

    executor: the Executor.  name: the group to run; an epoch is all batches of its dataloaders.
    feeds: for a group with placeholders, the feed_dicts of the steps of an epoch: a list or other collection, a
        function that gives one, or a single feed_dict.
    console: Rich's Console to draw on; by default standard output's.
    The body of the loop comes after an epoch; there `log(name, value)` adds numbers of its own, such as an accuracy.
    `history` has, of everything that a run returns as a single number, the mean over the samples of each epoch; the
    loss that the group minimises is called 'loss'.  An Executor with a `logger` is handed the numbers of every step.
    Raises GraphError for a group without dataloaders where `feeds` is missing, ValueError for less than one epoch.

    >>> import numpy as np
    >>> import hetu_jax as ht
    >>> x = ht.dataloader_op([ht.Dataloader(np.ones((6, 1)), 2)])
    >>> loss = ht.reduce_mean_op(ht.pow_op(x - ht.Variable("w", value=[0.0]), 2), [0, 1])
    >>> executor = ht.Executor([loss, ht.optim.SGDOptimizer(0.1).minimize(loss)])
    >>> training = ht.progress(executor, epochs=2)
    >>> for epoch in training:
    ...     training.log("epoch squared", epoch**2)
    >>> training.history["loss"].round(3), training.history.steps["loss"].shape
    (array([0.683, 0.179]), (6,))
    """
    return Progress(executor, name, epochs, feeds, console)
