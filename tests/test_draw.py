"""Tables and pictures of graphs."""

import os
import re
import stat
import xml.etree.ElementTree as ElementTree
from itertools import combinations

import numpy as np
import pytest
from rich.console import Console

import hetu_jax as ht
from hetu_jax import layers as htl
from hetu_jax.errors import FeedError, GraphError
from hetu_jax.layers.base import BaseLayer
from hetu_jax.svg import Link, Shape, picture

SVG = "{http://www.w3.org/2000/svg}"


class Block(BaseLayer):
    def __init__(self, width, name):
        self.name, self.fc = name, htl.Linear(width, width, activation="relu", name=f"{name}_fc")

    def __call__(self, x):
        return self.fc(x) + x


def network():
    x, y_ = ht.Variable("x"), ht.Variable("y_")
    net = htl.Sequence(
        htl.Conv2d(1, 4, 3, padding=1, activation="relu", name="conv1"),
        htl.MaxPool2d(2, 2),
        htl.Reshape((-1, 64)),
        Block(64, "block1"),
        Block(64, "block2"),
        htl.Linear(64, 10, name="fc"),
    )
    scores = net(x)
    loss = ht.reduce_mean_op(ht.softmaxcrossentropy_op(scores, y_), [0])
    train = ht.optim.AdamOptimizer(0.01).minimize(loss)
    executor = ht.Executor({"predict": [scores], "train": [loss, train]})
    return x, y_, executor


def test_summary():
    x, y_, executor = network()
    with pytest.raises(FeedError, match=r"'x' .* and |'x' .*, .*'y_'.*feed_shapes=\{x: \(128, \.\.\.\)"):
        executor.summary()
    shapes = {x: (32, 1, 8, 8), y_: (32, 10)}
    table = executor.summary(feed_shapes=shapes)
    rows = {row.name: row for row in table.rows}
    assert [row.name for row in table.rows] == [
        *("x", "conv1", "MaxPool2d", "Reshape", "block1_fc", "add", "block2_fc", "add", "fc", "y_"),
        *("softmaxcrossentropy", "reduce_mean", "Adam"),
    ]
    assert rows["conv1"].cells == ("conv1", "Conv2d", "32×4×8×8", "40", "164 k")
    assert rows["fc"].flops == 2 * 32 * 64 * 10 + 32 * 10
    numbers = 40 + 2 * (64 * 64 + 64) + 64 * 10 + 10
    assert (table.parameters, table.trainable) == (numbers, numbers)
    assert 3 * 4 * numbers <= table.nbytes <= 3 * 4 * numbers + 64  # Adam has two slots a parameter, and a counter
    assert 2.5 * table.forward < table.flops < 4 * table.forward
    assert [row.name for row in executor.summary("predict", shapes, depth=0).rows] == [
        *("x", "conv1", "MaxPool2d", "Reshape", "block1", "block2", "fc")
    ]
    ops = [row.name for row in executor.summary("predict", shapes, depth=-1).rows]
    assert ops[:4] == ["x", "conv2d_add_bias", "relu", "max_pool2d"]


def test_summary_needs_no_shapes_after_a_run():
    x, y_, executor = network()
    executor.run("train", feed_dict={x: np.zeros((3, 1, 8, 8)), y_: np.zeros((3, 10))})
    assert executor.summary().rows[1].shape == (3, 4, 8, 8)


def test_summary_of_dataloaders_is_of_the_group():
    loaders = [ht.Dataloader(np.zeros((12, 2)), size, name) for size, name in ((4, "train"), (6, "valid"))]
    y = ht.dataloader_op(loaders) * 2.0
    executor = ht.Executor({"train": [y], "valid": [y]})
    assert [executor.summary(name).rows[-1].shape for name in ("train", "valid")] == [(4, 2), (6, 2)]
    with pytest.raises(GraphError, match="no group 'vald'; did you mean valid"):
        executor.summary("vald")


