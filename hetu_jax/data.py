"""The data sets of Hetu's examples: MNIST and CIFAR.

A data set is looked for at the path given, then in the folder that the environment variable HETU_DATA names, then in
the cache folder (~/.cache/hetu_jax on Linux), and is then downloaded there; HETU_JAX_OFFLINE=1 forbids that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import random, safe_pickle
from .data_files import Remote, cache_folder, download, find_idx, gunzipped, places, read_idx, read_members
from .errors import CheckpointError, DataFileError, DataNotFoundError, UnsafeFileError, hint_at_names
from .ndarray import as_value

Pair = tuple[np.ndarray, np.ndarray]

SUBSET = Path(__file__).parent / "datasets" / "mnist_subset"

_MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_MNIST = {  # SHA-256 of the unzipped files
    "train-images-idx3": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def mnist(dataset: str | os.PathLike[str] = "mnist.pkl.gz", onehot: bool = True) -> tuple[Pair, Pair, Pair]:
    """MNIST: 50,000 training, 10,000 validation and 10,000 test images.

    dataset: mnist.pkl.gz, or a folder with that file or with MNIST's four IDX files, gzipped or not.  Where it is not
        there the other places are searched; see the module.
    onehot: labels as (n, 10) float64, else as (n,) int64.
    Returns: three pairs of images (n, 784), float32 from 0 to 255/256, and labels.
    Raises DataNotFoundError, which says what to put where; DataFileError for a damaged file.
    """
    found = find_mnist(dataset)
    sets, failure = found and found[0], ""
    if sets is None:
        try:
            folder = cache_folder() / "mnist"
            for stem, checksum in _MNIST.items():
                download(Remote(f"{_MIRROR}{stem}-ubyte.gz", checksum, gzipped=True), folder)
            sets = _mnist_at(folder)
        except (OSError, DataFileError) as error:
            failure = f"  Downloading from {_MIRROR} failed: {error}."
    if sets is None:
        files = f"mnist.pkl.gz, or {', '.join(f'{stem}-ubyte.gz' for stem in _MNIST)}"
        raise _not_found("MNIST", Path(dataset), files, "mnist", failure)
    return _labelled(sets, onehot)


def find_mnist(dataset: str | os.PathLike[str] = "mnist.pkl.gz") -> tuple[tuple[Pair, Pair, Pair], Path] | None:
    """MNIST with labels (n,), and where it is on this machine; None where it is not.  Arguments as of `mnist`."""
    found = ((_mnist_at(place), place) for place in (Path(dataset), *places("mnist")))
    return next(((sets, place) for sets, place in found if sets is not None), None)


def local_mnist(dataset: str | os.PathLike[str], required: bool = False) -> tuple[tuple[Pair, Pair, Pair], Path | None]:
    """As `find_mnist`, but where there is no MNIST the part of it that comes with the package, and None.

    required: raise DataNotFoundError instead.
    """
    found = find_mnist(dataset)
    if found is None and required:
        folders = ", ".join(map(str, places("mnist")))
        raise DataNotFoundError(
            f"there is no mnist.pkl.gz and there are no IDX files of MNIST at {dataset}, nor in {folders}"
        )
    return found or (mnist_subset(onehot=False), None)


def mnist_subset(onehot: bool = True) -> tuple[Pair, Pair, Pair]:
    """The part of MNIST that comes with the package: 8,000 training, 1,000 validation and 1,000 test images.

    Arguments and result as of `mnist`.  Y. LeCun, C. Cortes, C. Burges; CC BY-SA 3.0, see datasets/mnist_subset.
    """
    pairs = [
        (read_idx(SUBSET / f"{part}-images-idx3-ubyte.gz"), read_idx(SUBSET / f"{part}-labels-idx1-ubyte.gz"))
        for part in ("train", "valid", "test")
    ]
    return _labelled(tuple(_from_bytes(images, labels) for images, labels in pairs), onehot)


def _mnist_at(place: Path) -> tuple[Pair, Pair, Pair] | None:
    """The three sets in a file or folder, or None."""
    pickled = place / "mnist.pkl.gz" if place.is_dir() else place
    if pickled.is_file():
        return _from_pickle(pickled)
    files = [find_idx(place, stem) for stem in _MNIST]
    if None in files:
        return None
    images, labels, test_images, test_labels = map(read_idx, files)
    first = len(images) - len(images) // 6  # mnist.pkl.gz keeps the last sixth for validation
    train, valid = (images[:first], labels[:first]), (images[first:], labels[first:])
    return _from_bytes(*train), _from_bytes(*valid), _from_bytes(test_images, test_labels)


def _from_bytes(images: np.ndarray, labels: np.ndarray) -> Pair:
    if len(images) != len(labels):
        raise DataFileError(
            f"there are {len(images)} images and {len(labels)} labels: the files do not belong together"
        )
    return np.float32(images.reshape(len(images), -1)) / np.float32(256), labels.astype(np.int64)


def _unpickled(content: bytes, where: str) -> Any:
    try:
        return safe_pickle.loads(content, where)
    except UnsafeFileError:
        raise
    except CheckpointError as error:
        raise DataFileError(str(error)) from None


def _from_pickle(path: Path) -> tuple[Pair, Pair, Pair]:
    sets = _unpickled(gunzipped(path), str(path))
    try:
        train, valid, test = (_pair(*pair) for pair in sets)
    except (TypeError, ValueError) as error:
        raise DataFileError(f"{path} does not hold three pairs of images and labels: {error}") from None
    return train, valid, test


def _pair(images: Any, labels: Any) -> Pair:
    images, labels = np.asarray(images, np.float32), np.asarray(labels)
    if images.ndim != 2 or labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(f"images of shape {images.shape} with labels of shape {labels.shape}, {labels.dtype}")
    return images, labels.astype(np.int64)


def _labelled(sets: Sequence[Pair], onehot: bool, classes: int = 10) -> Any:
    return tuple((x, convert_to_one_hot(y, classes) if onehot else y) for x, y in sets)


def _not_found(what: str, given: Path, files: str, name: str, failure: str) -> DataNotFoundError:
    folders = ", ".join(map(str, places(name)))
    unset = "" if os.environ.get("HETU_DATA") else ", or a folder that the environment variable HETU_DATA names"
    subset = "  A part of it comes with the package: hetu_jax.data.mnist_subset()." if name == "mnist" else ""
    return DataNotFoundError(f"{what} is not at {given}.  Put {files} into {folders}{unset}.{failure}{subset}")


class _Cifar(NamedTuple):
    folder: str
    train: tuple[str, ...]
    test: tuple[str, ...]
    labels: str
    archive: Remote


_TORONTO = "https://www.cs.toronto.edu/~kriz/"
_CIFAR = {
    10: _Cifar(
        "cifar-10-batches-py",
        tuple(f"data_batch_{number}" for number in range(1, 6)),
        ("test_batch",),
        "labels",
        Remote(f"{_TORONTO}cifar-10-python.tar.gz", "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"),
    ),
    100: _Cifar(
        "cifar-100-python",
        ("train",),
        ("test",),
        "fine_labels",
        Remote(
            f"{_TORONTO}cifar-100-python.tar.gz", "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7"
        ),
    ),
}


def cifar10(directory: str | os.PathLike[str] = "CIFAR_10", onehot: bool = True) -> tuple[np.ndarray, ...]:
    """CIFAR-10: 50,000 training and 10,000 test images.

    directory: has cifar-10-python.tar.gz or its folder cifar-10-batches-py; then the current folder (for the archive)
        and the other places are searched, see the module.
    onehot: labels as (n, 10) float64, else as (n,) int64.
    Returns: images (n, 3072), float64 from 0 to 255, and labels, for training and then for testing.
    Raises DataNotFoundError, which says what to put where; DataFileError for a damaged file.
    """
    (x, y), (test_x, test_y) = _labelled(_cifar(10, directory), onehot)
    return x.astype(np.float64), y, test_x.astype(np.float64), test_y


def cifar100(directory: str | os.PathLike[str] = "CIFAR_100", onehot: bool = True) -> tuple[np.ndarray, ...]:
    """CIFAR-100, with its fine labels: as `cifar10`, but images (n, 3, 32, 32) and one-hot labels (n, 100).

    directory: has cifar-100-python.tar.gz or its folder cifar-100-python.
    """
    (x, y), (test_x, test_y) = _labelled(_cifar(100, directory), onehot, 100)
    shape = (-1, 3, 32, 32)
    return x.reshape(shape).astype(np.float64), y, test_x.reshape(shape).astype(np.float64), test_y


def normalize_cifar(num_class: int = 10, onehot: bool = True) -> tuple[np.ndarray, ...]:
    """CIFAR with each channel brought to mean 0 and standard deviation 1, over the training and the test set apart.

    num_class: 10 or 100.  onehot: labels as (n, num_class) float64, else as (n,) int64.
    Returns: images (n, 3, 32, 32), float32, and labels, for training and then for testing.
    Raises ValueError for another num_class, and what `cifar10` raises.
    """
    if num_class not in _CIFAR:
        raise ValueError(f"there is CIFAR-10 and CIFAR-100, not CIFAR-{num_class}")
    (x, y), (test_x, test_y) = _labelled(_cifar(num_class, f"CIFAR_{num_class}"), onehot, num_class)
    return _standardised(x), y, _standardised(test_x), test_y


def tf_normalize_cifar(num_class: int = 10, onehot: bool = True) -> tuple[np.ndarray, ...]:
    """`normalize_cifar` with images (n, 32, 32, 3)."""
    x, y, test_x, test_y = normalize_cifar(num_class, onehot)
    return np.moveaxis(x, 1, 3).copy(), y, np.moveaxis(test_x, 1, 3).copy(), test_y


def _standardised(rows: np.ndarray) -> np.ndarray:
    images = rows.reshape(-1, 3, 32, 32).astype(np.float32)
    for channel in np.moveaxis(images, 1, 0):
        channel -= channel.mean(dtype=np.float64)
        channel /= np.sqrt(np.mean(np.square(channel), dtype=np.float64)) or 1
    return images


def _cifar(num_class: int, directory: str | os.PathLike[str]) -> tuple[Pair, Pair]:
    """Images (n, 3072), uint8, and labels (n,), for training and for testing."""
    kind, name = _CIFAR[num_class], f"CIFAR_{num_class}"
    members = [*kind.train, *kind.test]
    read = next(filter(None, (_reader(place, kind) for place in (Path(directory), *places(name)))), None)
    read = read or _reader(Path(), kind)
    if read is None:
        try:
            read = _from_archive(download(kind.archive, cache_folder() / name), kind)
        except (OSError, DataFileError) as error:
            failure = f"  Downloading {kind.archive.url} failed: {error}."
            files = f"{kind.archive.name} or its folder {kind.folder}"
            raise _not_found(f"CIFAR-{num_class}", Path(directory), files, name, failure) from None
    batches = [_batch(content, member, kind) for content, member in zip(read(members), members, strict=True)]
    parts = batches[: len(kind.train)], batches[len(kind.train) :]
    train, test = (tuple(np.concatenate(column) for column in zip(*part, strict=True)) for part in parts)
    return train, test


def _reader(place: Path, kind: _Cifar) -> Callable[[Sequence[str]], list[bytes]] | None:
    """What reads CIFAR's files in a folder, by name, or None where they are not there."""
    for folder in (place / kind.folder, place):
        if all((folder / member).is_file() for member in (*kind.train, *kind.test)):
            return lambda members, folder=folder: [(folder / member).read_bytes() for member in members]
    archive = place if place.name == kind.archive.name else place / kind.archive.name
    return _from_archive(archive, kind) if archive.is_file() else None


