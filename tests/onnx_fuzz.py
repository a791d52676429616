"""Damaged ONNX models: each number makes one, and importing it must give a graph or one OnnxImportError, soon.

`python -m tests.onnx_fuzz 0 20000` tries the numbers from 0 to 19,999 and prints what went wrong, if anything did.
"""

import contextlib
import functools
import random
import sys
import time
import warnings
from unittest import mock

import onnx
from onnx.backend.test.loader import load_model_tests

from hetu_jax.errors import OnnxImportError
from hetu_jax.onnx import onnx2hetu, stripping
from hetu_jax.onnx.reading import parse

LARGEST = 20_000  # bytes of a model to start from
SLOW = 10.0  # seconds of computing; a hang is more
NUMBERS = (-(2**63), -(2**31), -1, 0, 1, 2, 7, 2**16, 2**31 - 1, 2**40, 2**62)


@functools.cache
def seeds():
    """The models of onnx's suite that are small, and single operators of com.microsoft, as bytes."""
    from tests.test_onnx_runtime_ops import CONTRIB, model_of

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = [case for kind in ("node", "simple") for case in load_model_tests(kind=kind)]
    models = [case.model or onnx.load(f"{case.model_dir}/model.onnx") for case in cases]
    for operator, inputs, outputs, domain, _, attributes in (row.values for row in CONTRIB):
        models.append(model_of(operator, inputs, outputs, domain, attributes))
    found = sorted({model.SerializeToString() for model in models})
    return [content for content in found if len(content) < LARGEST]


@functools.cache
def seeds_with_graphs():
    """Those with graphs inside If, Loop, Scan and their like."""
    return [content for content in seeds() if list(inner_graphs(onnx.ModelProto.FromString(content).graph))]


def inner_graphs(graph):
    """The graphs in the attributes of a graph's nodes, and those in theirs."""
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield inner
                yield from inner_graphs(inner)


def damaged_bytes(content, rng):
    """A file with bytes changed, cut off, left out or repeated."""
    content = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        place = rng.randrange(len(content) or 1)
        length = rng.choice((1, 1, 2, 4, 16, 64))
        match rng.randrange(5):
            case 0:
                content[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                del content[place:]
            case 2:
                del content[place : place + length]
            case 3:
                content[place:place] = content[place : place + length]
            case 4:
                content[place : place + length] = rng.choice((b"\xff", b"\x00", b"\x7f")) * length
    return bytes(content)


def messages(message, depth=0):
    """A message and all inside it."""
    yield message
    for _, value in message.ListFields() if depth < 12 else ():
        for item in value if hasattr(value, "add") or isinstance(value, list) else [value]:
            if hasattr(item, "ListFields"):
                yield from messages(item, depth + 1)


def damaged_structure(content, rng):
    """A model with fields of its messages changed, removed, repeated, or moved."""
    model = onnx.ModelProto.FromString(content)
    names = [name for node in model.graph.node for name in (*node.input, *node.output)] + ["", "nowhere"]
    for _ in range(rng.choice((1, 1, 2, 4))):
        message = rng.choice(list(messages(model)))
        fields = message.ListFields()
        if fields:
            change(message, *rng.choice(fields), rng, names)
    return model.SerializeToString()


def damaged_bodies(content, rng):
    """A model whose inner graphs have fields changed, or nodes, inputs and outputs of each other."""
    model = onnx.ModelProto.FromString(content)
    graphs = [model.graph, *inner_graphs(model.graph)]
    names = [name for graph in graphs for node in graph.node for name in (*node.input, *node.output)] + ["", "nowhere"]
    for _ in range(rng.choice((1, 1, 2, 4))):
        graph = rng.choice(graphs[1:])
        if rng.random() < 0.25:
            kind = rng.choice(("node", "input", "output", "initializer"))
            getattr(graph, kind).extend(list(getattr(rng.choice(graphs), kind))[:3])
            continue
        message = rng.choice(list(messages(graph)))
        if message.ListFields():
            change(message, *rng.choice(message.ListFields()), rng, names)
    return model.SerializeToString()


def change(message, field, value, rng, names):
    if hasattr(value, "__len__") and not isinstance(value, str | bytes):
        change_list(value, rng, names)
    elif isinstance(value, bool | int):
        with contextlib.suppress(ValueError):  # an enumeration, or another width
            setattr(message, field.name, rng.choice(NUMBERS))
    elif isinstance(value, float):
        setattr(message, field.name, rng.choice((float("nan"), float("inf"), -1.0, 1e30, 0.0)))
    elif isinstance(value, str):
        setattr(message, field.name, rng.choice([*names, "Add", "Loop", "Reshape", "\x00", "x" * 1000]))
    elif isinstance(value, bytes):
        setattr(message, field.name, damaged_bytes(value, rng) if value else b"\xff")
    else:
        message.ClearField(field.name)


def change_list(items, rng, names):
    if not len(items):
        return
    place, of_messages = rng.randrange(len(items)), hasattr(items, "add")
    match rng.randrange(4):
        case 0:
            del items[place]
        case 1 if of_messages:
            items.add().CopyFrom(items[place])
        case 1:
            items.append(items[place])
        case 2 if not of_messages:
            replace(items, place, rng, names)
        case _ if of_messages:
            moved = [type(items[0]).FromString(item.SerializeToString()) for item in items]
            rng.shuffle(moved)
            del items[:]
            items.extend(moved)


def replace(items, place, rng, names):
    with contextlib.suppress(TypeError, ValueError):  # another type, or a number that is too wide
        items[place] = rng.choice(names) if isinstance(items[place], str) else rng.choice(NUMBERS)


def damaged(number):
    """The bytes of damaged model `number`."""
    rng = random.Random(number)
    if number % 4 == 3:
        return damaged_bodies(rng.choice(seeds_with_graphs()), rng)
    content = rng.choice(seeds())
    return damaged_structure(content, rng) if number % 2 else damaged_bytes(content, rng)


def problem(content):
    """What is wrong with how bytes are imported; None where a graph or an OnnxImportError came of them."""
    start = time.process_time()
    try:
        with mock.patch.object(stripping, "LEAST", 8):
            stripping.stripped(memoryview(content), "damaged.onnx")
        onnx2hetu.from_onnx(parse(content, "damaged.onnx"))
    except OnnxImportError:
        pass
    except Exception as error:  # whatever it is: that is what is looked for
        return f"{type(error).__name__}: {error}"
    took = time.process_time() - start
    return f"took {took:.0f} s" if took > SLOW else None


def main(first, last):
    with contextlib.suppress(ImportError):  # there is none on Windows
        import resource

        limit = 8 * 2**30  # so that an allocation by a declared size fails
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    found = {number: problem(damaged(number)) for number in range(first, last)}
    bad = {number: text for number, text in found.items() if text}
    for number, text in bad.items():
        print(f"{number}: {text[:300]}")
    print(f"{last - first} models, {len(bad)} problems")
    return len(bad)


if __name__ == "__main__":
    sys.exit(bool(main(int(sys.argv[1]), int(sys.argv[2]))))
