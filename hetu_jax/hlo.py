"""Reading XLA's optimised programs: which instructions run, what they move, and what they were made from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import NamedTuple

WIDTHS = {"pred": 8, "token": 0, "opaque": 0}  # bits; of other types the name says them
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.+?) ([a-z][\w\-]*)\((.*)$")
_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) .*\{$")
_ARRAY = re.compile(r"\b([a-z]\w*)\[([\d,]*)\]")
_CALLED = re.compile(r"\b(?:calls|to_apply|comparator|scatter)=%?([\w.\-]+)")
_ORIGIN = re.compile(r'op_name="((?:[^"\\]|\\.)*)"')
_NAME = re.compile(r"%([\w.\-]+)")

FREE = frozenset("parameter constant tuple get-tuple-element bitcast after-all partition-id replica-id".split())
PRODUCTS = frozenset({"dot", "convolution"})
AROUND = frozenset("while conditional call async-start async-update async-done".split())  # run other instructions


Line = tuple[str, str, str, str]  # name, shape, code, rest


class Instruction(NamedTuple):
    """One instruction of a program that runs as a whole.

    name: its name, which a trace shows.  code: what it does.  made: the bytes of its result.
    moved: those and the bytes of its operands.  origins: the names of JAX's operations in it, its own first.
    reads: the names of the instructions whose results it takes.
    products: the sides of the products of matrices and convolutions in it, in ascending order, without ones.
    """

    name: str
    code: str
    made: int
    moved: int
    origins: tuple[str, ...]
    reads: tuple[str, ...]
    products: tuple[tuple[int, ...], ...]


def module_name(text: str) -> str:
    """The name of a program."""
    found = re.match(r"HloModule ([^,\s]+)", text)
    return found.group(1) if found else ""


def instructions(text: str) -> list[Instruction]:
    """The instructions that run by themselves: not those inside fusions, and none that only name or call others."""
    computations = _computations(text)
    free = {line[0]: _reads(line) for lines in computations.values() for line in lines if line[2] in FREE}
    made = {name: size(shape) for lines in computations.values() for name, shape, _, _ in lines}
    inside = {name for lines in computations.values() for *_, rest in lines for name in _CALLED.findall(rest)}
    found = []
    for computation, lines in computations.items():
        for line in lines if computation not in inside else ():
            name, _, code, rest = line
            if code not in FREE and code not in AROUND:
                reads = _reads(line)
                moved = made[name] + sum(made.get(operand, 0) for operand in reads)
                reads = tuple(source for operand in reads for source in _sources(operand, free))
                parts = _origins(rest, computations), reads, _products(line, computations)
                found.append(Instruction(name, code, made[name], moved, *parts))
    return found


def _computations(text: str) -> dict[str, list[Line]]:
    """The lines of each computation."""
    computations: dict[str, list[Line]] = {}
    current: list[Line] = []
    for line in text.splitlines():
        if found := _INSTRUCTION.match(line):
            name, shape, code, rest = found.groups()
            current.append((name, shape, code, rest))
        elif found := _COMPUTATION.match(line):
            current = computations.setdefault(found.group(1), [])
    return computations


def _origins(rest: str, computations: dict[str, list[Line]]) -> tuple[str, ...]:
    """The origin of an instruction, then those of what it is fused from, the last first."""
    found = _ORIGIN.findall(rest)
    for called in _CALLED.findall(rest):
        for *_, inner in reversed(computations.get(called, [])):
            found += _origins(inner, computations)
    return tuple(dict.fromkeys(found))


def _reads(line: Line) -> list[str]:
    words = line[3].partition("metadata=")[0]
    called = _CALLED.findall(words)
    return list(dict.fromkeys(name for name in _NAME.findall(words) if name not in called))


def _sources(name: str, free: dict[str, list[str]]) -> list[str]:
    """The instructions whose results a name stands for."""
    return [source for below in free[name] for source in _sources(below, free)] if name in free else [name]


def _products(line: Line, computations: dict[str, list[Line]]) -> tuple[tuple[int, ...], ...]:
    _, shape, code, rest = line
    if code in PRODUCTS:
        return (sides(map(int, filter(None, _ARRAY.findall(shape)[0][1].split(",")))),)
    inner = [part for called in _CALLED.findall(rest) for part in computations.get(called, [])]
    return tuple(product for part in inner for product in _products(part, computations))


def sides(shape: Iterable[int]) -> tuple[int, ...]:
    """What a shape and all its transposes have in common."""
    return tuple(sorted(length for length in shape if length != 1))


def size(shape: str) -> int:
    """The bytes of a shape as XLA writes it: `f32[2,3]{1,0}`, or a tuple of such."""
    bits = 0
    for dtype, sides in _ARRAY.findall(shape):
        bits += _bits(dtype) * math.prod(map(int, filter(None, sides.split(","))))
    return bits // 8


def _bits(dtype: str) -> int:
    if dtype in WIDTHS:
        return WIDTHS[dtype]
    found = re.match(r"[a-z]+(\d+)", dtype)
    return int(found.group(1)) if found else 0