def _from_archive(archive: Path, kind: _Cifar) -> Callable[[Sequence[str]], list[bytes]]:
    return lambda members: read_members(archive, [f"{kind.folder}/{member}" for member in members])


def _batch(content: bytes, name: str, kind: _Cifar) -> Pair:
    batch = _unpickled(content, f"{kind.folder}/{name}")
    images, labels = (batch.get(key) if isinstance(batch, dict) else None for key in ("data", kind.labels))
    labels = np.asarray(labels)
    good = isinstance(images, np.ndarray) and images.dtype == np.uint8 and images.shape == (*labels.shape, 3072)
    if not good or labels.dtype.kind not in "iu":
        raise DataFileError(f"{kind.folder}/{name} does not hold 'data' (n, 3072) of bytes and n {kind.labels!r}")
    return images, labels.astype(np.int64)


def convert_to_one_hot(vals: Any, max_val: int = 0) -> np.ndarray:
    """Rows with a one at the place of each label.

    vals: labels from 0 up, integers; read in order where they have several axes.
    max_val: the number of classes; 0 means one more than the greatest label.
    Returns: (vals.size, max_val), float64.
    Raises TypeError for labels that are no integers, ValueError for one that is negative or too great.
    """
    labels = np.asarray(as_value(vals))
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, not {labels.dtype}: convert them with astype(int)")
    classes = max_val or int(labels.max()) + 1
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels from {labels.min()} to {labels.max()} do not fit {classes} classes")
    rows = np.zeros((labels.size, classes))
    rows[np.arange(labels.size), labels.ravel()] = 1
    return rows


