"""`hetu.launcher`: runs a training function as the workers that a YAML file describes, of which there can be one."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import Any

from .cluster import read_yaml
from .communicator import worker_finish, worker_init
from .errors import GraphError


def launch(target: Callable[[Any], Any], args: Any) -> Any:
    """Runs `target(args)` as the one worker of a configuration, between `worker_init` and `worker_finish`.

    args: an object with `config`, the path of a YAML file with `shared`, environment variables, and `launch`, the
        numbers `worker`, `server` and `scheduler`; gets `num_local_worker`.
    Servers and a scheduler are accepted without effect, as the parameter server is in the worker's process.
    Returns: what `target` returns.
    Raises GraphError for another number of workers than one.
    """
    settings = _settings(args.config)
    workers = int(settings.get("launch", {}).get("worker", 1))
    if workers != 1:
        raise GraphError(
            f"{args.config} asks for {workers} workers, and launching several is not available yet: set `worker: 1`; "
            "one program uses all local devices through ht.context or dist_strategy"
        )
    os.environ.update({key: str(value) for key, value in (settings.get("shared") or {}).items()})
    args.num_local_worker = workers
    worker_init()
    try:
        return target(args)
    finally:
        worker_finish()


def _settings(path: str) -> dict[str, Any]:
    settings = read_yaml(path)
    if not isinstance(settings, dict):
        raise GraphError(f"{path} must have `shared` and `launch`, not {settings!r}")
    return settings


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m hetu_jax.launcher config.yml -n 1 --sched`: says that no servers have to be started.

    arguments: as in `sys.argv[1:]`.  Returns the exit status.
    """
    parser = argparse.ArgumentParser(prog="python -m hetu_jax.launcher", description="Start parameter servers.")
    parser.add_argument("config", help="the YAML file")
    parser.add_argument("-n", type=int, default=1, help="how many servers")
    parser.add_argument("--sched", action="store_true", help="a scheduler too")
    options = parser.parse_args(arguments)
    _settings(options.config)
    print("No servers to start: the parameter server of hetu_jax is in the worker's process.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
