"""The page that shows an Executor's graph."""

import urllib.request
import xml.etree.ElementTree as ElementTree

import numpy as np

import hetu_jax as ht
from hetu_jax.graphboard import graph2fig


def graph():
    x, w = ht.placeholder_op("x<1>"), ht.Variable("w", value=np.ones((3, 2)))
    loss = ht.reduce_mean_op(ht.relu_op(ht.matmul_op(x, w)), [0, 1])
    return ht.Executor({"train": [loss, ht.optim.SGDOptimizer(0.1).minimize(loss)], "<other>": [loss]})


def test_page():
    page = graph2fig.draw(graph())
    pictures = page.split("<svg")[1:]
    assert len(pictures) == 2 and "<h2>train</h2>" in page and "<h2>&lt;other&gt;</h2>" in page
    svg = ElementTree.fromstring("<svg" + pictures[0].partition("</svg>")[0] + "</svg>")
    assert "x<1>" in "".join(svg.itertext())
    assert "</svg>" in graph2fig.draw([])


def test_server():
    executor = graph()
    graph2fig.show(executor, port=0)
    address = graph2fig.show(executor, port=0)  # in place of the first
    with urllib.request.urlopen(address, timeout=10) as response:
        assert response.read().decode() == graph2fig.draw(executor)
    graph2fig.close()
    graph2fig.close()
