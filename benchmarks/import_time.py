"""How long `import hetu_jax` takes, beside `import jax, optax`, which it cannot do without."""

import statistics
import subprocess
import sys
import time

RUNS = 7
STATEMENTS = ("pass", "import jax, optax", "import hetu_jax")


def seconds(statement: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def main() -> None:
    times: dict[str, list[float]] = {statement: [] for statement in STATEMENTS}
    for _ in range(RUNS):  # by turns, so that a busy machine slows all alike
        for statement in STATEMENTS:
            times[statement].append(seconds(statement))
    median = {statement: statistics.median(values) for statement, values in times.items()}
    for statement in STATEMENTS[1:]:
        print(f"{statement:20} {median[statement] - median['pass']:6.2f} s")
    ratio = (median[STATEMENTS[2]] - median["pass"]) / (median[STATEMENTS[1]] - median["pass"])
    print(f"{'ratio':20} {ratio:6.2f}")


if __name__ == "__main__":
    main()
