"""What a notebook shows of nodes, arrays, dataloaders and Executors."""

import base64
import re
import struct
import xml.etree.ElementTree as ElementTree
import zlib

import numpy as np
import pytest

import hetu_jax as ht
from hetu_jax.display import png


def shown(thing):
    """The page of a thing as {row: text}, and its source."""
    page = thing._repr_html_()
    root = ElementTree.fromstring(re.sub(r"(<img[^>]*)>", r"\1/>", page))
    rows = {}
    for line in root.findall("div")[1:]:
        name, *rest = line.itertext()
        rows[name] = "".join(rest).strip()
    assert "<script" not in page and len(page) < 24_000
    return rows, page


def test_node():
    x, w = ht.Variable("<x>"), ht.Variable("w", value=np.ones((3, 2)), trainable=False)
    rows, page = shown(ht.matmul_op(x, w, name="y"))
    assert rows["value"] == "of unknown shape" and "test_display.py:" in rows["made at"]
    assert (rows["node_A"], rows["node_B"]) == ("<x> fed in each run", "w float32 3×2")
    assert "<b>y</b> matmul_op" in page
    assert shown(ht.relu_op(w))[0]["value"] == "float32 3×2"
    assert shown(ht.matmul_op(w, w))[0]["value"].startswith("cannot be computed: matmul_op")
    assert shown(x)[0]["value"] == "fed in each run"


def test_variable():
    rows, page = shown(ht.Variable("w", value=np.arange(1000.0)))
    assert rows["range"] == "0 … 999, mean 499.5, deviation 288.7" and "<svg" in page
    assert rows["kind"] == "trainable parameter"
    assert shown(ht.Variable("f", value=np.zeros((4, 1, 5, 5))))[1].count("<img") == 4
    assert shown(ht.Variable("b", value=[1, 2], trainable=False))[0]["numbers"] == "[1., 2.]"
    assert "range" not in shown(ht.init.zeros((30, 30), name="later"))[0], "it has no value before an Executor is built"


def test_array():
    digits = np.random.default_rng(0).random((20, 28, 28))
    rows, page = shown(ht.array(digits))
    assert (rows["value"], rows["device"]) == ("float32 20×28×28", "cpu(0)")
    assert page.count("<img") == 16
    assert shown(ht.array(np.full(9, np.nan)))[0]["bad"] == "9 of 9 are NaN or infinite"
    some = shown(ht.array([*range(9), np.inf]))[0]
    assert some["bad"] == "1 of 10 are NaN or infinite" and some["range"].startswith("0 … 8")
    assert shown(ht.ndarray.NDArray(None))[0] == {"value": "none"}
    assert shown(ht.array(np.zeros((2, 3, 8, 8))))[1].count("<img") == 2, "three channels are colours"
    assert "range" in shown(ht.array(np.ones(1 << 20)))[0]


def test_dataloaders():
    loader = ht.Dataloader(np.random.rand(20, 1, 8, 8), 5, "train", shuffle=True)
    rows, page = shown(loader)
    assert rows["value"] == "4 batches of float32 5×1×8×8, at 0" and rows["order"] == "shuffled"
    assert page.count("<img") == 16
    assert shown(ht.dataloader_op([loader]))[0]["for 'train'"] == rows["value"]


def test_executor():
    x, w = ht.Variable("x"), ht.Variable("w", value=np.ones((3, 2)))
    loader = ht.dataloader_op([ht.Dataloader(np.zeros((6, 3)), 2, "fit")])
    loss = ht.reduce_mean_op(ht.matmul_op(loader, w), [0, 1])
    train = ht.optim.SGDOptimizer(0.1).minimize(loss)
    rows, _ = shown(ht.Executor({"fit": [loss, train], "<predict>": [ht.matmul_op(x, w, name="y")]}))
    assert rows["group 'fit'"] == f"training; 3 batches; gives {loss.name}, Optimizer_SGD"
    assert rows["group '<predict>'"] == "inference; feed x; gives y"


def test_nodes_of_notebooks():
    names = {"ht": ht}
    exec(compile("\ny = ht.Variable('x')", "/somewhere/ipykernel_123/456.py", "exec"), names)
    assert shown(names["y"])[0]["made at"] == "line 2 of a cell"


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 3)])
def test_png(shape):
    plane = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    data = png(plane)
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    assert (width, height, depth, colour) == (5, 3, 8, 2 if len(shape) == 3 else 0)
    start = data.index(b"IDAT") + 4
    raw = np.frombuffer(zlib.decompressobj().decompress(data[start:]), np.uint8).reshape(3, -1)[:, 1:]
    assert raw.min() == 0 and raw.max() == 255 and raw.size == plane.size
    assert base64.b64encode(data).startswith(b"iVBOR")
    assert png(np.full((3, 3), np.nan))
