"""The documentation: its Python runs and prints what it shows, its commands exist, its pages are in the menu."""

import argparse
import functools
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from hetu_jax import __main__ as command_line
from hetu_jax import quickstart
from hetu_jax.graph import OPS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", *sorted(DOCS.rglob("*.md"))]

# Blocks that are not run or checked: (page, first line) -> why.
LEFT_OUT = {
    ("docs/contributing.md", "@op"): "goes into a module of the library: see test_adding_an_op",
    ("docs/contributing.md", "CASES += ["): "goes into the table of cases: see test_adding_an_op",
    ("docs/contributing.md", "@exporter"): "goes into a module of the library: see test_adding_an_op",
    ("docs/onnx.md", "from hetu_jax.onnx import hetu2onnx, onnx2hetu"): "names the two calls; guide/onnx.md makes them",
}


CONTRIBUTED = {
    "@op": "hetu_jax/ops/elementwise.py",
    "CASES += [": "tests/cases/elementwise.py",
    "@exporter": "hetu_jax/onnx/export_elementwise.py",
}
ENVIRONMENT = {"PYTHONPATH": ".", "PYTHONDONTWRITEBYTECODE": "1"}


class Block(NamedTuple):
    """One fenced block.  line: of its first line in the page.  shows: the text block right behind it, if any."""

    page: str
    line: int
    language: str
    text: str
    shows: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """All that are not left out."""
    return [block for block in fences(page) if (block.page, block.text.split("\n")[0]) not in LEFT_OUT]


