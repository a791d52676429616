"""Reading the traces that JAX's profiler writes: how long each instruction of a program took.

The files are protocol buffers (XSpace of XLA's profiler).  JAX's own reader aborts the process on some of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# The numbers of the fields that are read, by message.
SPACE_PLANES = 1
PLANE_LINES, PLANE_STATS = 3, 5
LINE_EVENTS = 4
EVENT_DURATION, EVENT_STATS = 3, 4  # picoseconds
STAT_KIND, STAT_TEXT, STAT_REFERENCE = 1, 5, 7
ENTRY_KEY, ENTRY_VALUE, METADATA_NAME = 1, 2, 2

Message = dict[int, list[Any]]


def message(data: memoryview) -> Message:
    """The fields of a message by number: whole numbers, and memoryviews of what has a length."""
    found: Message = defaultdict(list)
    for number, value in _fields(data):
        found[number].append(value)
    return found


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(data, at)
        else:
            length, at = _varint(data, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
            value, at = data[at : at + length], at + length
        yield tag >> 3, value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value, at = value | (byte & 127) << shift, at + 1
        if byte < 128:
            return value, at
        shift += 7


def seconds_by_instruction(folder: Path, module: str) -> dict[str, float]:
    """Seconds by instruction of a program, over all devices, from the traces in a folder."""
    spent: Counter[str] = Counter()
    for path in folder.rglob("*.xplane.pb"):
        for plane in message(memoryview(path.read_bytes()))[SPACE_PLANES]:
            _add_plane(message(plane), module, spent)
    return dict(spent)


def _add_plane(plane: Message, module: str, spent: Counter[str]) -> None:
    texts = {}
    for entry in map(message, plane[PLANE_STATS]):
        names = message(entry[ENTRY_VALUE][0])[METADATA_NAME] if entry[ENTRY_VALUE] else []
        texts[entry[ENTRY_KEY][0] if entry[ENTRY_KEY] else 0] = _text(names[0]) if names else ""
    if "hlo_op" not in texts.values():
        return
    for line in map(message, plane[PLANE_LINES]):
        for event in map(message, line[LINE_EVENTS]):
            stats = _stats(event, texts)
            if stats.get("hlo_module") == module and "hlo_op" in stats and event[EVENT_DURATION]:
                spent[stats["hlo_op"]] += event[EVENT_DURATION][0] / 1e12


def _stats(event: Message, texts: dict[int, str]) -> dict[str, str]:
    """What an event says in words."""
    found = {}
    for stat in map(message, event[EVENT_STATS]):
        kind = texts.get(stat[STAT_KIND][0] if stat[STAT_KIND] else 0, "")
        if stat[STAT_REFERENCE]:
            found[kind] = texts.get(stat[STAT_REFERENCE][0], "")
        elif stat[STAT_TEXT]:
            found[kind] = _text(stat[STAT_TEXT][0])
    return found


def _text(data: memoryview) -> str:
    return bytes(data).decode("utf-8", "replace")