def data_augmentation(
    images: Any,
    mode: str = "train",
    flip: bool = False,
    crop: bool = False,
    crop_shape: tuple[int, ...] = (24, 24, 3),
    whiten: bool = False,
    noise: bool = False,
    noise_mean: float = 0.0,
    noise_std: float = 0.01,
) -> np.ndarray:
    """Crops, mirrors, whitens and disturbs images, in this order, as far as asked for; each image by itself.

    images: (n, height, width, channels).  mode: 'train' crops at random places, 'test' in the middle.
    flip: mirror left and right, one image in two.  crop: to `crop_shape` (height, width, ...).
    whiten: mean 0 and standard deviation 1.  noise: add normal noise of `noise_mean` and `noise_std`.
    Returns: (n, height, width, channels), float32.  Random numbers follow from `ht.random`'s state, which moves on.
    Raises ValueError for another mode or number of axes, or a crop that is greater than the images.
    """
    images = np.array(as_value(images), np.float32)
    if mode not in ("train", "test") or images.ndim != 4:
        raise ValueError(f"mode is 'train' or 'test' and images have four axes, not {mode!r} and {images.shape}")
    draw = random.get_np_rand(1)
    if crop:
        images = _image_crop(images, crop_shape, draw) if mode == "train" else _image_crop_test(images, crop_shape)
    if flip:
        images = _image_flip(images, draw)
    if whiten:
        images = _image_whitening(images)
    return _image_noise(images, noise_mean, noise_std, draw) if noise else images


