"""The results as Markdown and as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .compare import OURS
from .sides import SIDES


def markdown(results: dict[str, Any]) -> str:
    """Everything that was measured, as tables."""
    parts = [f"Measured {results['date']} on {results['machine']}."]
    parts += [table(results["workloads"])] if results["workloads"] else []
    notes = sorted({f"{side}: {why}" for row in results["workloads"] for side, why in row["absent"].items()})
    parts += [f"- {note}" for note in notes]
    for name, rows in results["measures"].items():
        parts += [f"### {name.capitalize()}", rows if isinstance(rows, str) else _rows(rows)]
    return "\n\n".join(parts) + "\n"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """A row for each workload, batch size and mode: milliseconds of a step, and hetu_jax's share of the others'."""
    sides = [side for side in SIDES if any(side in row["sides"] for row in rows)]
    others = [side for side in sides if side != OURS]
    heads = ["workload", "", "batch", *(f"{side} (ms)" for side in sides), *(f"to {side}" for side in others)]
    return _table(heads, [_line(row, sides, others) for row in rows])


def _line(row: dict[str, Any], sides: Sequence[str], others: Sequence[str]) -> list[str]:
    line = [row["title"], "training" if row["training"] else "inference", str(row["batch"])]
    if row["differs"]:
        return [*line, f"not timed, {row['differs']}", *[""] * (len(sides) + len(others) - 1)]
    found = row["sides"]
    line += [_number(1e3 * found[side]["wall_s"]) if side in found else "–" for side in sides]
    return line + [f"{found[s]['ours_to_it']:.2f}" if "ours_to_it" in found.get(s, {}) else "–" for s in others]


def _rows(rows: Sequence[dict[str, Any]]) -> str:
    heads = list(dict.fromkeys(key for row in rows for key in row))
    return _table([head.replace("_", " ") for head in heads], [[_text(row.get(h, "–")) for h in heads] for row in rows])


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    right = [all(_is_number(line[i]) for line in lines) for i in range(len(heads))]
    rule = ["---:" if r else "---" for r in right]
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, rule, *lines])


def _is_number(text: str) -> bool:
    return text.replace(".", "").replace(",", "").isdigit() or text == "–"


def _text(value: Any) -> str:
    return _number(value) if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _number(value: float) -> str:
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def plot(results: dict[str, Any], path: Path) -> None:
    """Bars for the training steps: each side's time as a multiple of hetu_jax's, by workload and batch size."""
    from matplotlib.figure import Figure

    rows = [row for row in results["workloads"] if row["training"] and OURS in row["sides"]]
    rows = rows or [row for row in results["workloads"] if OURS in row["sides"]]
    if not rows:
        return
    sides = [side for side in SIDES if any(side in row["sides"] for row in rows)]
    figure = Figure(figsize=(max(6, 0.8 * len(rows) + 2), 4.5), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(sides)
    for i, side in enumerate(sides):
        heights = [_multiple(row, side) for row in rows]
        axes.bar([at + (i - (len(sides) - 1) / 2) * width for at in range(len(rows))], heights, width, label=side)
    axes.set_xticks(range(len(rows)), [f"{row['title']}\n{row['batch']}" for row in rows], rotation=60, ha="right")
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set_ylabel("time of a step, hetu_jax = 1")
    axes.set_title(results["machine"], fontsize="small")
    axes.legend()
    figure.savefig(path, dpi=150)


def _multiple(row: dict[str, Any], side: str) -> float:
    return 1 / row["sides"][side]["ours_to_it"] if "ours_to_it" in row["sides"].get(side, {}) else 0.0
