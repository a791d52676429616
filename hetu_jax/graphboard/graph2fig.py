"""A graph as a picture in the browser: `show(executor)` serves a page on this machine, `close()` ends it."""

from __future__ import annotations

import html
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ..draw import draw as drawn

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
    """The page: an HTML document with an SVG picture of every group.

    executor: an Executor, or a list of nodes.
    """
    names = list(getattr(executor, "subexecutor", [None]))
    pictures = [drawn(executor, name).svg() for name in names]
    titles = ["" if name is None else f"<h2>{html.escape(name)}</h2>" for name in names]
    parts = "\n".join(title + picture for title, picture in zip(titles, pictures, strict=True))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Graph</title></head>\n'
        '<body style="font: 12px sans-serif">\n<p>Point at a box for its place in the script.</p>\n'
        f"{parts}\n</body></html>\n"
    )
