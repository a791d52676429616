"""Pickles from outside: what is read, and what is refused without being run."""

import collections
import io
import os
import pickle
import struct
import time
import tracemalloc

import ml_dtypes
import numpy as np
import pytest

from hetu_jax import safe_pickle
from hetu_jax.errors import CheckpointError, UnsafeFileError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Calls:
    """Pickles to a call of `function` on `args`."""

    def __init__(self, function, *args, state=None):
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.reduced


def same(left, right):
    if isinstance(left, np.ndarray):
        assert type(right) is np.ndarray and right.shape == left.shape
        assert right.dtype.newbyteorder("=") == left.dtype.newbyteorder("=")  # NumPy may swap bytes while reading
        np.testing.assert_array_equal(left, right)
    elif isinstance(left, dict):
        assert list(left) == list(right)
        for key in left:
            same(left[key], right[key])
    elif isinstance(left, list | tuple):
        assert len(left) == len(right) and isinstance(right, type(left))
        for a, b in zip(left, right, strict=True):
            same(a, b)
    else:
        assert type(left) is type(right) and left == right


ARRAYS = [
    np.arange(6, dtype=np.float32).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1),
    np.arange(12).reshape(4, 3)[::2],
    np.zeros((0, 3), np.float32),
    np.array(3.0),
    np.array([1, 2], ">i4"),
    np.array([True, False]),
    np.array(["a", "bcd"]),
    np.array([b"a", b"bcd"]),
    np.array([1 + 2j], np.complex64),
    np.array([1, 2], np.float16),
    np.array([1, 2], ml_dtypes.bfloat16),
    np.array([-1], np.int8),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_arrays(protocol):
    for array in ARRAYS:
        read = safe_pickle.loads(pickle.dumps(array, protocol))
        same(array, read)
        assert read.flags.writeable
        usual = pickle.loads(pickle.dumps(array, protocol))
        assert read.flags.f_contiguous == usual.flags.f_contiguous


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_containers_and_scalars(protocol):
    shared = np.ones(3)
    value = {
        "state_dict": {"w": shared, "again": shared},
        "seed": (2**63, 5),
        "others": [1, -2.5, True, None, "ü", b"\xff\x00", bytearray(b"ab"), b"", {1, 2}, frozenset("ab"), 1 + 2j],
        "scalars": [np.float32(1.5), np.int64(-3), np.bool_(True), np.str_("ab")],
        (1, "key"): np.dtype("float32"),
    }
    read = safe_pickle.loads(pickle.dumps(value, protocol))
    same(value, read)
    assert read["state_dict"]["w"] is read["state_dict"]["again"]


def test_dtypes_are_copies_and_globals_stay():
    swapped = safe_pickle.loads(pickle.dumps(np.dtype(">f8"), 2))
    assert swapped == np.dtype(">f8") and np.dtype("f8").isnative
    assert safe_pickle.loads(pickle.dumps(np.dtype(ml_dtypes.bfloat16))) == ml_dtypes.bfloat16


def test_ordered_dict_becomes_a_dict():
    for protocol in PROTOCOLS:
        read = safe_pickle.loads(pickle.dumps(collections.OrderedDict(b=1, a=2), protocol))
        assert type(read) is dict and list(read.items()) == [("b", 1), ("a", 2)]


def test_names_of_numpy_1():
    data = pickle.dumps(np.arange(3.0), 2)
    old = data.replace(b"numpy._core", b"numpy.core")
    assert old != data
    same(np.arange(3.0), safe_pickle.loads(old))
    data = pickle.dumps(np.float32(2), 2).replace(b"numpy._core", b"numpy.core")
    assert safe_pickle.loads(data) == np.float32(2)


