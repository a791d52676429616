"""The part of an Executor that says what its steps cost and what XLA makes of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import GraphError

if TYPE_CHECKING:
    import jax

    from .graph import Node
    from .step_profile import StepProfile
    from .timing import Timer


class Profiles:
    """Profiles, timers and the compiler's texts."""

    timers: dict[str, Timer]

    def profile(
        self,
        feed_shapes: str | Mapping[Node, Sequence[int]] | None = None,
        log_file: str | os.PathLike[str] | None = None,
        profiler: str = "cpu",
        name: str = "default",
        *,
        feed_dict: Mapping[Node, Any] | None = None,
        inference: bool | None = None,
        steps: int = 10,
    ) -> StepProfile | None:
        """Where a step's time, floating-point operations, bytes and memory go, by op and by your line.

        `profile("train", feed_dict={...})` measures the compiled step of a group, as `run` with these arguments takes
        it, over some `steps`.  Nothing changes: Variables, dataloaders and random numbers stay as they are.
        Returns: a `StepProfile`; `print` it, let a notebook show it, or `plot()` it.

        Hetu's form, `profile(feed_shapes, log_file, profiler, name)`, writes to `log_file` how long each op takes,
        compiled alone; see `HetuProfiler.profile_n_log`.  feed_shapes: placeholder -> shape.
        Raises GraphError for an unknown group or one that runs op by op, FeedError for wrong feeds.
        """
        if isinstance(feed_shapes, str):  # the group, in the place where `run` has it
            name, feed_shapes = feed_shapes, None
        if log_file is not None:
            return self._profile_each(feed_shapes or {}, log_file, profiler, name)
        if feed_shapes is not None:
            raise GraphError("profile got feed_shapes but no log_file to write to: give one, or feed_dict= instead")
        from .step_profile import profile

        return profile(self, name, feed_dict, inference, steps)

    def _profile_each(self, feed_shapes: Mapping[Node, Sequence[int]], log_file: Any, profiler: str, name: str) -> None:
        from .profiler import HetuProfiler

        nodes = self._group(name).computing_nodes
        HetuProfiler(nodes, feed_shapes, self.config.placeholder_to_arr_map, self.ctx).profile_n_log(log_file, profiler)

    def lowered(
        self, name: str = "default", feed_dict: Mapping[Node, Any] | None = None, inference: bool | None = None
    ) -> jax.stages.Lowered:
        """The step that `run` with these arguments would take, traced but not compiled: JAX's own object.

        Raises GraphError for an unknown group or one that runs op by op, FeedError for wrong feeds.
        """
        from .step_profile import step_of

        step, arguments = step_of(self, name, feed_dict, inference)
        return step.call.lower(*arguments)

    def lower_text(
        self, name: str = "default", feed_dict: Mapping[Node, Any] | None = None, inference: bool | None = None
    ) -> str:
        """The StableHLO of a step: what hetu_jax gives to XLA.  The arguments are as of `lowered`."""
        return self.lowered(name, feed_dict, inference).as_text()

    def compiled_text(
        self, name: str = "default", feed_dict: Mapping[Node, Any] | None = None, inference: bool | None = None
    ) -> str:
        """The optimised HLO of a step: what XLA makes of it on this device.  The arguments are as of `lowered`."""
        return self.lowered(name, feed_dict, inference).compile().as_text()

    def logOut(  # noqa: N802, the name is Hetu's
        self, path: str | os.PathLike[str], log_level: str = "node", clear: bool = True, name: str = "default"
    ) -> None:
        """Writes what the timer of a group knows: a line `<name> <time> ms` for each op, and the mean of its runs.

        path: the file; `{}` in it stands for the number of this process.  log_level: 'node', or 'type' for one line a
        kind of op.  clear: whether the timer starts again.  name: the group.
        A step is one program, so its ops are timed in a `profile` of the last run, now; the last line, `All_time:`, is
        the mean over the runs since the timer started.
        Raises GraphError for an Executor without `timing=`, or another log_level.
        """
        if log_level not in ("node", "type"):
            raise GraphError(f"log_level is 'node' or 'type', not {log_level!r}")
        timer = self._timer(name)
        lines = timer.lines(log_level, self.profile)
        Path(os.fspath(path).format(self.rank or 0)).write_text("".join(lines), encoding="utf-8")
        if clear:
            timer.clear()

    def clearTimer(self, name: str = "default") -> None:  # noqa: N802, the name is Hetu's
        """Forgets the runs that the timer of a group has seen.  Raises GraphError for an Executor without `timing=`."""
        self._timer(name).clear()

    def _timer(self, name: str) -> Timer:
        if not self.timers:
            raise GraphError("this Executor has no timers: build it with timing='cpu'")
        return self.timers[self._group(name).name]
