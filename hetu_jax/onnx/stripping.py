"""Large tensors of an ONNX file stay in the file: the model is parsed without them, and they are read where they lie.

Protobuf would copy each of them twice.  Here the bytes of the file are walked once; a large tensor of the graph becomes
one whose data lies outside the model, namely in this very file.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx

LEAST = 2**16  # bytes of a tensor that is worth it
_GRAPH, _INITIALIZER, _RAW = 7, 5, 9  # field numbers of ModelProto, GraphProto and TensorProto
_EXTERNAL = {13, 14}  # those of TensorProto that say where data outside lies


class _Unusual(Exception):
    """The bytes are not what a usual writer makes: protobuf's own parser shall judge them."""


def stripped(content: memoryview, location: str) -> bytes | None:
    """A model's bytes without its large tensors, each of which says that it lies in the file `location`.

    None where there are none, and for bytes that are unusual.
    """
    try:
        return _without(content, location)
    except (_Unusual, IndexError):
        return None


def _without(content: memoryview, location: str) -> bytes | None:
    pieces, found = [], False
    for number, start, inside, end in _fields(content, 0, len(content)):
        if number == _GRAPH and end - inside > LEAST:
            graph, changed = _graph(content, inside, end, location)
            pieces.append(_field(_GRAPH, graph) if changed else content[start:end])
            found |= changed
        else:
            pieces.append(content[start:end])
    return b"".join(pieces) if found else None


def _graph(content: memoryview, begin: int, stop: int, location: str) -> tuple[bytes, bool]:
    pieces, found = [], False
    for number, start, inside, end in _fields(content, begin, stop):
        tensor = _tensor(content, inside, end, location) if number == _INITIALIZER and end - inside > LEAST else None
        pieces.append(content[start:end] if tensor is None else _field(_INITIALIZER, tensor))
        found |= tensor is not None
    return b"".join(pieces), found


def _tensor(content: memoryview, begin: int, stop: int, location: str) -> bytes | None:
    """A tensor whose data is where it lies in the file; None where its data is small, or no plain bytes."""
    fields = list(_fields(content, begin, stop))
    raw = [field for field in fields if field[0] == _RAW]
    if len(raw) != 1 or raw[0][3] - raw[0][2] < LEAST or any(field[0] in _EXTERNAL for field in fields):
        return None
    _, _, inside, end = raw[0]
    place = onnx.TensorProto(data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", inside), ("length", end - inside)):
        place.external_data.add(key=key, value=str(value))
    rest = [content[start:end] for number, start, _, end in fields if number != _RAW]
    return b"".join([*rest, place.SerializeToString()])


def _fields(content: memoryview, begin: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """Each field of a message: its number, where it starts, where its content starts, and where it ends."""
    place = begin
    while place < stop:
        start = place
        tag, place = _varint(content, place)
        inside = place
        match tag & 7:
            case 0:
                _, place = _varint(content, place)
            case 1:
                place += 8
            case 2:
                length, inside = _varint(content, place)
                place = inside + length
            case 5:
                place += 4
            case _:
                raise _Unusual
        if place > stop:
            raise _Unusual
        yield tag >> 3, start, inside, place


def _varint(content: memoryview, place: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = shift = 0
    while shift < 64:
        byte = content[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise _Unusual


def _field(number: int, content: bytes) -> bytes:
    length, header = len(content), bytearray([number << 3 | 2])  # 2: a length comes next
    while length > 0x7F:
        header.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*header, length]) + content
