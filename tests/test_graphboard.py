"""Pictures of graphs."""

import urllib.request
import xml.etree.ElementTree as ElementTree

import numpy as np

import hetu_jax as ht
from hetu_jax.graphboard import graph2fig


def graph():
    x, w = ht.placeholder_op("x<1>"), ht.Variable("w", value=np.ones((3, 2)))
    loss = ht.reduce_mean_op(ht.relu_op(ht.matmul_op(x, w)), [0, 1])
    return ht.Executor({"train": [loss, ht.optim.SGDOptimizer(0.1).minimize(loss)]})


def test_page():
    page = graph2fig.draw(graph())
    svg = ElementTree.fromstring(page[page.index("<svg") : page.index("</body>")])
    names = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert "x<1>" in names and "w" in names and "float32[3, 2]" in names
    boxes = list(svg.iter("{http://www.w3.org/2000/svg}rect"))
    assert len({(box.get("x"), box.get("y")) for box in boxes}) == len(boxes) >= 6
    assert all(float(line.get("y2")) > float(line.get("y1")) for line in svg.iter("{http://www.w3.org/2000/svg}line"))
    assert "0 nodes" in graph2fig.draw([])


def test_server():
    executor = graph()
    graph2fig.show(executor, port=0)
    address = graph2fig.show(executor, port=0)  # in place of the first
    with urllib.request.urlopen(address, timeout=10) as response:
        assert response.read().decode() == graph2fig.draw(executor)
    graph2fig.close()
    graph2fig.close()
