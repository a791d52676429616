"""Pictures of graphs without any other program: boxes in rows, lines through the gaps, as SVG."""

from __future__ import annotations

import html
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

TITLE, TEXT, LINE, PAD = 12, 10.5, 14, 8  # font sizes, distance of lines, space around text, in pixels
GAP_X, GAP_Y = 26, 34  # between boxes
WIDTH = 420  # of a picture at least, for the legend
SWEEPS = 12  # passes over the rows that straighten the lines


class Shape(NamedTuple):
    """One box to draw.  lines: its texts, the first one bold.  kind: its colours.  hint: shown when pointed at."""

    lines: Sequence[str]
    kind: str
    hint: str
    bold: bool


class Link(NamedTuple):
    """A line from box `start` to box `end`, by position, with a text."""

    start: int
    end: int
    text: str


def picture(
    shapes: Sequence[Shape],
    links: Sequence[Link],
    colours: Mapping[str, tuple[str, str]],
    words: Mapping[str, str],
) -> str:
    """The SVG of boxes and links, from top to bottom, with a legend.

    colours: kind -> (fill, border).  words: kind -> what the legend says.
    """
    sizes = [_size(shape) for shape in shapes]
    rows, chains = _rows(len(shapes), links)
    width_of = {i: size[0] for i, size in enumerate(sizes)}
    width_of |= {i: _width(link.text, TEXT) for chain, link in zip(chains, links, strict=True) for i in chain[1:-1]}
    rows = _ordered(rows, chains)
    x = _columns(rows, chains, width_of)
    left = min((x[i] - width_of[i] / 2 for i in x), default=0)
    right = max((x[i] + width_of[i] / 2 for i in x), default=0)
    width = max(right - left + 4 * PAD, WIDTH)
    x = {i: at + (width - left - right) / 2 for i, at in x.items()}
    spans, bottom = _spans(rows, sizes)
    kinds = [kind for kind in words if any(shape.kind == kind for shape in shapes)]
    legend, bottom = _legend(kinds, colours, words, width, bottom)
    drawn = [_line(chain, link.text, x, spans) for chain, link in zip(chains, links, strict=True)]
    drawn += [_box(shape, x[i], spans[i][0], sizes[i], colours[shape.kind]) for i, shape in enumerate(shapes)]
    return _document("".join([*drawn, *legend]), width, bottom)


def _size(shape: Shape) -> tuple[float, float]:
    widths = [_width(shape.lines[0], TITLE * 1.06), *(_width(line, TEXT) for line in shape.lines[1:])]
    return max(widths) + 2 * PAD, LINE * len(shape.lines) + PAD + 2


def _width(text: str, size: float) -> float:
    """About as wide as the text is; Chinese characters are twice as wide as others."""
    return size * sum(1.0 if ord(character) > 0x2E80 else 0.62 for character in text)


def _rows(count: int, links: Sequence[Link]) -> tuple[list[list[int]], list[list[int]]]:
    """The boxes of each row, with invisible ones where links pass, and the chain of boxes that each link follows."""
    after, before = defaultdict(list), defaultdict(list)
    for start, end, _ in links:
        after[start].append(end)
        before[end].append(start)
    row = [0] * count
    for i in range(count):
        row[i] = 1 + max((row[j] for j in before[i]), default=-1)
    for i in reversed(range(count)):
        if after[i] and not before[i]:  # an input stands right above what reads it
            row[i] = min(row[j] for j in after[i]) - 1
    rows: list[list[int]] = [[] for _ in range(max(row, default=-1) + 1)]
    for i in range(count):
        rows[row[i]].append(i)
    chains, extra = [], count
    for start, end, _ in links:
        passed = range(extra, extra + row[end] - row[start] - 1)
        for offset, i in enumerate(passed, row[start] + 1):
            rows[offset].append(i)
        chains.append([start, *passed, end])
        extra += len(passed)
    return rows, chains


def _neighbours(chains: Sequence[Sequence[int]]) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    above, below = defaultdict(list), defaultdict(list)
    for chain in chains:
        for start, end in pairwise(chain):
            below[start].append(end)
            above[end].append(start)
    return above, below


def _ordered(rows: Sequence[Sequence[int]], chains: Sequence[Sequence[int]]) -> list[list[int]]:
    """The rows, with boxes near the mean position of their neighbours, so that few lines cross."""
    rows, sides = [list(row) for row in rows], _neighbours(chains)
    for sweep in range(SWEEPS):
        linked = sides[sweep % 2]
        place = {i: n - len(row) / 2 for row in rows for n, i in enumerate(row)}
        for row in rows if sweep % 2 == 0 else reversed(rows):
            row.sort(key=_mean(linked, place))
            place.update((i, n - len(row) / 2) for n, i in enumerate(row))
    return rows


def _mean(linked: Mapping[int, list[int]], place: Mapping[int, float]) -> Callable[[int], float]:
    places = dict(place)

    def mean(i: int) -> float:
        near = linked.get(i, ())
        return sum(place[j] for j in near) / len(near) if near else places[i]

    return mean


