"""`draw`: a graph as a picture, SVG, Mermaid or Graphviz's language."""

from __future__ import annotations

import html
import math
import os
import shutil
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from . import svg
from .boxes import LIMIT, Box, boxes, feed_structs, made_at, shape_text, wanted
from .costs import Cost, costs
from .errors import GraphError
from .executor import Executor
from .graph import Node

PARAMETERS = 4  # shown one by one inside a box

COLOURS = {
    "input": ("#dbeafe", "#3b82f6"),
    "weights": ("#dcfce7", "#16a34a"),
    "elementwise": ("#fef9c3", "#ca8a04"),
    "reduction": ("#ffedd5", "#ea580c"),
    "shape": ("#f3f4f6", "#6b7280"),
    "loss": ("#fee2e2", "#dc2626"),
    "training": ("#f3e8ff", "#9333ea"),
    "layer": ("#cffafe", "#0891b2"),
    "other": ("#ffffff", "#4b5563"),
}
WORDS = {
    "input": "input",
    "weights": "matmul, conv, embedding",
    "elementwise": "elementwise",
    "reduction": "reduce, pool, norm",
    "shape": "shape, index",
    "loss": "loss",
    "training": "gradient, update",
    "layer": "several of these",
    "other": "other",
}


class Drawing:
    """A picture of a graph; shown by a notebook, and as Mermaid text by `print`.

    made: the boxes.  found: the cost of each node, with its shape.
    """

    def __init__(self, made: Sequence[Box], found: Mapping[Node, Cost]):
        self.boxes = list(made)
        self._number = {box: i for i, box in enumerate(made)}
        self._kinds = [kind for kind in COLOURS if any(box.kind == kind for box in made)]
        self._found = found

    def _links(self) -> list[svg.Link]:
        return [
            svg.Link(self._number[source], self._number[box], shape_text(self._found[node].shape))
            for box in self.boxes
            for source, node in box.inputs
        ]

    def _lines(self, box: Box) -> list[str]:
        parameters = [f"{variable.name} {shape_text(variable.shape)}" for variable in box.parameters]
        if len(parameters) > PARAMETERS:
            numbers = sum(math.prod(variable.shape) for variable in box.parameters)
            parameters = [f"{len(parameters)} Variables, {numbers:,} numbers"]
        return [box.name, *filter(None, [box.what]), *(parameters if box.kind != "training" else [])]

    def svg(self, engine: str | None = None) -> str:
        """The picture as SVG.

        engine: 'graphviz' for its `dot`, which needs the Python package graphviz and the program; 'own' for the layout
            of this package, which needs nothing; None for the first where both are installed, else the second.
        Raises GraphError for another engine, ImportError where graphviz is not installed.
        """
        if engine not in (None, "graphviz", "own"):
            raise GraphError(f"engine must be 'graphviz', 'own' or None, not {engine!r}")
        if engine == "graphviz" or (engine is None and _has_graphviz()):
            return self._piped("svg").decode("utf-8")
        shapes = [svg.Shape(self._lines(box), box.kind, _hint(box), box.fetched) for box in self.boxes]
        return svg.picture(shapes, self._links(), COLOURS, WORDS)

    def _piped(self, form: str) -> bytes:
        if not _has_graphviz():
            raise ImportError(
                f"a picture as {form} by Graphviz needs `pip install graphviz` and its program `dot`; "
                "svg(engine='own'), mermaid() and dot() do not"
            )
        import graphviz

        return graphviz.Source(self.dot()).pipe(format=form)

    def dot(self) -> str:
        """The picture in Graphviz's language."""
        lines = [
            "digraph { bgcolor=white;",
            'node [shape=box style="rounded,filled" fontname=Helvetica fontsize=11 height=0.3];',
            'edge [color="#888888" fontname=Helvetica fontsize=9 arrowsize=0.6];',
            f"labelloc=b; fontname=Helvetica; fontsize=10; label=<{self._dot_legend()}>;",
        ]
        for i, box in enumerate(self.boxes):
            fill, border = COLOURS[box.kind]
            title, *rest = map(html.escape, self._lines(box))
            text = "<br/>".join([f"<b>{title}</b>", *rest])
            lines.append(
                f'n{i} [label=<{text}> fillcolor="{fill}" color="{border}" '
                f"penwidth={2.2 if box.fetched else 1} tooltip={_quoted(_hint(box))}];"
            )
        lines += [f"n{start} -> n{end} [label={_quoted(' ' + text)}];" for start, end, text in self._links()]
        return "\n".join([*lines, "}"])

    def _dot_legend(self) -> str:
        cells = "".join(f'<td bgcolor="{COLOURS[kind][0]}">{html.escape(WORDS[kind])}</td>' for kind in self._kinds)
        return f'<table border="0" cellspacing="6"><tr>{cells or "<td></td>"}</tr></table>'

    def mermaid(self) -> str:
        """The picture as a Mermaid flowchart, which GitHub and many editors draw from Markdown."""
        lines = ["flowchart TD"]
        for i, box in enumerate(self.boxes):
            lines.append(f'  n{i}["{"<br>".join(map(_mermaid, self._lines(box)))}"]:::{box.kind}')
        for start, end, text in self._links():
            label = f'|"{_mermaid(text)}"|' if text else ""
            lines.append(f"  n{start} -->{label} n{end}")
        for kind in self._kinds:
            fill, border = COLOURS[kind]
            lines.append(f"  classDef {kind} fill:{fill},stroke:{border},color:#111")
        return "\n".join(lines)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the picture; the end of the name says how: .svg, .mmd (Mermaid), .dot, or what Graphviz can (.png).

        Raises GraphError for a name without an end, ImportError for the last where Graphviz is not installed.
        """
        path = Path(path)
        form = path.suffix.lower()
        if not form:
            raise GraphError(f"{str(path)!r} does not say how to write the picture: give it an end, as {path}.svg")
        texts = {".svg": self.svg, ".mmd": self.mermaid, ".dot": self.dot}
        if form in texts:
            path.write_text(texts[form](), encoding="utf-8")
        else:
            path.write_bytes(self._piped(form[1:]))

    def _repr_svg_(self) -> str:
        return self.svg()

    def __str__(self) -> str:
        return self.mermaid()

    def __repr__(self) -> str:
        links = sum(len(box.inputs) for box in self.boxes)
        return f"<Drawing of {len(self.boxes)} boxes and {links} arrows: show it in a notebook, or .save('graph.svg')>"


def _has_graphviz() -> bool:
    return find_spec("graphviz") is not None and shutil.which("dot") is not None


def _hint(box: Box) -> str:
    """What a box tells when it is pointed at: its nodes and where they were made."""
    told = [f"{node.name}, made at {made_at(node)}" for node in box.nodes[:8]]
    return "\n".join(told + ([f"and {len(box.nodes) - 8} more"] if len(box.nodes) > 8 else []))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _mermaid(text: str) -> str:
    return html.escape(text).replace("&quot;", "#quot;").replace("&#x27;", "#39;").replace("&", "#")


def draw(
    target: Node | Sequence[Node] | Executor,
    name: str | None = None,
    feed_shapes: Mapping[Node, Sequence[int]] | None = None,
    depth: int | None = None,
    limit: int = LIMIT,
) -> Drawing:
    """A picture of a graph: a box for each op or layer, with its parameters inside, and shapes along the arrows.

    target: an Executor, a node, or a list of nodes.  name: the Executor's group; by default the first that trains.
    feed_shapes: shapes of placeholders, where no run has told them; without, the arrows below them have no shapes.
    depth: how many levels of layers are opened: 0 for the outermost layers alone, -1 for every op; None for as many as
        give no more than `limit` boxes.
    Returns: a `Drawing`, which a notebook shows and `.save("graph.svg")` writes.
    Raises TypeError for something else than nodes, GraphError for a group that is not there.
    """
    group, nodes = wanted(target, name)
    made = boxes(nodes, depth, limit)
    inner = [node for box in made for node in box.nodes]
    feeds = feed_structs(target, group, inner, feed_shapes)
    return Drawing(made, costs(inner, feeds, any(node.trains for node in inner), strict=False))
