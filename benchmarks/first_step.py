"""How long a script takes from its start to the first step's result, with an empty and with a full cache."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time

from .compare import ROOT, missing
from .timing import median
from .worker import Setting

IMPORTS = {"hetu_jax": "import hetu_jax", "JAX": "import jax, optax", "PyTorch": "import torch"}
ONE_STEP = "import json, sys; from benchmarks.worker import *; first_steps(Setting(**json.loads(sys.argv[1])))"


def seconds(code: str, *arguments: str, cache: str | None = None) -> float:
    """How long a fresh Python takes to run `code`, with compiled steps kept in the folder `cache`."""
    # JAX's own variables, so that both sides that use JAX have the cache.
    kept = {"JAX_COMPILATION_CACHE_DIR": cache, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"} if cache else {}
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, cwd=ROOT, env=os.environ | kept)
    return time.perf_counter() - start


def measure(quick: bool) -> list[dict[str, float | str]]:
    """Seconds by workload and side, medians."""
    sides, repeats = [side for side in IMPORTS if not missing(side)], 1 if quick else 3
    imports: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(repeats):
        for side in sides:
            imports[side].append(seconds(IMPORTS[side]))
    rows = []
    for name in ("cnn",) if quick else ("cnn", "resnet", "lstm"):
        times = {side: {"cold": [], "cached": []} for side in sides}
        for _ in range(repeats):
            for side in sides:
                setting = json.dumps(Setting(name, side, 32, True, quick, steps=1)._asdict())
                with tempfile.TemporaryDirectory() as cache:
                    for kind in ("cold", "cached"):
                        times[side][kind].append(seconds(ONE_STEP, setting, cache=cache))
        for side in sides:
            row = {"import_s": imports[side], "cold_s": times[side]["cold"], "cached_s": times[side]["cached"]}
            rows.append({"workload": name, "side": side} | {key: median(values) for key, values in row.items()})
    return rows
