"""Data sets: where they are found, that they are read as data, and what is said when they are missing."""

import gzip
import hashlib
import http.server
import io
import os
import pickle
import struct
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest

from hetu_jax import data, data_files, random
from hetu_jax.data_files import Remote
from hetu_jax.errors import DataFileError, DataNotFoundError, UnsafeFileError
from hetu_jax.models import load_data

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """No data of this machine's, and no network."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HETU_DATA", raising=False)
    monkeypatch.setenv("HETU_JAX_OFFLINE", "1")
    monkeypatch.setattr(data, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(data_files, "cache_folder", lambda: tmp_path / "cache")


def idx(array, magic):
    return struct.pack(f">I{array.ndim}I", magic, *array.shape) + array.tobytes()


def write_idx(folder, count=12, tests=4, zipped=True, spelling="-idx"):
    """The four files of MNIST with few images; returns them as arrays."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = []
    for part, size in (("train", count), ("t10k", tests)):
        images = RNG.integers(0, 256, (size, 28, 28), dtype=np.uint8)
        labels = (np.arange(size) % 10).astype(np.uint8)
        for kind, axes, array in (("images", 3, images), ("labels", 1, labels)):
            raw = idx(array, 0x800 + axes)
            name = f"{part}-{kind}{spelling}{axes}-ubyte" + (".gz" if zipped else "")
            (folder / name).write_bytes(gzip.compress(raw) if zipped else raw)
        arrays += [images, labels]
    return arrays


def sets(sizes=(6, 3, 2)):
    return tuple((RNG.random((n, 784), np.float32), RNG.integers(0, 10, n)) for n in sizes)


def write_pickle(path, value, protocol=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(pickle.dumps(value, protocol)))


def same(found, expected):
    assert len(found) == len(expected)
    for (x, y), (other_x, other_y) in zip(found, expected, strict=True):
        assert x.dtype == np.float32 and y.dtype == np.int64
        np.testing.assert_array_equal(x, other_x)
        np.testing.assert_array_equal(y, other_y)


# MNIST


def test_subset():
    train, valid, test = data.mnist_subset()
    for (x, y), size in ((train, 8000), (valid, 1000), (test, 1000)):
        assert x.shape == (size, 784) and x.dtype == np.float32
        assert x.min() == 0 and x.max() == np.float32(255 / 256)
        assert y.shape == (size, 10) and (y.sum(1) == 1).all() and (y.sum(0) > 0.08 * size).all()
    labels = data.mnist_subset(onehot=False)[0][1]
    assert labels.dtype == np.int64 and labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert 0.12 < train[0].mean() < 0.14


def test_subset_is_small_and_attributed():
    files = list(data.SUBSET.iterdir())
    assert sum(file.stat().st_size for file in files) < 2.5e6
    notice = (data.SUBSET / "README.md").read_text()
    for words in ("Yann LeCun", "Corinna Cortes", "Christopher J. C. Burges", "Share Alike 3.0"):
        assert words in notice
    for file in files:
        if file.suffix == ".gz":
            assert file.read_bytes()[4:8] == b"\0\0\0\0"  # the time of compression


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_mnist_pickle(tmp_path, protocol):
    expected = sets()
    path = tmp_path / "mnist.pkl.gz"
    write_pickle(path, expected, protocol)
    same(data.mnist("mnist.pkl.gz", onehot=False), expected)
    same(data.mnist(path, onehot=False), expected)
    same(data.mnist(str(tmp_path), onehot=False), expected)
    onehot = data.mnist(path)[0][1]
    assert onehot.dtype == np.float64 and onehot.shape == (6, 10)
    assert onehot.argmax(1).tolist() == expected[0][1].tolist()


