"""Files by address, downloaded once: a cache whose files are named after the address and its version."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import urllib.request
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from ..data_files import cache_folder

SECONDS = 10  # without an answer, before a download is given up
CHUNK = 2**20


def default_cache() -> Path:
    """Where files are kept unless a call names another folder."""
    return cache_folder() / "files"


def url_to_filename(url: str, etag: str | None = None) -> str:
    """The name of the file for an address, and for the version that the server calls `etag`."""
    parts = [url] if etag is None else [url, etag]
    return ".".join(hashlib.sha256(part.encode()).hexdigest() for part in parts)


def filename_to_url(filename: str, cache_dir: str | os.PathLike[str] | None = None) -> tuple[str, str | None]:
    """The address and version of a cached file.  Raises FileNotFoundError where there is none with that name."""
    path = Path(cache_dir or default_cache()) / filename
    record = path.with_name(path.name + ".json")
    for needed in (path, record):
        if not needed.exists():
            raise FileNotFoundError(f"the cache has no file {needed}")
    found = json.loads(record.read_text(encoding="utf-8"))
    return found["url"], found["etag"]


def cached_path(url_or_filename: str | os.PathLike[str], cache_dir: str | os.PathLike[str] | None = None) -> str:
    """The path of a file here: a path is returned as it is, an http, https or s3 address is downloaded once.

    Raises FileNotFoundError for a path that does not exist, ValueError for something else.
    """
    name = os.fspath(url_or_filename)
    if urlsplit(name).scheme in ("http", "https", "s3"):
        return get_from_cache(name, cache_dir)
    if os.path.exists(name):
        return name
    if urlsplit(name).scheme in ("", "file"):
        raise FileNotFoundError(f"there is no file {name!r}")
    raise ValueError(f"{name!r} is neither a path nor an address with http, https or s3")


def split_s3_path(url: str) -> tuple[str, str]:
    """Bucket and key of an s3 address.  Raises ValueError where one is missing."""
    parts = urlsplit(url)
    if not parts.netloc or not parts.path.strip("/"):
        raise ValueError(f"{url!r} has no bucket or no key: write s3://bucket/key")
    return parts.netloc, parts.path.lstrip("/")


def web_address(url: str) -> str:
    """The address as http or https; a public s3 object has one."""
    if urlsplit(url).scheme != "s3":
        return url
    bucket, key = split_s3_path(url)
    return f"https://{bucket}.s3.amazonaws.com/{key}"


def http_get(url: str, temp_file: BinaryIO) -> None:
    """Writes what is at an address into an open file."""
    with _open(url) as response:
        for block in iter(lambda: response.read(CHUNK), b""):
            temp_file.write(block)


def s3_get(url: str, temp_file: BinaryIO) -> None:
    """Writes a public s3 object into an open file."""
    http_get(web_address(url), temp_file)


def s3_etag(url: str) -> str | None:
    """The version of a public s3 object."""
    return _etag(web_address(url))


def get_from_cache(url: str, cache_dir: str | os.PathLike[str] | None = None) -> str:
    """The path of the file for an address, downloaded unless its present version is here.

    Without network the newest version here will do.  Raises OSError when there is none.
    """
    folder, address = Path(cache_dir or default_cache()), web_address(url)
    try:
        etag = _etag(address)
    except OSError as error:
        return str(_newest(folder, url, error))
    path = folder / url_to_filename(url, etag)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _download(address, path)
        record = json.dumps({"url": url, "etag": etag})
        path.with_name(path.name + ".json").write_text(record, encoding="utf-8")
    return str(path)


def _newest(folder: Path, url: str, error: OSError) -> Path:
    files = [path for path in folder.glob(url_to_filename(url) + "*") if path.suffix != ".json"]
    if not files:
        raise OSError(f"{url} cannot be reached ({error}), and {folder} has no copy of it") from None
    return max(files, key=lambda path: path.stat().st_mtime)


def _download(address: str, path: Path) -> None:
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
    try:
        with os.fdopen(handle, "wb") as file:
            http_get(address, file)
        os.replace(partial, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)


def _open(url: str, method: str = "GET") -> Any:
    if os.environ.get("HETU_JAX_OFFLINE"):
        raise OSError("HETU_JAX_OFFLINE is set")
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{url!r} is no http or https address")
    request = urllib.request.Request(url, headers={"User-Agent": "hetu_jax"}, method=method)
    return urllib.request.urlopen(request, timeout=SECONDS)


def _etag(url: str) -> str | None:
    with _open(url, "HEAD") as response:
        return response.headers.get("ETag")


def read_set_from_file(filename: str | os.PathLike[str]) -> set[str]:
    """The lines of a file, each once."""
    with open(filename, encoding="utf-8") as lines:
        return {line.rstrip() for line in lines}


def get_file_extension(path: str, dot: bool = True, lower: bool = True) -> str:
    """The ending of a file's name.  dot: with its dot.  lower: in lower case."""
    ending = os.path.splitext(path)[1]
    ending = ending if dot else ending[1:]
    return ending.lower() if lower else ending