def test_summary_is_shown(capsys):
    x, y_, executor = network()
    table = executor.summary(feed_shapes={x: (32, 1, 8, 8), y_: (32, 10)})
    text = str(table)
    assert "group 'train'" in text and "8,320" not in text and max(map(len, text.splitlines())) <= 100
    assert text.splitlines()[-2].strip().startswith("9,010 trainable parameters")
    console = Console(width=100)
    with console.capture() as shown:
        console.print(table)
    assert [line.rstrip() for line in shown.get().splitlines()] == text.splitlines()
    page = table._repr_html_()
    root = ElementTree.fromstring(f"<div>{page.replace('<br>', '<br/>')}</div>")
    assert len(root.findall("div/table/tr")) == len(table.rows) + 1
    assert "<script" not in page and "color:#" not in page.replace("border", "")


def test_weights_read_twice_count_once():
    w = ht.Variable("w", value=np.ones((3, 3)))
    y = ht.matmul_op(ht.matmul_op(w, w), w)
    table = ht.Executor([y]).summary()
    assert table.parameters == 9 and sum(row.parameters for row in table.rows) == 9


def boxes_of(drawing):
    return [box.name for box in drawing.boxes]


def test_layers_are_boxes():
    x, y_, executor = network()
    drawing = ht.draw(executor, feed_shapes={x: (32, 1, 8, 8), y_: (32, 10)})
    assert boxes_of(drawing)[:4] == ["x", "conv1", "MaxPool2d", "Reshape"]
    assert "block1" in boxes_of(ht.draw(executor, depth=0))
    assert "block1" in boxes_of(ht.draw(executor, limit=10)), "too many boxes: less is opened"
    assert "conv2d_add_bias" in boxes_of(ht.draw(executor, depth=-1))
    assert repr(drawing).startswith(f"<Drawing of {len(drawing.boxes)} boxes")


def test_many_parameters_are_counted():
    x = ht.Variable("x")
    with ht.name_scope("many"):
        y = ht.sum_op([x] + [ht.Variable(f"w{i}", value=np.ones((2, 3))) for i in range(5)])
    assert "many<br>5 Variables, 30 numbers" in ht.draw(y).mermaid()


def test_scopes():
    @ht.name_scope("double")
    def double(x):
        return x + x * 1.0

    x = ht.Variable("x")
    with ht.name_scope("outer"):
        y = double(double(x)) * 3.0
    assert [scope.name for scope in y.scope] == ["outer"]
    assert boxes_of(ht.draw(y)) == ["x", "double", "double", "mul_byconst"]
    assert boxes_of(ht.draw([y], depth=0)) == ["x", "outer"]
    with pytest.raises(TypeError, match="expected a node, a list of nodes or an Executor"):
        ht.draw(["x"])
    with pytest.raises(TypeError, match="keys of feed_shapes are placeholders, not 'x'"):
        ht.draw(y, feed_shapes={"x": (3,)})


def test_svg():
    x, y_, executor = network()
    text = ht.draw(executor, feed_shapes={x: (32, 1, 8, 8), y_: (32, 10)}).svg("own")
    root = ElementTree.fromstring(text)
    words = [element.text for element in root.iter(f"{SVG}text")]
    assert {"conv1", "Conv2d", "conv1_weight 4×1×3×3", "32×4×8×8", "gradient, update"} <= set(words)
    assert "<script" not in text and len(text) < 20_000
    assert "made at " in (hint := next(iter(root.iter(f"{SVG}title"))).text) and "test_draw.py:" in hint
    with pytest.raises(GraphError, match="engine must be"):
        ht.draw(executor).svg("neato")


