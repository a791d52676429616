"""`python -m hetu_jax`: runs a script written for Hetu, or the quick start."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from collections.abc import Sequence

from . import __version__
from .errors import suggest
from .install import install, shims

DESCRIPTION = """\
Run a script written for Hetu on JAX, unchanged: inside it `import hetu` means hetu_jax.

  python -m hetu_jax train.py --lr 0.1      run train.py; what follows it belongs to the script
  python -m hetu_jax quickstart             train the CNN of Hetu's documentation and export it to ONNX
  python -m hetu_jax quickstart --help      its options
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line.  arguments: as in `sys.argv[1:]`.  Returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.shims:
        print(shims())
        return 0
    if options.target is None:
        _parser().print_help(sys.stderr)
        return 2
    if options.target == "quickstart":
        from . import quickstart  # and with it Rich and ONNX, which a script may do without

        return quickstart.main(options.arguments)
    return run_script(options.target, options.arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hetu_jax", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"hetu_jax {__version__}")
    parser.add_argument("--shims", action="store_true", help="list what a script is given that it takes for granted")
    parser.add_argument("target", nargs="?", metavar="SCRIPT | quickstart", help="the script to run")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="its arguments")
    return parser


def run_script(script: str, arguments: Sequence[str]) -> int:
    """Runs a file as `python script` would, after `install()`.

    Returns 0, or 2 when there is no such file; what the script raises passes through.
    """
    if not os.path.isfile(script):
        hint = suggest(script, ["quickstart"])
        print(f"python -m hetu_jax: there is no script {script!r}{hint}", file=sys.stderr)
        return 2
    install()
    sys.argv[:] = [script, *arguments]
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.realpath(script))
    runpy.run_path(script, run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main())
