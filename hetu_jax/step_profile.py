"""Where a compiled step's time, arithmetic and memory go, by op and by the user's line."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

from . import hlo, random, xplane
from .boxes import made_at
from .errors import GraphError
from .graph import Node
from .origins import BACKWARD, FORWARD, OTHER, UPDATE, Key, Origins
from .summary import amount
from .tables import Tabular, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .executor import Executor

SHOWN = 30  # rows of the text; `rows` has all
FEW = 3  # names of fused ops that a row shows


@dataclass
class Row:
    """What one op costs in one pass.

    name, kind, which, line: the node, its op, 'forward', 'backward' or 'update', and the user's line.
    seconds: busy time of a step, summed over devices, or None without a trace.  flops: its arithmetic.
    moved, made: bytes that its instructions read and write, and those of their results.
    fused: names of other ops that XLA computes in the same instructions; these are put down to the op they end in.
    """

    name: str
    kind: str
    which: str
    line: str
    seconds: float | None = None
    flops: int = 0
    moved: int = 0
    made: int = 0
    fused: dict[str, None] = field(default_factory=dict)

    def add(self, other: Row) -> None:
        """Takes in what another row costs."""
        if other.seconds is not None:
            self.seconds = (self.seconds or 0) + other.seconds
        self.flops, self.moved, self.made = self.flops + other.flops, self.moved + other.moved, self.made + other.made
        self.fused.update(other.fused)


class StepProfile(Tabular):
    """A table of what a step spends on each op; printed as text, shown as HTML in a notebook.

    rows: `Row`s, the longest first.  step_seconds: the median time of a step from its call to its results.
    flops, moved: XLA's own count of floating-point operations and bytes, for one device, or None.
    memory: bytes of 'arguments', 'results', 'in place' (results that take the place of arguments) and 'temporaries'.
    note: why there are no times, or None.
    """

    headings = ("op", "kind", "pass", "ms", "%", "FLOPs", "moved", "made", "line", "fused with")
    numbers = ("ms", "%", "FLOPs", "moved", "made")
    wrapped = ("op", "kind", "fused with")
    width = 140

    def __init__(
        self,
        group: str,
        rows: Iterable[Row],
        step_seconds: float,
        counted: Mapping[str, float],
        memory: Mapping[str, int],
        note: str | None = None,
    ):
        self.group, self.step_seconds, self.memory, self.note = group, step_seconds, dict(memory), note
        self.flops, self.moved = counted.get("flops"), counted.get("bytes accessed")
        self.rows = sorted(rows, key=lambda row: (-(row.seconds or 0), -row.flops, -row.moved))

    @property
    def busy_seconds(self) -> float | None:
        """The time of all instructions of a step together, over all devices; None without a trace."""
        known = [row.seconds for row in self.rows if row.seconds is not None]
        return sum(known) if known else None

    def by(self, *columns: str) -> StepProfile:
        """The same, with rows put together that agree in some columns: of 'name', 'kind', 'which' and 'line'.

        >>> import numpy as np
        >>> import hetu_jax as ht
        >>> x = ht.Variable("x")
        >>> profile = ht.Executor([ht.exp_op(x) * ht.exp_op(x)]).profile(feed_dict={x: np.ones(3)})
        >>> sorted(row.kind for row in profile.by("kind").rows if row.kind)
        ['exp_op', 'mul_op']
        """
        merged: dict[tuple[str, ...], Row] = {}
        for row in self.rows:
            key = tuple(getattr(row, column) for column in columns)
            kept = {column: "" for column in ("name", "kind", "which", "line")} | dict(zip(columns, key, strict=True))
            merged.setdefault(key, Row(**kept)).add(row)
        counted = {"flops": self.flops, "bytes accessed": self.moved}
        return StepProfile(self.group, merged.values(), self.step_seconds, counted, self.memory, self.note)

    def cells(self, row: Row) -> tuple[str, ...]:
        """The texts of the columns."""
        share = "" if row.seconds is None else f"{100 * row.seconds / (self.busy_seconds or 1):.1f}"
        taken = "" if row.seconds is None else f"{1e3 * row.seconds:.3f}"
        fused = list(row.fused)
        names = ", ".join(fused[:FEW]) + (f" and {len(fused) - FEW} more" if len(fused) > FEW else "")
        counts = (amount(row.flops) if row.flops else "", _bytes(row.moved), _bytes(row.made))
        return row.name, row.kind, row.which, taken, share, *counts, row.line, names

    @property
    def title(self) -> str:
        return f"group {self.group!r}"

    @property
    def body(self) -> list[tuple[str, ...]]:
        return [self.cells(row) for row in self.rows[:SHOWN]]

    @property
    def totals(self) -> list[str]:
        busy = (
            ""
            if self.busy_seconds is None
            else f", in which instructions are busy for {1e3 * self.busy_seconds:.3f} ms"
        )
        hidden = len(self.rows) - SHOWN
        lines = [f"and {hidden} more rows, in .rows"] if hidden > 0 else []
        lines.append(f"a step takes {1e3 * self.step_seconds:.3f} ms{busy}")
        if self.flops is not None and self.moved is not None:
            lines.append(f"XLA counts {amount(self.flops)}FLOP and {_bytes(self.moved)} moved for each device")
        if self.memory:
            lines.append("memory: " + ", ".join(f"{name} {_bytes(count) or 0}" for name, count in self.memory.items()))
        return lines + ([self.note] if self.note else [])

    def plot(self, path: str | Path | None = None, count: int = 20) -> Figure:
        """Bars of the longest rows: milliseconds, or bytes moved where there are no times.

        path: a file for the picture, if any.  count: how many rows.  Returns: Matplotlib's figure.
        Raises ImportError without Matplotlib, which comes with `pip install hetu_jax[plot]`.
        """
        rows = self.rows[:count][::-1]
        timed = self.busy_seconds is not None
        figure = new_figure(8, 1 + 0.3 * len(rows))
        axes = figure.subplots()
        colours = {FORWARD: "tab:blue", BACKWARD: "tab:orange", UPDATE: "tab:green"}
        lengths = [1e3 * (row.seconds or 0) if timed else row.moved / 2**20 for row in rows]
        axes.barh(range(len(rows)), lengths, color=[colours.get(row.which, "tab:grey") for row in rows])
        axes.set_yticks(range(len(rows)), [f"{row.name or row.kind or row.line} {row.which}" for row in rows])
        axes.set_xlabel("ms a step" if timed else "MiB moved in a step")
        axes.set_title(f"group {self.group!r}: {1e3 * self.step_seconds:.3f} ms a step")
        if path is not None:
            figure.savefig(path)
        return figure


def _bytes(count: float) -> str:
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 2**power:
            return f"{count / 2**power:.1f} {unit}"
    return f"{count:.0f} B" if count else ""


def profile(
    executor: Executor, name: str, feed_dict: Mapping[Node, Any] | None, inference: bool | None, steps: int
) -> StepProfile:
    """What a step of a group spends; see `Executor.profile`."""
    group = executor._group(name)
    step, arguments = step_of(executor, name, feed_dict, inference)
    traced = step.call.trace(*arguments)
    compiled = traced.lower().compile()
    text, origins = compiled.as_text(), Origins(group.topo_order)
    spent, step_seconds, note = _measured(compiled, arguments, hlo.module_name(text), steps)
    rows: dict[Key, Row] = {}
    instructions = hlo.instructions(text)
    keys = origins.of_instructions(instructions, traced.jaxpr)
    for instruction in instructions:
        own, *inside = keys[instruction.name] or [(OTHER, FORWARD)]
        row = rows.setdefault(own, _row(own, origins))
        seconds = spent.get(instruction.name, 0.0) if spent else None
        row.add(Row("", "", "", "", seconds, 0, instruction.moved, instruction.made))
        row.fused.update(dict.fromkeys(name for name, _ in inside if name not in (own[0], OTHER)))
    for key, flops in origins.flops(traced.jaxpr).items():
        rows.setdefault(key, _row(key, origins)).flops += flops
    return StepProfile(group.name, rows.values(), step_seconds, _counted(compiled), _memory(compiled), note)


def _row(key: Key, origins: Origins) -> Row:
    """An empty row for a node and a pass."""
    node = origins.by_name.get(key[0])
    kind = "" if node is None else node.op.__name__ if node.op is not None else type(node).__name__
    return Row(key[0], kind, key[1], "" if node is None else made_at(node))


def step_of(
    executor: Executor, name: str, feed_dict: Mapping[Node, Any] | None, inference: bool | None = None
) -> tuple[Any, tuple[Any, ...]]:
    """The compiled step that `run` would take now, and its arguments; nothing moves on.

    Raises GraphError for a group that runs op by op, because it asks for values.
    """
    group = executor._group(name)
    training = group._begin(feed_dict or {}, inference)
    key, arrays = group._pull(feed_dict or {}, training, False)
    step = group._step(key)
    if step.call is step.plain:
        raise GraphError(f"group {group.name!r} runs op by op, as it needs values on the way: it has no compiled step")
    draw = (random.base_key(), random.next_seqnum()) if step.draws else None
    random.step_seqnum(-1 if step.draws else 0)
    return step, (list(step.home.values), [variable.value for variable in step.kept], arrays, draw)


def _measured(
    compiled: Any, arguments: tuple[Any, ...], module: str, steps: int
) -> tuple[dict[str, float], float, str | None]:
    """Seconds of each instruction in a step, and of a step; and why there are none of the former, or None.

    The Variables that the step replaces are copies, so that nothing changes.
    """
    times = []
    with tempfile.TemporaryDirectory() as folder:
        _once(compiled, arguments)
        try:
            options = jax.profiler.ProfileOptions()
            options.python_tracer_level = 0
            with jax.profiler.trace(folder, profiler_options=options):
                for _ in range(steps):
                    _once(compiled, arguments)
            spent = xplane.seconds_by_instruction(Path(folder), module)
        except (RuntimeError, OSError) as reason:  # another trace is under way, or nothing can be written
            return {}, _once(compiled, arguments), f"no times by op: {reason}"
    for _ in range(steps):
        times.append(_once(compiled, arguments))
    note = None if spent else "no times by op: JAX's profiler saw no instructions on this platform"
    return {name: seconds / steps for name, seconds in spent.items()}, statistics.median(times), note


def _once(compiled: Any, arguments: tuple[Any, ...]) -> float:
    """Seconds for one step on copies of what it replaces."""
    taken = jax.block_until_ready(jax.tree.map(jax.numpy.copy, arguments[0]))
    start = time.perf_counter()
    jax.block_until_ready(compiled(taken, *arguments[1:]))
    return time.perf_counter() - start


def _counted(compiled: Any) -> Mapping[str, float]:
    found = compiled.cost_analysis()
    return (found[0] if isinstance(found, list) else found) or {}


def _memory(compiled: Any) -> dict[str, int]:
    """Bytes on each device, as XLA planned them; nothing where it does not tell."""
    found = compiled.memory_analysis()
    parts = {"arguments": "argument", "results": "output", "in place": "alias", "temporaries": "temp"}
    return {} if found is None else {name: getattr(found, f"{p}_size_in_bytes") for name, p in parts.items()}
