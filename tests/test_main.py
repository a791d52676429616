import gzip
import pickle
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
import onnx
import pytest

from hetu_jax.__main__ import main
from hetu_jax.quickstart import find_data

install = import_module("hetu_jax.install")

SCRIPT = """
import sys
import beside
import hetu
print(__name__, sys.argv[1:], hetu.__name__, beside.value)
"""


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What running a script changes in the process is put back."""
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    install.uninstall()
    sys.modules.pop("beside", None)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("value = 7\n")
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    return path


def test_a_script_runs_unmodified(process: None, script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(script), "--help", "-x", "1"]) == 0
    assert capsys.readouterr().out == "__main__ ['--help', '-x', '1'] hetu_jax 7\n"
    assert sys.argv[0] == str(script) and sys.path[0] == str(script.parent)


def test_a_script_in_a_process_of_its_own(script: Path) -> None:
    command = [sys.executable, "-m", "hetu_jax", script.name, "a b"]
    root = Path(__file__).parents[1]
    done = subprocess.run(
        command,
        cwd=script.parent,
        env={"PYTHONPATH": str(root)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, "__main__ ['a b'] hetu_jax 7\n"), done.stderr


def test_what_a_script_raises_passes_through(process: None, tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(SystemExit) as stopped:
        main([str(path)])
    assert stopped.value.code == 3


def test_a_missing_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["quickstrat"]) == 2
    assert "there is no script 'quickstrat'; did you mean quickstart?" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["quickstart", "--help"], ["--version"]])
def test_help_and_version(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 0
    assert "hetu_jax" in capsys.readouterr().out


def test_no_arguments_explain_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "python -m hetu_jax quickstart" in capsys.readouterr().err


def test_shims_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--shims"]) == 0
    assert capsys.readouterr().out == install.shims() + "\n"


def test_quickstart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HETU_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert main(["quickstart", "--epochs", "1", "--output", "results", "--seed", "1"]) == 0
    out = capsys.readouterr().out
    epochs = re.findall(r"^Epoch (\d)\nLoss = (\d+\.\d{6})\tValidation accuracy = (0\.\d{6})$", out, re.M)
    assert len(epochs) == 1 and float(epochs[0][1]) < np.log(10) and float(epochs[0][2]) > 0.5
    assert "the bundled subset of MNIST" in out and "Training on 8,000 images, validating on 1,000." in out
    for name in ("training.png", "hetu_cnn_model.onnx"):
        assert (tmp_path / "results" / name).stat().st_size > 1000
        assert str(tmp_path / "results" / name) in out
    onnx.checker.check_model(str(tmp_path / "results" / "hetu_cnn_model.onnx"), full_check=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "0 is less than 1"),
        (["--batch-size", "x"], "argument --batch-size: 'x' is no whole number"),
        (["--learning-rate", "x"], "argument --learning-rate: 'x' is no number"),
        (["--output", __file__], "is no folder and cannot be made one"),
        (["--output", f"{__file__}/results"], "is no folder and cannot be made one"),
        (["--data", "nowhere.gz"], "there are no IDX files of MNIST at nowhere.gz"),
        (["--batch-size", "1001"], "--batch-size 1001 is more than the 1000 validation images"),
        (["--learning-rate", "nan"], "nan is no positive number"),
    ],
)
def test_quickstart_refuses(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["quickstart", *arguments])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"), [(b"\x80\x02}", "ends too early"), (pickle.dumps(print), "which is not data")]
)
def test_quickstart_refuses_damaged_data(
    content: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mnist.pkl.gz").write_bytes(gzip.compress(content))
    with pytest.raises(SystemExit) as stopped:
        main(["quickstart", "--data", str(tmp_path)])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_quickstart_finds_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, count in (("train", 12), ("t10k", 2)):
        images = np.zeros((count, 28, 28), np.uint8)
        (tmp_path / f"{kind}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 2051, count, 28, 28) + images.tobytes())
        (tmp_path / f"{kind}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, count) + bytes(count))
    monkeypatch.setenv("HETU_DATA", str(tmp_path))
    for path in (tmp_path, None):
        (train, valid, _), words = find_data(path)
        assert (len(train[0]), len(valid[0])) == (10, 2)
        assert words == f"MNIST from {tmp_path.resolve()}"
