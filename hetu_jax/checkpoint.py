"""Checkpoints: written in 2023's format, read in every vintage's, never half written."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import jax
import numpy as np

from . import random, safe_pickle
from .errors import CheckpointError
from .graph import Feed, Variable
from .ndarray import ND_Sparse_Array, NDArray
from .storage import stored

log = logging.getLogger("hetu_jax")

DEFAULT_NAME = "hetu_checkpoint"
RESERVED = ("state_dict", "seed", "feeds")


def named(nodes: Sequence[Any], name_of: Callable[[Any], str] = lambda node: node.name) -> dict[str, Any]:
    """The nodes by the name that a checkpoint has for each: their own, with #1, #2, ... from the second on."""
    found: dict[str, Any] = {}
    for node in nodes:
        own = name = name_of(node)
        count = 0
        while name in found:
            count += 1
            name = f"{own}#{count}"
        found[name] = node
    return found


def _moving(feeds: Sequence[Feed]) -> dict[str, Feed]:
    """The feeds by kind: the names of dataloaders have numbers that depend on what else was built."""
    return named(feeds, lambda feed: type(feed).__name__)


def state_dict(variables: Sequence[Variable]) -> dict[str, np.ndarray]:
    """A copy of every value by name; a sparse one as its three arrays."""
    return {
        name: jax.tree.map(np.array, _plain(v.value)) for name, v in named(variables).items() if v.value is not None
    }


def _plain(value: Any) -> Any:
    return value if hasattr(value, "ndim") else jax.tree.leaves(value)


def load_dict(variables: Sequence[Variable], values: Mapping[str, Any], consider_splits: bool = False) -> list[str]:
    """Sets the Variables that `values` names, all or none.

    values: arrays by name, or by a name of another vintage.  Names that the graph does not have are ignored.
    consider_splits: accepted without effect; a Variable here always is the whole one.
    Returns: the names that were set.
    Raises CheckpointError for a shape that does not fit, and when no name fits at all.
    """
    planned = {}
    for name, variable in named(variables).items():
        try:
            source, value = _find(name, variable, values)
            if source is not None:
                planned[name] = _fitting(source, variable, value, values)
        except CheckpointError:
            raise
        except Exception as error:
            raise CheckpointError(f"what the checkpoint has for {variable.describe()} is broken: {error}") from error
    if not planned:
        raise CheckpointError(
            f"the checkpoint fits no Variable: it has {_some(values)}, the graph has {_some(named(variables))}; "
            "load a checkpoint of the same model, or rename the Variables"
        )
    for name, variable in named(variables).items():
        if name in planned:
            variable.value = planned[name]
    left = {name: variable for name, variable in named(variables).items() if variable.trainable and name not in planned}
    if left:
        log.warning("the checkpoint has nothing for %s, which keep the values that they had", _some(left))
    return list(planned)


def _find(name: str, variable: Variable, values: Mapping[str, Any]) -> tuple[str | None, Any]:
    if name in values:
        return name, values[name]
    for alias, convert in variable.aliases.items():
        if alias in values:
            return alias, convert(np.asarray(values[alias]))
    return None, None


def _fitting(name: str, variable: Variable, value: Any, names: Mapping[str, Any]) -> Any:
    if isinstance(variable.value, ND_Sparse_Array):
        return _sparse(variable.value, value)
    if np.shape(value) != variable.shape:
        repeated = name != variable.name or f"{name}#1" in names
        order = (
            f"; several Variables are called {variable.name!r}, which only their order tells apart: "
            "give each a name of its own, or build them in the same order"
            if repeated
            else ""
        )
        raise CheckpointError(
            f"{name!r} has shape {np.shape(value)} in the checkpoint, and {variable.shape} in {variable.describe()}: "
            f"load a checkpoint of the same model{order}"
        )
    return stored(value, variable.dtype, f"the checkpoint's {name!r}")


def _sparse(held: ND_Sparse_Array, value: Any) -> ND_Sparse_Array:
    """A matrix like `held` from its three arrays.  Raises ValueError where they are none."""
    parts = [np.asarray(part) for part in value] if isinstance(value, list | tuple) else []
    sizes = [part.shape for part in parts]
    rows = held.nrow + 1 if held.form == "csr" else None
    if len(parts) != 3 or len(sizes[0]) != 1 or sizes != [sizes[0], (rows or sizes[0][0],), sizes[0]]:
        raise ValueError(f"a sparse matrix is a list of its values, rows and columns, not of {sizes or type(value)}")
    kept, structure = jax.tree.flatten(held)
    arrays = [stored(part, old.dtype, "a part of a sparse matrix") for part, old in zip(parts, kept, strict=True)]
    return jax.tree.unflatten(structure, arrays)


def _some(names: Mapping[str, Any]) -> str:
    shown = list(map(str, names))
    return ", ".join(shown[:6]) + (f", ... ({len(shown)} in all)" if len(shown) > 6 else "") if shown else "nothing"