@pytest.mark.parametrize("zipped, spelling", [(True, "-idx"), (False, "-idx"), (True, ".idx"), (False, ".idx")])
def test_mnist_idx(tmp_path, zipped, spelling):
    images, labels, test_images, test_labels = write_idx(tmp_path / "m", zipped=zipped, spelling=spelling)
    train, valid, test = data.mnist(tmp_path / "m", onehot=False)
    assert [len(x) for x, _ in (train, valid, test)] == [10, 2, 4]
    x = np.concatenate([train[0], valid[0]])
    np.testing.assert_array_equal(x, images.reshape(12, 784) / np.float32(256))
    assert np.concatenate([train[1], valid[1]]).tolist() == labels.tolist()
    np.testing.assert_array_equal(test[0], test_images.reshape(4, 784) / np.float32(256))
    assert test[1].tolist() == test_labels.tolist() and x.dtype == np.float32


def test_order_of_the_places(tmp_path, monkeypatch):
    here, named, cached = sets(), sets(), sets()
    write_pickle(tmp_path / "cache" / "mnist" / "mnist.pkl.gz", cached)
    same(data.mnist(onehot=False), cached)
    monkeypatch.setenv("HETU_DATA", str(tmp_path / "data"))
    same(data.mnist(onehot=False), cached)
    write_pickle(tmp_path / "data" / "mnist" / "mnist.pkl.gz", named)
    same(data.mnist(onehot=False), named)
    write_pickle(tmp_path / "mnist.pkl.gz", here)
    same(data.mnist(onehot=False), here)
    monkeypatch.setenv("HETU_DATA", str(tmp_path / "cache" / "mnist" / "mnist.pkl.gz"))
    (tmp_path / "mnist.pkl.gz").unlink()
    same(data.mnist(onehot=False), cached)


def test_missing_mnist_says_what_to_put_where(tmp_path):
    with pytest.raises(DataNotFoundError) as caught:
        data.mnist()
    message = str(caught.value)
    for words in (
        "MNIST is not at mnist.pkl.gz",
        "train-images-idx3-ubyte.gz",
        str(tmp_path / "cache" / "mnist"),
        "HETU_DATA",
        "HETU_JAX_OFFLINE is set",
        "mnist_subset()",
    ):
        assert words in message
    assert isinstance(caught.value, FileNotFoundError)


def test_where_a_path_has_nothing_the_other_places_are_searched(tmp_path, monkeypatch):
    for path in ("mine.pkl.gz", tmp_path / "no" / "folder", tmp_path):
        with pytest.raises(DataNotFoundError):
            data.mnist(path)
        with pytest.raises(DataNotFoundError):
            load_data.load_mnist_data(path)
    cached, named = sets(), sets((3, 2, 1))
    write_pickle(tmp_path / "cache" / "mnist" / "mnist.pkl.gz", cached)
    for path in ("mine.pkl.gz", tmp_path / "no" / "folder", tmp_path):
        same(data.mnist(path, onehot=False), cached)
        same(load_data.load_mnist_data(path), cached)
    write_pickle(tmp_path / "data" / "mnist.pkl.gz", named)
    monkeypatch.setenv("HETU_DATA", str(tmp_path / "data"))
    same(data.mnist("mine.pkl.gz", onehot=False), named)


class Evil:
    def __reduce__(self):
        return os.system, ("false",)


