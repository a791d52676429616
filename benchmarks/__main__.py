"""`python -m benchmarks`: every workload with hetu_jax, hand-written JAX and PyTorch; JSON, Markdown and a plot."""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from . import report
from .compare import ROOT, Plan, available, compare
from .measures import MEASURES
from .timing import machine
from .workloads import WORKLOADS

QUICK_LIMIT = 120
MODES = ["training", "inference"]


def arguments() -> argparse.Namespace:
    shape = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, formatter_class=shape)
    names = [*WORKLOADS, *MEASURES]
    parser.add_argument("--quick", action="store_true", help="small sizes and few repetitions, for CI: a minute or two")
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=names, help=f"some of: {', '.join(names)}")
    parser.add_argument("--batch", nargs="+", type=int, help="batch sizes; 32 and 128, with --quick 8")
    parser.add_argument("--mode", choices=MODES, help="one of the two; both, with --quick training")
    parser.add_argument("--sides", nargs="+", choices=available(compiled=True), help="only some implementations")
    parser.add_argument(
        "--restarts", type=int, help="fresh processes for each, more where steps are short; 3, with --quick 1"
    )
    parser.add_argument("--rounds", type=int, help="measurements in each process; 7, with --quick 3")
    parser.add_argument("--limit", type=float, default=300, help="seconds that an implementation may take to compile")
    parser.add_argument("--output", type=Path, default=Path("benchmark_output"), help="the folder for the results")
    return parser.parse_args()


def plan_of(options: argparse.Namespace) -> Plan:
    quick = options.quick
    return Plan(
        options.sides or available(compiled=not quick),
        options.restarts or (1 if quick else 3),
        options.rounds or (3 if quick else 7),
        min(options.limit, QUICK_LIMIT) if quick else options.limit,
        quick,
    )


def settings(options: argparse.Namespace) -> Iterator[tuple[str, int, bool]]:
    """The workload, batch size and mode of each comparison."""
    for name in WORKLOADS:
        if not options.only or name in options.only:
            for batch in options.batch or ([8] if options.quick else [32, 128]):
                for mode in [options.mode] if options.mode else MODES[: 1 if options.quick else 2]:
                    yield name, batch, mode == "training"


def measured(name: str, quick: bool) -> list[dict[str, Any]] | str:
    """The rows of a measure, from a fresh process; what it said last where it failed."""
    command = [sys.executable, "-m", "benchmarks.measures", name, *["--quick"] * quick]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        return f"failed: {(done.stderr.strip().splitlines() or ['without a word'])[-1]}"
    return json.loads(done.stdout.splitlines()[-1])


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Everything that was asked for, with its progress shown."""
    plan, todo = plan_of(options), list(settings(options))
    measures = [name for name in MEASURES if not options.only or name in options.only]
    results: dict[str, Any] = {
        "date": f"{datetime.date.today()}",
        "machine": machine(),
        "workloads": [],
        "measures": {},
    }
    columns = SpinnerColumn(), *Progress.get_default_columns(), TimeElapsedColumn(), TextColumn("{task.fields[now]}")
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("benchmarks", total=len(todo) + len(measures), now="")
        for name, batch, training in todo:
            what = f"{name}, batch {batch}, {'training' if training else 'inference'}"
            progress.update(task, now=what)
            found = compare(
                name, batch, training, plan, lambda text, what=what: progress.update(task, now=f"{what}, {text}")
            )
            results["workloads"].append(found)
            progress.advance(task)
            save(results, options.output)
        for name in measures:
            progress.update(task, now=name)
            results["measures"][name] = measured(name, options.quick)
            progress.advance(task)
            save(results, options.output)
    return results


def save(results: dict[str, Any], folder: Path) -> None:
    """Writes what there is so far, so that a run that is stopped leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    (folder / "results.md").write_text(report.markdown(results), encoding="utf-8")


def main() -> None:
    options, console = arguments(), Console()
    results = run(options, console)
    report.plot(results, options.output / "results.png")
    console.print(Markdown(report.markdown(results)))
    console.print(f"in {options.output}: results.json, results.md, results.png")
    failed = [row["title"] for row in results["workloads"] if row["differs"]]
    failed += [name for name, rows in results["measures"].items() if isinstance(rows, str)]
    if failed:
        sys.exit(f"differs or failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
