"""Experiment loggers: numbers of a step, collected and written out together."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .errors import suggest
from .ndarray import NDArray


class HetuLogger:
    """Collects numbers by name until `step`, then writes one line to Python's logger `hetu_jax`.

    rank, nrank: this worker's number, and how many there are; only rank 0 writes.
    ctx, comm, handle: where and how numbers of several workers are averaged; without effect with one.
    """

    def __init__(self, rank: int = 0, nrank: int = 1, ctx: Any = None, comm: Any = None, handle: Any = None):
        self.rank, self.nrank, self.config = rank or 0, nrank or 1, {}
        self.steps, self.history = 0, []
        self._current: dict[str, float] = {}
        self._logger = logging.getLogger("hetu_jax")

    def log(self, name: str, value: Any) -> None:
        """Keeps a number for this step.  Raises ValueError for a second one under the same name."""
        if name in self._current:
            raise ValueError(f"{name!r} was logged already in this step, as {self._current[name]}: call step() first")
        self._current[name] = _number(value)

    def dist_log(self, name: str, value: Any) -> None:
        """`log` of the average over the workers, which with one is the number itself."""
        self.log(name, value)

    def wrapped_log(self, name: str, value: Any) -> None:
        """`dist_log` with several workers, else `log`."""
        (self.dist_log if self.nrank > 1 else self.log)(name, value)

    def multi_log(self, values: Mapping[str, Any]) -> None:
        """`wrapped_log` of several numbers."""
        for name, value in values.items():
            self.wrapped_log(name, value)

    def set_config(self, attrs: Any) -> None:
        """Keeps and writes the settings of the run.  attrs: a dict, or a Namespace of argparse."""
        attrs = attrs if isinstance(attrs, Mapping) else vars(attrs)
        self.config.update(attrs)
        self._write("config", attrs)

    def step(self) -> None:
        """Ends the step: writes its numbers, and appends them to `history`."""
        self._write(f"step {self.steps}", self._current)
        self.history.append(self._current)
        self._current, self.steps = {}, self.steps + 1

    def _write(self, what: str, values: Mapping[str, Any]) -> None:
        if self.rank == 0:
            self._logger.info("%s: %s", what, ", ".join(f"{name}={value}" for name, value in values.items()))


def _number(value: Any) -> float:
    value = np.asarray(value.value if isinstance(value, NDArray) else value)
    if value.size != 1:
        raise ValueError(f"a logger keeps single numbers, not an array of shape {value.shape}: average it first")
    return value.item()


class WandbLogger(HetuLogger):
    """A `HetuLogger` that writes to Weights & Biases.

    project, name, id: of the run there.  The others as of HetuLogger.
    Raises ImportError where wandb is not installed.
    """

    def __init__(
        self,
        project: str,
        name: str,
        id: str | None = None,
        rank: int = 0,
        nrank: int = 1,
        ctx: Any = None,
        comm: Any = None,
        handle: Any = None,
    ):
        super().__init__(rank, nrank, ctx, comm, handle)
        try:
            import wandb
        except ImportError:
            raise ImportError("logger='wandb' needs wandb, which is not installed: pip install wandb") from None
        self._run = wandb.init(project=project, name=name, id=id, resume="allow") if self.rank == 0 else None

    def _write(self, what: str, values: Mapping[str, Any]) -> None:
        if self._run is not None and what == "config":
            self._run.config.update(dict(values))
        elif self._run is not None:
            self._run.log(dict(values))


class TensorBoardLogger(HetuLogger):
    """A `HetuLogger` that writes event files for TensorBoard.

    folder: where; `tensorboard --logdir` of it, or of one above it, shows them.  rank, nrank: as of HetuLogger.
    Raises ImportError where tensorboardX is not installed.
    """

    def __init__(self, folder: str | os.PathLike[str], rank: int = 0, nrank: int = 1):
        super().__init__(rank, nrank)
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise ImportError(
                "logger='tensorboard' needs tensorboardX, which is not installed: pip install tensorboardX"
            ) from None
        self.folder = Path(folder)
        self._events = SummaryWriter(str(folder), flush_secs=10) if self.rank == 0 else None

    def _write(self, what: str, values: Mapping[str, Any]) -> None:
        if self._events is None:
            return
        if what == "config":
            rows = "".join(f"| {name} | {value} |\n" for name, value in values.items())
            self._events.add_text("config", f"| option | value |\n|---|---|\n{rows}", self.steps)
            return
        for name, value in values.items():
            self._events.add_scalar(name, value, self.steps)

    def close(self) -> None:
        """Writes what is left and closes the file; the end of the process does so too."""
        if self._events is not None:
            self._events.close()


def make_logger(
    logger: Any, project: str | None, run_name: str | None, run_id: str | None, rank: int | None, nrank: int | None
) -> HetuLogger | None:
    """The logger that the options of an Executor ask for; they are as of `HetuConfig`.

    Raises ValueError for a logger that there is not, or a missing option; ImportError where its package is missing.
    """
    if logger is None or isinstance(logger, HetuLogger):
        return logger
    here = {"rank": rank or 0, "nrank": nrank or 1}
    if logger == "hetu":
        return HetuLogger(**here)
    if logger == "tensorboard":
        name = run_name or run_id or time.strftime("%Y-%m-%d_%H-%M-%S")
        return TensorBoardLogger(Path("runs", *filter(None, [project]), name), **here)
    if logger == "wandb":
        if not project or not run_name:
            raise ValueError("logger='wandb' needs project= and run_name= beside it")
        return WandbLogger(project, run_name, run_id, **here)
    hint = suggest(str(logger), ["hetu", "tensorboard", "wandb"])
    raise ValueError(
        f"logger must be 'hetu', 'tensorboard', 'wandb' or an object of hetu_jax.logger, not {logger!r}{hint}"
    )