@pytest.mark.parametrize(
    "content, error, says",
    [
        (b"not gzip", DataFileError, "no gzip file"),
        (gzip.compress(b"x" * 1000)[:-20], DataFileError, "damaged"),
        (gzip.compress(pickle.dumps((1, 2, 3))), DataFileError, "three pairs"),
        (gzip.compress(pickle.dumps([(np.ones((2, 3)), np.arange(3))] * 3)), DataFileError, r"shape \(2, 3\)"),
        (gzip.compress(pickle.dumps([(np.ones((2, 3)), np.ones(2))] * 3)), DataFileError, "float64"),
        (gzip.compress(pickle.dumps([Evil()] * 3)), UnsafeFileError, r"mnist\.pkl\.gz asks for \w+\.system"),
        (gzip.compress(b"\x80\x02}"), DataFileError, "ends too early"),
    ],
    ids=["no gzip", "cut short", "no pairs", "two axes", "float labels", "runs code", "ends early"],
)
def test_bad_pickles(tmp_path, content, error, says):
    (tmp_path / "mnist.pkl.gz").write_bytes(content)
    with pytest.raises(error, match=says):
        data.mnist()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0\0\x08",
        b"\0\0\x08\x01",
        b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0",
        struct.pack(">II", 0x801, 4) + b"abc",
        struct.pack(">II", 0x801, 2) + b"abc",
        struct.pack(">IIII", 0x803, 2**32 - 1, 2**32 - 1, 2**32 - 1) + b"abc",
        b"\0\0\x08\xff" + b"\xff" * 64,
        b"\x1f\x8b\x08\x00",
    ],
)
def test_bad_idx(tmp_path, raw):
    path = tmp_path / "a-ubyte"
    path.write_bytes(raw)
    with pytest.raises(DataFileError, match="a-ubyte"):
        data_files.read_idx(path)


def test_images_and_labels_that_do_not_belong_together(tmp_path):
    write_idx(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(3, np.uint8), 0x801)))
    with pytest.raises(DataFileError, match="4 images and 3 labels"):
        data.mnist(tmp_path)


def test_gzip_bombs_are_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(data_files, "LARGEST", 10**6)
    (tmp_path / "mnist.pkl.gz").write_bytes(gzip.compress(bytes(10**7)))
    with pytest.raises(DataFileError, match="more than 1000000 bytes"):
        data.mnist()


# the documentation's module


def test_load_mnist_data_falls_back_to_the_subset_and_says_so(capsys):
    for found in (load_data.load_mnist_data("mnist.pkl.gz"), load_data.load_mnist_data()):
        same(found, data.mnist_subset(onehot=False))
    printed = capsys.readouterr()
    assert printed.out == "" and len(printed.err.splitlines()) == 2
    assert "mnist.pkl.gz is not here: using the 10,000 images" in printed.err


def test_load_mnist_data_takes_what_is_there(tmp_path, monkeypatch, capsys):
    expected = sets()
    write_pickle(tmp_path / "data" / "mnist.pkl.gz", expected)
    monkeypatch.setenv("HETU_DATA", str(tmp_path / "data"))
    same(load_data.load_mnist_data("mnist.pkl.gz"), expected)
    same(load_data.load_mnist_data(tmp_path / "data"), expected)
    assert capsys.readouterr().err == ""
    monkeypatch.delenv("HETU_DATA")
    with pytest.raises(DataNotFoundError, match="at nowhere"):
        load_data.load_mnist_data("nowhere")
    assert load_data.convert_to_one_hot is data.convert_to_one_hot


