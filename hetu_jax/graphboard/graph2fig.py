"""A graph as a picture in the browser: `show(executor)` serves a page on this machine, `close()` ends it."""

from __future__ import annotations

import html
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ..graph import Feed, Node, Variable, flatten, toposort

WIDTH, HEIGHT, GAP_X, GAP_Y = 180, 44, 24, 36  # of a box, and between boxes

_COLOURS = {"parameter": "#cfe8cf", "constant": "#e6e6e6", "feed": "#cfe0f5", "op": "#ffffff"}
_server: ThreadingHTTPServer | None = None


def show(executor: Any, port: int = 9997) -> str:
    """Serves a picture of an Executor's graph to browsers on this machine, in place of the one shown before.

    executor: the Executor, or a list of nodes.  port: where; 0 for any that is free.
    Returns: the address.
    """
    global _server
    page = draw(executor).encode()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *args: Any) -> None:
            """Says nothing."""

    close()
    _server = ThreadingHTTPServer(("127.0.0.1", port), Page)
    threading.Thread(target=_server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{_server.server_port}/"


def close() -> None:
    """Ends what `show` serves."""
    global _server
    if _server is not None:
        _server.shutdown()
        _server.server_close()
        _server = None


def draw(executor: Any) -> str:
    """The page: an HTML document with an SVG picture, inputs above what is made of them.

    executor: an Executor, or a list of nodes.
    """
    groups = getattr(executor, "eval_node_dict", {"": executor})
    nodes = toposort([node for node in flatten(groups.values()) if isinstance(node, Node)])
    places, width, height = _places(nodes)
    lines = [_line(places[below], places[node]) for node in nodes for below in dict.fromkeys(node.inputs)]
    boxes = [_box(node, *places[node]) for node in nodes]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Graph</title></head>\n'
        '<body style="font: 12px sans-serif">\n'
        f"<p>{len(nodes)} nodes; green parameters, grey constants, blue feeds. Point at a box for its place.</p>\n"
        f'<svg width="{width}" height="{height}" xmlns="http://www.w3.org/2000/svg">\n'
        + "\n".join([*lines, *boxes])
        + "\n</svg></body></html>\n"
    )


def _places(nodes: Sequence[Node]) -> tuple[dict[Node, tuple[int, int]], int, int]:
    """The corner of each box, and the size of the picture: a row below the lowest input's, columns as they come."""
    rows: dict[Node, int] = {}
    used: dict[int, int] = {}
    places = {}
    for node in nodes:
        row = rows[node] = 1 + max((rows[below] for below in node.inputs), default=-1)
        column = used.get(row, 0)
        used[row] = column + 1
        places[node] = (GAP_X + column * (WIDTH + GAP_X), GAP_Y + row * (HEIGHT + GAP_Y))
    columns = max(used.values(), default=0)
    return places, GAP_X + columns * (WIDTH + GAP_X), GAP_Y + len(used) * (HEIGHT + GAP_Y)


def _line(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1, x2, y2 = start[0] + WIDTH // 2, start[1] + HEIGHT, end[0] + WIDTH // 2, end[1]
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#888"/>'


def _box(node: Node, x: int, y: int) -> str:
    kind = "feed" if isinstance(node, Feed) else "op"
    if isinstance(node, Variable):
        kind = "parameter" if node.trainable else "constant"
    shape = "" if node.shape is None else f"{node.dtype}{list(node.shape)}"
    title, name, below = (html.escape(str(part)) for part in (node.describe(), node.name[:26], shape[:28]))
    return (
        f'<g><title>{title}</title><rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" '
        f'fill="{_COLOURS[kind]}" stroke="#555"/><text x="{x + 8}" y="{y + 18}">{name}</text>'
        f'<text x="{x + 8}" y="{y + 34}" fill="#555">{below}</text></g>'
    )