def fences(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    name = page.relative_to(ROOT).as_posix()
    found: list[Block] = []
    for match in re.finditer(r"^```([\w-]*)\n(.*?)^```$(?=\n\n```text\n(.*?)^```$)?", text, re.MULTILINE | re.DOTALL):
        line = text[: match.start(2)].count("\n") + 1
        found.append(Block(name, line, match[1], match[2], match[3]))
    return found


def of_language(*languages: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.language in languages]


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    for name, value in {"HETU_JAX_OFFLINE": "1", "XDG_CACHE_HOME": str(tmp_path), "COLUMNS": "120"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("HETU_DATA", raising=False)
    before = dict(OPS)
    yield
    import_module("hetu_jax.install").uninstall()
    for name in set(OPS) - set(before):  # those that a page made
        del OPS[name]


DECIMAL = r"-?\d+\.\d*(?:e-?\d+)?"


def matches(shown: str, printed: str) -> bool:
    """Whether what was printed is what the page shows: decimals nearly, the rest exactly; `...` is anything."""
    shown, printed = " ".join(shown.split()), " ".join(printed.split())
    parts = re.split(rf"(\.\.\.|{DECIMAL}| )", shown)
    special = {"...": ".*", " ": r"\s*"}
    pattern = "".join(
        special.get(part) or (f"({DECIMAL})" if re.fullmatch(DECIMAL, part) else re.escape(part)) for part in parts
    )
    found = re.fullmatch(pattern, printed)
    wanted = [float(part) for part in parts if re.fullmatch(DECIMAL, part)]
    return found is not None and np.allclose([float(number) for number in found.groups()], wanted, rtol=0.1, atol=0.03)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
@pytest.mark.usefixtures("offline")
def test_python(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        if block.language != "python":
            continue
        with warnings.catch_warnings():
            code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
            exec(code, names)
        printed = capsys.readouterr().out
        assert block.shows is None or matches(block.shows, printed), f"{block} prints:\n{printed}"


def test_every_language_is_known() -> None:
    known = {"python", "sh", "text", "toml", "yaml", "json", ""}
    assert not [str(block) for page in PAGES for block in blocks(page) if block.language not in known]


def test_what_is_left_out_is_there() -> None:
    assert set(LEFT_OUT) <= {(block.page, block.text.split("\n")[0]) for page in PAGES for block in fences(page)}


def test_adding_an_op(tmp_path: Path) -> None:
    """Does to a copy what the page says, and runs the tests that it names."""
    for folder in ("hetu_jax", "tests", "docs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for block in fences(DOCS / "contributing.md"):
        path = CONTRIBUTED.get(block.text.split("\n")[0])
        if path is not None:
            with open(tmp_path / path, "a", encoding="utf-8") as file:
                file.write(f"\n\n{block.text}")
    python = functools.partial(
        subprocess.run, cwd=tmp_path, capture_output=True, text=True, env=os.environ | ENVIRONMENT
    )
    for script in ("docs/build_ops.py", "docs/build_onnx.py", "docs/build_stubs.py"):
        done = python([sys.executable, script])
        assert done.returncode == 0, done.stderr
    assert "swish_op(node, beta=1.0)" in (tmp_path / "docs" / "ops.md").read_text(encoding="utf-8")
    tests = ["tests/test_ops.py", "tests/test_onnx_ops.py", "-k", "swish_op or every_op or exporters_stand"]
    done = python([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests])
    assert done.returncode == 0, done.stdout


# --- commands -------------------------------------------------------------------------------------------------------


def commands(block: Block) -> list[list[str]]:
    """The words of each command of a shell block, without assignments in front."""
    text = block.text.replace("\\\n", " ")
    found = []
    for line in text.splitlines():
        for command in re.split(r"&&|\|(?!\|)|;", line):
            words = shlex.split(command, comments=True)
            while words and re.fullmatch(r"\w+=.*", words[0]):
                check_switch(words.pop(0).split("=")[0])
            if words:
                found.append(words)
    return found


def check_switch(name: str) -> None:
    if name.startswith("HETU_"):
        assert f"`{name}`" in (DOCS / "switches.md").read_text(encoding="utf-8"), name


def extras() -> set[str]:
    return set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"])


def parsed(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """What the parser makes of the arguments, which must not be wrong; `--help` is right."""
    try:
        return parser.parse_args(arguments)
    except SystemExit as end:
        assert end.code == 0, arguments
        return argparse.Namespace(target=None)


def hetu_jax_command(arguments: list[str]) -> None:
    options = parsed(command_line._parser(), arguments)
    if options.target == "quickstart":
        parsed(quickstart._parser(), options.arguments)


def pip(arguments: list[str]) -> None:
    assert arguments[0] == "install", arguments
    for word in arguments[1:]:
        wanted = re.fullmatch(r"(?:\.|hetu_jax)\[([\w,]+)\]", word)
        assert wanted is None or set(wanted[1].split(",")) <= extras(), word


def module(arguments: list[str]) -> None:
    """`python -m NAME ...`"""
    name, *rest = arguments
    if name == "hetu_jax":
        hetu_jax_command(rest)
    elif name == "pip":
        pip(rest)
    elif name == "pytest":
        assert all(Path(ROOT, word.split("::")[0]).exists() for word in rest if word.startswith("tests")), rest
    elif name.startswith("benchmarks"):
        path = Path(ROOT, *name.split("."))
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), name
    else:
        assert name in ("venv", "mkdocs", "mypy", "ruff", "jupyterlab"), name


def script(arguments: list[str]) -> None:
    """`python PATH ...`: a script of ours must be there and know its options."""
    if arguments[0] == "-m":
        return module(arguments[1:])
    path = ROOT / arguments[0].replace("<name>", "cnn")
    assert path.exists(), path
    if path.parts[-3] == "examples":
        spec = importlib.util.spec_from_file_location("example", path)
        assert spec is not None and spec.loader is not None
        example = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(example)
        try:
            example.parse(arguments[1:])
        except SystemExit as end:
            assert end.code == 0, arguments


CHECKS = {"python": script, "python3": script, "pip": pip}
WITHOUT_ARGUMENTS_OF_OURS = {"cd", "git", "mkdocs", "export", "ruff", "nvidia-smi", "source"}


@pytest.mark.parametrize("block", of_language("sh"), ids=str)
def test_commands(block: Block) -> None:
    for words in commands(block):
        program = os.path.basename(words[0])
        if program in CHECKS:
            CHECKS[program](words[1:])
        else:
            assert program in WITHOUT_ARGUMENTS_OF_OURS, f"{block}: what is {program}?"


# --- the site -------------------------------------------------------------------------------------------------------


def test_every_page_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"([\w./-]+\.md)\b", menu))
    assert named == {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}


def test_links_lead_somewhere() -> None:
    dead = []
    for page in DOCS.rglob("*.md"):
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if "://" not in link and not (page.parent / link).exists():
                dead.append(f"{page.name}: {link}")
    assert not dead