# downloads


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder on the web: its files and its address."""
    monkeypatch.delenv("HETU_JAX_OFFLINE")
    folder = tmp_path / "web"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{running.server_address[1]}/"
        running.shutdown()


def test_mnist_is_downloaded_once(tmp_path, monkeypatch, server):
    folder, address = server
    images, *_ = write_idx(folder)
    monkeypatch.setattr(data, "_MIRROR", address)
    sums = {stem: hashlib.sha256(gzip.decompress((folder / f"{stem}-ubyte.gz").read_bytes())) for stem in data._MNIST}
    monkeypatch.setattr(data, "_MNIST", {stem: digest.hexdigest() for stem, digest in sums.items()})
    first = data.mnist(onehot=False)
    np.testing.assert_array_equal(first[0][0], images[:10].reshape(10, 784) / np.float32(256))
    cached = sorted(path.name for path in (tmp_path / "cache" / "mnist").iterdir())
    assert cached == sorted(f"{stem}-ubyte.gz" for stem in data._MNIST)
    for file in folder.iterdir():
        file.unlink()
    same(data.mnist(onehot=False), first)


def test_a_download_with_another_checksum_is_refused(tmp_path, monkeypatch, server):
    folder, address = server
    write_idx(folder)
    monkeypatch.setattr(data, "_MIRROR", address)
    with pytest.raises(DataNotFoundError, match="has the SHA-256 .*: it is another file"):
        data.mnist()
    assert not list((tmp_path / "cache" / "mnist").iterdir())


def test_a_download_that_fails_is_reported(monkeypatch, server):
    monkeypatch.setattr(data, "_MIRROR", server[1])
    with pytest.raises(DataNotFoundError, match=f"Downloading from {server[1]} failed: HTTP Error 404"):
        data.mnist()


def test_the_checksums_are_those_of_the_files_that_are_read(tmp_path, server):
    folder, address = server
    (folder / "a.tar.gz").write_bytes(b"abc")
    good = Remote(f"{address}a.tar.gz", hashlib.sha256(b"abc").hexdigest())
    assert data_files.download(good, tmp_path / "new").read_bytes() == b"abc"


# CIFAR


def cifar_batch(count, labels="labels", classes=10):
    rows = RNG.integers(0, 256, (count, 3072), dtype=np.uint8)
    names = [f"{i}.png" for i in range(count)]
    return {
        "batch_label": "batch",
        labels: RNG.integers(0, classes, count).tolist(),
        "data": rows,
        "filenames": names,
    }


def write_cifar(folder, num_class=10):
    """CIFAR's folder with few images; returns the training and the test batches joined."""
    kind = data._CIFAR[num_class]
    (folder / kind.folder).mkdir(parents=True)
    joined = []
    for members in (kind.train, kind.test):
        batches = [cifar_batch(4, kind.labels, num_class) for _ in members]
        for member, batch in zip(members, batches, strict=True):
            (folder / kind.folder / member).write_bytes(pickle.dumps(batch, 2))
        joined.append((np.concatenate([b["data"] for b in batches]), sum((b[kind.labels] for b in batches), [])))
    return joined


def pack(folder, num_class, name=None):
    kind = data._CIFAR[num_class]
    with tarfile.open(folder / (name or kind.archive.name), "w:gz") as tar:
        tar.add(folder / kind.folder, kind.folder)
    for file in (folder / kind.folder).iterdir():
        file.unlink()


def test_cifar10(tmp_path):
    (x, y), (test_x, test_y) = write_cifar(tmp_path / "CIFAR_10")
    found = data.cifar10(onehot=False)
    assert [part.dtype for part in found] == [np.float64, np.int64, np.float64, np.int64]
    assert [part.shape for part in found] == [(20, 3072), (20,), (4, 3072), (4,)]
    for part, expected in zip(found, (x, y, test_x, test_y), strict=True):
        np.testing.assert_array_equal(part, expected)
    onehot = data.cifar10(tmp_path / "CIFAR_10")
    assert onehot[1].shape == (20, 10) and onehot[3].shape == (4, 10) and onehot[1].argmax(1).tolist() == y


def test_cifar100(tmp_path):
    (x, y), (test_x, test_y) = write_cifar(tmp_path / "c", 100)
    found = data.cifar100(tmp_path / "c", onehot=False)
    assert [part.shape for part in found] == [(4, 3, 32, 32), (4,), (4, 3, 32, 32), (4,)]
    np.testing.assert_array_equal(found[0], x.reshape(4, 3, 32, 32))
    assert found[0].dtype == np.float64 and found[3].tolist() == test_y
    assert data.cifar100(tmp_path / "c")[1].shape == (4, 100)