def save(
    variables: Sequence[Variable],
    file_path: str,
    file_name: str | None = None,
    others: Mapping[str, Any] | None = None,
    feeds: Sequence[Feed] = (),
) -> str:
    """Writes a checkpoint in 2023's format: one pickle with 'state_dict', 'seed' and the entries of `others`.

    It also has 'feeds', where any of `feeds` moves on from run to run, as dataloaders and schedules do.

    file_path: the folder, made if it is not there.  file_name: by default `hetu_checkpoint`.
    others: plain data to store beside, under other keys; arrays of any kind are read back as NumPy's.
    Returns: the path of the file.  The file appears whole or not at all; an older one stays until then.
    Raises CheckpointError when `others` uses a reserved key or could not be read back, or `file_path` is a file.
    """
    _check_others(others or {})
    content = {**(others or {}), "state_dict": state_dict(variables), "seed": random.get_seed_status()}
    states = {name: feed.state() for name, feed in _moving(feeds).items()}
    if any(states.values()):
        content["feeds"] = states
    folder = Path(file_path)
    if folder.exists() and not folder.is_dir():
        raise CheckpointError(f"{folder} is a file: give the folder to save in, and the file's name as file_name")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / (file_name or DEFAULT_NAME)
    with atomic_write(target) as file:
        _Pickler(file, protocol=4).dump(content)
    return str(target)


class _Pickler(pickle.Pickler):
    """Writes arrays on a device as NumPy's."""

    def reducer_override(self, value: Any) -> Any:
        return np.asarray(value).__reduce__() if isinstance(value, NDArray | jax.Array) else NotImplemented


def _check_others(others: Any) -> None:
    """Raises CheckpointError for what `load` would refuse, before a checkpoint is replaced by it."""
    if not isinstance(others, Mapping):
        raise CheckpointError(f"others must be a dict of what to store, not a {type(others).__name__}")
    reserved = set(RESERVED).intersection(others)
    if reserved:
        raise CheckpointError(f"others must not use the keys {', '.join(sorted(reserved))}: the checkpoint needs them")
    for key, value in others.items():
        file = io.BytesIO()
        try:
            _Pickler(file, protocol=4).dump({key: value})
            safe_pickle.loads(file.getvalue(), "what was written")
        except Exception as error:
            raise CheckpointError(
                f"others[{key!r}] could not be read back ({error}): give numbers, strings, arrays, and lists, tuples, "
                "sets and dicts of them"
            ) from error


@contextlib.contextmanager
def atomic_write(target: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A binary file that takes the place of `target` when the block ends well, and leaves no trace otherwise."""
    target = Path(target)
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"{str(target)!r} cannot be written: there is no folder {str(target.parent)!r}; make it"
        )
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    _sync_folder(target.parent)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _sync_folder(folder: Path) -> None:
    """Makes the rename itself durable; Windows has no such call, and needs none."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def load(
    variables: Sequence[Variable],
    file_path: str,
    file_name: str | None = None,
    consider_splits: bool = False,
    feeds: Sequence[Feed] = (),
) -> dict[str, Any]:
    """Reads a checkpoint into the Variables, and brings `feeds` to where they were; what it has not, stays.

    file_path: the folder, or the file itself.  file_name: the file in it; by default `hetu_checkpoint`, else 2021's
        folder of one .npy a parameter.
    consider_splits: accepted without effect; a Variable here always is the whole one.
    Returns: what was stored besides the values and the seed.
    Raises CheckpointError when there is no checkpoint, or it is broken or does not fit; UnsafeFileError when it holds
        more than data.
    """
    path = Path(file_path, file_name) if file_name else Path(file_path)
    if path.is_dir():
        default = path / DEFAULT_NAME
        if not default.exists():
            load_dict(variables, _read_folder(path, variables), consider_splits)
            return {}
        path = default
    content = _read_pickle(path)
    others = {key: value for key, value in content.items() if key not in RESERVED}
    if "state_dict" not in content:
        load_dict(variables, content, consider_splits)
        return {}
    _check_states(content, path)
    load_dict(variables, content["state_dict"], consider_splits)
    if "seed" in content:
        random.set_seed_status(*content["seed"])
    for name, feed in _moving(feeds).items():
        feed.resume(content.get("feeds", {}).get(name, {}))
    return others


def _check_states(content: Mapping[str, Any], path: Path) -> None:
    seed, states = content.get("seed", (0, 0)), content.get("feeds", {})
    pair = isinstance(seed, list | tuple) and len(seed) == 2 and all(isinstance(n, int | np.integer) for n in seed)
    if not pair:
        raise CheckpointError(f"{path} is broken: its 'seed' is {seed!r}, not a pair of integers")
    if not isinstance(states, dict) or not all(isinstance(state, dict) for state in states.values()):
        raise CheckpointError(f"{path} is broken: its 'feeds' are not a dict of dicts")


def _read_pickle(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise CheckpointError(
            f"there is no checkpoint at {path}: give the folder that save() was given, and file_name if it was given"
        )
    content = safe_pickle.load(path)
    if not isinstance(content, dict) or not isinstance(content.get("state_dict", {}), dict):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not a checkpoint's dict of arrays")
    return content


def _read_folder(folder: Path, variables: Sequence[Variable]) -> dict[str, np.ndarray]:
    """2021's format: <name>.npy for every trainable Variable."""
    wanted = [name for name, variable in named(variables).items() if variable.trainable]
    missing = [name for name in wanted if not (folder / f"{name}.npy").exists()]
    if missing:
        raise CheckpointError(
            f"{folder} has neither {DEFAULT_NAME} nor the files {', '.join(f'{n}.npy' for n in missing)}"
        )
    try:
        return {name: _read_npy(folder / f"{name}.npy") for name in wanted}
    except (ValueError, EOFError, MemoryError, SyntaxError) as error:
        raise CheckpointError(f"{folder} holds a broken .npy file: {error}") from error


def _read_npy(path: Path) -> np.ndarray:
    with open(path, "rb") as file:
        return np.lib.format.read_array(file, allow_pickle=False)  # np.load also takes archives
