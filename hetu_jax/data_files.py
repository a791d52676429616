"""The files of data sets: where they are looked for, how they are downloaded, and how they are read, never as code."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import math
import os
import sys
import tarfile
import tempfile
import urllib.request
import zlib
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from .errors import DataFileError

LARGEST = 2**30  # bytes that a file may unpack to; MNIST's pickle takes about 220 MB
SECONDS = 10  # without an answer, before a download is given up
CHUNK = 2**20


class Remote(NamedTuple):
    """A file on the web.

    url: its address.  sha256: of its content, unzipped where `gzipped`, so that the compression does not matter.
    """

    url: str
    sha256: str
    gzipped: bool = False

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.url.rsplit("/", 1)[1]


def cache_folder() -> Path:
    """Where downloaded data sets are kept, by the custom of the platform."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "hetu_jax"


def places(name: str) -> list[Path]:
    """Where the data set `name` is looked for, besides the path that the caller gives."""
    named = os.environ.get("HETU_DATA")
    return [*([Path(named), Path(named) / name] if named else []), cache_folder() / name]


def download(remote: Remote, folder: Path) -> Path:
    """Downloads a file into a folder, unless it is there.

    The file appears under its name only when it is complete and its checksum is right.
    Raises OSError without network, or where HETU_JAX_OFFLINE is set; DataFileError for another file than expected.
    """
    path = folder / remote.name
    if path.exists():
        return path
    if os.environ.get("HETU_JAX_OFFLINE"):
        raise OSError("HETU_JAX_OFFLINE is set")
    folder.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=folder, prefix=f".{remote.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            _copy(remote, file)
        content = gunzipped(partial) if remote.gzipped else Path(partial).read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != remote.sha256:
            raise DataFileError(f"{remote.url} has the SHA-256 {found}, not {remote.sha256}: it is another file")
        os.replace(partial, path)
    finally:
        Path(partial).unlink(missing_ok=True)
    return path


def _copy(remote: Remote, file: BinaryIO) -> None:
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = TextColumn("Downloading {task.description}"), DownloadColumn(), TransferSpeedColumn()
    request = urllib.request.Request(remote.url, headers={"User-Agent": "hetu_jax"})
    try:
        with (
            urllib.request.urlopen(request, timeout=SECONDS) as response,
            Progress(*columns, console=Console(stderr=True)) as progress,
        ):
            task = progress.add_task(remote.url, total=int(response.headers.get("Content-Length", 0)) or None)
            for block in iter(lambda: response.read(CHUNK), b""):
                file.write(block)
                progress.advance(task, len(block))
                if file.tell() > LARGEST:
                    raise DataFileError(f"{remote.url} has more than {LARGEST} bytes: it is another file")
    except http.client.HTTPException as error:
        raise OSError(f"{remote.url} gave no proper answer ({error!r})") from None


def gunzipped(path: str | os.PathLike[str]) -> bytes:
    """The content of a gzip file.  Raises DataFileError for a damaged one, or one that unpacks to over 1 GiB."""
    blocks, size = [], 0
    try:
        with gzip.open(path) as file:
            for block in iter(lambda: file.read(CHUNK), b""):
                blocks.append(block)
                size += len(block)
                if size > LARGEST:
                    raise DataFileError(f"{path} unpacks to more than {LARGEST} bytes: it is no file of a data set")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataFileError(f"{path} is no gzip file, or a damaged one ({error}): get it again") from None
    return b"".join(blocks)


def read_idx(path: Path) -> np.ndarray:
    """The bytes in an IDX file, gzipped or not, in the shape that it declares.

    Raises DataFileError for a file of another kind, or of another length than its shape has.
    """
    with open(path, "rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    raw = gunzipped(path) if zipped else path.read_bytes()
    axes = raw[3] if raw[:3] == b"\x00\x00\x08" and len(raw) > 3 else 0
    shape = tuple(int(size) for size in np.frombuffer(raw, ">u4", min(axes, len(raw) // 4 - 1), 4)) if axes else ()
    if not 0 < axes == len(shape) or len(raw) - 4 - 4 * axes != math.prod(shape):
        raise DataFileError(f"{path} is no IDX file of bytes: it declares the shape {shape} and has {len(raw)} bytes")
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape)


def find_idx(folder: Path, stem: str) -> Path | None:
    """The IDX file of a folder, under any of the names in use: for the stem `t10k-labels-idx1`,
    t10k-labels-idx1-ubyte or t10k-labels.idx1-ubyte, gzipped or not."""
    names = [f"{spelling}-ubyte{end}" for end in (".gz", "") for spelling in (stem, stem.replace("-idx", ".idx"))]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def read_members(archive: Path, names: list[str]) -> list[bytes]:
    """The contents of files of a tar archive, by name; nothing is unpacked to disk.

    Raises DataFileError when the archive is damaged or has no such file.
    """
    try:
        with tarfile.open(archive) as tar:
            return [_content(tar, tar.getmember(name)) for name in names]
    except (tarfile.TarError, KeyError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataFileError(f"{archive} is damaged, or another archive ({error}): get it again") from None


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    file = tar.extractfile(member) if member.isfile() and member.size <= LARGEST else None
    if file is None:
        raise tarfile.TarError(f"{member.name} is no ordinary file")
    return file.read()