@pytest.mark.parametrize("num_class", [10, 100])
def test_cifar_archives(tmp_path, monkeypatch, num_class):
    expected = write_cifar(tmp_path / "data", num_class)
    pack(tmp_path / "data", num_class)
    load = {10: data.cifar10, 100: data.cifar100}[num_class]
    archive = tmp_path / "data" / data._CIFAR[num_class].archive.name
    monkeypatch.setenv("HETU_DATA", str(tmp_path / "data"))
    by_environment = load(onehot=False)
    monkeypatch.delenv("HETU_DATA")
    by_path = load(archive, onehot=False)
    (tmp_path / archive.name).write_bytes(archive.read_bytes())
    by_current_folder = load(onehot=False)
    for found in (by_environment, by_path, by_current_folder):
        np.testing.assert_array_equal(found[0].reshape(-1, 3072), expected[0][0])
        assert found[1].tolist() == expected[0][1]


def test_cifar_is_downloaded(tmp_path, monkeypatch, server):
    folder, address = server
    expected = write_cifar(folder)
    pack(folder, 10)
    name = data._CIFAR[10].archive.name
    checksum = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    monkeypatch.setitem(data._CIFAR, 10, data._CIFAR[10]._replace(archive=Remote(address + name, checksum)))
    np.testing.assert_array_equal(data.cifar10(onehot=False)[0], expected[0][0])
    assert (tmp_path / "cache" / "CIFAR_10" / name).is_file()


def test_missing_cifar(tmp_path):
    with pytest.raises(DataNotFoundError) as caught:
        data.cifar10()
    for words in ("CIFAR-10 is not at CIFAR_10", "cifar-10-batches-py", "cs.toronto.edu", str(tmp_path / "cache")):
        assert words in str(caught.value)


def test_bad_cifar(tmp_path):
    write_cifar(tmp_path / "CIFAR_10")
    batch = tmp_path / "CIFAR_10" / "cifar-10-batches-py" / "data_batch_3"
    for value in ({"data": np.zeros((2, 10), np.uint8), "labels": [1, 2]}, [1], {"data": Path, "labels": [1]}):
        batch.write_bytes(pickle.dumps(value, 2))
        with pytest.raises((DataFileError, UnsafeFileError), match="data_batch_3"):
            data.cifar10()


def test_archives_are_not_trusted(tmp_path):
    """A link in the place of a file, and a file of another name, are refused; nothing is unpacked to disk."""
    archive = tmp_path / "cifar-100-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        link = tarfile.TarInfo("cifar-100-python/train")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        other = tarfile.TarInfo("../../escaped")
        other.size = 3
        tar.addfile(other, io.BytesIO(b"abc"))
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataFileError, match=r"cifar-100-python\.tar\.gz is damaged, or another archive"):
        data.cifar100(archive)
    assert sorted(tmp_path.iterdir()) == before
    archive.write_bytes(b"no archive")
    with pytest.raises(DataFileError, match="damaged, or another archive"):
        data.cifar100(archive)


@pytest.mark.parametrize("num_class", [10, 100])
def test_normalize_cifar(tmp_path, num_class):
    (x, y), (test_x, _) = write_cifar(tmp_path / f"CIFAR_{num_class}", num_class)
    found = data.normalize_cifar(num_class, onehot=False)
    for part, rows in ((found[0], x), (found[2], test_x)):
        images = np.float64(rows.reshape(-1, 3, 32, 32))
        mean, std = images.mean((0, 2, 3), keepdims=True), images.std((0, 2, 3), keepdims=True)
        assert part.dtype == np.float32 and part.shape == images.shape
        np.testing.assert_allclose(part, (images - mean) / std, rtol=1e-5, atol=1e-5)
    nhwc = data.tf_normalize_cifar(num_class)
    np.testing.assert_array_equal(nhwc[0], found[0].transpose(0, 2, 3, 1))
    assert nhwc[0].flags.c_contiguous and nhwc[1].shape == (len(y), num_class)


def test_normalize_cifar_knows_two():
    with pytest.raises(ValueError, match="not CIFAR-20"):
        data.normalize_cifar(20)


# labels