def test_boxes_of_a_picture_do_not_touch():
    rng = np.random.default_rng(0)
    links = [Link(int(rng.integers(i)), i, "1×2") for i in range(1, 40) for _ in range(2)]
    shapes = [Shape(["a box", "of " + "m" * int(n)], "op", "", False) for n in rng.integers(1, 20, 40)]
    root = ElementTree.fromstring(picture(shapes, links, {"op": ("#fff", "#000")}, {"op": "op"}))
    boxes = [r for r in root.iter(f"{SVG}rect") if r.get("rx") == "5"]
    assert len(boxes) == 40 and len(list(root.iter(f"{SVG}path"))) == len(links) + 1
    spans = [[float(box.get(key)) for key in ("x", "y", "width", "height")] for box in boxes]
    for (x1, y1, w1, h1), (x2, y2, w2, h2) in combinations(spans, 2):
        assert x1 + w1 <= x2 or x2 + w2 <= x1 or y1 + h1 <= y2 or y2 + h2 <= y1
    assert min(x for x, *_ in spans) > 0
    assert max(x + w for x, _, w, _ in spans) < float(root.get("width"))


def test_mermaid_and_dot():
    x = ht.Variable('a "quoted" <x>')
    w = ht.Variable("w", value=np.ones((3, 2)))
    drawing = ht.draw(ht.matmul_op(x, w), feed_shapes={x: (5, 3)})
    assert str(drawing).splitlines() == [
        "flowchart TD",
        '  n0["a #quot;quoted#quot; #lt;x#gt;<br>placeholder"]:::input',
        '  n1["matmul<br>w 3×2"]:::weights',
        '  n0 -->|"5×3"| n1',
        "  classDef input fill:#dbeafe,stroke:#3b82f6,color:#111",
        "  classDef weights fill:#dcfce7,stroke:#16a34a,color:#111",
    ]
    dot = drawing.dot()
    assert "&quot;quoted&quot; &lt;x&gt;" in dot and 'n0 -> n1 [label=" 5×3"]' in dot


def test_graphviz(tmp_path, monkeypatch):
    drawing = ht.draw(ht.Variable("w", value=np.ones(3)) * 2.0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImportError, match="pip install graphviz"):
        drawing.svg("graphviz")
    with pytest.raises(ImportError, match=r"svg\(engine='own'\)"):
        drawing.save(tmp_path / "graph.png")
    assert drawing.svg() == drawing.svg("own") == drawing._repr_svg_()
    pytest.importorskip("graphviz")
    program = tmp_path / "dot"
    program.write_text('#!/bin/sh\nprintf "%s" "$*"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    assert "-Tsvg" in drawing.svg()
    drawing.save(tmp_path / "graph.png")
    assert "-Tpng" in (tmp_path / "graph.png").read_text()


@pytest.mark.parametrize("form", ["svg", "mmd", "dot"])
def test_save(form, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    drawing = ht.draw(ht.Variable("w", value=np.ones(3)) * 2.0)
    drawing.save(os.fspath(tmp_path / f"graph.{form}"))
    assert re.match("<svg|flowchart|digraph", (tmp_path / f"graph.{form}").read_text())


def test_the_backward_pass_counts_once():
    x, w = ht.Variable("x"), ht.Variable("w", value=np.ones((4, 3)))
    y = ht.matmul_op(x, w)
    loss = ht.reduce_mean_op(y * y, [0, 1])
    (gradient,) = ht.gradients(loss, [w])
    for nodes, said in (([loss, gradient], "with gradients"), ([loss], "FLOP forward")):
        table = ht.Executor(nodes).summary(feed_shapes={x: (2, 4)})
        assert sum(row.flops for row in table.rows) == table.flops
        assert "optimizer" not in str(table) and str(table).rstrip().endswith(said)
    trained = ht.Executor([loss, gradient, ht.optim.AdamOptimizer(0.1).minimize(loss)])
    table = trained.summary(feed_shapes={x: (2, 4)})
    assert sum(row.flops for row in table.rows) == table.flops
    assert "MiB with the optimizer's" in str(table) and "with gradients and update" in str(table)


def test_the_end_of_the_name_says_how(tmp_path):
    picture = ht.draw(ht.Variable("w", value=[1.0]) * 2.0)
    picture.save(tmp_path / "graph.SVG")
    assert (tmp_path / "graph.SVG").read_text(encoding="utf-8").startswith("<svg")
    with pytest.raises(GraphError, match="graph' does not say how.*give it an end, as .*graph.svg"):
        picture.save(tmp_path / "graph")