def _margins(images: np.ndarray, shape: Sequence[int]) -> tuple[int, int]:
    """Rows and columns that a crop leaves out."""
    rows, columns = images.shape[1] - shape[0], images.shape[2] - shape[1]
    if rows < 0 or columns < 0:
        raise ValueError(f"images of {images.shape[1:3]} cannot be cropped to {tuple(shape[:2])}")
    return rows, columns


def _image_crop(images: np.ndarray, shape: Sequence[int], draw: np.random.RandomState) -> np.ndarray:
    """Each image from a random place."""
    rows, columns = _margins(images, shape)
    windows = np.lib.stride_tricks.sliding_window_view(images, tuple(shape[:2]), axis=(1, 2))
    tops, lefts = draw.randint(rows + 1, size=len(images)), draw.randint(columns + 1, size=len(images))
    return np.moveaxis(windows[np.arange(len(images)), tops, lefts], 1, 3)


def _image_crop_test(images: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Each image from the middle."""
    top, left = (margin // 2 for margin in _margins(images, shape))
    return images[:, top : top + shape[0], left : left + shape[1]]


def _image_flip(images: np.ndarray, draw: np.random.RandomState) -> np.ndarray:
    """Half of the images mirrored."""
    return np.where(draw.rand(len(images), 1, 1, 1) < 0.5, images[:, :, ::-1], images)


def _image_whitening(images: np.ndarray) -> np.ndarray:
    """Each image at mean 0 and standard deviation 1; an image of one colour at 0."""
    centred = images - images.mean(axis=(1, 2, 3), keepdims=True)
    least = 1 / np.sqrt(images[0].size)
    return centred / np.maximum(centred.std(axis=(1, 2, 3), keepdims=True), least)


def _image_noise(images: np.ndarray, mean: float, std: float, draw: np.random.RandomState) -> np.ndarray:
    return images + np.float32(draw.normal(mean, std, images.shape))


hint_at_names(__name__)