def test_one_hot():
    assert data.convert_to_one_hot(np.array([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert data.convert_to_one_hot([1], 4).tolist() == [[0, 1, 0, 0]]
    assert data.convert_to_one_hot(np.array([[1, 0], [0, 1]], np.uint8)).shape == (4, 2)
    assert data.convert_to_one_hot(np.array([1])).dtype == np.float64
    assert data.convert_to_one_hot(np.array([], int), 3).shape == (0, 3)
    with pytest.raises(TypeError, match="integers, not float64"):
        data.convert_to_one_hot(np.array([1.0]))
    for labels in ([3], [-1]):
        with pytest.raises(ValueError, match="do not fit 3 classes"):
            data.convert_to_one_hot(np.array(labels), 3)


# augmentation

IMAGES = RNG.random((50, 8, 10, 3))


def test_augmentation_of_nothing():
    result = data.data_augmentation(IMAGES)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, np.float32(IMAGES))


def test_crops_are_windows_of_their_images():
    cropped = data.data_augmentation(IMAGES, crop=True, crop_shape=(6, 5, 3))
    assert cropped.shape == (50, 6, 5, 3)
    places = set()
    for image, window in zip(np.float32(IMAGES), cropped, strict=True):
        found = [(t, l) for t in range(3) for l in range(6) if (image[t : t + 6, l : l + 5] == window).all()]  # noqa: E741
        assert len(found) == 1
        places.add(found[0])
    assert {t for t, _ in places} == {0, 1, 2} and {c for _, c in places} == set(range(6))


def test_test_mode_crops_the_middle():
    cropped = data.data_augmentation(IMAGES, mode="test", crop=True, crop_shape=(6, 4, 3))
    np.testing.assert_array_equal(cropped, np.float32(IMAGES)[:, 1:7, 3:7])


def test_flip_mirrors_about_half():
    flipped = data.data_augmentation(IMAGES, flip=True)
    mirrored = [(a == b[:, ::-1]).all() for a, b in zip(flipped, np.float32(IMAGES), strict=True)]
    kept = [(a == b).all() for a, b in zip(flipped, np.float32(IMAGES), strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True)) and 10 < sum(mirrored) < 40


def test_whitening():
    white = data.data_augmentation(np.concatenate([IMAGES, np.ones((1, 8, 10, 3))]), whiten=True)
    np.testing.assert_allclose(white.mean((1, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(white[:-1].std((1, 2, 3)), 1, rtol=1e-5)
    assert not white[-1].any()


def test_noise():
    noise = data.data_augmentation(IMAGES, noise=True, noise_mean=2.0, noise_std=0.5) - np.float32(IMAGES)
    assert abs(noise.mean() - 2) < 0.03 and abs(noise.std() - 0.5) < 0.02


def test_augmentation_follows_the_seed():
    def augment():
        return data.data_augmentation(IMAGES, flip=True, crop=True, crop_shape=(6, 5), noise=True)

    random.set_random_seed(1)
    random.reset_seed_seqnum()
    first, second = augment(), augment()
    random.reset_seed_seqnum()
    np.testing.assert_array_equal(augment(), first)
    assert (first != second).any()


def test_augmentation_errors():
    with pytest.raises(ValueError, match="mode is 'train' or 'test'"):
        data.data_augmentation(IMAGES, mode="valid")
    with pytest.raises(ValueError, match="four axes"):
        data.data_augmentation(IMAGES[0])
    with pytest.raises(ValueError, match=r"\(8, 10\) cannot be cropped to \(9, 5\)"):
        data.data_augmentation(IMAGES, crop=True, crop_shape=(9, 5, 3))


def test_cache_folder_follows_the_platform(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert data_files.cache_folder() == Path("/x/hetu_jax")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert data_files.cache_folder() == Path.home() / ".cache" / "hetu_jax"
    monkeypatch.setattr("sys.platform", "darwin")
    assert data_files.cache_folder() == Path.home() / "Library" / "Caches" / "hetu_jax"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    assert data_files.cache_folder() == Path("/local/hetu_jax")