def _columns(
    rows: Sequence[Sequence[int]], chains: Sequence[Sequence[int]], width_of: Mapping[int, float]
) -> dict[int, float]:
    """The middle of each box, from left to right."""
    sides = _neighbours(chains)
    x: dict[int, float] = {}
    for row in rows:
        x.update(_spread(row, dict.fromkeys(row, 0.0), width_of))
    for sweep in range(SWEEPS):
        linked = sides[sweep % 2]
        for row in rows if sweep % 2 == 0 else reversed(rows):
            mean = _mean(linked, x)
            x.update(_spread(row, {i: mean(i) for i in row}, width_of))
    return x


def _spread(row: Sequence[int], wish: Mapping[int, float], width_of: Mapping[int, float]) -> dict[int, float]:
    """Places as near to the wishes as boxes that do not touch can be, by least squares."""
    offset, offsets = 0.0, []
    for n, i in enumerate(row):
        offset += (width_of[row[n - 1]] + width_of[i]) / 2 + GAP_X if n else 0
        offsets.append(offset)
    blocks: list[tuple[float, int]] = []  # (mean, how many) of boxes that stand side by side
    for i, start in zip(row, offsets, strict=True):
        mean, count = wish[i] - start, 1
        while blocks and blocks[-1][0] > mean:
            other, others = blocks.pop()
            mean, count = (mean * count + other * others) / (count + others), count + others
        blocks.append((mean, count))
    means = [mean for mean, count in blocks for _ in range(count)]
    return {i: mean + start for i, mean, start in zip(row, means, offsets, strict=True)}


def _spans(
    rows: Sequence[Sequence[int]], sizes: Sequence[tuple[float, float]]
) -> tuple[dict[int, tuple[float, float]], float]:
    """Top and bottom of each box, for an invisible one those of its row, and where the last row ends."""
    spans, top = {}, 2.0 * PAD
    for row in rows:
        height = max(sizes[i][1] for i in row if i < len(sizes))
        for i in row:
            spare = (height - sizes[i][1]) / 2 if i < len(sizes) else 0
            spans[i] = (top + spare, top + height - spare)
        top += height + GAP_Y
    return spans, top - GAP_Y


def _line(chain: Sequence[int], text: str, x: Mapping[int, float], spans: Mapping[int, tuple[float, float]]) -> str:
    """A line that bends between the rows and goes straight down through them; its text stands before its end."""
    path = f"M{x[chain[0]]:.1f} {spans[chain[0]][1]:.1f}"
    for start, end in pairwise(chain):
        y1, y2 = spans[start][1], spans[end][0] - (5 if end == chain[-1] else 0)
        middle = (y1 + y2) / 2
        path += f"C{x[start]:.1f} {middle:.1f} {x[end]:.1f} {middle:.1f} {x[end]:.1f} {y2:.1f}"
        path += "" if end == chain[-1] else f"V{spans[end][1]:.1f}"
    label = _text((x[start] + x[end]) / 2, middle + 3, text, 'class="e" text-anchor="middle"') if text else ""
    return f'<path d="{path}" class="l" marker-end="url(#a)"/>{label}'


def _box(shape: Shape, x: float, top: float, size: tuple[float, float], colours: tuple[str, str]) -> str:
    (width, height), (fill, border) = size, colours
    lines = "".join(
        _text(x, top + LINE * (n + 1), line, f'text-anchor="middle" class="{"s" if n else "t"}"')
        for n, line in enumerate(shape.lines)
    )
    stroke = f'stroke="{border}" stroke-width="{2.2 if shape.bold else 1}"'
    return (
        f"<g><title>{html.escape(shape.hint)}</title>"
        f'<rect x="{x - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="5" '
        f'fill="{fill}" {stroke}/>{lines}</g>'
    )


def _text(x: float, y: float, text: str, rest: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {rest}>{html.escape(text)}</text>'


def _legend(
    kinds: Sequence[str], colours: Mapping[str, Any], words: Mapping[str, str], width: float, top: float
) -> tuple[list[str], float]:
    """What the colours mean, in as many lines as needed, and where it ends."""
    drawn, x, y = [], 2.0 * PAD, top + 28
    for kind in kinds:
        needed = 24 + _width(words[kind], TEXT)
        if x + needed > width:
            x, y = 2.0 * PAD, y + 18
        fill, border = colours[kind]
        drawn.append(
            f'<rect x="{x:.1f}" y="{y - 9:.1f}" width="11" height="11" rx="2" fill="{fill}" stroke="{border}"/>'
        )
        drawn.append(_text(x + 16, y, words[kind], 'class="s"'))
        x += needed + 8
    return drawn, y + 2 * PAD


def _document(content: str, width: float, height: float) -> str:
    """The SVG with its own light ground, so that it can be read on a dark page."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="Helvetica,Arial,sans-serif" '
        f'style="max-width:100%;height:auto">'
        f"<style>.t{{font-size:{TITLE}px;font-weight:600;fill:#111}}.s{{font-size:{TEXT}px;fill:#444}}"
        f".e{{font-size:9.5px;fill:#555;paint-order:stroke;stroke:#fff;stroke-width:4px}}"
        ".l{fill:none;stroke:#888;stroke-width:1.2}</style>"
        '<defs><marker id="a" viewBox="0 0 8 8" refX="2" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#888"/></marker></defs>'
        f'<rect width="100%" height="100%" rx="6" fill="#fff"/>{content}</svg>'
    )