def python2_pickle(rows: bytes, shape):
    """What Python 2 and NumPy 1 wrote (protocol 2): text and elements alike as byte strings."""

    def string(text):
        return b"U" + bytes([len(text)]) + text

    return (
        b"\x80\x02}(" + string(b"data") + b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
        b"U\x01b\x87R(K\x01" + b"".join(b"M" + struct.pack("<H", n) for n in shape) + b"\x86"
        b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89T" + struct.pack("<i", len(rows)) + rows + b"tb" + string(b"labels") + b"]K\x07au."
    )


def test_python_2():
    rows = bytes(range(250, 256)) * 2
    read = safe_pickle.loads(python2_pickle(rows, (2, 6)))
    assert list(read) == ["data", "labels"] and read["labels"] == [7]
    np.testing.assert_array_equal(read["data"], np.frombuffer(rows, np.uint8).reshape(2, 6))


def test_python_2_protocol_0():
    escaped = b"(dp1\nS'x'\nS'\\xff\\x00'\ns."
    assert safe_pickle.loads(escaped) == {"x": "\xff\x00"}


MALICIOUS = {
    "system": Calls(os.system, "touch /tmp/never"),
    "eval": Calls(eval, "1/0"),
    "exec": Calls(exec, "1/0"),
    "getattr": Calls(getattr, "x", "y"),
    "open": Calls(open, "/tmp/never", "w"),
    "load": Calls(np.load, "/tmp/never"),
    "ones": Calls(np.ones, (10,)),
    "assert_equal": Calls(np.testing.assert_equal, 1, 1),
    "import_module": Calls(__import__("importlib").import_module, "numpy.f2py"),
    "open_memmap": Calls(np.lib.format.open_memmap, "/tmp/never"),
    "_reconstructor": Calls(__import__("copyreg")._reconstructor, object, object, None),
    "partial": Calls(__import__("functools").partial, print),
    "nested": {"w": np.ones(2), "deep": [({"x": Calls(os.system, "false")},)]},
    "in array": np.array([Calls(os.system, "false")], dtype=object),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", MALICIOUS)
def test_malicious(name, protocol):
    with pytest.raises(UnsafeFileError, match="asks for|dtype 'O8'") as caught:
        safe_pickle.loads(pickle.dumps(MALICIOUS[name], protocol))
    if "." in name and name != "open_memmap":
        assert name in str(caught.value) or "importlib" in str(caught.value)


@pytest.mark.parametrize(
    "data, says",
    [
        (b"cos\nsystem\n(S'false'\ntR.", "os.system"),
        (b"(S'false'\nios\nsystem\n.", "os.system"),
        (b"\x80\x02(cos\nsystem\nS'false'\no.", "os.system"),
        (b"\x80\x02cos\nsystem\nU\x05false\x85\x81.", "os.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x05false\x85R.", "os.system"),
        (b"\x80\x04\x8c\x08builtins\x8c\x0cset.__call__\x93.", "set.__call__"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.", "ndarray.dumps"),
        (b"\x80\x02\x82\x01.", "registered class"),
        (b"Psomething\n.", "external object"),
        (b"\x80\x02}}U\x01aK\x01sb.", "attributes of a dict"),
    ],
)
def test_forbidden_opcodes(data, says):
    with pytest.raises(UnsafeFileError, match=says):
        safe_pickle.loads(data)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_object_and_structured_arrays(protocol):
    with pytest.raises(UnsafeFileError, match="only arrays of numbers"):
        safe_pickle.loads(pickle.dumps(np.array([1, "a", None], dtype=object), protocol))
    with pytest.raises(UnsafeFileError, match="only arrays of numbers"):
        safe_pickle.loads(pickle.dumps(np.zeros(2, [("a", "f4"), ("b", "i4")]), protocol))


def test_calls_of_admitted_names_do_nothing_else():
    """ndarray cannot be called; dtype, bytearray and set take only what pickles of them hold."""
    with pytest.raises(CheckpointError):
        safe_pickle.loads(b"cnumpy\nndarray\n(I1000000000000\ntR.")
    with pytest.raises(CheckpointError):
        safe_pickle.loads(b"cbuiltins\nbytearray\n(I1000000000000\ntR.")
    with pytest.raises(CheckpointError):
        safe_pickle.loads(pickle.dumps(Calls(bytes, 10**12), 2))
    with pytest.raises(UnsafeFileError):
        safe_pickle.loads(pickle.dumps(np.ones(2).view(np.recarray), 2))


def declared(shape, raw=b"\x00" * 8):
    state = (1, shape, np.dtype("f8"), False, raw)
    return pickle.dumps(Calls(np._core.multiarray._reconstruct, np.ndarray, (0,), b"b", state=state), 2)


@pytest.mark.parametrize(
    "data",
    [
        declared((2**40,)),
        declared((2**62, 2**62)),
        declared((2,)),
        declared((-1,)),
        declared(("a",)),
        declared((0,) * 70, b""),
        pickle.dumps(Calls(np._core.multiarray._reconstruct, np.ndarray, (2**40,), b"b"), 2)[:-1] + b"K\x01b.",
        pickle.dumps(Calls(np._core.numeric._frombuffer, b"\x00" * 8, np.dtype("f8"), (2**40,), "C"), 4),
        pickle.dumps(Calls(np._core.multiarray.scalar, np.dtype("S900000000"), b"a"), 4),
        b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"abc.",
        b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"abc.",
        b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"abc.",
        b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"]r\xff\xff\xff\x7f",
        b"\x80\x02T\xff\xff\xff\x7fabc.",
        b"\x80\x02\x8b\xff\xff\xff\x7f\x01.",
    ],
)
def test_declared_sizes_are_not_allocated(data):
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError):
            safe_pickle.loads(data)
        assert tracemalloc.get_traced_memory()[1] < 10**6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_truncated_everywhere(protocol):
    data = pickle.dumps({"w": np.arange(5.0), "seed": (1, 2), "s": "text"}, protocol)
    for length in range(len(data)):
        with pytest.raises(CheckpointError):
            safe_pickle.loads(data[:length])


def test_damaged_bytes_give_one_kind_of_error():
    data = pickle.dumps({"w": np.arange(5.0), "s": ["text", {1, 2}]}, 4)
    rng = np.random.default_rng(0)
    for _ in range(2000):
        damaged = bytearray(data)
        for position in rng.integers(0, len(data), 2):
            damaged[position] = rng.integers(256)
        try:
            safe_pickle.loads(bytes(damaged))
        except CheckpointError:
            pass


def test_keys_that_take_for_ever_to_hash():
    nested = b"K\x01\x85" + b"2\x86" * 60
    for data in (
        b"\x80\x04}" + nested + b"K\x01s.",
        b"\x80\x04(" + nested + b"\x91.",
        b"\x80\x04\x8f(" + nested + b"\x90.",
    ):
        start = time.perf_counter()
        with pytest.raises(UnsafeFileError, match="nested tuples"):
            safe_pickle.loads(data)
        assert time.perf_counter() - start < 1


def test_load_from_path_file_and_bytes(tmp_path):
    path = tmp_path / "a.pkl"
    data = pickle.dumps([1, np.ones(2)])
    path.write_bytes(data)
    for source in (path, str(path), data, io.BytesIO(data)):
        same([1, np.ones(2)], safe_pickle.load(source))
    with open(path, "rb") as file:
        same([1, np.ones(2)], safe_pickle.load(file))
    with pytest.raises(FileNotFoundError):
        safe_pickle.load(tmp_path / "none")


def test_messages_name_the_file(tmp_path):
    path = tmp_path / "bad.pkl"
    path.write_bytes(pickle.dumps({"w": Calls(os.system, "false")}))
    with pytest.raises(UnsafeFileError, match=r"bad\.pkl asks for (posix|nt)\.system"):
        safe_pickle.load(path)
    path.write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"bad\.pkl ends too early"):
        safe_pickle.load(path)
