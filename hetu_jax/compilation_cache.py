"""Compiled steps kept on disk, so that a script's second start does not wait for XLA."""

from __future__ import annotations

import os
from pathlib import Path

import jax

SWITCH = "HETU_JAX_CACHE"  # 0 turns the cache off
FOLDER = "HETU_JAX_CACHE_DIR"
WORTH_KEEPING = 0.3  # seconds of compilation


def default_folder() -> Path:
    """Where compiled steps are kept: $HETU_JAX_CACHE_DIR, else `hetu_jax/xla` in the user's cache folder."""
    if os.environ.get(FOLDER):
        return Path(os.environ[FOLDER])
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(home) / "hetu_jax" / "xla"


def enable() -> None:
    """Turns JAX's persistent cache on, unless it is switched off or the user has set one; an Executor calls it.

    A folder that cannot be made leaves it off: the cache saves time and nothing depends on it.
    """
    if jax.config.jax_compilation_cache_dir or os.environ.get(SWITCH) == "0":
        return
    folder = default_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", WORTH_KEEPING)
