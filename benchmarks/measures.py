"""What is measured besides the workloads: `python -m benchmarks.measures NAME [--quick]` prints one as JSON.

A measure is a function of `quick` that returns a list of rows, dicts from column to value.
"""

from __future__ import annotations

import json
import sys

from . import first_step, heights, overhead, pipeline, scaling

MEASURES = {
    "overhead": overhead.measure,
    "first step": first_step.measure,
    "batch": scaling.by_batch,
    "depth": scaling.by_depth,
    "table height": heights.measure,
    "input pipeline": pipeline.measure,
}


def main() -> None:
    rows = MEASURES[sys.argv[1]]("--quick" in sys.argv)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
